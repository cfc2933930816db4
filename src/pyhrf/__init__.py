"""Haemodynamic responses and activation maps from task fMRI, by joint detection-estimation.

From Python, an analysis is three lines::

    import pyhrf

    study = pyhrf.load_study("detectestim.xml")
    results = pyhrf.analyse(study, engine="local")

and one parcel, given as arrays, is the work of `JDEVEM`, `JDEMCMC`, `RFIR` or `GLM`. Nothing heavy
is imported, and no file is touched, before one of these names is used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as that of typing, whose import takes most of the time until Ctrl-C is ours
if TYPE_CHECKING:
    from typing import Any

    from pyhrf.analysis import analyse, load_study
    from pyhrf.errors import ConfigError, EngineError, InputError, PyhrfError
    from pyhrf.estimators import JDEMCMC, JDEVEM
    from pyhrf.interface.estimators import GLM, JDE, RFIR
    from pyhrf.interface.studies import jde_from_bids, model_of_study
    from pyhrf.results import Results

__all__ = [
    "GLM",
    "JDE",
    "JDEMCMC",
    "JDEVEM",
    "RFIR",
    "ConfigError",
    "EngineError",
    "InputError",
    "PyhrfError",
    "Results",
    "__version__",
    "analyse",
    "jde_from_bids",
    "load_study",
    "model_of_study",
]

__version__ = "1.0.0.dev0"

_HOMES = {
    "GLM": "pyhrf.interface.estimators",
    "JDE": "pyhrf.interface.estimators",
    "JDEMCMC": "pyhrf.estimators",
    "JDEVEM": "pyhrf.estimators",
    "RFIR": "pyhrf.interface.estimators",
    "ConfigError": "pyhrf.errors",
    "EngineError": "pyhrf.errors",
    "InputError": "pyhrf.errors",
    "PyhrfError": "pyhrf.errors",
    "Results": "pyhrf.results",
    "analyse": "pyhrf.analysis",
    "jde_from_bids": "pyhrf.interface.studies",
    "load_study": "pyhrf.analysis",
    "model_of_study": "pyhrf.interface.studies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pyhrf' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    hidden = (name for name in globals() if name.startswith("__"))
    return sorted({*hidden, *__all__})
