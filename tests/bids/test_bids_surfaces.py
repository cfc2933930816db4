"""``pyhrf bids`` on data of surfaces: what comes out, and that it is the analysis by hand."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from bids_sets import SPEC, derivatives_of, func, run_bids, tree
from bids_surface_sets import SHAPE, anat, dense_axis, gifti, labels
from nibabel.cifti2 import Cifti2Image, LabelAxis

from pyhrf.commands.exits import run_command
from pyhrf.commands.study_commands import GROUPS
from pyhrf.simulation.bids import write_bids

N_NODES = SHAPE[0] * SHAPE[1]
PARCELS = [1, 2] * (N_NODES // 2)
WORDS = ("participant", "-x", "serial", "-v1")
LEFT, RIGHT = (f"sub-01_task-sim_hemi-{hemi}_space-fsnative" for hemi in "LR")
DENSE = "sub-01_task-sim_space-fsLR_den-91k"


@pytest.fixture
def surfaces(surface_set: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(surface_set, tmp_path / "ds"))


@pytest.fixture
def atlases(tmp_path: Path) -> list[Path]:
    return [
        labels(tmp_path / "lh.atlas.label.gii", PARCELS),
        labels(tmp_path / "atlas.label.gii", [3] * N_NODES, "CortexRight"),
    ]


def by_hand(capfd: pytest.CaptureFixture[str], folder: Path, **given: Any) -> Path:
    """Analyse the files of a participant by the commands for any data; give the results."""
    words = [str(word) for key, x in given.items() for path in x for word in (f"-{key}", path)]
    words += ["-o", str(folder / "study.xml"), "-u", str(folder / "results")]
    commands = GROUPS["jde"].commands
    for command, name, args in (
        (commands["buildcfg"], "pyhrf_jde_buildcfg", words),
        (commands["estim"], "pyhrf_jde_estim", ["-c", str(folder / "study.xml"), "-x", "serial"]),
    ):
        with pytest.raises(SystemExit) as caught:
            run_command(command, name, args)
        assert not caught.value.code, capfd.readouterr().err
    return folder / "results"


def files_of(root: Path, ending: str) -> dict[str, list[Path]]:
    bold = sorted(func(root, "01").glob(f"*{ending}"))
    events = sorted((root / "sub-01" / "func").glob("*_events.tsv"))
    assert len(bold) == len(events) == 2
    return {"f": bold, "r": events}


def test_bids__hemispheres_are_analysed_as_by_hand(
    surface_set: Path, atlases: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ("--space", "fsnative", "--participant-label", "01", "--confound-columns", "none")
    before = tree(surface_set)
    given = [word for path in atlases for word in ("--parcellation", path)]
    ended = run_bids(capfd, surface_set, out, *WORDS, *words, *given)
    assert ended.code == 0, ended.err
    assert tree(surface_set) == before
    assert "2 analyses of participants, tasks and hemispheres, with 4 runs in all" in ended.err
    assert "2 of 2 participants, tasks and hemispheres analysed" in ended.out
    mesh = anat(surface_set, "01") / "sub-01_hemi-L_midthickness.surf.gii"
    bold = files_of(surface_set, "hemi-L_space-fsnative_bold.func.gii")
    hand = by_hand(capfd, tmp_path, **bold, k=[atlases[0]], g=[mesh], I=[2])
    theirs = sorted(path.name for path in hand.glob("*.func.gii"))
    assert sorted(x.name for x in (out / ".pyhrf" / LEFT).glob("*.func.gii")) == theirs
    ours = out / "sub-01" / "func"
    for end, name in {
        "contrast-cond1_stat-effect_statmap": "nrl_cond1",
        "contrast-cond2_stat-active_statmap": "active_cond2",
        "stat-hrf_statmap": "hrf",
        "stat-timetopeak_statmap": "time_to_peak",
    }.items():
        mine = ours / f"{LEFT}_{end}.func.gii"
        assert mine.read_bytes() == (hand / f"{name}.func.gii").read_bytes()
    assert len(list(ours.glob(f"{LEFT}_*.gii"))) == len(theirs) + 1
    mask = nib.load(ours / f"{LEFT}_desc-estimated_mask.label.gii").agg_data()
    effect = nib.load(hand / "nrl_cond1.func.gii").agg_data()
    in_parcels = nib.load(hand / "parcels.func.gii").agg_data() > 0
    np.testing.assert_array_equal(mask, in_parcels & np.isfinite(effect))
    variance = nib.load(ours / f"{LEFT}_contrast-cond1_stat-variance_statmap.func.gii")
    sd = nib.load(hand / "nrl_sd_cond1.func.gii").agg_data().astype(np.float64)
    np.testing.assert_allclose(variance.agg_data(), sd**2, rtol=1e-6)
    assert variance.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    parcels = nib.load(ours / f"{RIGHT}_desc-parcels_dseg.label.gii")
    np.testing.assert_array_equal(parcels.agg_data(), [3] * N_NODES)
    assert parcels.labeltable.get_labels_as_dict() == {0: "background", 3: "parcel 3"}


def test_bids__dense_series_are_analysed_as_by_hand(
    surface_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    axis = dense_axis()
    numbers = np.ones((1, len(axis)), np.int32)
    numbers[:, N_NODES:] = 2
    table = {n: (f"p{n}", (0.1 * n, 0.0, 0.0, 1.0)) for n in range(3)}
    atlas = tmp_path / "atlas.dlabel.nii"
    Cifti2Image(numbers, (LabelAxis(["parcels"], [table]), axis)).to_filename(atlas)
    out = tmp_path / "out"
    words = ("--participant-label", "01", "--confound-columns", "none", "--space", "fsLR")
    ended = run_bids(capfd, surface_set, out, *WORDS, *words, "--parcellation", atlas)
    assert ended.code == 0, ended.err
    meshes = sorted(anat(surface_set, "01").glob("*_space-fsLR_*.surf.gii"))
    hand = by_hand(capfd, tmp_path, **files_of(surface_set, ".dtseries.nii"), k=[atlas], g=meshes)
    ours = out / "sub-01" / "func"
    for end, name in {
        "contrast-cond1_stat-effect_statmap.dscalar.nii": "nrl_cond1.dscalar.nii",
        "stat-hrf_statmap.dtseries.nii": "hrf.dtseries.nii",
    }.items():
        assert (ours / f"{DENSE}_{end}").read_bytes() == (hand / name).read_bytes()
    variance = nib.load(ours / f"{DENSE}_contrast-cond1_stat-variance_statmap.dscalar.nii")
    sd = nib.load(hand / "nrl_sd_cond1.dscalar.nii").get_fdata()
    np.testing.assert_allclose(variance.get_fdata(), sd**2, rtol=1e-6)
    assert variance.header.get_axis(1) == axis
    parcels = nib.load(ours / f"{DENSE}_desc-parcels_dseg.dlabel.nii")
    np.testing.assert_array_equal(np.asarray(parcels.dataobj), numbers)
    hrf = nib.load(ours / f"{DENSE}_stat-hrf_statmap.dtseries.nii")
    about = json.loads((ours / f"{DENSE}_stat-hrf_statmap.json").read_text())
    assert about["RepetitionTime"] == hrf.header.get_axis(0).step


def test_bids__parcels_are_cut_on_the_mesh(
    surface_set: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    words = ("--participant-label", "01", "--parcellation", 8, "--space")
    monkeypatch.chdir(surface_set.parent)
    ended = run_bids(capfd, surface_set.name, out, *WORDS, *words, "fsnative")
    assert ended.code == 0, ended.err
    folder = out / "sub-01" / "func"
    found = nib.load(folder / f"{LEFT}_desc-parcels_dseg.label.gii").agg_data()
    # The last node has no signal in the middle of the brain.
    assert found[-1] == 0
    assert sorted(np.bincount(found)[1:].tolist()) == [7, 8]
    with (folder / f"{LEFT}_desc-parcels_dseg.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["index"], row["status"]) for row in rows] == [("1", "ok"), ("2", "ok")]
    about = json.loads((folder / f"{LEFT}_desc-parcels_dseg.json").read_text())
    assert "a mesh is sub-01_hemi-L_midthickness.surf.gii" in about["Notes"]
    assert about["n_positions"]["Description"] == "Nodes in the parcel"
    mesh = "bids:preprocessed:sub-01/anat/sub-01_hemi-L_midthickness.surf.gii"
    assert about["SpatialReference"] == mesh
    for path in folder.glob("*.json"):
        assert "voxel" not in path.read_text().lower()
    assert {source.rpartition("_")[2] for source in about["Sources"]} == {
        "bold.func.gii",
        "events.tsv",
        "timeseries.tsv",
    }
    # Of dense series voxels too, but not those that are too few.
    ended = run_bids(capfd, surface_set, out, *WORDS, *words, "fsLR")
    assert ended.code == 0, ended.err
    assert "4 of the nodes lie on islands of fewer than 5 and are in no parcel" in ended.err
    found = np.asarray(nib.load(folder / f"{DENSE}_desc-parcels_dseg.dlabel.nii").dataobj)[0]
    assert sorted(np.bincount(found).tolist()) == [4, 7, 7, 8, 8]
    about = json.loads((folder / f"{DENSE}_desc-parcels_dseg.json").read_text())
    assert about["n_positions"]["Description"] == "Grayordinates in the parcel"
    assert about["Density"] == "91k is the number of grayordinates, rounded"
    # What is there of the hemispheres stays.
    assert (folder / f"{LEFT}_desc-parcels_dseg.label.gii").is_file()


def test_bids__a_broken_hemisphere_stops_no_other(
    surfaces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = (*WORDS, "--parcellation", 8, "--space", "fsnative")
    broken = func(surfaces, "01") / "sub-01_task-sim_run-2_hemi-R_space-fsnative_bold.func.gii"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    ended = run_bids(capfd, surfaces, out, *words, "--participant-label", "01", "02")
    assert ended.code == 3, ended.err
    assert f"{RIGHT} is left out: {broken}: the GIFTI file is truncated or damaged" in ended.err
    assert ended.err.count("is left out") == 1
    first = derivatives_of(out)
    assert {name.partition("_stat-")[0] for name in first if "_stat-hrf" in name} == {
        f"sub-{label}/func/sub-{label}_task-sim_hemi-{hemi}_space-fsnative"
        for label, hemi in (("01", "L"), ("02", "L"), ("02", "R"))
    }
    stamps = {name: (out / name).stat().st_mtime_ns for name in first}
    # A rerun does what is missing, and writes nothing else.
    broken.write_bytes(whole)
    ended = run_bids(capfd, surfaces, out, *words, "--participant-label", "01", "02")
    assert ended.code == 0, ended.err
    assert "6 of 8 parcels were already done" in ended.err
    second = derivatives_of(out)
    assert {name: second[name] for name in first} == first
    assert {name: (out / name).stat().st_mtime_ns for name in first} == stamps
    assert f"sub-01/func/{RIGHT}_stat-hrf_statmap.func.gii" in second


def test_bids__data_of_the_other_hemisphere_are_refused(
    surfaces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = func(surfaces, "01") / "sub-01_task-sim_run-2_hemi-L_space-fsnative_bold.func.gii"
    wrong.write_bytes(wrong.read_bytes().replace(b"CortexLeft", b"CortexRight"))
    words = (*WORDS, "--participant-label", "01", "--space", "fsnative", "--parcellation", 8)
    ended = run_bids(capfd, surfaces, tmp_path / "out", *words)
    assert ended.code == 3, ended.err
    assert f"{LEFT} is left out: {wrong}: its name says hemisphere L" in ended.err
    assert f"{RIGHT} is left out" not in ended.err
    assert not (tmp_path / "out" / ".pyhrf" / LEFT).exists()


def test_bids__a_hemisphere_without_atlas_or_mesh_is_named(
    surfaces: Path, atlases: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (*WORDS, "--participant-label", "01", "--space", "fsnative")
    out = tmp_path / "out"
    ended = run_bids(capfd, surfaces, out, *words, "--parcellation", atlases[0])
    assert ended.code == 3
    assert "no parcellation of the hemisphere R is given: repeat --parcellation" in ended.err
    meshes = [*anat(surfaces, "01").glob("sub-01_hemi-R_[mp]*.surf.gii")]
    mine = meshes[0].rename(tmp_path / "rh.surf.gii")
    for path in meshes[1:]:
        path.unlink()
    again = (*words, "--parcellation", f"{atlases[0]},{atlases[1]}")
    ended = run_bids(capfd, surfaces, out, *again)
    assert ended.code == 3
    assert "no mesh of the hemisphere R in the space fsnative is there" in ended.err
    ended = run_bids(capfd, surfaces, out, *again, "-g", mine)
    assert ended.code == 0, ended.err


def test_bids__onsets_are_moved_and_the_tr_is_that_of_the_json(
    surfaces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in func(surfaces, "01").glob("*_hemi-L_space-fsnative_bold.json"):
        about = json.loads(path.read_text()) | {"RepetitionTime": 1.5, "StartTime": 0.75}
        path.write_text(json.dumps(about))
    words = (*WORDS, "--participant-label", "01", "--space", "fsnative", "--parcellation", 8)
    ended = run_bids(capfd, surfaces, tmp_path / "out", *words)
    assert ended.code == 0, ended.err
    assert f"{LEFT}: note: the scans begin 0.75 s after" in ended.err
    assert f"{RIGHT}: note: the scans begin" not in ended.err
    study = (tmp_path / "out" / ".pyhrf" / LEFT / "run.json").read_text()
    assert json.loads(study)["study"]["data"]["tr"] == 1.5


def test_bids__fsaverage5_needs_no_mesh(
    surfaces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    n_nodes = 10242
    rng = np.random.default_rng(7)
    for path in func(surfaces, "01").glob("*_space-fsnative_bold.*"):
        there = path.with_name(path.name.replace("fsnative", "fsaverage5"))
        if path.suffix == ".json":
            shutil.copyfile(path, there)
        else:
            n_scans = len(nib.load(path).darrays)
            values = np.full((n_scans, n_nodes), np.nan, np.float32)
            values[:, :60] = rng.normal(100, 1, (n_scans, 60))
            gifti(there, [*values], ["time series"] * n_scans)
    numbers = np.zeros(n_nodes, np.int32)
    numbers[:60] = 4
    both = [labels(tmp_path / f"{side}.label.gii", numbers) for side in ("lh", "rh")]
    words = ("--participant-label", "01", "--space", "fsaverage5", "--parcellation")
    out = tmp_path / "out"
    ended = run_bids(capfd, surfaces, out, *WORDS, *words, f"{both[0]},{both[1]}")
    assert ended.code == 0, ended.err
    for hemi, side in (("L", "left"), ("R", "right")):
        stem = f"sub-01_task-sim_hemi-{hemi}_space-fsaverage5"
        about = out / "sub-01" / "func" / f"{stem}_stat-ar1_statmap.json"
        assert f"a mesh is pial_{side}.gii.gz" in json.loads(about.read_text())["Notes"]
        report = (out / f"{stem}.html").read_text()
        assert "<canvas" in report


def test_bids__finds_what_was_put_in_on_the_surface(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = replace(SPEC, shape=(8, 8, 2), n_parcels=1, n_scans=120, snr=3)
    root, out = tmp_path / "ds", tmp_path / "out"
    write_bids(spec, 1, root, surfaces=True)
    truth = root / "derivatives" / "truth" / "sub-01" / "func"
    atlases = ",".join(str(path) for path in sorted(truth.glob("*_dseg.label.gii")))
    words = ("--space", "fsnative", "--parcellation", atlases)
    ended = run_bids(capfd, root, out, *WORDS, *words)
    assert ended.code == 0, ended.err
    (volume,) = truth.glob("*_dseg.nii.gz")
    inside = np.asarray(nib.load(volume).dataobj) > 0
    (known,) = truth.glob("*_truth.npz")
    levels = np.full(inside.shape, np.nan)
    for number, condition in enumerate(("cond1", "cond2")):
        with np.load(known) as arrays:
            levels[inside] = arrays["levels"][number]
        for place, stem in enumerate((LEFT, RIGHT)):
            path = out / "sub-01" / "func" / f"{stem}_contrast-{condition}_stat-effect_statmap"
            found = nib.load(f"{path}.func.gii").agg_data()
            expected = levels[:, :, place].reshape(-1)
            both = np.isfinite(expected)
            assert np.corrcoef(found[both], expected[both])[0, 1] > 0.9


def rewritten(path: Path, change: Any) -> None:
    """Change the values of a GIFTI series, shape (n_scans, n_nodes)."""
    values = nib.load(path).agg_data().T.copy()
    change(values)
    structure = nib.load(path).meta["AnatomicalStructurePrimary"]
    gifti(path, [*values], ["time series"] * len(values), structure)


def test_bids__parcels_are_cut_by_the_scans_that_are_not_censored(
    surfaces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = func(surfaces, "01")
    for path in folder.glob("*_hemi-?_space-fsnative_bold.func.gii"):
        rewritten(path, lambda values: values[0].fill(np.nan))
    for path in folder.glob("*_desc-confounds_timeseries.tsv"):
        lines = path.read_text().splitlines()
        marks = ["non_steady_state_outlier00", "1", *["0"] * (len(lines) - 2)]
        rows = [f"{line}\t{mark}\n" for line, mark in zip(lines, marks, strict=True)]
        path.write_text("".join(rows))
    out = tmp_path / "out"
    words = ("--participant-label", "01", "--parcellation", 8, "--space", "fsnative")
    ended = run_bids(capfd, surfaces, out, *WORDS, *words)
    assert ended.code == 0, ended.err
    found = nib.load(out / "sub-01" / "func" / f"{LEFT}_desc-parcels_dseg.label.gii").agg_data()
    assert found[-1] == 0
    assert sorted(np.bincount(found)[1:].tolist()) == [7, 8]


@pytest.mark.parametrize("value", [0, np.nan])
def test_bids__names_the_run_without_a_signal_on_the_mesh(
    surfaces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], value: float
) -> None:
    broken = func(surfaces, "01") / "sub-01_task-sim_run-2_hemi-R_space-fsnative_bold.func.gii"
    rewritten(broken, lambda values: values.fill(value))
    words = ("--participant-label", "01", "--parcellation", 8, "--space", "fsnative")
    ended = run_bids(capfd, surfaces, tmp_path / "out", *WORDS, *words)
    assert ended.code == 3, ended.err
    named = f"{RIGHT} is left out: {broken}: its data are constant or not finite at all nodes"
    assert named in ended.err
