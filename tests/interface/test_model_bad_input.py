"""What cannot be is said in one sentence, in the words of Python, before any work."""

from __future__ import annotations

import inspect
import pickle
import re
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import pyhrf
from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import says_where

CUBE = nib.Nifti1Image(np.ones((4, 4, 4), np.int32), np.eye(4))


@pytest.fixture
def fit(example: Any) -> Any:
    def fit_it(*, data: dict[str, Any] | None = None, **parameters: Any) -> Any:
        given = {"run_imgs": example.bold, "events": example.events, **(data or {})}
        model = pyhrf.JDE(**{"parcellation": example.atlas, "engine": "serial", **parameters})
        return model.fit(**given)

    return fit_it


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"noise": "ar9"}, "noise: ar9 is not allowed: must be ar1 or white"),
        ({"dt": -1}, r"dt: -1 is not allowed: must be > 0 \(seconds\)"),
        ({"hrf_duration": 3}, "hrf_duration: 3.* must be at least 5 time steps"),
        ({"drift_order": 30, "drift": "polynomial"}, "drift_order: 30 is not allowed"),
        ({"t_r": 2000.0}, "t_r: 2000.* did you mean 2 s"),
        ({"n_iterations": 0}, "n_iterations: 0 is not allowed"),
        ({"scaling": "psc"}, "scaling: psc is not allowed: must be none or percent"),
        ({"fd_threshold": 0.5}, "fd_threshold: 0.5 is not allowed: no .*confounds"),
        ({"method": "mcm"}, "method='mcm': did you mean mcmc"),
        ({"n_chains": 3}, "n_chains goes with method='mcmc', not with 'vem': leave it out"),
        ({"method": "mcmc", "shared_noise": "none"}, "shared_noise goes with method='vem'"),
        ({"engine": "moon"}, "there is no engine 'moon'"),
        ({"parcellation": None}, "no parcellation is given: parcellation= takes"),
        ({"parcellation": 50}, r"give the mask \(mask_img\)"),
        ({"parcellation": CUBE}, "parcellation: does not lie on the grid of"),
        ({"mask_img": CUBE}, "mask_img has 4 x 4 x 4 values and the parcellation 8 x 6 x 5"),
        ({"contrasts": {"x": "cond1 - cond"}}, "names the unknown condition cond"),
        ({"meshes": [CUBE]}, "meshes must be paths of GIFTI surfaces"),
        ({"start_time": [0.0, 1.0]}, "start_time is a list of 2, but the number of images is 1"),
    ],
)
def test_parameters(fit: Any, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(pyhrf.PyhrfError, match=said):
        fit(**parameters)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"events": None}, "events are missing"),
        ({"run_imgs": []}, "run_imgs is an empty list"),
        ({"run_imgs": np.zeros((100, 6))}, r"array of shape \(100, 6\).*[Mm]eans of regions"),
        ({"run_imgs": 3}, "run_imgs holds a value of the type int: give images"),
        ({"run_imgs": CUBE}, "holds one volume"),
        ({"run_imgs": "/nowhere/bold.nii.gz"}, "/nowhere/bold.nii.gz: there is no such file"),
        ({"events": 3}, "type int is given where a table or a path is needed"),
        ({"events": [1, 2]}, "events is a list of 2, but the number of images is 1"),
        ({"confounds": np.zeros(100)}, r"confounds have the shape \(100,\)"),
        ({"confounds": np.zeros((90, 2))}, "confounds of run 1: has 90 rows, but its run has 100"),
        ({"sample_masks": np.arange(200)}, "must be numbers of scans from 0 to 99"),
        ({"sample_masks": np.ones(99, bool)}, "True and False for each of the 100 scans"),
    ],
)
def test_data(fit: Any, data: dict[str, Any], said: str) -> None:
    with pytest.raises(pyhrf.InputError, match=said):
        fit(data=data)


def test_tables_of_events_name_run_and_row(fit: Any, example: Any) -> None:
    with pytest.raises(pyhrf.InputError, match=r"^events of run 1, line 1: .* column onset"):
        fit(data={"events": example.events.drop(columns="onset")})
    wrong = example.events.astype({"onset": object})
    wrong.loc[3, "onset"] = "late"
    said = (
        r'^events of run 2, row 3 \(the first is 0\), column onset: "late" is not a finite number'
    )
    with pytest.raises(pyhrf.InputError, match=said):
        fit(data={"run_imgs": [example.bold, example.copy], "events": [example.events, wrong]})
    negative = example.events.assign(duration=[*[0.0] * (len(example.events) - 1), -2.0])
    last = len(example.events) - 1
    with pytest.raises(pyhrf.InputError, match=f"row {last} .*column duration: -2 is negative"):
        fit(data={"events": negative})


def test_notes_name_run_and_row(fit: Any, example: Any, caplog: pytest.LogCaptureFixture) -> None:
    events = example.events.copy()
    events.loc[2, "onset"] = np.nan
    fit(data={"events": events})
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "events of run 1: 1 row (row 2; the first is 0) left out" in said
    assert "/tmp" not in said


def test_atlases_that_are_none(fit: Any, example: Any) -> None:
    with pytest.raises(pyhrf.InputError, match="one map of probabilities for each region"):
        fit(parcellation=SimpleNamespace(maps=example.bold))
    with pytest.raises(pyhrf.InputError, match="parcellation is of the type SimpleNamespace"):
        fit(parcellation=SimpleNamespace())


