"""Confounds, censoring, scaling and levels through the data set."""

import nibabel as nib
import numpy as np
import pytest
from input_files import Files

from pyhrf.errors import InputError
from pyhrf.inputs.confounds import NuisanceFiles
from pyhrf.inputs.dataset import open_dataset
from pyhrf.spaces.voxels import has_level, percent_change


@pytest.fixture
def study(write_nifti, bold, labels, tmp_path):
    """Give two runs of 20 scans and a parcellation."""
    paradigm = tmp_path / "paradigm.csv"
    paradigm.write_text("1 a 2.0\n1 b 12.5\n2 a 3.0\n")
    positive = (np.abs(bold) + 100).astype(np.int16)
    runs = [Files(write_nifti(f"bold{k}.nii", positive + k), paradigm) for k in (0, 1)]
    return {"runs": runs, "parcellation": write_nifti("labels.nii", labels)}


def confounds_of(tmp_path, n_rows=20):
    path = tmp_path / f"confounds{n_rows}.tsv"
    values = np.random.default_rng(3).normal(size=(n_rows, 2))
    rows = [f"{x:.17g}\t{y:.17g}" for x, y in values]
    path.write_text("\n".join(["csf\tframewise_displacement", *rows]))
    return path, values


def test_open_dataset__runs_get_their_confounds_and_censored_scans(study, tmp_path):
    path, values = confounds_of(tmp_path)
    listed = tmp_path / "bad.txt"
    listed.write_text("19")
    nuisance = [
        NuisanceFiles(confounds=path, columns="csf", fd_threshold=1.0),
        NuisanceFiles(censored=listed),
    ]
    dataset = open_dataset(**study, nuisance=nuisance)
    first, second = dataset.experiment.runs
    np.testing.assert_array_equal(first.confounds, values[:, :1])
    np.testing.assert_array_equal(first.censored, values[:, 1] > 1.0)
    assert second.confounds is None
    assert np.flatnonzero(second.censored).tolist() == [19]
    assert dataset.confound_names == (("csf",), ())
    assert dataset.displacement[1] is None
    np.testing.assert_array_equal(dataset.displacement[0], values[:, 1])
    assert {path, listed} <= set(dataset.files)
    assert {str(path), str(listed)} <= set(dataset.checksums())


def test_open_dataset__counts_the_scans_that_are_not_steady(study, tmp_path):
    path, _ = confounds_of(tmp_path)
    first, *rows = path.read_text().splitlines()
    table = [f"{first}\tnon_steady_state_outlier00", *(f"{row}\t0" for row in rows)]
    path.write_text("\n".join([table[0], f"{table[1][:-1]}1", *table[2:]]))
    dataset = open_dataset(**study, nuisance=[NuisanceFiles(confounds=path, columns="csf")] * 2)
    assert dataset.n_not_steady == (1, 1)
    assert [np.flatnonzero(run.censored).tolist() for run in dataset.experiment.runs] == [[0]] * 2
    assert open_dataset(**study).n_not_steady == (0, 0)


def test_open_dataset__refuses_confounds_of_another_length(study, tmp_path):
    path, _ = confounds_of(tmp_path, 19)
    with pytest.raises(InputError, match="has 19 rows, but its run has 20 scans"):
        open_dataset(**study, nuisance=[NuisanceFiles(confounds=path, columns="csf")] * 2)


def test_open_dataset__percent_is_of_the_mean_of_the_scans_that_count(study, tmp_path):
    listed = tmp_path / "bad.txt"
    listed.write_text("0-4")
    nuisance = [NuisanceFiles(censored=listed), NuisanceFiles()]
    plain = open_dataset(**study).load([7])[0].bold.astype(float)
    found = open_dataset(**study, nuisance=nuisance, percent=True).load([7])[0].bold
    first, second = plain[:20], plain[20:]
    expected = np.vstack(
        [100 * first / first[5:].mean(axis=0) - 100, 100 * second / second.mean(axis=0) - 100]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_percent_change__has_no_value_where_the_mean_is_not_above_0():
    bold = np.array([[1, -1, 0, np.inf], [3, 1, 0, 2]], np.float32)
    found = percent_change(bold, np.ones(2, bool))
    np.testing.assert_array_equal(found[:, 0], [-50, 50])
    assert np.isnan(found[:, 1:3]).all()
    assert not np.isfinite(found[:, 3]).all()


def test_open_dataset__gives_levels_of_each_run(study):
    dataset = open_dataset(**study, per_run=True)
    assert dataset.experiment.conditions == ("a_run1", "a_run2", "b_run1")
    assert dataset.run_conditions == {"a": ("a_run1", "a_run2"), "b": ("b_run1",)}
    assert list(dataset.experiment.runs[1].events) == ["a_run2"]
    assert open_dataset(**study).run_conditions == {"a": ("a",), "b": ("b",)}


def test_open_dataset__percent_of_data_without_their_mean_is_refused(study):
    bold = study["runs"][1].bold
    image = nib.load(bold)
    values = image.get_fdata()
    centred = values - values.mean(axis=-1, keepdims=True)
    nib.save(nib.Nifti1Image(centred.astype(np.float32), image.affine, image.header), bold)
    assert open_dataset(**study).load([7])
    dataset = open_dataset(**study, percent=True)
    with pytest.raises(InputError, match=f"{bold}: cannot be given in percent of its mean"):
        dataset.read()


def test_has_level__judges_those_that_vary():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(50, 9)).astype(np.float32)
    noise[:, :3] = 7, 0, np.nan  # constant or not finite: they say nothing
    assert has_level(noise + 20)
    assert not has_level(noise)
    assert not has_level(noise - 20)
    assert has_level(noise[:, :3])
