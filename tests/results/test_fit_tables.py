"""Courses, events and design as tables and back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf.config.study import Study
from pyhrf.data import Events, Experiment, ParcelEstimate, Run
from pyhrf.estimation import regressors_of
from pyhrf.execution.packing import pack_estimates, unpack_estimates
from pyhrf.results import Results, write_results
from pyhrf.results.fit_tables import Design
from pyhrf.spaces.grid import Grid

GRID = Grid((2, 1, 1), np.eye(4), nib.Nifti1Header())
NAMES = ("a.b", "run")


def make_design(estimator: str = "jde-vem", **own: object) -> Design:
    some = Events(np.array([1.0, 31.0]), np.zeros(2), np.array([1.0, 0.5]))
    censored = np.arange(40) == 3
    runs = (
        Run(40, 2.0, {"run": some, "a.b": Events(some.onsets + 9, np.full(2, 4.0), np.ones(2))}),
        Run(40, 2.0, {"run": some}, np.arange(80.0).reshape(40, 2) % 7, censored),
    )
    experiment = Experiment(NAMES, runs)
    study = Study.build(estimator=estimator, data={"example": "small"}, **own)
    moved = np.where(np.arange(40) == 0, np.nan, 0.25)
    return Design(
        experiment=experiment,
        regressors=regressors_of(study, experiment),
        confound_names=[(), ("trans_x", "kept")],
        displacement=[None, moved],
    )


def make_estimate(number: int) -> ParcelEstimate:
    measured = np.linspace(-1, 1, 80, dtype=np.float32) * number
    measured[43] = np.nan
    return ParcelEstimate(
        number,
        "ok",
        "",
        np.array([number - 1]),
        conditions={"mean_active": np.ones(2)},
        hrf={"time": np.arange(2.0), "hrf": np.ones(2), "sd": np.zeros(2)},
        courses={"measured": measured, "fitted": measured / 2},
    )


def write(folder: Path, design: Design | None) -> Results:
    return write_results(
        folder,
        [make_estimate(2), make_estimate(1)],
        conditions=NAMES,
        space=GRID,
        design=design,
    )


def test_courses_and_events__come_back(tmp_path: Path) -> None:
    design = make_design()
    results = write(tmp_path, design)
    for number in (1, 2):
        rows = results.courses.query(f"parcel == {number}")
        assert rows["run"].tolist() == [1] * 40 + [2] * 40
        assert rows["scan"].tolist() == [*range(40)] * 2
        for name, values in make_estimate(number).courses.items():
            np.testing.assert_allclose(rows[name], values, rtol=1e-4)
    events = results.events
    assert events["condition"].tolist() == ["a.b", "a.b", "run", "run", "run", "run"]
    assert events["onset"].tolist() == [10, 40, 1, 31, 1, 31]
    assert events["amplitude"].tolist() == [1, 1, 1, 0.5, 1, 0.5]


def test_design__has_names_that_no_condition_can_take(tmp_path: Path) -> None:
    design = make_design()
    table = write(tmp_path, design).design
    assert list(table) == [
        *("run", "scan", "time", "kept", "framewise_displacement"),
        *("condition.a.b", "condition.run", "drift.constant", "drift.1"),
        *("confound.trans_x", "confound.kept"),
    ]
    first, second = table[:40], table[40:]
    np.testing.assert_allclose(first["condition.run"], design.regressors[0]["condition.run"], 1e-4)
    assert first["confound.kept"].isna().all()
    assert second["condition.a.b"].isna().all()
    assert second["kept"].tolist() == [int(scan != 3) for scan in range(40)]
    assert second.loc[43, "condition.run":].isna().all()
    assert second["confound.trans_x"].dropna().tolist() == [2 * n % 7 for n in range(40) if n != 3]
    assert second["framewise_displacement"].tolist()[1:] == [0.25] * 39


@pytest.mark.parametrize(
    ("model", "kinds"),
    [("canonical", ["condition"]), ("derivatives", ["condition", "derivative", "dispersion"])],
)
def test_design__of_the_glm_is_its_own(tmp_path: Path, model: str, kinds: list[str]) -> None:
    table = write(tmp_path, make_design("glm", glm={"model": model})).design
    assert [name for name in table if name.endswith(".a.b")] == [f"{kind}.a.b" for kind in kinds]
    np.testing.assert_allclose(table["drift.constant"].dropna(), 1)
    assert table["condition.run"].isna().sum() == 1  # of the censored scan


def test_design__of_a_fir_has_a_column_for_each_bin(tmp_path: Path) -> None:
    table = write(tmp_path, make_design("glm", glm={"model": "fir", "fir_delays": "0 2 4"})).design
    assert [name for name in table if name.endswith(".run")] == ["bin1.run", "bin2.run", "bin3.run"]


def test_fit_tables__go_with_the_results_that_had_them(tmp_path: Path) -> None:
    write(tmp_path, make_design())
    results = write(tmp_path, None)
    assert not list(tmp_path.glob("courses.tsv")) + list(tmp_path.glob("design.tsv"))
    assert results.courses.empty
    assert results.events.empty
    assert list(results.design) == ["run", "scan", "time", "kept", "framewise_displacement"]


def test_unpack_estimates__of_an_older_version_have_no_courses() -> None:
    new = pack_estimates([make_estimate(1)])
    with np.load(io.BytesIO(new)) as archive:
        members = dict(archive)
    index = json.loads(members["index"].tobytes())
    del index["estimates"][0]["courses"]
    members["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    courses = list(make_estimate(1).courses.values())
    n_values = sum(len(values) for values in courses)
    members["float32"] = members["float32"][: len(members["float32"]) - n_values]
    file = io.BytesIO()
    np.savez(file, **members)
    (found,), _ = unpack_estimates(file.getvalue())
    assert found.courses == {}
    (now,), _ = unpack_estimates(new)
    np.testing.assert_array_equal(now.courses["measured"], courses[0])
