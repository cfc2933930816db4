"""From an outcome and the truth to one row of figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.simulation.simulate import HRF_TIME, Simulated
from validation.metrics import (
    Reliability,
    calibration_error,
    coverage,
    hrf_coverage,
    hrf_error,
    largest_fall,
    mean_area,
    reliability,
)
from validation.outcome import Outcome

__all__ = ["Evaluation", "active_pairs", "evaluate"]

NORMAL_95 = 1.96


@dataclass(frozen=True)
class Evaluation:
    """Figures of one method on one data set.

    Attributes
    ----------
    figures : dict
        By the name of the column; NaN where the method or the data have no such figure.
    curve : Reliability
        Of the probabilities of activation.
    """

    figures: dict[str, float]
    curve: Reliability


def evaluate(data: Simulated, outcome: Outcome, seconds: float) -> Evaluation:
    """Compare what a method says with what was put into the data."""
    curve = reliability(outcome.probability, data.labels)
    silent = ~active_pairs(data)[:, data.parcel_of - 1]
    figures = {
        **_hrf_figures(data, outcome),
        "auc": mean_area(outcome.score, data.labels, data.parcel_of),
        "brier": float(np.mean((outcome.probability - data.labels) ** 2)),
        "calibration_error": calibration_error(curve),
        "active_in_inactive": _mean(outcome.probability[silent]),
        "found_in_inactive": _mean((outcome.probability > 0.5)[silent].astype(np.float64)),
        "seconds": seconds,
    }
    if outcome.estimates:
        figures |= _error_bars(data, outcome) | _iterations(outcome)
    return Evaluation(figures, curve)


def active_pairs(data: Simulated) -> np.ndarray:
    """Which condition activates which parcel, bool (n_conditions, n_parcels)."""
    pairs = np.zeros((len(data.labels), len(data.hrf)), dtype=bool)
    conditions, positions = np.nonzero(data.labels)
    pairs[conditions, data.parcel_of[positions] - 1] = True
    return pairs


def _hrf_figures(data: Simulated, outcome: Outcome) -> dict[str, float]:
    """Error of the HRFs of the parcels in which there is any activation."""
    active = active_pairs(data).any(axis=0)
    errors = [
        hrf_error(*found, HRF_TIME, truth)
        for found, truth, wanted in zip(outcome.hrfs, data.hrf, active, strict=True)
        if wanted and found is not None
    ]
    return {
        "hrf_error": float(np.median(errors)) if errors else float("nan"),
        "hrf_error_mean": _mean(np.array(errors)),
        "hrf_error_worst": max(errors, default=float("nan")),
    }


def _error_bars(data: Simulated, outcome: Outcome) -> dict[str, float]:
    """How often the truth lies within the errors that PyHRF gives."""
    active = active_pairs(data).any(axis=0)
    figures = {}
    for name, width in (("68", 1.0), ("95", NORMAL_95)):
        samples, peaks = [], []
        for estimate, shape, wanted in zip(outcome.estimates, data.hrf_shapes, active, strict=True):
            if not wanted or estimate.status != "ok":
                continue
            hrf, summary = estimate.hrf, estimate.summary
            truth = shape.value(hrf["time"])
            samples.append(hrf_coverage(hrf["time"], hrf["hrf"], hrf["sd"], truth, width))
            peaks.append(
                coverage(
                    np.array([summary["time_to_peak"]]),
                    np.array([summary.get("time_to_peak_sd", np.nan)]),
                    np.array([shape.time_to_peak]),
                    width,
                )
            )
        figures[f"hrf_cover_{name}"] = _mean(np.array(samples))
        figures[f"peak_cover_{name}"] = _mean(np.array(peaks))
        if outcome.level is not None and outcome.level_sd is not None:
            for kind, chosen in (("active", data.labels), ("all", np.ones_like(data.labels))):
                figures[f"level_{kind}_cover_{name}"] = coverage(
                    outcome.level[chosen], outcome.level_sd[chosen], data.levels[chosen], width
                )
    return figures


def _iterations(outcome: Outcome) -> dict[str, float]:
    """How the estimation went."""
    done = [estimate for estimate in outcome.estimates if estimate.status == "ok"]

    def of_all(name: str) -> float:
        return _mean(np.array([one.summary.get(name, np.nan) for one in done]))

    return {
        "failed": float(len(outcome.estimates) - len(done)),
        "iterations": of_all("n_iterations"),
        "converged": of_all("converged"),
        "largest_fall": max((largest_fall(one.trace) for one in done), default=float("nan")),
        "largest_relative_fall": max(
            (largest_fall(one.trace) / np.abs(one.trace).max() for one in done if len(one.trace)),
            default=float("nan"),
        ),
        "hrf_quality": of_all("hrf_quality"),
    }


def _mean(values: FloatArray) -> float:
    """Mean of what is finite; NaN of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
