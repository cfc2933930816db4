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
    from pyhrf.estimators import JDEMCMC, JDEVEM, RFIR
    from pyhrf.estimators.glm import GLM
    from pyhrf.results import Results

__all__ = [
    "GLM",
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
    "load_study",
]

__version__ = "1.0.0.dev0"

_HOMES = {
    "GLM": "pyhrf.estimators.glm",
    "JDEMCMC": "pyhrf.estimators",
    "JDEVEM": "pyhrf.estimators",
    "RFIR": "pyhrf.estimators",
    "ConfigError": "pyhrf.errors",
    "EngineError": "pyhrf.errors",
    "InputError": "pyhrf.errors",
    "PyhrfError": "pyhrf.errors",
    "Results": "pyhrf.results",
    "analyse": "pyhrf.analysis",
    "load_study": "pyhrf.analysis",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pyhrf' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
