"""An SPM.mat, through the installed programs, beside the same events written by hand.

Once with data of the simulator and a file as SPM writes it, once with those that are real.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.io import loadmat, savemat
from test_volume_analyses import program

import pyhrf
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec


@dataclass(frozen=True)
class Session:
    """Two runs, and files of SPM with their events.

    Attributes
    ----------
    folder : Path
        With ``bold0.nii``, ``bold1.nii``, ``parcels.nii``, and the events in ``paradigm.csv``.
    designs : dict
        Files of SPM by their names here, and whether SPM takes a scan later than its beginning.
    sizes : list of int
        Of the parcels.
    said : str
        What is said of each.
    """

    folder: Path
    designs: dict[str, tuple[Path, bool]]
    sizes: list[int]
    said: str = ""


@pytest.fixture(
    scope="module", params=["simulated", pytest.param("real", marks=pytest.mark.shared_data)]
)
def session(request, tmp_path_factory) -> Session:
    folder = tmp_path_factory.mktemp("spm")
    if request.param == "simulated":
        return simulated(folder)
    return real(folder, request.getfixturevalue("shared_data"))


def simulated(folder: Path) -> Session:
    """Give what the simulator makes, in scans and in seconds."""
    spec = SimulationSpec(
        shape=(8, 8, 7), n_parcels=2, n_runs=2, n_scans=125, tr=2.4, n_conditions=2, seed=6
    )
    made = simulate(spec)
    files = write_dataset(made, folder / "data")
    for k, path in enumerate(files.bold):
        nib.save(nib.load(path), folder / f"bold{k}.nii")
    labels = nib.load(files.parcellation)
    nib.save(labels, folder / "parcels.nii")
    text = files.paradigm_csv.read_text()
    (folder / "paradigm.csv").write_text(text.replace("cond1", "audio").replace("cond2", "video"))
    designs = {}
    for name, unit, first_bin in (("seconds", 1.0, 1), ("scans", 2.4, 8)):
        sessions = np.empty((1, 2), dtype=[("U", object)])
        for k, run in enumerate(made.experiment.runs):
            fields = [("name", object), ("ons", object), ("dur", object)]
            conditions = np.empty((1, 2), dtype=fields)
            for m, (given, called) in enumerate((("cond1", "audio"), ("cond2", "video"))):
                events = run.events[given]
                onsets, durations = events.onsets[:, None] / unit, events.durations[:, None] / unit
                conditions[0, m] = (np.array([[called]], dtype=object), onsets, durations)
            sessions[0, k] = (conditions,)
        units = {"UNITS": "secs" if unit == 1 else "scans", "T": 16, "T0": first_bin}
        spm = {"xY": {"RT": 2.4}, "nscan": [[125.0, 125.0]], "xBF": units, "Sess": sessions}
        savemat(folder / f"{name}.mat", {"SPM": spm})
        designs[name] = (folder / f"{name}.mat", first_bin > 1)
    return Session(folder, designs, np.bincount(np.asarray(labels.dataobj).ravel())[1:].tolist())


def real(folder: Path, shared_data: Path) -> Session:
    """Give two runs with the signal of one session, for which there are SPM's files."""
    labels = nib.load(shared_data / "subj0_parcellation.nii.gz")
    inside = np.argwhere(np.asarray(labels.dataobj) > 0)
    box = tuple(map(slice, inside.min(axis=0), inside.max(axis=0) + 1))
    nib.save(labels.slicer[box], folder / "parcels.nii")
    bold = nib.load(shared_data / "subj0_bold_session0.nii.gz").slicer[box]
    for k in (0, 1):
        nib.save(bold, folder / f"bold{k}.nii")
    unpacked = gzip.decompress((shared_data / "SPM_v12.mat.gz").read_bytes())
    (folder / "SPM.mat").write_bytes(unpacked)
    spm = loadmat(io.BytesIO(unpacked), struct_as_record=False, squeeze_me=True)["SPM"]
    lines = [
        f'{number} "{condition.name}" {onset} {duration} 1'
        for number, session in enumerate(spm.Sess)
        for condition in session.U
        for onset, duration in zip(condition.ons, condition.dur, strict=True)
    ]
    (folder / "paradigm.csv").write_text("\n".join(lines))
    # The default of SPM5 and SPM8 is the first bin of a scan, that of SPM12 the middle one. The
    # tests of the reader compare the events of all three.
    designs = {
        "v8": (shared_data / "SPM_v8.mat.gz", False),
        "v12": (folder / "SPM.mat", True),
    }
    said = "the header says TR 1 s; the TR that is given, 2.4 s"
    return Session(folder, designs, [632, 640], said)


def analyse(folder, name, *paradigm):
    """Write a study and run it; give the messages of the first command."""
    files = ["-f", "bold0.nii", "-f", "bold1.nii", "-k", "parcels.nii"]
    built = program(
        "pyhrf_jde_buildcfg",
        *files,
        *paradigm,
        *("-o", f"{name}.xml", "-u", name, "-C", "a-v=audio-video"),
        folder=folder,
    )
    assert built.returncode == 0, built.stderr
    done = program("pyhrf_jde_estim", "-c", f"{name}.xml", "-x", "serial", "-v1", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 parcels estimated" in done.stdout
    return built.stderr


def test_spm__each_default_is_as_the_events_by_hand(session):
    folder = session.folder
    analyse(folder, "by_hand", "-r", "paradigm.csv", "-I", "2.4")
    expected = {p.name: p.read_bytes() for p in (folder / "by_hand").iterdir() if p.is_file()}
    assert {"hrf.tsv", "nrl_audio.nii.gz", "contrast_a-v.nii.gz"} <= set(expected)
    for name, (file, later) in session.designs.items():
        said = analyse(folder, name, "-s", file)
        assert session.said in said
        assert ("SPM takes each scan 1.05 s after its beginning" in said) == later
        for file_name, content in expected.items():
            if file_name not in ("run.json", "report.html"):
                found = (folder / name / file_name).read_bytes()
                assert found == content, (name, file_name)
    results = pyhrf.Results(folder / "by_hand")
    assert results.parcels["n_positions"].tolist() == session.sizes
    assert results.parcels["time_to_peak"].between(3, 8).all()
    assert set(results.conditions["condition"]) == {"audio", "video"}


def test_spm__names_the_run_whose_scans_are_not_those_of_the_design(session):
    folder = session.folder
    image = nib.load(folder / "bold1.nii")
    nib.save(image.slicer[..., :120], folder / "short.nii")
    (design, _), *_ = session.designs.values()
    files = ["-f", "bold0.nii", "-f", "short.nii", "-k", "parcels.nii", "-s", design]
    done = program("pyhrf_jde_buildcfg", *files, "-o", "short.xml", folder=folder)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "session 2 has 125 scans (SPM.nscan), and " in done.stderr
    assert "short.nii has 120" in done.stderr
    assert not (folder / "short.xml").exists()
