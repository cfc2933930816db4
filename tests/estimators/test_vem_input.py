"""Data and settings that the estimator cannot use, and plain arrays."""

from dataclasses import replace

import numpy as np
import pytest
from parcel_data import (
    assert_same,
    one_condition,
    small,
    with_bold,
)

from pyhrf.data import Events, Experiment, Parcel, Run
from pyhrf.errors import InputError
from pyhrf.estimators import JDEVEM


def bad(parcel, columns, values):
    bold = parcel.bold.copy()
    bold[:, columns] = values
    return with_bold(parcel, bold)


@pytest.mark.parametrize("values", [np.nan, np.inf, 0.0, 873.0])
def test_fit_parcel__leaves_useless_positions_out(values):
    simulated, parcel = small()
    estimator = JDEVEM(simulated.experiment)
    columns = [0, 17, 100]
    estimate = estimator.fit_parcel(bad(parcel, columns, values))
    kept = np.ones(parcel.bold.shape[1], dtype=bool)
    kept[columns] = False
    assert estimate.status == "ok"
    assert estimate.summary["n_positions_used"] == kept.sum()
    for name, map_ in estimate.maps.items():
        np.testing.assert_array_equal(np.isnan(map_), ~kept, err_msg=name)
    # as if they had not been there
    number = np.cumsum(kept) - 1
    inside = kept[parcel.edges].all(axis=1)
    rest = Parcel(
        1,
        np.ascontiguousarray(parcel.bold[:, kept]),
        number[parcel.edges[inside]].astype(np.int32),
        parcel.positions[kept],
    )
    for name, values_ in estimator.fit_parcel(rest).maps.items():
        np.testing.assert_allclose(estimate.maps[name][kept], values_, rtol=1e-4, atol=1e-5)


def test_fit_parcel__one_bad_scan_is_enough():
    simulated, parcel = small()
    bold = parcel.bold.copy()
    bold[3, 5], bold[7, 6], bold[7, 8], bold[9, 8] = np.nan, np.inf, np.inf, -np.inf
    estimate = JDEVEM(simulated.experiment).fit_parcel(with_bold(parcel, bold))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(estimate.maps["ar1", ""])), [5, 6, 8])


@pytest.mark.parametrize("noise", ["ar1", "white"])
def test_fit_parcel__leaves_out_positions_that_are_constant_in_a_run(noise):
    simulated, parcel = small(n_runs=2, n_scans=90)
    bold = parcel.bold.copy()
    # outside the field of view of one run, or of both at different values
    bold[:90, 3] = 0
    bold[:90, 4], bold[90:, 4] = 1000.0, 0.1
    estimator = JDEVEM(simulated.experiment, noise=noise)
    estimate = estimator.fit_parcel(with_bold(parcel, bold))
    assert estimate.status == "ok", estimate.reason
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(estimate.maps["noise_sd", ""])), [3, 4])
    bold[:, 3:5] = np.nan
    again = estimator.fit_parcel(with_bold(parcel, bold))
    np.testing.assert_array_equal(estimate.hrf["hrf"], again.hrf["hrf"])


@pytest.mark.parametrize("spread", [1e-30, 1e-3, 1e15])
def test_fit_parcel__any_unit_is_fine(spread):
    experiment = one_condition()
    rng = np.random.default_rng(0)
    parcel = Parcel(
        1,
        (spread * rng.standard_normal((100, 8))).astype(np.float32),
        np.empty((0, 2), np.int32),
        np.arange(8),
    )
    assert JDEVEM(experiment).fit_parcel(parcel).status == "ok"


def test_fit_parcel__too_few_positions_is_a_failed_estimate():
    simulated, parcel = small()
    estimator = JDEVEM(simulated.experiment)
    four = Parcel(9, parcel.bold[:, :4], np.empty((0, 2), np.int32), parcel.positions[:4])
    estimate = estimator.fit_parcel(four)
    assert (estimate.parcel, estimate.status) == (9, "failed")
    assert estimate.reason == "4 positions, fewer than the 5 that are needed"
    assert not estimate.maps
    np.testing.assert_array_equal(estimate.positions, parcel.positions[:4])
    one = Parcel(9, parcel.bold[:, :1], np.empty((0, 2), np.int32), parcel.positions[:1])
    assert estimator.fit_parcel(one).reason == "1 position, fewer than the 5 that are needed"
    mostly_nan = bad(parcel, slice(3, None), np.nan)
    assert estimator.fit_parcel(mostly_nan).reason == (
        "3 of 180 positions can be used (the others are constant or not finite), fewer than the "
        "5 that are needed"
    )
    assert JDEVEM(simulated.experiment, min_positions=4).fit_parcel(four).status == "ok"


def test_fit_parcel__a_single_position_is_enough_if_asked_for():
    simulated, parcel = small()
    best = int(np.argmax(simulated.levels[0]))
    one = Parcel(1, parcel.bold[:, best : best + 1], np.empty((0, 2), np.int32), np.array([0]))
    assert JDEVEM(simulated.experiment, min_positions=1).fit_parcel(one).status == "ok"


def test_fit__is_fit_parcel_for_arrays():
    simulated, parcel = small()
    estimator = JDEVEM(simulated.experiment)
    expected = estimator.fit_parcel(parcel)
    coordinates = np.column_stack(np.unravel_index(parcel.positions, (6, 6, 5)))
    by_edges = estimator.fit(parcel.bold.tolist(), edges=parcel.edges.tolist())
    by_coordinates = estimator.fit(parcel.bold.astype(np.float64), coordinates=coordinates)
    for estimate in (by_edges, by_coordinates):
        assert_same(expected, estimate, rtol=1e-6)
        np.testing.assert_array_equal(estimate.positions, np.arange(180))


