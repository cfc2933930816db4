"""A job on the cluster: ``python -m pyhrf.execution.soma.job DIR NUMBER`` or ``… DIR pack``.

``DIR`` is the folder of the run on the cluster:

=============================  ==================================================================
``run.json``                   study, how often to save, and whereto the results are pushed
``estimator.json``             recipe of the estimator, or names and recipes of several studies
``job-NUMBER.npz``             parcels of a job
``result-NUMBER-….npz``        estimates that a job has finished; there in full or not at all
``at-NUMBER``                  the parcel that a job is at, to know which one it died of
``results.tar``                all results, made by ``pack``
=============================  ==================================================================

A job that the scheduler starts again continues where it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import ClassVar

from pyhrf.data import Parcel, ParcelId
from pyhrf.execution.blas import single_blas_thread
from pyhrf.execution.compiling import compile_in_turn
from pyhrf.execution.engine import Batch, BatchResult, work_batch
from pyhrf.execution.packing import unpack_estimates, unpack_parcels
from pyhrf.execution.result_files import collected_log, file_of_batch, pack_result, parcels_of
from pyhrf.execution.studies import Studies
from pyhrf.files import replacing, write_whole

ESTIMATOR = "estimator.json"
RESULTS = "results.tar"
_PUSH_SECONDS = 3600
_CONNECT_SECONDS = 20
_MARK = "pyhrf-arrived"


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What all jobs of a run share.

    Attributes
    ----------
    study : str
        Digest of what the results depend on.
    save_seconds : float
        Work after which a job saves what it has.
    push_host, push_path : str or None
        Where ``pack`` copies the results to: login and host, and file.
    """

    study: str
    save_seconds: float
    push_host: str | None = None
    push_path: str | None = None

    FILE: ClassVar[str] = "run.json"

    def to_json(self) -> bytes:
        """Write them down, for the file `FILE`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> JobSettings:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def name_of_input(number: int) -> str:
    """Name the file with the parcels of a job."""
    return f"job-{number}.npz"


def name_of_mark(number: int) -> str:
    """Name the file that says which parcel a job is at."""
    return f"at-{number}"


def run_job(folder: Path, number: int) -> None:
    """Estimate the parcels of a job that have no result yet, one after the other.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read or written.
    """
    settings = JobSettings.from_json((folder / JobSettings.FILE).read_bytes())
    parcels = unpack_parcels((folder / name_of_input(number)).read_bytes())
    prefix = f"result-{number}"
    done = _finished(folder, prefix)
    left = {each: parcel for each, parcel in parcels.items() if each not in done}
    if not left:
        return
    with (
        single_blas_thread(),
        FileIO(folder / name_of_mark(number), "w") as mark,
        collected_log() as logged,
    ):
        studies = Studies.from_json((folder / ESTIMATOR).read_bytes())
        compile_in_turn(studies.estimator(0), folder / "compile.lock")
        for result in _pieces(left, studies, settings.save_seconds, mark):
            packed = pack_result(result, settings.study, logged.about())
            logged.clear()
            name = file_of_batch(result.batch.parcels, prefix=prefix)
            write_whole(folder / name, packed, durable=True)  # a job may run twice at a time


def _pieces(
    parcels: Mapping[ParcelId, Parcel], studies: Studies, save_seconds: float, mark: FileIO
) -> Iterator[BatchResult]:
    """Estimate parcels; yield what is finished now and then."""

    def load(batch: Sequence[ParcelId]) -> list[Parcel]:
        return [parcels[parcel] for parcel in batch]

    done: list[BatchResult] = []
    seconds = 0.0
    for parcel in parcels:
        os.pwrite(mark.fileno(), str(parcel).ljust(20).encode(), 0)
        done.append(work_batch(Batch(0, (parcel,), 0.0), load, studies))
        seconds += done[-1].seconds
        if seconds >= save_seconds:
            yield _joined(done)
            done, seconds = [], 0.0
    if done:
        yield _joined(done)


def _joined(results: Sequence[BatchResult]) -> BatchResult:
    """Make one result of several of this machine."""
    parcels = tuple(parcel for each in results for parcel in each.batch.parcels)
    estimates = [estimate for each in results for estimate in each.estimates]
    seconds = sum(each.seconds for each in results)
    return BatchResult(Batch(0, parcels, 0.0), estimates, results[0].host, seconds)


def _finished(folder: Path, prefix: str) -> set[ParcelId]:
    """Find the parcels of a job that an earlier start of it finished."""
    done: set[ParcelId] = set()
    for path in folder.glob(f"{prefix}-*.npz"):
        with contextlib.suppress(ValueError):
            done.update(parcels_of(*unpack_estimates(path.read_bytes())))
    return done


def pack_results(folder: Path) -> None:
    """Put all results into one file, and copy it to the client if it is to be.

    Raises
    ------
    OSError
        If a file cannot be read or written.
    SystemExit
        With the end of the error messages of ``ssh``, if the copy failed.
    """
    settings = JobSettings.from_json((folder / JobSettings.FILE).read_bytes())
    with replacing(folder / RESULTS) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for path in sorted(folder.glob("result-*.npz")):
            archive.add(path, arcname=path.name)
    if settings.push_host and settings.push_path:
        _push(folder / RESULTS, settings.push_host, settings.push_path)


def _push(path: Path, host: str, target: str) -> None:
    """Copy a file to another machine, where it appears in full or not at all."""
    name, part = shlex.quote(target), shlex.quote(f"{target}.tmp")
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_SECONDS}"]
    # Start-up files there may read the beginning, or keep the command from being run at all.
    there = f"umask 077; cat > {part} && echo {_MARK} && wc -c < {part} && mv {part} {name}"
    command = ["ssh", *options, host, there]
    with path.open("rb") as file:
        done = subprocess.run(
            command, stdin=file, capture_output=True, timeout=_PUSH_SECONDS, check=False
        )
    if done.returncode:
        sys.exit(f"{path} cannot be copied to {host}: {done.stderr.decode(errors='replace')}")
    size = done.stdout.partition(f"{_MARK}\n".encode())[2].strip()
    if size != str(path.stat().st_size).encode():
        sys.exit(
            f"{path} did not get to {host} in full: check that start-up files there, such as "
            "~/.bashrc, neither read, nor end the shell, nor start another one"
        )


def main(arguments: Sequence[str]) -> None:
    """Do one job, or pack the results."""
    folder, what = Path(arguments[0]), arguments[1]
    if what == "pack":
        pack_results(folder)
    else:
        run_job(folder, int(what))


if __name__ == "__main__":
    main(sys.argv[1:])
