"""Parcels of artificial data for the estimators."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pyhrf.data import Events, Experiment, Parcel, ParcelEstimate, Run
from pyhrf.outputs.map_kind import SIGNAL, SIGNAL_SQUARED
from pyhrf.outputs.maps import MAPS
from pyhrf.simulation.simulate import HRF_TIME, Simulated, simulate
from pyhrf.simulation.spec import SimulationSpec

CONTRASTS = {"first": {"cond1": 1.0}, "difference": {"cond1": 1.0, "cond2": -1.0}}


def small_spec(**fields: object) -> SimulationSpec:
    """One parcel of 180 voxels and two conditions; anything else by name."""
    given = {
        "region": "box",
        "shape": (6, 6, 5),
        "n_parcels": 1,
        "n_scans": 150,
        "n_conditions": 2,
        "inactive_fraction": 0.0,
        "snr": 0.7,
        "seed": 1,
    }
    return SimulationSpec(**{**given, **fields})


@cache
def small(**fields: object) -> tuple[Simulated, Parcel]:
    """Simulation and its only parcel."""
    simulated = simulate(small_spec(**fields))
    return simulated, simulated.parcels()[0]


def with_bold(parcel: Parcel, bold: np.ndarray) -> Parcel:
    """Parcel with other data."""
    return replace(parcel, bold=np.ascontiguousarray(bold, dtype=np.float32))


def true_hrf(simulated: Simulated, time: np.ndarray) -> np.ndarray:
    """HRF of the first parcel at any times."""
    return np.interp(time, HRF_TIME, simulated.hrf[0])


def shape_error(simulated: Simulated, hrf: dict) -> float:
    """Distance between the estimated HRF and the true one, both at unit norm on a fine grid."""
    found = np.interp(HRF_TIME, hrf["time"], hrf["hrf"])
    truth = simulated.hrf[0]
    return float(np.linalg.norm(found / np.linalg.norm(found) - truth / np.linalg.norm(truth)))


def one_condition(n_scans: int = 100, tr: float = 2.0, name: str = "a", **runs: int) -> Experiment:
    """Experiment with an impulse about every 13 s."""
    onsets = np.arange(7.3, n_scans * tr - 10, 13.1)
    events = Events(onsets, np.zeros(len(onsets)), np.ones(len(onsets)))
    return Experiment((name,), (Run(n_scans, tr, {name: events}),) * runs.get("n_runs", 1))


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Probability that an active position scores above an inactive one."""
    gaps = score[label][:, None] - score[~label][None, :]
    return float((gaps > 0).mean() + 0.5 * (gaps == 0).mean())


def never_falls(trace: np.ndarray) -> bool:
    """Tell whether a free energy fell by no more than rounding."""
    return np.diff(trace).min(initial=0) >= -1e-9 * abs(trace[-1])


def assert_same(
    one: ParcelEstimate, other: ParcelEstimate, *, rtol: float = 1e-4, factor: float = 1.0
) -> None:
    """Two estimates agree, the levels and what else has the unit of the data up to a factor."""
    for name, values in one.maps.items():
        scale = {SIGNAL: factor, SIGNAL_SQUARED: factor**2}.get(MAPS[name[0]].unit, 1.0)
        np.testing.assert_allclose(
            other.maps[name], scale * values, rtol=rtol, atol=rtol * np.nanmax(abs(scale * values))
        )
    for name, values in one.hrf.items():
        np.testing.assert_allclose(other.hrf[name], values, rtol=rtol, atol=rtol)
    for name, values in one.conditions.items():
        scale = factor if name in ("mean_active", "sd_active", "sd_inactive") else 1.0
        np.testing.assert_allclose(other.conditions[name], scale * values, rtol=rtol, atol=rtol)
    for name, value in one.summary.items():
        if name != "free_energy":
            assert other.summary[name] == pytest.approx(value, rel=rtol, abs=rtol), name
