"""How kernels are compiled, and where their code is kept.

A kernel that Python calls is an `entry`, whose code is kept; one that only kernels call is `inner`
and is put into the code of every entry that uses it. Without that, the process that compiles calls
the inner kernel's own code, and one that finds the entry in the cache a copy that was optimised
together with it: sums are taken in another order, and results differ in their last digits by who
came first. For the same reason an entry never calls another one.

Numba looks at the file of a kernel to tell whether its compiled code is out of date, not at the
other files whose functions went into it. A folder named by the content of all of them cannot
hold code that is out of date, and lies where the user may write, which the package may not.

Where it cannot be written, as on a full disk, each process compiles for itself: that costs time,
nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import numba
from numba import config
from numba.core import caching

from pyhrf.files import try_writing, why_unwritable

# Sums may be reordered for vector instructions; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}

inner = numba.njit(nogil=True, fastmath=_FAST, forceinline=True)
_compiled = numba.njit(nogil=True, fastmath=_FAST)

# numba makes its settings at import, which a type checker cannot see; older ones lack the second
_SETTINGS = ("CACHE_DIR", "CACHE_LOCATOR_CLASSES")

_log = logging.getLogger(__name__)
_told: set[Path] = set()


# typed in some versions of numba, not in others
_numba: Any = caching


# The first of numba's places, that of CACHE_DIR, whose name is another in older versions.
class _Place(_numba.CompileResultCacheImpl._locator_classes[0]):
    """The folder, whether it can be written or not: numba's next choice is among our sources."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Place:
        """Make the place of a kernel, and nothing on the disk."""
        return cls(py_func, py_file)


class _Kept(_numba.CompileResultCacheImpl):
    """What is kept of a kernel, in that folder."""

    _locator_classes = [_Place]  # noqa: RUF012 - as numba declares it


class _Cache(_numba.FunctionCache):
    """A cache of numba's that does without the disk if it must."""

    _impl_class = _Kept

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code that is kept; None if there is none, or none that can be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # pickle's, of any kind: half a file after a power failure
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code; warn once if that is impossible."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            folder = Path(self.cache_path).parent
            if folder not in _told:
                _told.add(folder)
                _log.warning("%s", _why_not_kept(folder, error))


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls, and keep its code in `cache_folder` if that is possible.

    Parameters
    ----------
    function : callable
        Its module has to be imported inside `cached_kernels`.
    """
    kernel: Any = _compiled(function)
    kernel._cache = _Cache(function)  # as numba does for cache=True
    return kernel


def _why_not_kept(folder: Path, error: OSError) -> str:
    return (
        f"compiled code cannot be kept in {folder}: {why_unwritable(error)}, or set "
        "NUMBA_CACHE_DIR to another folder; meanwhile each process compiles it again, which costs "
        "time only"
    )


def cache_problem(*, told: bool = False) -> str:
    """Try to write something where `cache_folder` is, or will be made.

    Parameters
    ----------
    told : bool
        Whether the caller tells it to the user: no warning follows then.

    Returns
    -------
    str
        Why that is impossible, and what helps; empty if it is possible.
    """
    folder = cache_folder()
    try:
        try_writing(next(path for path in (folder, *folder.parents) if path.exists()))
    except OSError as error:
        if told:
            _told.add(folder)
        return _why_not_kept(folder, error)
    return ""


@contextmanager
def cached_kernels() -> Iterator[None]:
    """Make kernels that are imported inside keep their compiled code in `cache_folder`."""
    before = {name: getattr(config, name, "") for name in _SETTINGS}
    for name, value in zip(_SETTINGS, (str(cache_folder()), ""), strict=True):
        setattr(config, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


def cache_folder() -> Path:
    """Return the folder for the present source of the kernels; numba makes it when needed.

    It lies in ``NUMBA_CACHE_DIR`` if that is set, else in the user's cache, or among the
    temporary files where the user has no writable home. Whether it can be written shows when
    something is kept there, or by `cache_problem`.
    """
    # On a full disk numba may get the index of a kernel written, and not its code: an index that
    # names the code of another version of numba must not be found there.
    content = hashlib.sha256(numba.__version__.encode())
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
    try:
        return _private_folder(Path(tempfile.gettempdir()) / f"pyhrf-{os.getuid()}")
    except OSError:  # no room there either
        return folder


def _private_folder(folder: Path) -> Path:
    """Make a folder that nobody else can put code into; another one if somebody already has."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if status.st_uid != os.getuid() or not S_ISDIR(status.st_mode) or status.st_mode & 0o077:
            return Path(tempfile.mkdtemp(prefix="pyhrf-"))
    return folder
