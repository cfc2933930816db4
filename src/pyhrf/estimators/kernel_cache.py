"""How kernels are compiled, and where their code is kept.

A kernel that Python calls is an `entry`, whose code is kept; one that only kernels call is `inner`
and is put into the code of every entry that uses it. Without that, the process that compiles calls
the inner kernel's own code, and one that finds the entry in the cache a copy that was optimised
together with it: sums are taken in another order, and results differ in their last digits by who
came first. For the same reason an entry never calls another one.

Numba looks at the file of a kernel to tell whether its compiled code is out of date, not at the
other files whose functions went into it. A folder named by the content of all of them cannot
hold code that is out of date, and lies where the user may write, which the package may not.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR

import numba
from numba import config

__all__ = ["cache_folder", "cached_kernels", "entry", "inner"]

# Sums may be reordered for vector instructions; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}

entry = numba.njit(nogil=True, fastmath=_FAST, cache=True)
inner = numba.njit(nogil=True, fastmath=_FAST, forceinline=True)

# numba makes its settings at import, which a type checker cannot see
_SETTING = "CACHE_DIR"


@contextmanager
def cached_kernels() -> Iterator[None]:
    """Make kernels that are imported inside keep their compiled code in `cache_folder`."""
    before = getattr(config, _SETTING)
    setattr(config, _SETTING, str(cache_folder()))
    try:
        yield
    finally:
        setattr(config, _SETTING, before)


def cache_folder() -> Path:
    """Return the folder for the present source of the kernels; numba makes it when needed.

    It lies in ``NUMBA_CACHE_DIR`` if that is set, else in the user's cache, or among the
    temporary files where the user has no writable home.
    """
    content = hashlib.sha256()
    here = Path(__file__)
    kernels = [*here.parent.glob("*_state.py"), *here.parent.glob("*_kernels.py")]
    for path in [here, *sorted(kernels)]:
        content.update(path.read_bytes())
    return _base() / f"kernels-{content.hexdigest()[:16]}"


def _base() -> Path:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(chosen) / "pyhrf"
    # Path.home raises where nobody has given this user a home, as in a container.
    home = os.path.expanduser("~")  # noqa: PTH111 - see above
    cache = os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
    folder = Path(cache) / "pyhrf"
    for ancestor in (folder, *folder.parents) if folder.is_absolute() else ():
        if ancestor.exists():
            if ancestor.is_dir() and os.access(ancestor, os.W_OK | os.X_OK):
                return folder
            break
    return _private_folder(Path(tempfile.gettempdir()) / f"pyhrf-{os.getuid()}")


def _private_folder(folder: Path) -> Path:
    """Make a folder that nobody else can put code into; another one if somebody already has."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if status.st_uid != os.getuid() or not S_ISDIR(status.st_mode) or status.st_mode & 0o077:
            return Path(tempfile.mkdtemp(prefix="pyhrf-"))
    return folder