def test_surfaces_and_volumes_are_not_mixed(fit: Any, on_surface: Any, example: Any) -> None:
    with pytest.raises(pyhrf.InputError, match="parcellation is a SurfaceImage, and run_imgs are"):
        fit(parcellation=on_surface.atlas)
    surface = {"run_imgs": on_surface.bold}
    with pytest.raises(pyhrf.InputError, match="parcellation must be a SurfaceImage"):
        fit(t_r=2.0, data=surface)
    with pytest.raises(pyhrf.InputError, match="give t_r, seconds"):
        fit(parcellation=on_surface.atlas, data=surface)


def test_estimators_of_one_parcel_say_where_images_go(example: Any) -> None:
    from pyhrf.data import Events, Experiment, Run

    with pytest.raises(pyhrf.InputError, match=r"experiment is a DataFrame.*pyhrf\.JDE"):
        pyhrf.JDEVEM(example.events)
    events = {
        str(name): Events(rows["onset"], np.zeros(len(rows)), np.ones(len(rows)))
        for name, rows in example.events.groupby("trial_type")
    }
    estimator = pyhrf.JDEVEM(Experiment(tuple(events), (Run(100, 2.0, events),)))
    for image in (example.bold, "bold.nii.gz"):
        with pytest.raises(pyhrf.InputError, match=r"for images and their paths take pyhrf\.JDE"):
            estimator.fit(image)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda e: pyhrf.JDEVEM(), "JDEVEM: missing a required argument: 'experiment'; it estim"),
        (
            lambda e: pyhrf.JDEVEM(t_r=2.0, mask_img=e.mask),
            "of plain arrays; models of",
        ),
        (lambda e: pyhrf.JDEMCMC(e.bold, e.events), "JDEMCMC: too many positional arguments; it"),
        (lambda e: Events(e.events), "Events: missing a required argument: 'durations'; tables of"),
        (lambda e: pyhrf.analyse(bold=e.bold), "analyse: missing a required argument: 'study'; it"),
        (
            lambda e: pyhrf.analyse([e.bold], [e.events], e.atlas),
            "tables go to the fit",
        ),
        (lambda e: _estimator().fit(e.bold, events=e.events), "fit: got an unexpected keyword"),
    ],
)
def test_wrong_calls_say_where_to_go(example: Any, call: Any, said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)) as raised:
        call(example)
    assert re.search(r"pyhrf\.JDE, pyhrf\.RFIR (and|or) pyhrf\.GLM", str(raised.value))


def test_methods_of_models_are_no_methods_of_estimators_of_one_parcel() -> None:
    estimator = _estimator()
    for name in ("predict", "score", "compute_contrast", "generate_report", "get_params"):
        assert hasattr(pyhrf.JDE, name)
        with pytest.raises(AttributeError, match=rf"has no {name}: it estimates one parcel"):
            getattr(estimator, name)
    with pytest.raises(AttributeError, match=r"has no nonsense$"):
        _ = estimator.nonsense
    assert pickle.loads(pickle.dumps(estimator)).dt == estimator.dt
    assert "experiment" in inspect.signature(pyhrf.JDEVEM).parameters, "as documentation shows it"


def _estimator() -> Any:
    events = Events(np.arange(0.0, 90, 15), np.zeros(6), np.ones(6))
    return pyhrf.JDEVEM(Experiment(("a",), (Run(100, 2.0, {"a": events}),)))


def test_a_failure_inside_is_not_taken_for_a_wrong_call() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        says_where("nowhere")(lambda one: one + "x")(1)


def test_a_folder_is_not_written_over(example: Any, tmp_path: Any) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, example.events)
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(pyhrf.InputError, match="exists and is not empty"):
        model.to_study(tmp_path)
    with pytest.raises(pyhrf.InputError, match="exists and is not overwritten"):
        model.save(tmp_path)
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_studies_of_example_data_have_no_model(tmp_path: Any) -> None:
    from pyhrf.config.study import Study

    with pytest.raises(pyhrf.ConfigError, match="makes its own example data"):
        pyhrf.model_of_study(Study())


def test_confounds_of_a_table_all_count(example: Any) -> None:
    noise = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 2)), columns=["a", "b"])
    with_both = pyhrf.GLM(example.atlas, engine="serial")
    with_both.fit(example.bold, example.events, confounds=noise)
    some = pyhrf.GLM(example.atlas, engine="serial", confound_columns="a")
    some.fit(example.bold, example.events, confounds=noise)
    one = pyhrf.GLM(example.atlas, engine="serial")
    one.fit(example.bold, example.events, confounds=noise[["a"]])
    find = lambda model: model.map("nrl_cond1").get_fdata()  # noqa: E731
    np.testing.assert_array_equal(find(some), find(one))
    assert not np.array_equal(find(some), find(with_both), equal_nan=True)


def test_studies_say_where_images_go(example: Any) -> None:
    from pyhrf.config.study import Study

    with pytest.raises(pyhrf.ConfigError, match=r"not a value of the type Nifti1Image.*pyhrf\.JDE"):
        pyhrf.analyse(example.bold)
    run = {"bold": example.bold, "paradigm": example.events}
    said = (
        r"<bold>: a value of the type Nifti1Image is not allowed: must be the path of a file .*; "
        r"what is in memory goes to the fit of pyhrf\.JDE"
    )
    with pytest.raises(pyhrf.ConfigError, match=said):
        Study.build(data={"kind": "volume", "runs": [run], "parcellation": "parcels.nii"})


def test_only_public_names_are_shown() -> None:
    shown = [name for name in dir(pyhrf) if not name.startswith("_")]
    assert sorted(shown) == sorted(set(pyhrf.__all__) - {"__version__"})
