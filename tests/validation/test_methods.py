"""Every estimator goes through the validation, and its figures are where they belong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from validation.evaluate import evaluate
from validation.methods import METHODS, run_method
from validation.tables import Results, estimators_table

from pyhrf.simulation.simulate import Simulated, simulate
from pyhrf.simulation.spec import SimulationSpec


@pytest.fixture(scope="module")
def clear() -> Simulated:
    """Two parcels whose responses are as large as the noise."""
    return simulate(
        SimulationSpec(
            region="box", shape=(7, 7, 6), n_parcels=2, n_scans=120, n_conditions=2, snr=1.0
        )
    )


@pytest.mark.parametrize("method", ["jde", "rfir", "glm-canonical"])
def test_methods__find_what_is_active(clear: Simulated, method: str) -> None:
    outcome, seconds = run_method(method, clear)
    figures = evaluate(clear, outcome, seconds).figures
    assert figures["auc"] > 0.9
    assert figures["brier"] < 0.1
    assert seconds > 0
    if method != "glm-canonical":  # whose HRF and errors are given, not found
        assert figures["hrf_error"] < 0.2
        assert 0.8 < figures["level_all_cover_95"] <= 1
        assert 0.5 < figures["hrf_cover_95"] <= 1
        assert figures["converged"] == 1


def test_rfir__probabilities_of_negative_responses_are_two_sided() -> None:
    data = simulate(
        SimulationSpec(
            region="box",
            shape=(8, 8, 6),
            n_parcels=2,
            n_scans=120,
            n_conditions=2,
            snr=1.5,
            negative_fraction=1.0,
        )
    )
    outcome = METHODS["rfir"](data)
    assert np.mean((outcome.probability - data.labels) ** 2) < 0.1
    assert outcome.probability[data.labels].mean() > 0.7


def test_estimators_table__has_a_row_for_each_estimator_and_scenario() -> None:
    rows = [
        {"scenario": s, "seed": 0, "method": m, "hrf_error": e, "auc": 0.9, "brier": 0.1}
        for s in ("half", "one")
        for m, e in (("jde", 0.1), ("jde-mcmc", 0.2), ("rfir", 0.3), ("other", 0.4))
    ]
    text = estimators_table(Results(pd.DataFrame(rows), {}))
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]  # after the head
    assert [line.split(" | ")[:3] for line in lines[:3]] == [
        ["| half", "jde-vem", "0.100"],
        ["| half", "jde-mcmc", "0.200"],
        ["| half", "rfir", "0.300"],
    ]
    assert len(lines) == 6
    assert "other" not in text
