"""The readers that `validation.fuzz` tries, each with small whole files to begin from."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pyhrf.config.contrasts import read_contrasts
from pyhrf.config.settings import load_settings
from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study, write_study
from pyhrf.data import Experiment, ParcelEstimate, Run
from pyhrf.execution.engine import Batch, BatchResult
from pyhrf.execution.journal import Journal
from pyhrf.execution.run_state import RunState
from pyhrf.execution.watch import WatchAll
from pyhrf.inputs.beside import times_beside
from pyhrf.inputs.bids_names import read_json
from pyhrf.inputs.confounds import NuisanceFiles, read_nuisance
from pyhrf.inputs.paradigm import read_paradigm
from pyhrf.inputs.spm_file import answer, from_json
from pyhrf.model.trials import Trial
from pyhrf.results import Results, write_results
from pyhrf.results.comparison import compare_results
from pyhrf.results.fit_tables import Design
from pyhrf.spaces.gifti import read_head
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.grid import Grid
from pyhrf.spaces.parcellations import open_placed, parcel_names
from pyhrf.spaces.surfaces import open_mesh, open_nodes
from pyhrf.spaces.volumes import open_volume
from pyhrf.spaces.voxels import read_voxels

__all__ = ["READERS", "Reader", "estimate", "write_two_results"]

make: Any = nib  # whose classes have no types


def _same(content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Reader:
    """What reads files.

    Attributes
    ----------
    files : list of Path
        Whole ones; one of them is damaged at a time.
    read : callable
        Reads all of them, given the damaged one.
    plain, packed : callable
        What is done to a file before it is damaged, and after, as unpacking.
    may_crash : bool
        Whether the reader itself runs in a process of its own, which may end in any way.
    """

    files: list[Path]
    read: Callable[[Path], object]
    plain: Callable[[bytes], bytes] = _same
    packed: Callable[[bytes], bytes] = _same
    may_crash: bool = False


def _volume(folder: Path, ending: str = ".nii") -> Path:
    values = np.random.default_rng(1).normal(size=(4, 3, 2, 6)).astype(np.float32)
    image = make.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    image.header.set_zooms((3, 3, 3, 2))
    make.save(image, folder / f"bold{ending}")
    return folder / f"bold{ending}"


def _read_volume(path: Path) -> object:
    volume = open_volume(path, n_dims=4)
    return read_voxels(volume, np.arange(min(5, int(np.prod(volume.grid)))))


def _nifti(folder: Path) -> Reader:
    return Reader([_volume(folder)], _read_volume)


def _nifti_gz(folder: Path) -> Reader:
    return Reader([_volume(folder, ".nii.gz")], _read_volume)


def _nifti_packed(folder: Path) -> Reader:
    def packed(content: bytes) -> bytes:
        return gzip.compress(content, 1)

    return Reader([_volume(folder, ".nii.gz")], _read_volume, gzip.decompress, packed)


def _labels(folder: Path) -> Reader:
    image = make.Nifti1Image(np.arange(24, dtype=np.int16).reshape(4, 3, 2), np.eye(4))
    make.save(image, folder / "parcels.nii")
    return Reader([folder / "parcels.nii"], lambda path: open_placed(path).labels())


def _array(values: np.ndarray, intent: str) -> Any:
    return make.gifti.GiftiDataArray(values, intent=intent)


def _mesh(folder: Path, n_nodes: int = 7) -> Path:
    points = np.random.default_rng(2).normal(size=(n_nodes, 3)).astype(np.float32)
    corners = np.array([(0, k, k + 1) for k in range(1, n_nodes - 1)], np.int32)
    meta = make.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft"})
    arrays = [_array(points, "pointset"), _array(corners, "triangle")]
    (folder / "mesh.surf.gii").write_bytes(make.GiftiImage(darrays=arrays, meta=meta).to_bytes())
    return folder / "mesh.surf.gii"


def _gifti(folder: Path) -> Reader:
    mesh, series = _mesh(folder), folder / "bold.func.gii"
    values = np.random.default_rng(3).normal(size=(4, 7)).astype(np.float32)
    image = make.GiftiImage(darrays=[_array(one, "time series") for one in values])
    series.write_bytes(image.to_bytes())

    def read(path: Path) -> object:
        read_head(path)
        return open_nodes(series, open_mesh(mesh))

    return Reader([mesh, series], read)


def _cifti(folder: Path) -> Reader:
    cifti, mesh = make.cifti2, _mesh(folder)
    cortex = cifti.BrainModelAxis.from_surface([0, 2, 3], 7, "CORTEX_LEFT")
    inside = np.zeros((3, 3, 3), bool)
    inside[1, :2, 1] = True
    voxels = cifti.BrainModelAxis.from_mask(inside, "THALAMUS_LEFT", np.eye(4))
    axes = (cifti.SeriesAxis(0, 2, 4), cortex + voxels)
    path = folder / "bold.dtseries.nii"
    make.save(make.Cifti2Image(np.ones((4, 5), np.float32), axes), path)
    return Reader([path], lambda damaged: Grayordinates.open_series([damaged], [mesh]))


def _spm(folder: Path) -> Reader:
    from scipy.io import savemat

    def several(*values: object) -> np.ndarray:
        array = np.empty((1, len(values)), dtype=object)
        array[0] = values
        return array

    condition = {"name": several("audio"), "ons": np.array([[1.0], [5.0]]), "dur": 1.0}
    session = {"U": condition, "C": {"C": np.ones((9, 2)), "name": several("a", "b")}}
    bins = {"UNITS": "secs", "T": 16, "T0": 1}
    spm = {"xY": {"RT": 2.0}, "nscan": 9.0, "xBF": bins, "Sess": session}
    paths = [folder / "SPM.mat", folder / "packed.mat"]
    for path in paths:
        savemat(path, {"SPM": spm}, do_compression=path.name == "packed.mat")
    return Reader(paths, lambda path: from_json(answer(path)), may_crash=True)


def _text(name: str, text: str, read: Callable[[Path], object]) -> Callable[[Path], Reader]:
    def prepared(folder: Path) -> Reader:
        (folder / name).write_text(text, "utf-8")
        return Reader([folder / name], read)

    return prepared


_CSV = "".join(f'{k // 6} "go {"left" if k % 2 else "right"}" {k * 3.5} 1 0.5\n' for k in range(12))
_EVENTS = "onset\tduration\ttrial_type\tamplitude\n" + "".join(
    f"{k * 3.5}\t1\t{'a' if k % 2 else 'b'}\t{'n/a' if k == 3 else k}\n" for k in range(9)
)
_MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
_CONFOUNDS = "\t".join(["framewise_displacement", *_MOTION, "motion_outlier00"]) + "\n"
_CONFOUNDS += "".join(
    "\t".join(["n/a" if k == 0 else "0.1", *(f"{k * 0.01 * c:.3f}" for c in range(6)), "0"]) + "\n"
    for k in range(9)
)
_SETTINGS = """[log]
level = 2
[parallel-local]
nb_procs = 2
[parallel-LAN]
hosts = h1, h2
user = me
remote_path = ~/pyhrf
python = "/opt/py # 3/bin/python"  # of the lab
"""
_TIMES = {
    "RepetitionTime": 2.0,
    "SliceTimingCorrected": True,
    "SliceTiming": [0, 1.0, 0.5],
    "VolumeTiming": [0, 2, 4, 6, 8, 10],
    "StartTime": None,
    "DelayTime": 0.5,
}


def _confounds(path: Path) -> object:
    files = NuisanceFiles(confounds=path, columns="motion6,outliers", fd_threshold=0.5)
    return read_nuisance(files, 9, [])


def _scans(path: Path) -> object:
    return read_nuisance(NuisanceFiles(censored=path), 30, [])


def _times(folder: Path) -> Reader:
    bold = _volume(folder)
    beside = folder / "bold.json"
    beside.write_text(json.dumps(_TIMES))
    return Reader([beside, bold], lambda _: times_beside([bold]))


def _study(folder: Path) -> Reader:
    data = {
        "kind": "volume",
        "tr": 2.0,
        "parcellation": folder / "parcels.nii",
        "runs": [{"bold": folder / "bold.nii", "paradigm": folder / "events.tsv"}],
    }
    contrasts = [{"name": "a", "expression": "audio - video"}]
    write_study(Study.build(data=data, contrasts=contrasts), folder / "detectestim.xml")
    return Reader([folder / "detectestim.xml"], read_study)


def estimate(number: int) -> ParcelEstimate:
    """Make the estimate of a small parcel."""
    time = np.arange(26.0)
    positions = np.arange(9) + 9 * (number - 1)
    return ParcelEstimate(
        number,
        "ok",
        "",
        positions,
        summary={"n_iterations": 9.0, "converged": 1.0, "time_to_peak": 5.0, "hrf_quality": 0.9},
        conditions={"mean_active": np.ones(1)},
        hrf={"time": time, "hrf": np.exp(-0.5 * (time - 5) ** 2), "sd": np.full(26, 0.1)},
        maps={("nrl", "a"): np.linspace(-2, 4, positions.size, dtype=np.float32)},
        trace=-np.exp(-np.arange(9.0)),
    )


def _journal(folder: Path) -> Reader:
    key = {"a": "1", "b": "2"}
    with Journal(folder / "out", key) as journal:
        journal.announce(RunState("local", 2, 3, 0))
        for number in (1, 2):
            batch = Batch(number, (number,), 1.0)
            journal.add(BatchResult(batch, [estimate(number)], "host", 0.25))
    inside = folder / "out" / ".journal"
    files = [path for path in sorted(inside.iterdir()) if path.name != "lock"]

    def read(_: Path) -> object:
        with Journal(folder / "out", key) as journal:
            return journal.estimates()

    return Reader(files, read)


def _monitor(folder: Path) -> Reader:
    from rich.console import Console

    from pyhrf.commands.monitor import _figures, _view

    files = _journal(folder).files
    console = Console(file=(folder / "screen").open("w"))

    def read(_: Path) -> object:
        watch = WatchAll(folder / "out")
        console.print(_view(watch))
        return _figures(watch.runs), [run.how_it_stands() for run in watch.runs]

    return Reader(files, read)


def write_two_results(folder: Path) -> None:
    """Write two output directories, ``one`` and ``other``, of the same two parcels."""
    labels = np.zeros((3, 3, 3), np.int32)
    labels[:2] = np.array([1, 2])[:, None, None]
    data = {
        "kind": "volume",
        "tr": 2.0,
        "parcellation": "p.nii",
        "runs": [{"bold": "bold.nii", "paradigm": "events.tsv"}],
    }
    for name, estimator in (("one", "jde-vem"), ("other", "jde-mcmc")):
        grid = Grid(labels.shape, np.eye(4), make.Nifti1Header())
        write_results(folder / name, [estimate(1), estimate(2)], conditions=["a"], space=grid)
        study = Study.build(data=data, estimator=estimator).model_dump(mode="json")
        about = {"study": study, "versions": {"pyhrf": "1"}, "inputs": {}, "notes": []}
        (folder / name / "run.json").write_text(json.dumps(about))


def _results(folder: Path) -> Reader:
    write_two_results(folder)
    names = ("run.json", "hrf.tsv", "parcels.tsv", "parcels.nii.gz", "nrl_a.nii.gz")

    def read(_: Path) -> object:
        results = Results(folder / "one")
        tables = results.parcels, results.failed, results.weak, results.outlying
        return tables, compare_results([folder / "one", folder / "other"])

    return Reader([folder / "one" / name for name in names], read)


def _trials(folder: Path) -> Reader:
    trials = [Trial(0, "a", onset, 0.0, 1.0, 9, "") for onset in (3.0, 14.5)]
    design = Design(
        experiment=Experiment(("a",), (Run(30, 2.0, {}),)),
        regressors=[{}],
        confound_names=[()],
        displacement=[None],
        trials=trials,
    )
    one = estimate(1)
    values = np.linspace(-1, 1, 18, dtype=np.float32).reshape(9, 2)
    maps = {("trials", ""): values, ("trials_sd", ""): values**2 + 1}
    maps |= {("trial_sd", ""): np.ones(9, np.float32)}
    space = Grid((3, 3, 3), np.eye(4), make.Nifti1Header())
    write_results(
        folder / "out",
        [replace(one, maps={**one.maps, **maps})],
        conditions=["a"],
        space=space,
        design=design,
    )

    def read(_: Path) -> object:
        return Results(folder / "out").trials("a")

    names = ("trials.tsv", "trials.nii.gz", "trials_sd.nii.gz", "parcels.nii.gz")
    return Reader([folder / "out" / name for name in names], read)


READERS: dict[str, Callable[[Path], Reader]] = {
    "nifti": _nifti,
    "nifti-gz": _nifti_gz,
    "nifti-packed": _nifti_packed,
    "labels": _labels,
    "gifti": _gifti,
    "cifti": _cifti,
    "spm": _spm,
    "csv": _text("p.csv", _CSV, lambda path: read_paradigm(path, n_runs=2, notes=[])),
    "events": _text("e.tsv", _EVENTS, lambda path: read_paradigm(path, n_runs=1, notes=[])),
    "confounds": _text("c.tsv", _CONFOUNDS, _confounds),
    "names": _text(
        "a.tsv",
        "index\tname\n1\tcortex\n2\tV1\n",
        lambda path: parcel_names(path.with_suffix(".nii")),
    ),
    "scans": _text("s.txt", "0 1, 5-7\n9 # bad\n12-14\n", _scans),
    "sidecar": _text("b.json", '{"RepetitionTime": 2.0, "SliceTiming": [0, 1]}', read_json),
    "times": _times,
    "contrasts": _text("k.json", '{"a-v": "audio - 0.5*video", "m": "(a+b)/2"}', read_contrasts),
    "settings": _text("config.cfg", _SETTINGS, load_settings),
    "study": _study,
    "journal": _journal,
    "monitor": _monitor,
    "results": _results,
    "trials": _trials,
}
"""Makers of readers by name, each given an empty folder."""
