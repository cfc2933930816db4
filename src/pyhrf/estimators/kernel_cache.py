"""How kernels are compiled, and where their code is kept.

A kernel that Python calls is an `entry`, whose code is kept; one that only kernels call is `inner`
and is put into the code of every entry that uses it. Without that, the process that compiles calls
the inner kernel's own code, and one that finds the entry in the cache a copy that was optimised
together with it: sums are taken in another order, and results differ in their last digits by who
came first. For the same reason an entry never calls another one.

Numba looks at the file of a kernel to tell whether its compiled code is out of date, not at the
other files whose functions went into it. A folder named by the content of all of them cannot
hold code that is out of date, and lies where the user may write, which the package may not.
Where it cannot be written, as on a full disk, kernels are compiled in each process: that costs time
only.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import numba
from numba import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator

__all__ = ["cache_folder", "cache_problem", "cached_kernels", "entry", "inner"]

_log = logging.getLogger(__name__)
_PROBE_BYTES = 1 << 20  # about the code of all kernels of an estimator

# Sums may be reordered for vector instructions; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}

_compiled = numba.njit(nogil=True, fastmath=_FAST)
inner = numba.njit(nogil=True, fastmath=_FAST, forceinline=True)

# numba makes its settings at import, which a type checker cannot see
_SETTING = "CACHE_DIR"


class _OurFolderOnly(CompileResultCacheImpl):
    """Never beside the kernels, as numba would where our folder cannot be written."""

    _locator_classes = (UserProvidedCacheLocator,)


class _Cache(FunctionCache):
    """A cache of numba that does without the disk if it must."""

    _impl_class = _OurFolderOnly

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code that is kept, or None."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]  # numba's
        except OSError as error:
            self._do_without(error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code if that is possible."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]  # numba's
        except OSError as error:
            self._do_without(error)

    def _do_without(self, error: OSError) -> None:
        self.disable()  # type: ignore[no-untyped-call]  # numba's
        _log.debug("compiled code is not kept in %s: %s", self.cache_path, error)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls, and keep its code where that is possible."""
    kernel: Any = _compiled(function)
    try:
        kernel._cache = _Cache(function)
    except RuntimeError as error:  # no folder that can be written
        _log.debug("compiled code is not kept: %s", error)
    return kernel


def cache_problem() -> str:
    """Say why compiled code cannot be kept, and what helps; empty if it can be.

    Returns
    -------
    str
        A sentence for the user.
    """
    folder: Path | None = None
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            if file.write(bytes(_PROBE_BYTES)) == _PROBE_BYTES:
                return ""
        reason = "no space for more"
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        reason = getattr(error, "strerror", None) or str(error)
    return (
        f"compiled code cannot be kept in {folder or 'the cache of this user'} ({reason}): each "
        "process compiles it anew, which costs time only; make room there, or set NUMBA_CACHE_DIR "
        "to a folder that can be written"
    )


@contextmanager
def cached_kernels() -> Iterator[None]:
    """Make kernels that are imported inside keep their compiled code in `cache_folder`."""
    before = getattr(config, _SETTING)
    try:
        folder = str(cache_folder())
    except (OSError, RuntimeError):  # no home, nor a place for temporary files
        folder = ""
    setattr(config, _SETTING, folder)
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
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache) / "pyhrf"
    for ancestor in (folder, *folder.parents):
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
