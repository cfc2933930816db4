"""``run.json``: what was run, on what, with which versions and where."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pyhrf.files import replace_file

_PACKAGES = ("pyhrf", "numpy", "scipy", "numba", "nibabel", "nilearn", "threadpoolctl")


def collect_provenance(
    *,
    command: Sequence[str],
    started: datetime,
    study: Mapping[str, Any],
    checksums: Mapping[str, str],
    engine: Mapping[str, Any],
    batches: Sequence[Mapping[str, Any]],
    parcels: Mapping[str, Any],
    notes: Sequence[str],
    numerics_version: int,
    runs: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """Gather what ``run.json`` holds; all of it can be written as JSON.

    Parameters
    ----------
    command : sequence of str
        The command line, or how the API was called.
    started : datetime
        When this run began, with its time zone.
    study : mapping
        Every parameter.
    checksums : mapping of str to str
        SHA-256 of each input file.
    engine : mapping
        Its name and what it was told.
    batches : sequence of mappings
        Host and seconds of every batch, of this run and of those that it resumed.
    parcels : mapping
        How many there are of each status.
    notes : sequence of str
        What the user was told of the input.
    numerics_version : int
        Of the numerical code.
    runs : sequence of mappings
        Of each run ``tr`` (seconds), ``n_scans``, ``n_censored`` and, among these,
        ``n_not_steady`` (marked by fMRIPrep), and ``n_spm_confounds``, as they were used.

    Returns
    -------
    dict
    """
    finished = datetime.now(UTC)
    return {
        "program": "PyHRF",
        "command": list(command),
        "started": started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - started).total_seconds(), 3),
        "versions": _versions(),
        "numerics_version": numerics_version,
        "machine": {
            "host": platform.node(),
            "system": platform.platform(),
            "processor": platform.machine(),
        },
        "study": dict(study),
        "inputs": dict(checksums),
        "runs": [dict(run) for run in runs],
        "notes": list(notes),
        "engine": dict(engine),
        "parcels": dict(parcels),
        "batches": [dict(batch) for batch in batches],
    }


def write_provenance(directory: Path, provenance: Mapping[str, Any]) -> Path:
    """Write ``run.json``.

    Parameters
    ----------
    directory : Path
        The output directory.
    provenance : mapping
        As `collect_provenance` returns it.

    Returns
    -------
    Path
        Of the file.
    """
    path = directory / "run.json"
    text = json.dumps(provenance, indent=2, ensure_ascii=False, allow_nan=False, default=str)
    with replace_file(path) as file:
        file.write((text + "\n").encode())
    return path


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
