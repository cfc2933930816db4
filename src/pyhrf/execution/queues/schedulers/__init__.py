"""The batch schedulers, each in one file: whoever writes another puts it here, and that is all."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from pyhrf.execution.queues.schedulers.base import Scheduler

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

SCHEDULERS: dict[str, Scheduler] = {kind.name: kind() for kind in Scheduler.__subclasses__()}
"""By the name of the engine."""


def known_to_soma(soma_name: str) -> Scheduler | None:
    """Find a scheduler by what soma-workflow calls it; None if we do not know it."""
    known = {one.soma_name: one for one in SCHEDULERS.values() if one.soma_name}
    return known.get(soma_name)