def test_fit__without_neighbours_the_field_has_nothing_to_say():
    simulated, parcel = small()
    one = JDEVEM(simulated.experiment, beta=0.0).fit(parcel.bold, edges=parcel.edges)
    other = JDEVEM(simulated.experiment, beta=1.0).fit(parcel.bold)
    # this is of the data alone, and of their neighbours
    summary = {n: value for n, value in one.summary.items() if n != "neighbour_correlation"}
    assert_same(replace(one, conditions={}, summary=summary), other, rtol=1e-5)


@pytest.mark.parametrize(
    ("bold", "given", "message"),
    [
        (np.ones(100), {}, r"bold has the shape \(100,\): it must be \(n_scans, n_positions\)"),
        (np.ones((99, 9)), {}, r"shape \(99, 9\): .* with 100 scans"),
        (np.ones((100, 9)), {}, r"0 of 9 positions can be used"),
        (np.ones((100, 4)), {}, r"0 of 4 positions can be used"),
        (np.ones((100, 0)), {}, r"0 positions, fewer than the 5"),
        (np.ones((100, 9)), {"edges": [[0, 9]]}, "name position 9, but there are 9 positions"),
        (np.ones((100, 9)), {"edges": [[0, 1, 2]]}, r"shape \(n_edges, 2\)"),
        (np.ones((100, 9)), {"edges": [[0, 1], [1, 0]]}, "an edge is given twice"),
        (np.ones((100, 9)), {"coordinates": np.ones((9, 2), int)}, r"shape \(n_positions, 3\)"),
        (
            np.ones((100, 9)),
            {"coordinates": np.ones((9, 3), int)},
            "the same voxel is twice in coordinates",
        ),
        (
            np.ones((100, 9)),
            {"coordinates": np.eye(3, dtype=int)},
            "coordinates name 3 voxels, but bold has 9",
        ),
        (
            np.ones((100, 2)),
            {"coordinates": np.eye(3, dtype=int)},
            "coordinates name 3 voxels, but bold has 2",
        ),
        (
            np.ones((100, 9)),
            {"edges": [[0, 1]], "coordinates": np.ones((9, 3), int)},
            "edges or coordinates, not both",
        ),
        (np.full((100, 9), "x"), {}, "bold must hold real numbers"),
        (np.ones((100, 9), complex), {}, "bold must hold real numbers"),
    ],
)
def test_fit__refuses_arrays_that_do_not_fit(bold, given, message):
    with pytest.raises(InputError, match=message):
        JDEVEM(one_condition()).fit(bold, **given)


def no_event(name="a"):
    late = Events(np.array([1e4]), np.zeros(1), np.ones(1))
    return Experiment((name,), (Run(100, 2.0, {name: late}),))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dt": 0.0}, "dt is 0 s: it must be above 0 and at most twice the TR, 4 s"),
        ({"dt": -1.0}, "dt is -1 s"),
        ({"dt": 4.1}, "dt is 4.1 s"),
        ({"dt": np.nan}, "dt is nan s"),
        ({"hrf_duration": 4.0}, r"hrf_duration is 4 s: it must be at least five steps of dt \(5 s"),
        ({"hrf_duration": 101.0}, "at most 100 s"),
        ({"hrf_duration": np.nan}, "hrf_duration is nan s"),
        ({"n_iterations": 0}, "n_iterations is 0"),
        ({"tolerance": 0.0}, "tolerance 0: both must be above 0"),
        ({"tolerance": np.nan}, "tolerance nan"),
        ({"beta": -0.1}, "beta is -0.1: it must lie between 0 and 1.2"),
        ({"beta": 5.1}, "beta is 5.1"),
        ({"beta": np.nan}, "beta is nan"),
        ({"drift_cutoff": 0.0}, "drift_cutoff is 0 s: it must be above 0"),
        ({"drift_cutoff": -5.0}, "drift_cutoff is -5 s"),
        ({"drift_cutoff": np.nan}, "drift_cutoff is nan s"),
        (
            {"drift_cutoff": 4.0},
            "100 scans with 100 nuisance regressors leave too little for 1 condition:",
        ),
        ({"drift": "polynomial", "drift_order": -1}, "drift_order is -1: it must be 0 or more"),
        ({"drift": "polynomial", "drift_order": 99}, "raise the drift's cut-off"),
        ({"drift": "cosin"}, "drift is 'cosin': it must be cosine, polynomial or none"),
        ({"noise": "ar2"}, "noise is 'ar2': it must be ar1 or white"),
        ({"ppm_threshold": np.nan}, "ppm_threshold is nan"),
        (
            {"contrasts": {"c": {"b": 1.0}}},
            "contrast c: there is no condition 'b'; the conditions are a",
        ),
        ({"contrasts": {"c": {}}}, "contrast c: all weights are 0"),
        ({"contrasts": {"c": {"a": 0.0}}}, "contrast c: all weights are 0"),
        ({"contrasts": {"c": {"a": np.nan}}}, "contrast c: the weight of 'a' is not finite"),
    ],
)
def test_jdevem__refuses_settings_that_are_not_allowed(given, message):
    with pytest.raises(InputError, match=message):
        JDEVEM(one_condition(), **given)


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (Experiment((), one_condition().runs), "no condition or no run"),
        (Experiment(("a",), ()), "no condition or no run"),
        (no_event("late one"), "condition 'late one' has no event that reaches a scan"),
        (one_condition(8, 3.0), "8 scans with 7 nuisance regressors leave too little"),
    ],
)
def test_jdevem__refuses_experiments_that_hold_nothing(experiment, message):
    with pytest.raises(InputError, match=message):
        JDEVEM(experiment, drift="polynomial", drift_order=6)
