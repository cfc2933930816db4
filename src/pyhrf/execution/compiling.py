"""How the workers of a machine come to compiled code without each doing the work."""

from __future__ import annotations

import fcntl
from contextlib import ExitStack, suppress
from pathlib import Path

from pyhrf.data import Estimator
from pyhrf.execution.ssh.host_folder import cache_problem


def compile_in_turn(estimator: Estimator, lock: Path) -> None:
    """Compile before the first parcel, whose time is not to count it.

    One worker of a machine does it, and the others find it done: all at once they would do the
    same work, each for as long as all of them together. Where compiled code cannot be kept nobody
    would find it, and nobody waits.
    """
    if type(estimator).compile is Estimator.compile:  # which does nothing
        return
    with ExitStack() as stack:
        if not cache_problem():
            with suppress(OSError):  # a full disk, or a file system without locks
                fcntl.flock(stack.enter_context(lock.open("a")), fcntl.LOCK_EX)
        estimator.compile()
