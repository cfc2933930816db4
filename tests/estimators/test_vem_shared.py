"""Whole parcels whose positions share noise: what is found, and what must not be."""

from dataclasses import replace

import numpy as np
import pytest
from parcel_data import auc, never_falls, small, small_spec, with_bold
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from pyhrf.errors import InputError
from pyhrf.estimators import JDEVEM
from pyhrf.estimators.vem_independent import solve_independent
from pyhrf.estimators.vem_solver import solve_vem
from pyhrf.model.design import experiment_design
from pyhrf.model.graph import NeighbourGraph
from pyhrf.simulation.simulate import HRF_TIME, simulate

SHAPE = (8, 8, 6)


@pytest.fixture(scope="module")
def clean():
    """One parcel without any noise, two conditions of which the second responds nowhere."""
    spec = small_spec(shape=SHAPE, snr=1.0, seed=3)
    simulated = simulate(spec)
    noisy = simulated.parcels()[0]
    levels = np.where(np.arange(2)[:, None] == 0, simulated.levels, 0.0)
    return simulated, noisy, levels


def shared_noise(rng, n, *, size=1.0):
    """Slow factors with smooth maps, and noise of each voxel."""
    factors = lfilter([1], [1, -0.6], rng.normal(size=(n + 50, 5)), axis=0)[50:]
    maps = np.array([gaussian_filter(rng.normal(size=SHAPE), 2.0).ravel() for _ in range(5)])
    maps /= maps.std(axis=1, keepdims=True)
    own = lfilter([1], [1, -0.3], rng.normal(size=(n + 50, maps.shape[1])), axis=0)[50:]
    noise = size * factors @ maps / np.sqrt(5) + own
    return noise / noise.std()


def data_with(simulated, parcel, levels, noise, *, amplitude=0.5):
    """BOLD with responses of the simulated HRF at these levels, in noise of sd 1."""
    X = experiment_design(simulated.experiment, 0.5, 49)
    h = np.interp(0.5 * np.arange(1, 50), HRF_TIME, simulated.hrf[0])
    scale = np.abs(levels).max()
    signal = (X @ h) @ levels * (amplitude / scale)
    return with_bold(parcel, 100 + signal + noise)


def test_noise_that_positions_share__neither_hides_responses_nor_passes_for_them(clean):
    simulated, parcel, levels = clean
    rng = np.random.default_rng(0)
    estimator = JDEVEM(simulated.experiment)
    for _ in range(3):
        noise = shared_noise(rng, len(parcel.bold), size=1.5)
        given = data_with(simulated, parcel, levels, noise)
        found = estimator.fit_parcel(given)
        assert np.mean(found.maps["active", "cond2"] > 0.5) < 0.01
        assert auc(found.maps["active", "cond1"], simulated.labels[0]) > 0.95
        graph = NeighbourGraph.from_edges(given.edges, given.bold.shape[1])
        other = solve_independent(estimator._problem, given.bold, graph)
        assert auc(other.state.p[:, 0], simulated.labels[0]) < 0.8


def test_a_scan_that_is_wrong_everywhere__spoils_nothing(clean):
    simulated, parcel, levels = clean
    rng = np.random.default_rng(1)
    noise = rng.normal(size=parcel.bold.shape)
    noise[40] += 10.0
    given = data_with(simulated, parcel, levels, noise)
    found = JDEVEM(simulated.experiment).fit_parcel(given)
    assert auc(found.maps["active", "cond1"], simulated.labels[0]) > 0.95
    assert found.summary["n_outlying_scans"] == 1


@pytest.mark.parametrize("kind", ["oscillation", "arma"])
def test_slow_noise__does_not_pass_for_responses(clean, kind):
    simulated, parcel, levels = clean
    rng = np.random.default_rng(2)
    n, V = parcel.bold.shape
    tr = simulated.experiment.runs[0].tr
    if kind == "oscillation":
        noise = rng.normal(size=(n, V))
        phase = rng.uniform(0, 2 * np.pi, V)
        noise += np.sqrt(2) * np.sin(2 * np.pi * tr * np.arange(n)[:, None] / 80 + phase)
    else:
        noise = lfilter([1, -0.6], [1, -0.97], rng.normal(size=(n + 300, V)), axis=0)[300:]
        noise /= noise.std()
    found = JDEVEM(simulated.experiment).fit_parcel(data_with(simulated, parcel, levels, noise))
    assert auc(found.maps["active", "cond1"], simulated.labels[0]) > 0.9
    assert np.mean(found.maps["active", "cond2"] > 0.5) < 0.02


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_responses_of_other_shapes__do_not_make_an_hrf_of_differences(clean, seed):
    """Strong voxels respond later, as at veins; what all share is noisy, so differences count."""
    simulated, parcel, _ = clean
    rng = np.random.default_rng(seed)
    n, V = parcel.bold.shape
    time = 0.5 * np.arange(1, 50)
    h = np.interp(time, HRF_TIME, simulated.hrf[0])
    late = np.interp(time - 2.5, time, h, left=0)
    course = experiment_design(simulated.experiment, 0.5, 49)[:, 0] @ np.array([h, late - h]).T
    level = 2 + 0.6 * rng.normal(size=V)
    signal = course @ np.array([level, level - level.mean()])
    noise = shared_noise(rng, n) + lfilter([1], [1, -0.3], rng.normal(size=n))[:, None]
    found = JDEVEM(simulated.experiment).fit_parcel(with_bold(parcel, 100 + signal + noise))
    assert found.summary["shared_noise"] == 1
    mean = np.interp(found.hrf["time"], np.append(0, time), np.append(0, h))
    off = found.hrf["hrf"] / np.linalg.norm(found.hrf["hrf"]) - mean / np.linalg.norm(mean)
    # by differences alone .84 to .89
    assert np.linalg.norm(off) < 0.65


