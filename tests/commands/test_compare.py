"""``pyhrf compare``: tables that can be checked by hand, figures that are there, clear refusals."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pyhrf.commands.compare import compare
from pyhrf.commands.exits import run_command
from pyhrf.data import ParcelEstimate
from pyhrf.results import write_results
from pyhrf.spaces.grid import Grid

LABELS = np.array([[[1, 1], [1, 2]], [[2, 2], [0, 0]]], np.int32)
TIME = np.arange(0, 26.0)


def bump(peak: float, width: float = 2.0) -> np.ndarray:
    return np.exp(-0.5 * ((TIME - peak) / width) ** 2)


def make_results(
    folder,
    *,
    estimator,
    peak=5.0,
    factor=1.0,
    labels=LABELS,
    by_condition=False,
    failed=(),
    more=(),
):
    """An output directory whose levels are 1, 2, 3 times a factor, and other maps from 3 to 1."""
    own = {"glm": "z"}.get(estimator, "ppm")  # a kind of map that the others lack
    estimates = []
    for number in (1, 2):
        positions = np.flatnonzero(labels == number)
        if number in failed:
            estimates.append(ParcelEstimate(number, "failed", "too few", positions))
            continue
        level = factor * np.arange(1, len(positions) + 1, dtype=np.float32)
        hrf = {"time": TIME, "hrf": bump(peak), "sd": np.full(26, 0.1)}
        if by_condition:
            hrf |= {
                "hrf_by_condition": np.stack([bump(20)] * 2),
                "sd_by_condition": np.ones((2, 26)),
            }
        estimates.append(
            ParcelEstimate(
                parcel=number,
                status="ok",
                reason="",
                positions=positions,
                summary={"time_to_peak": peak},
                conditions={},
                hrf=hrf,
                maps={("nrl", "a"): level, ("nrl_sd", "a"): level / 10, (own, "a"): level}
                | {name: level[::-1].copy() for name in more},
            )
        )
    grid = Grid(labels.shape, np.eye(4), nib.Nifti1Header())
    results = write_results(folder, estimates, conditions=("a", "b"), space=grid)
    study = {"estimator": estimator, "glm": {"model": "fir"}}
    (folder / "run.json").write_text(json.dumps({"study": study}))
    return results.directory


@pytest.fixture
def folders(tmp_path):
    return [
        make_results(tmp_path / "one", estimator="jde-vem"),
        make_results(tmp_path / "two", estimator="glm", peak=7.0, factor=2.0, by_condition=True),
    ]


@pytest.fixture
def run(capfd):
    def run_it(*args):
        with pytest.raises(SystemExit) as caught:
            run_command(compare, "pyhrf compare", [str(arg) for arg in args])
        out, err = capfd.readouterr()
        return int(caught.value.code or 0), out, err

    return run_it


def test_compare__writes_what_the_results_say_of_each_other(run, folders, tmp_path):
    code, out, err = run(*folders, "-u", tmp_path / "both")
    assert code == 0, err
    hrfs = pd.read_csv(tmp_path / "both" / "hrfs.tsv", sep="\t")
    assert hrfs["parcel"].tolist() == [1, 2]
    assert set(hrfs["first"]) == {"jde-vem"}
    assert set(hrfs["second"]) == {"glm fir"}
    assert set(hrfs["first_peak"]) == {5}
    assert set(hrfs["second_peak"]) == {7}
    fine = np.arange(0, 25.5, 0.5)
    one, two = (np.interp(fine, TIME, bump(peak)) for peak in (5, 7))
    expected = np.linalg.norm(one / np.linalg.norm(one) - two / np.linalg.norm(two))
    np.testing.assert_allclose(hrfs["distance"], expected, rtol=1e-4)
    maps = pd.read_csv(tmp_path / "both" / "maps.tsv", sep="\t").set_index("map")
    assert sorted(maps.index) == ["nrl_a", "nrl_sd_a"]
    assert maps.loc["nrl_a", "n_voxels"] == 6
    assert maps.loc["nrl_a", "correlation"] == pytest.approx(1)
    assert maps.loc["nrl_a", "slope"] == pytest.approx(2)
    levels = np.array([1, 2, 3, 1, 2, 3])
    assert maps.loc["nrl_a", "difference"] == pytest.approx(np.sqrt(np.mean(levels**2)), rel=1e-4)
    assert "jde-vem  glm fir" in out
    for name in ("hrfs.png", "maps.png"):
        assert (tmp_path / "both" / name).read_bytes().startswith(b"\x89PNG")


def test_compare__tells_results_of_one_estimator_apart(run, folders, tmp_path):
    other = make_results(tmp_path / "three", estimator="jde-vem", peak=6.0)
    code, _, err = run(folders[0], other, folders[1], "-u", tmp_path / "all", "--no-figures")
    assert code == 0, err
    hrfs = pd.read_csv(tmp_path / "all" / "hrfs.tsv", sep="\t")
    names = [f"jde-vem, {folders[0]}", f"jde-vem, {other}", "glm fir"]
    pairs = hrfs[["first", "second"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [[names[0], names[1]], [names[0], names[2]], [names[1], names[2]]]
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"hrfs.tsv", "maps.tsv"}


def test_compare__draws_folders_with_a_dollar(run, folders, tmp_path):
    other = make_results(tmp_path / r"$\bad{$", estimator="jde-vem", peak=6.0)
    code, _, err = run(folders[0], other, "-u", tmp_path / "both")
    assert code == 0, err
    assert (tmp_path / "both" / "hrfs.png").is_file()


def test_compare__refuses_what_cannot_be_compared(run, folders, tmp_path):
    code, _, err = run(folders[0])
    assert (code, "two output directories" in err) == (2, True)
    code, _, err = run(folders[0], tmp_path / "none")
    assert (code, "none is not there" in err) == (1, True)
    code, _, err = run(folders[0], folders[0])
    assert (code, "is given twice" in err) == (1, True)
    other = make_results(tmp_path / "other", estimator="rfir", labels=LABELS[::-1].copy())
    code, _, err = run(folders[0], other)
    assert (code, "hold results of different parcels" in err) == (1, True)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "hrfs.tsv").write_text("mine")
    code, _, err = run(*folders, "-u", taken)
    assert (code, "is not empty" in err) == (1, True)
    assert (taken / "hrfs.tsv").read_text() == "mine"


@pytest.mark.parametrize("time", ["270670567", "1e300", "inf"])
def test_compare__a_table_whose_time_is_damaged_is_named(run, folders, tmp_path, time):
    path = folders[1] / "hrf.tsv"
    head, first, *rest = path.read_text().splitlines()
    cells = first.split("\t")
    cells[head.split("\t").index("time")] = time
    path.write_text("\n".join([head, "\t".join(cells), *rest]) + "\n")
    code, _, err = run(*folders, "-u", tmp_path / "both", "--no-figures")
    assert code == 1
    assert "is damaged or was changed since the analysis" in err
    assert "hrf.tsv" in err


def test_compare__correlates_levels_and_not_their_quantiles(run, tmp_path):
    quantiles = ("nrl_q025_a", "nrl_q975_a")
    more = (("nrl_q025", "a"), ("nrl_q975", "a"))
    one = make_results(tmp_path / "one", estimator="jde-vem", more=more)
    two = make_results(tmp_path / "two", estimator="jde-mcmc", factor=2.0)
    # quantiles that differ between the results: the mean with them would not be 1
    three = make_results(tmp_path / "three", estimator="rfir", factor=3.0)
    for name in quantiles:
        levels = nib.load(three / "nrl_a.nii.gz")
        nib.save(levels, three / f"{name}.nii.gz")
    code, out, err = run(one, three, "-u", tmp_path / "both", "--no-figures")
    assert code == 0, err
    assert out.splitlines()[1].split()[-2:] == ["1.000", "3.000"]
    assert "n/a" not in out
    code, out, err = run(one, two, "-u", tmp_path / "other", "--no-figures")
    assert code == 0, err
    assert out.splitlines()[1].split()[-2:] == ["1.000", "2.000"]


def test_compare__results_without_a_parcel_in_common_are_refused_before_anything_is_written(
    run, tmp_path
):
    one = make_results(tmp_path / "one", estimator="jde-vem", failed=(1,))
    two = make_results(tmp_path / "two", estimator="rfir", failed=(2,))
    code, _, err = run(one, two, "-u", tmp_path / "both")
    assert code == 1
    assert f"{one} and {two} share no parcel that both have estimated" in err
    assert not (tmp_path / "both").exists()


def test_compare__results_without_a_map_in_common_have_a_table_of_hrfs_alone(run, tmp_path):
    folders = [make_results(tmp_path / name, estimator=name) for name in ("rfir", "jde-vem")]
    for name in ("nrl_a", "nrl_sd_a"):
        (folders[0] / f"{name}.nii.gz").unlink()
    code, out, err = run(*folders, "-u", tmp_path / "both")
    assert code == 0, err
    assert out.splitlines()[1].split()[-2:] == ["n/a", "n/a"]
    assert "n/a: rfir and jde-vem share no map of levels (nrl_NAME), so that only their" in out
    assert pd.read_csv(tmp_path / "both" / "maps.tsv", sep="\t").columns[0] == "map"
    assert len(pd.read_csv(tmp_path / "both" / "hrfs.tsv", sep="\t")) == 2


def test_compare__levels_of_each_run_have_other_names_than_shared_ones(run, tmp_path):
    folders = [make_results(tmp_path / name, estimator=name) for name in ("rfir", "jde-vem")]
    for n in (1, 2):
        shutil.copy(folders[1] / "nrl_a.nii.gz", folders[1] / f"nrl_a_run{n}.nii.gz")
    (folders[1] / "nrl_a.nii.gz").unlink()
    code, out, err = run(*folders, "-u", tmp_path / "both", "--no-figures")
    assert code == 0, err
    assert out.splitlines()[1].split()[-2:] == ["n/a", "n/a"]
    assert "levels of each run have other names" in out
    assert "nan" not in out


def test_compare__levels_that_do_not_vary_have_no_correlation(run, tmp_path):
    folders = [make_results(tmp_path / name, estimator=name) for name in ("rfir", "jde-vem")]
    for folder in folders:
        image = nib.load(folder / "nrl_a.nii.gz")
        flat = np.full(image.shape, 2, np.float32)
        nib.save(nib.Nifti1Image(flat, image.affine), folder / "nrl_a.nii.gz")
    code, out, err = run(*folders, "-u", tmp_path / "both", "--no-figures")
    assert code == 0, err
    assert out.splitlines()[1].split()[-2:] == ["n/a", "1.000"]
    assert "n/a:" not in out
