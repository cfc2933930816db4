"""What the estimate does not depend on, or only as it must."""

import pickle

import numpy as np
import pytest
from parcel_data import (
    CONTRASTS,
    assert_same,
    shape_error,
    small,
    with_bold,
)

from pyhrf.data import Experiment, Parcel
from pyhrf.estimators import JDEVEM


@pytest.mark.parametrize("factor", [2.0**-10, 8.0, 2.0**20])
def test_jdevem__scale_of_the_data_is_the_scale_of_the_levels(factor):
    simulated, parcel = small()
    estimator = JDEVEM(simulated.experiment, contrasts=CONTRASTS)
    one = estimator.fit_parcel(parcel)
    other = estimator.fit_parcel(with_bold(parcel, factor * parcel.bold))
    assert other.summary["n_iterations"] == one.summary["n_iterations"]
    assert_same(one, other, rtol=1e-6, factor=factor)


def test_jdevem__baseline_and_slow_drifts_do_not_matter():
    simulated, parcel = small()
    n = simulated.experiment.n_scans
    rng = np.random.default_rng(0)
    slow = np.cos(np.pi * np.outer(np.arange(n) + 0.5, np.arange(4)) / n)
    drifts = slow @ rng.normal(scale=50, size=(4, parcel.bold.shape[1]))
    one = JDEVEM(simulated.experiment).fit_parcel(parcel)
    other = JDEVEM(simulated.experiment).fit_parcel(with_bold(parcel, parcel.bold + drifts))
    assert_same(one, other, rtol=2e-3)


@pytest.mark.parametrize("drift", ["polynomial", "none"])
def test_jdevem__drift_may_be_modelled_otherwise(drift):
    simulated, parcel = small(drift=0.0)
    estimate = JDEVEM(simulated.experiment, drift=drift).fit_parcel(parcel)
    assert shape_error(simulated, estimate.hrf) < 0.15
    ramp = np.linspace(0, 100, len(parcel.bold))[:, None]
    moved = JDEVEM(simulated.experiment, drift=drift).fit_parcel(
        with_bold(parcel, parcel.bold + ramp)
    )
    if drift == "polynomial":
        assert_same(estimate, moved, rtol=2e-3)
    else:
        assert np.median(moved.maps["noise_sd", ""]) > 2 * np.median(estimate.maps["noise_sd", ""])


def test_jdevem__order_of_positions_hardly_matters():
    simulated, parcel = small()
    order = np.random.default_rng(0).permutation(parcel.bold.shape[1])
    place = np.argsort(order)
    shuffled = Parcel(
        parcel.number,
        np.ascontiguousarray(parcel.bold[:, order]),
        np.sort(place[parcel.edges], axis=1).astype(np.int32),
        parcel.positions[order],
    )
    estimator = JDEVEM(simulated.experiment, tolerance=1e-8, n_iterations=1000, beta=0.4)
    one, other = estimator.fit_parcel(parcel), estimator.fit_parcel(shuffled)
    np.testing.assert_array_equal(other.positions, parcel.positions[order])
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=1e-3)
    for name in (("nrl", "cond1"), ("nrl_sd", "cond2"), ("active", "cond1"), ("noise_sd", "")):
        assert np.mean(np.abs(other.maps[name] - one.maps[name][order])) < 0.01


def test_jdevem__order_of_conditions_hardly_matters():
    simulated, parcel = small()
    runs = simulated.experiment.runs
    settings = {"tolerance": 1e-8, "n_iterations": 1000, "beta": 0.4}
    one = JDEVEM(Experiment(("cond1", "cond2"), runs), **settings).fit_parcel(parcel)
    other = JDEVEM(Experiment(("cond2", "cond1"), runs), **settings).fit_parcel(parcel)
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=1e-3)
    names = [(kind, name) for kind in ("nrl", "nrl_sd") for name in ("cond1", "cond2")]
    for name in names:
        assert np.mean(np.abs(other.maps[name] - one.maps[name])) < 0.01
    np.testing.assert_allclose(
        other.conditions["fraction_active"][::-1], one.conditions["fraction_active"], atol=1e-3
    )


def test_jdevem__same_input_same_bytes():
    simulated, parcel = small()
    estimator = JDEVEM(simulated.experiment, contrasts=CONTRASTS)
    copy = pickle.loads(pickle.dumps(estimator))
    fits = [each.fit_parcel(parcel) for each in (estimator, estimator, copy)]
    for other in fits[1:]:
        assert other.summary == fits[0].summary
        for part in ("maps", "hrf", "conditions"):
            for name, values in getattr(fits[0], part).items():
                assert values.tobytes() == getattr(other, part)[name].tobytes()


def test_jdevem__seed_and_parcel_number_move_the_errors_of_the_shape_only():
    simulated, parcel = small()
    one = JDEVEM(simulated.experiment).fit_parcel(parcel)
    other = JDEVEM(simulated.experiment, seed=1).fit_parcel(parcel)
    third = JDEVEM(simulated.experiment).fit_parcel(
        Parcel(2, parcel.bold, parcel.edges, parcel.positions)
    )
    assert third.parcel == 2
    for each in (other, third):
        moved = {name for name, value in each.summary.items() if value != one.summary[name]}
        assert moved == {"time_to_peak_sd", "fwhm_sd", "undershoot_sd"}
        assert each.summary["time_to_peak_sd"] == pytest.approx(
            one.summary["time_to_peak_sd"], rel=0.5
        )
