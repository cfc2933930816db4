"""Artificial data as files: NIfTI, paradigm and truth, the same bytes every time."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray, Run
from pyhrf.errors import InputError

if TYPE_CHECKING:
    from pyhrf.simulation.simulate import Simulated


@dataclass(frozen=True, slots=True)
class DatasetPaths:
    """Files of an artificial data set.

    Attributes
    ----------
    bold : tuple of Path, one per run
        4D NIfTI.
    paradigm : tuple of Path, one per run
        BIDS events TSV.
    paradigm_csv : Path
        The same events of all runs; sessions are numbered from 0.
    parcellation : Path
        3D NIfTI.
    truth : Path
        npz of what was put in: ``hrf_time``, ``hrf`` (n_parcels, n_samples), ``time_to_peak``,
        ``conditions``, ``levels`` and ``labels`` (n_conditions, n_positions), ``positions`` (flat
        C-order voxel indices), ``parcel_of``, ``noise_sd``, ``ar1``, ``baseline``,
        ``drift_basis`` (n_scans, n_drifts), ``drift_coefficients`` (n_drifts, n_positions).
    spec : Path
        The description, JSON.
    """

    bold: tuple[Path, ...]
    paradigm: tuple[Path, ...]
    paradigm_csv: Path
    parcellation: Path
    truth: Path
    spec: Path

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file of the data set."""
        rest = (self.paradigm_csv, self.parcellation, self.truth, self.spec)
        return self.bold + self.paradigm + rest


def dataset_paths(directory: Path | str, *, n_runs: int = 1) -> DatasetPaths:
    """Name the files that `write_dataset` makes in a directory; with several runs, a set of each.

    Parameters
    ----------
    directory : Path or str
    n_runs : int
        Number of runs.
    """
    directory = Path(directory)
    runs = [""] if n_runs == 1 else [f"_run-{run + 1}" for run in range(n_runs)]
    return DatasetPaths(
        bold=tuple(directory / f"bold{run}.nii.gz" for run in runs),
        paradigm=tuple(directory / f"paradigm{run}.tsv" for run in runs),
        paradigm_csv=directory / "paradigm.csv",
        parcellation=directory / "parcellation.nii.gz",
        truth=directory / "truth.npz",
        spec=directory / "simulation.json",
    )


def write_dataset(simulated: Simulated, directory: Path | str) -> DatasetPaths:
    """Write artificial data into a directory of their own, all files or none.

    Parameters
    ----------
    simulated : Simulated
        From `pyhrf.simulation.simulate.simulate`.
    directory : Path or str
        Made if it is not there; must be empty otherwise.

    Returns
    -------
    DatasetPaths

    Raises
    ------
    InputError
        The directory holds something already, or cannot be written.
    """
    directory = Path(directory)
    with made_whole(directory) as folder:
        paths = dataset_paths(folder, n_runs=simulated.spec.n_runs)
        for run, path in enumerate(paths.bold):
            _write_bold(simulated, run, path)
        _write_parcellation(simulated, paths.parcellation)
        for run_events, path in zip(simulated.experiment.runs, paths.paradigm, strict=True):
            path.write_text(events_tsv(run_events), encoding="utf-8")
        paths.paradigm_csv.write_text(_events_csv(simulated.experiment.runs), encoding="utf-8")
        write_truth(simulated, paths.truth)
        paths.spec.write_text(simulated.spec.to_json(), encoding="utf-8")
    return dataset_paths(directory, n_runs=simulated.spec.n_runs)


@contextmanager
def made_whole(directory: Path) -> Iterator[Path]:
    """Folder beside ``directory`` that takes its place when everything is in it."""
    if directory.is_file() or (directory.is_dir() and any(directory.iterdir())):
        raise InputError(
            f"{directory} exists already and is not overwritten; name another directory."
        )
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
        try:
            folder = beside / "data"
            folder.mkdir()
            yield folder
            folder.rename(directory)
        finally:
            shutil.rmtree(beside)
    except OSError as error:
        raise InputError(
            f"{directory} cannot be written: {error.strerror}; name another directory."
        ) from error