@pytest.mark.parametrize("seed", [0, 2])
def test_where_all_voxels_respond__those_that_respond_least_are_not_an_active_class(clean, seed):
    """Noise that all voxels share leaves nothing but their differences."""
    simulated, parcel, _ = clean
    rng = np.random.default_rng(seed)
    n, V = parcel.bold.shape
    X = experiment_design(simulated.experiment, 0.5, 49)[:, 0]
    course = X @ np.interp(0.5 * np.arange(1, 50), HRF_TIME, simulated.hrf[0])
    level = np.ones(V)
    level[: V // 4] = 0.2
    common = 0.4 * lfilter([1], [1, -0.3], rng.normal(size=n))
    noise = shared_noise(rng, n) + common[:, None]
    given = with_bold(parcel, 100 + np.outer(course, level) + noise)
    found = JDEVEM(simulated.experiment, n_iterations=60, tolerance=1e-7).fit_parcel(given)
    assert found.summary["shared_noise"] == 1
    # the class was turned on the way, and the iterations before count
    assert found.summary["n_iterations"] <= 38 + 60
    levels, active = found.maps["nrl", "cond1"], found.maps["active", "cond1"]
    assert np.mean(levels > 0) > 0.9
    assert found.conditions["mean_active"][0] > 0
    assert levels[active > 0.5].mean() > 0.9 * levels.mean()


def test_mirrored_data__mirror_the_levels(clean):
    simulated, parcel, levels = clean
    noise = shared_noise(np.random.default_rng(3), len(parcel.bold))
    estimator = JDEVEM(simulated.experiment)
    one = estimator.fit_parcel(data_with(simulated, parcel, levels, noise))
    other = estimator.fit_parcel(data_with(simulated, parcel, -levels, -noise))
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=1e-3)
    scale = np.abs(one.maps["nrl", "cond1"]).max()
    np.testing.assert_allclose(
        other.maps["nrl", "cond1"], -one.maps["nrl", "cond1"], atol=1e-3 * scale
    )
    np.testing.assert_allclose(
        other.maps["active", "cond1"], one.maps["active", "cond1"], atol=1e-3
    )


def test_free_energy__never_falls_with_shared_noise(clean):
    simulated, parcel, levels = clean
    noise = shared_noise(np.random.default_rng(4), len(parcel.bold))
    given = data_with(simulated, parcel, levels, noise)
    found = JDEVEM(simulated.experiment, tolerance=1e-8, n_iterations=200).fit_parcel(given)
    assert found.summary["noise_inflation"] >= 1
    assert len(found.trace) > 5
    assert never_falls(found.trace)


def test_independent_noise__is_left_to_each_position():
    simulated, parcel = small()
    estimator = JDEVEM(simulated.experiment)
    graph = NeighbourGraph.from_edges(parcel.edges, parcel.bold.shape[1])
    one = solve_vem(estimator._problem, parcel.bold, graph)
    other = solve_independent(estimator._problem, parcel.bold, graph)
    np.testing.assert_array_equal(one.state.level, other.state.level)
    assert len(np.unique(one.rho)) > 1


def test_scaled_data__scale_the_levels_of_shared_noise(clean):
    simulated, parcel, levels = clean
    noise = shared_noise(np.random.default_rng(5), len(parcel.bold))
    given = data_with(simulated, parcel, levels, noise)
    estimator = JDEVEM(simulated.experiment)
    one = estimator.fit_parcel(given)
    other = estimator.fit_parcel(replace(given, bold=(given.bold * 8).astype(np.float32)))
    np.testing.assert_allclose(other.maps["nrl", "cond1"], 8 * one.maps["nrl", "cond1"], rtol=1e-3)
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=1e-3)


def test_white_noise_setting__holds_for_shared_noise(clean):
    simulated, parcel, levels = clean
    noise = shared_noise(np.random.default_rng(6), len(parcel.bold))
    given = data_with(simulated, parcel, levels, noise)
    found = JDEVEM(simulated.experiment, noise="white").fit_parcel(given)
    assert not found.maps["ar1", ""].any()
    assert JDEVEM(simulated.experiment).fit_parcel(given).maps["ar1", ""].min() > 0.1


def test_parcels_of_few_voxels_or_many_conditions__are_estimated():
    simulated, parcel = small(n_conditions=12, event_interval=30.0)
    rng = np.random.default_rng(7)
    common = rng.normal(size=(len(parcel.bold), 1)) * 5 * parcel.bold.std()
    for n in (5, 9, 180):
        few = parcel.edges[(parcel.edges < n).all(axis=1)]
        found = JDEVEM(simulated.experiment).fit(parcel.bold[:, :n] + common, edges=few)
        assert all(np.isfinite(values).all() for values in found.maps.values())


def test_shared_noise_none__leaves_each_position_its_own_noise(clean):
    simulated, parcel, levels = clean
    noise = shared_noise(np.random.default_rng(8), len(parcel.bold))
    given = data_with(simulated, parcel, levels, noise)
    found = JDEVEM(simulated.experiment, shared_noise="none").fit_parcel(given)
    assert found.summary["shared_noise"] == 0
    estimator = JDEVEM(simulated.experiment)
    graph = NeighbourGraph.from_edges(given.edges, given.bold.shape[1])
    other = solve_independent(estimator._problem, given.bold, graph)
    np.testing.assert_array_equal(found.trace, other.trace)
    assert estimator.fit_parcel(given).summary["shared_noise"] == 1


def test_shared_noise__of_an_unknown_kind_is_refused(clean):
    simulated, _, _ = clean
    with pytest.raises(InputError, match="shared_noise is 'some': it must be measured or none"):
        JDEVEM(simulated.experiment, shared_noise="some")
