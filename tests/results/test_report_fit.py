"""The report's courses and design are those of the results."""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_fit_tables import NAMES, make_design, make_estimate, write

from pyhrf.config.study import Study
from pyhrf.errors import InputError
from pyhrf.results import Results
from pyhrf.results.report import write_report
from pyhrf.results.report_fit import pack_design, pack_fit


def with_provenance(results: Results, **data: object) -> Results:
    study = Study.build(estimator="jde-vem", data={"example": "small"})
    content = study.model_dump(mode="json")
    content["data"] |= data
    run = {"study": content, "versions": {"pyhrf": "1.0"}, "inputs": {}, "notes": []}
    (results.directory / "run.json").write_text(json.dumps(run))
    table = results.directory / "parcels.tsv"
    frame = pd.read_csv(table, sep="\t", keep_default_na=False)
    frame.assign(r2=[0.1, 0.4]).to_csv(table, sep="\t", index=False)
    return Results(results.directory)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return with_provenance(write(tmp_path, make_design()))


def test_pack_fit__holds_the_courses_of_the_table(results: Results) -> None:
    packed = pack_fit(results)
    assert packed is not None
    assert packed["first"] == 2
    assert packed["unit"] == "signal"
    for number in (1, 2):
        one = packed["courses"][number]
        codes = np.frombuffer(base64.b64decode(one["data"]), "<i2").reshape(2, 80)
        for name, code in zip(("measured", "fitted"), codes, strict=True):
            expected = make_estimate(number).courses[name]
            found = np.where(code == -32768, np.nan, code * one["scale"])
            np.testing.assert_allclose(found, expected, atol=1e-4 * number)


def test_pack_fit__describes_runs(results: Results) -> None:
    packed = pack_fit(results)
    assert packed is not None
    first, second = packed["runs"]
    assert (first["n_scans"], first["tr"], first["censored"], first["moved"]) == (40, 2.0, [], [])
    assert second["censored"] == [3]
    assert second["moved"] == [None, *[0.25] * 39]
    assert packed["conditions"] == list(NAMES)
    assert first["events"] == [[0, [10.0, 40.0], [4.0, 4.0]], [1, [1.0, 31.0], [0.0, 0.0]]]


def test_pack_fit__leaves_out_what_fits_least(results: Results) -> None:
    packed = pack_fit(results, max_bytes=500)
    assert packed is not None
    assert list(packed["courses"]) == [2]
    assert packed["left_out"] == 1


def test_pack_fit__says_percent_where_the_study_does(tmp_path: Path) -> None:
    results = with_provenance(write(tmp_path, make_design()), scaling="percent")
    packed = pack_fit(results)
    assert packed is not None
    assert packed["unit"] == "% signal change"


def write_table(results: Results, columns: dict[str, np.ndarray]) -> Results:
    n = len(next(iter(columns.values())))
    fixed = {"run": np.repeat([1, 2], n // 2), "scan": [*range(n // 2)] * 2, "time": 0.0, "kept": 1}
    table = pd.DataFrame({**fixed, **columns})
    table.to_csv(results.directory / "design.tsv", sep="\t", index=False, na_rep="n/a")
    return Results(results.directory)


def test_pack_design__correlates_what_drift_and_confounds_leave(results: Results) -> None:
    rng = np.random.default_rng(1)
    a, b, confound = rng.normal(size=(3, 100))
    mean = np.repeat([5.0, -5.0], 50)
    of_a = a + 3 * confound
    results = write_table(
        results,
        {
            "condition.a": of_a,
            "condition.b": a + 0.3 * b + mean,
            "condition.c": b,
            "drift.constant": np.ones(100),
            "confound.x": np.where(np.arange(100) < 50, confound, np.nan),
            "confound.y": np.where(np.arange(100) < 50, np.nan, confound),
        },
    )
    design = pack_design(results)
    assert design is not None
    # by hand: least squares of each run
    nuisance = np.zeros((100, 4))
    for k in range(2):
        here = slice(50 * k, 50 * k + 50)
        nuisance[here, 2 * k], nuisance[here, 2 * k + 1] = 1, confound[here]
    left = [y - nuisance @ np.linalg.lstsq(nuisance, y)[0] for y in (of_a, a + 0.3 * b + mean, b)]
    np.testing.assert_allclose(design["correlations"], 100 * np.corrcoef(left), atol=0.51)
    centred = [y - np.repeat([y[:50].mean(), y[50:].mean()], 50) for y in (of_a, a, b)]
    expected = 1 - np.sum(left[0] ** 2) / np.sum(centred[0] ** 2)
    assert design["explained"]["a"] == pytest.approx(expected, abs=1e-3)
    assert design["explained"]["a"] > 0.5 > design["explained"]["b"]
    alike, drowned = design["said"]
    assert re.match(r"The regressors of a and b correlate by 0\.9\d: ", alike)
    assert re.match(r"Drift and confounds explain \d\d % of the regressor of a: ", drowned)


def test_pack_design__draws_each_column_from_dark_to_light(results: Results) -> None:
    rising = np.arange(100.0)
    lacking = np.where(rising < 50, np.nan, rising)
    results = write_table(results, {"condition.a": rising, "condition.b": lacking})
    design = pack_design(results)
    assert design is not None
    codes = np.frombuffer(base64.b64decode(design["data"]), np.uint8).reshape(100, 2)
    np.testing.assert_array_equal(codes[:, 0], 1 + np.rint(254 * rising / 99))
    assert (codes[:50, 1] == 0).all()
    assert (codes[50, 1], codes[99, 1]) == (1, 255)
    assert design["runs"] == [50, 50]


def test_pack_design__of_many_scans_shows_some(results: Results) -> None:
    results = write_table(results, {"condition.a": np.arange(1300.0)})
    design = pack_design(results)
    assert design is not None
    assert (design["step"], design["rows"], design["runs"]) == (3, 434, [217, 217])


def test_report__has_the_sections_where_the_files_are_there(results: Results) -> None:
    sections = ('<h2 id="fit">', '<h2 id="design">', 'href="courses.tsv"')
    page = write_report(results.directory).read_text("utf-8")
    assert all(text in page for text in sections)
    for name in ("courses", "events", "design"):
        (results.directory / f"{name}.tsv").unlink()
    page = write_report(results.directory).read_text("utf-8")
    assert not any(text in page for text in sections)


@pytest.mark.parametrize("name", ["courses", "events", "design"])
def test_report__of_damaged_tables_is_made_or_refused_in_a_sentence(
    results: Results, name: str
) -> None:
    path = results.directory / f"{name}.tsv"
    whole = path.read_bytes()
    words = whole.replace(b"\t1\t", b"\tword\t")
    header = b"a\tb\n1\t2\n"
    for damaged in (b"", whole[: len(whole) // 2], b"\xff\0\x1b[2J" * 40, words, header):
        path.write_bytes(damaged)
        with suppress(InputError):
            write_report(results.directory)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is damaged or was changed since the analysis"):
        write_report(results.directory)