def _write_bold(simulated: Simulated, run: int, path: Path) -> None:
    """Write one run scan by scan: the 4D volume never exists in memory."""
    spec = simulated.spec
    shape = (*simulated.parcellation.shape, spec.n_scans)
    volumes = run_volumes(simulated, run)
    write_nifti(path, shape, spec.dtype, simulated.affine, volumes, tr=spec.tr)


def run_volumes(simulated: Simulated, run: int) -> Iterator[NDArray[Any]]:
    """Give the scans of a run on the grid one by one, 0 outside the parcels."""
    spec, positions = simulated.spec, simulated.positions
    for scan in simulated.bold[run * spec.n_scans : (run + 1) * spec.n_scans]:
        volume = np.zeros(simulated.parcellation.shape, dtype=spec.dtype)
        volume.ravel()[positions] = scan
        yield volume


def _write_parcellation(simulated: Simulated, path: Path) -> None:
    labels = simulated.parcellation
    write_nifti(path, labels.shape, "int32", simulated.affine, [labels])


def write_nifti(
    path: Path,
    shape: tuple[int, ...],
    dtype: str,
    affine: FloatArray,
    volumes: Iterable[NDArray[Any]],
    *,
    tr: float | None = None,
) -> None:
    """Write a NIfTI file whose bytes depend on nothing but its content (no name, no time)."""
    import nibabel

    header_class: Any = nibabel.Nifti1Header  # without types
    header = header_class()
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(shape)
    header.set_sform(affine, code="aligned")
    header.set_qform(affine, code="aligned")
    header.set_xyzt_units("mm", "sec")
    if tr is not None:
        header.set_zooms((*header.get_zooms()[:3], tr))
    header.set_slope_inter(1.0, 0.0)
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=1, mtime=0) as stream,
    ):
        header.write_to(stream)
        for volume in volumes:
            stream.write(volume.astype(np.dtype(dtype).newbyteorder("<")).tobytes(order="F"))


def _rows(run: Run) -> list[tuple[float, float, str, float]]:
    """Onset, duration, condition and amplitude of the events of a run, in order of time."""
    return sorted(
        (float(onset), float(duration), condition, float(amplitude))
        for condition, events in run.events.items()
        for onset, duration, amplitude in zip(
            events.onsets, events.durations, events.amplitudes, strict=True
        )
    )


def events_tsv(run: Run) -> str:
    """Text of a BIDS events file."""
    lines = [f"{onset!r}\t{duration!r}\t{name}" for onset, duration, name, _ in _rows(run)]
    return "\n".join(["onset\tduration\ttrial_type", *lines]) + "\n"


def _events_csv(runs: tuple[Run, ...]) -> str:
    lines = [
        f'{session} "{name}" {onset!r} {duration!r} {amplitude!r}\n'
        for session, run in enumerate(runs)
        for onset, duration, name, amplitude in _rows(run)
    ]
    return "".join(lines)


def write_truth(simulated: Simulated, path: Path) -> None:
    """Write what an analysis should find; see `DatasetPaths`."""
    np.savez(path, allow_pickle=False, **_truth(simulated))


def _truth(simulated: Simulated) -> dict[str, NDArray[Any]]:
    # Not at the top: it imports scipy, which who only looks for the files need not wait for.
    from pyhrf.simulation.simulate import HRF_TIME

    return {
        "hrf_time": HRF_TIME,
        "hrf": simulated.hrf,
        "time_to_peak": simulated.time_to_peak,
        "conditions": np.array(simulated.experiment.conditions),
        "levels": simulated.levels.astype(np.float32),
        "labels": simulated.labels,
        "positions": simulated.positions,
        "parcel_of": simulated.parcel_of,
        "noise_sd": simulated.noise_sd,
        "ar1": simulated.ar1,
        "baseline": simulated.baseline,
        "drift_basis": simulated.drift_basis,
        "drift_coefficients": simulated.drift_coefficients.astype(np.float32),
    }
