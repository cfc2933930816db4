"""What a machine says of itself before it is given work.

Uses the standard library alone: a host runs the text of this file, whatever is installed there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

PACKAGES = ("pyhrf", "numpy", "scipy", "numba", "nilearn", "distributed", "dask", "cloudpickle")
"""Packages whose versions decide over the results, or over whether two machines can talk."""
_SOURCE = "source of pyhrf"


def host_facts() -> dict[str, Any]:
    """Collect versions, cores, free memory and niceness of this process's machine.

    Returns
    -------
    dict
        ``versions`` (of Python, of each of `PACKAGES` or None, and of the text of PyHRF itself),
        ``name``, ``n_cores``, ``free_memory`` (bytes, or None) and ``niceness``.
    """
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
            _SOURCE: source_digest(),
        },
        "name": platform.node(),
        "n_cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "free_memory": _free_memory(),
        "niceness": os.nice(0),
    }


def differences(
    here: Mapping[str, str | None], there: Mapping[str, str | None], *, but: Collection[str] = ()
) -> list[str]:
    """Name the versions that differ between two machines, as ``numpy 1.26 (here 2.1)``."""
    names = [name for name in here if name not in but and there.get(name) != here[name]]
    if len(names) > 1 and _SOURCE in names:  # another version has another text: nothing new
        names.remove(_SOURCE)
    return [
        f"{name} {there.get(name) or 'missing'} (here {here[name] or 'missing'})" for name in names
    ]


def source_digest() -> str | None:
    """Make a short name of the text of all modules of PyHRF; None if it is not installed.

    Two checkouts of one version may differ: their results would too, without a word.
    """
    spec = importlib.util.find_spec("pyhrf")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _free_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


if __name__ == "__main__":
    print(json.dumps({"pyhrf_host": host_facts()}), flush=True)
