"""A real SPM.mat, through the installed programs, beside the same events written by hand."""

from __future__ import annotations

import gzip
import io

import nibabel as nib
import numpy as np
import pytest
from scipy.io import loadmat
from test_real_data import program

import pyhrf


@pytest.fixture(scope="module")
def session(shared_data, tmp_path_factory):
    """Two runs, for which there is the signal of one session, and what else a study needs."""
    folder = tmp_path_factory.mktemp("spm")
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
    return folder


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


def test_spm__every_version_is_as_the_events_by_hand(session, shared_data):
    analyse(session, "by_hand", "-r", "paradigm.csv", "-I", "2.4")
    expected = {p.name: p.read_bytes() for p in (session / "by_hand").iterdir() if p.is_file()}
    assert {"hrf.tsv", "nrl_audio.nii.gz", "contrast_a-v.nii.gz"} <= set(expected)
    files = {v: shared_data / f"SPM_{v}.mat.gz" for v in ("v5", "v8")}
    for version, file in (files | {"v12": "SPM.mat"}).items():
        said = analyse(session, version, "-s", file)
        assert "the header says TR 1 s; the TR that is given, 2.4 s" in said
        # the default of SPM5 and SPM8 is the first bin of a scan, that of SPM12 the middle one
        assert ("SPM takes each scan 1.05 s after its beginning" in said) == (version == "v12")
        for name, content in expected.items():
            if name not in ("run.json", "report.html"):
                assert (session / version / name).read_bytes() == content, (version, name)
    results = pyhrf.Results(session / "v12")
    assert results.parcels["n_positions"].tolist() == [632, 640]
    assert results.parcels["time_to_peak"].between(3, 8).all()
    assert set(results.conditions["condition"]) == {"audio", "video"}


def test_spm__names_the_run_whose_scans_are_not_those_of_the_design(session):
    image = nib.load(session / "bold1.nii")
    nib.save(image.slicer[..., :120], session / "short.nii")
    files = ["-f", "bold0.nii", "-f", "short.nii", "-k", "parcels.nii", "-s", "SPM.mat"]
    done = program("pyhrf_jde_buildcfg", *files, "-o", "short.xml", folder=session)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "session 2 has 125 scans (SPM.nscan), and " in done.stderr
    assert "short.nii has 120" in done.stderr
    assert not (session / "short.xml").exists()
