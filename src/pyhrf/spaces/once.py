"""Files that are read once a run, however often they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

from pyhrf.files import FileState, settled_state

T = TypeVar("T")
_KEPT = 8  # files; a study has one or two meshes, and some runs


def once_per_file(read: Callable[[Path], T]) -> Callable[[Path | str], T]:
    """Keep what a function has read of the last files, as long as these stay what they are.

    Nobody may change what it returns.
    """

    @lru_cache(_KEPT)
    def known(path: Path, _state: FileState) -> T:
        return read(path)

    @wraps(read)
    def read_once(path: Path | str) -> T:
        path = Path(path)
        state = settled_state(path)
        return read(path) if state is None else known(path, state)

    return read_once
