"""Ctrl-C while a program is still being loaded: a sentence and its exit code, no traceback."""

from __future__ import annotations

import os
import signal
import sys
from types import TracebackType

_INTERRUPTED = 130


class LoadingQuietly:
    """Leave the program at once on Ctrl-C while modules are imported.

    An import that is broken off in the middle can raise anything. Nothing has been begun.
    """

    def __enter__(self) -> None:
        self._ours = False
        # A program in the background may have been told to take no notice of Ctrl-C.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, _leave)
                self._ours = True
            except ValueError:  # not in the main thread, which alone gets it
                pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(_number: int, _frame: object) -> None:
    name = os.path.basename(sys.argv[0])  # noqa: PTH119 - pathlib takes time to load
    text = f"{name}: interrupted: run the same command again to continue\n"
    try:
        os.write(2, text.encode(errors="replace"))
    finally:
        os._exit(_INTERRUPTED)
