"""The catalogue of outputs says what is there, and forgetting an entry is not silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from pyhrf.analysis import analyse
from pyhrf.config.study import EstimatorName, Study
from pyhrf.data import ParcelEstimate
from pyhrf.outputs.columns import COLUMNS
from pyhrf.outputs.maps import MAPS

PAGE = Path(__file__).parents[1] / "docs" / "outputs.md"


@pytest.mark.parametrize(
    "unknown",
    [
        {"maps": {("level", "audio"): np.zeros(1, np.float32)}},
        {"maps": {"nrl_audio": np.zeros(1, np.float32)}},
        {"summary": {"height": 1.0}},
        {"conditions": {"height": np.ones(2)}},
        {"hrf": {"height": np.ones(26)}},
        {"courses": {"height": np.ones(26, np.float32)}},
    ],
    ids=str,
)
def test_estimate__with_an_output_that_the_catalogue_lacks_cannot_be_made(
    unknown: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match=r"are not in the catalogue, pyhrf\.outputs"):
        ParcelEstimate(1, "ok", "", np.arange(1), **unknown)


@pytest.mark.parametrize("estimator", get_args(EstimatorName))
def test_outputs__are_those_that_the_catalogue_says(tmp_path: Path, estimator: Any) -> None:
    study = Study.build(
        estimator=estimator,
        vem={"single_trials": "all"},
        mcmc={"n_iterations": 200, "n_burn_in": 100},
        glm={"model": "fir"},
        data={"example": "small"},
        cross_validate="blocks",
        contrasts=[{"name": "all", "expression": "cond1 + cond2"}],
        output=tmp_path / "out",
    )
    results = analyse(study, engine="serial")

    assert results.map_names.keys() == results.maps().keys()
    kinds = {kind for kind, _ in results.map_names.values()}
    assert kinds == {kind.name for kind in MAPS.values() if estimator in kind.by} - {"left_out"}
    for stem, (kind, _) in results.map_names.items():
        values = results.map_values(stem)
        assert_within(MAPS[kind].range, values[np.isfinite(values)])

    for name, known in COLUMNS.items():
        table = results.trial_table if name == "trials" else getattr(results, name)
        given = {column for column in table if table[column].notna().any()}
        expected = {column for column, one in known.items() if estimator in one.by}
        if name == "trials" and estimator != "jde-vem":
            assert table.empty
        if name == "design":  # and the regressors, each named by its kind
            given = {column for column in given if "." not in column}
        assert given <= expected
        assert expected - given <= {"reason", "outlying_scan", "region", "framewise_displacement"}
        for column in given - {column for column, one in known.items() if one.is_text}:
            assert_within(known[column].range, table[column].dropna())

    page = PAGE.read_text(encoding="utf-8")
    files = {path.name for path in results.directory.iterdir() if path.suffix != ".gz"}
    assert {name for name in files if f"`{name}`" not in page and f"`{name}/`" not in page} == set()


def assert_within(bounds: tuple[float, float], values: Any) -> None:
    assert np.all((values >= bounds[0]) & (values <= bounds[1]))
