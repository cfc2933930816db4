"""Several runs in one experiment are as the same data put together by hand, for every estimator.

By hand is one run with intercepts and drifts of each part among its confounds. Two things differ
of themselves, and the data are made so that they do not: a response may not reach from one part
into the next, and noise is correlated across the join unless a long gap lies in it.
"""

import numpy as np
import pytest
from nilearn.glm.first_level import run_glm
from scipy.linalg import block_diag

from pyhrf.data import Events, Experiment, Run
from pyhrf.estimators import JDEMCMC, JDEVEM, RFIR
from pyhrf.estimators.glm import GLM
from pyhrf.model.hrf import canonical_hrf
from pyhrf.model.levels import levels_per_run
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.parameters.model import ModelSettings

LENGTHS, TR, GAP = (110, 95), 2.0, 300
EDGES = np.array([(v, v + 1) for v in range(23)])
ESTIMATORS = {
    "vem": JDEVEM,
    "mcmc": lambda experiment, **given: JDEMCMC(
        experiment, n_iterations=120, n_burn_in=60, n_chains=2, **given
    ),
    "rfir": RFIR,
}


def events(onsets):
    onsets = np.asarray(onsets, dtype=float)
    return Events(onsets, np.zeros(len(onsets)), np.ones(len(onsets)))


@pytest.fixture(scope="module")
def data():
    """Runs with a confound each, and their signal: half of the positions respond to ``a``."""
    rng = np.random.default_rng(11)
    # the last response has ended before the run has
    a = [np.arange(5.0, LENGTHS[0] * TR - 30, 14.3), np.arange(3.0, LENGTHS[1] * TR - 30, 13.1)]
    b = [onsets + 6.7 for onsets in a]
    runs = tuple(
        Run(n, TR, {"a": events(one), "b": events(two)}, confounds=rng.normal(size=(n, 2)))
        for n, one, two in zip(LENGTHS, a, b, strict=True)
    )
    parts = []
    for run in runs:
        time = TR * np.arange(run.n_scans)
        response = canonical_hrf(time[:, None] - run.events["a"].onsets).sum(axis=1)
        level = np.where(np.arange(24) < 12, 3.0, 0.0)
        noise = rng.normal(size=(run.n_scans, 24))
        noise[1:] += 0.4 * noise[:-1]
        slow = np.linspace(0, 5, run.n_scans)[:, None]
        parts.append(response[:, None] * level + noise + slow + 100 * rng.uniform(1, 2, 24))
    return runs, np.vstack(parts).astype(np.float32)


def nuisance_of(run):
    """Intercept, drift and confounds of one run."""
    return experiment_nuisance(Experiment(("a",), (run,)), ModelSettings())


def by_hand(runs, gap):
    """One run of all scans and a censored gap; events and nuisance moved to their places."""
    first, second = runs
    n = first.n_scans + gap + second.n_scans
    shift = (first.n_scans + gap) * TR
    confounds = block_diag(nuisance_of(first), np.zeros((gap, 0)), nuisance_of(second))
    together = {
        name: events(
            np.concatenate([first.events[name].onsets, second.events[name].onsets + shift])
        )
        for name in first.events
    }
    censored = np.zeros(n, dtype=bool)
    censored[first.n_scans : first.n_scans + gap] = True
    return Run(n, TR, together, confounds, censored if gap else None)


def numbers(estimate):
    """Give what an estimate says, by name, without the maps that are in single precision.

    Nor diagnostics of chains: they rank draws, of which the last digit decides the order.
    """
    every = {
        **{f"hrf {name}": values for name, values in estimate.hrf.items()},
        **{f"condition {name}": values for name, values in estimate.conditions.items()},
        **{f"summary {name}": np.float64(value) for name, value in estimate.summary.items()},
        "trace": estimate.trace,
    }
    return {
        name: value for name, value in every.items() if "rhat" not in name and "ess" not in name
    }


@pytest.mark.parametrize("noise", ["white", "ar1"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_two_runs__are_as_the_same_data_put_together_by_hand(name, noise, data):
    runs, bold = data
    gap = GAP if noise == "ar1" else 0  # 0.9 ** 300 is nothing
    whole = np.insert(bold, np.repeat(LENGTHS[0], gap), 0, axis=0)
    one = ESTIMATORS[name](Experiment(("a", "b"), runs), noise=noise).fit(bold, edges=EDGES)
    other = ESTIMATORS[name](
        Experiment(("a", "b"), (by_hand(runs, gap),)), noise=noise, drift="none"
    ).fit(whole, edges=EDGES)
    expected = numbers(other)
    for what, values in numbers(one).items():
        scale = np.max(np.abs(expected[what]), initial=1e-300)
        np.testing.assert_allclose(
            values, expected[what], rtol=1e-8, atol=1e-8 * scale, err_msg=what
        )
    for what, values in one.maps.items():
        scale = np.nanmax(np.abs(other.maps[what]))
        np.testing.assert_allclose(
            values, other.maps[what], rtol=1e-6, atol=1e-6 * scale, err_msg=what
        )


def test_two_runs_of_the_glm__have_the_effects_of_one_design_of_all_columns(data):
    """Effects of each run are those of one least squares fit in which runs share no column.

    Their variances are not: nilearn's fixed effects take each run's own noise.
    """
    runs, bold = data
    contrasts = {"a": {"a": 1.0}}
    estimator = GLM(Experiment(("a", "b"), runs), noise="white", contrasts=contrasts)
    found = estimator.fit(bold)
    matrices = [run.matrix for run in estimator._design.runs]
    design = block_diag(*matrices)
    (result,) = run_glm(bold.astype(float), design, noise_model="ols")[1].values()
    effects = result.theta[[0, matrices[0].shape[1]]].mean(axis=0)
    np.testing.assert_allclose(
        found.maps["contrast_effect", "a"], effects, rtol=1e-6, atol=1e-6 * np.abs(effects).max()
    )


@pytest.mark.parametrize("name", [*ESTIMATORS, "glm"])
def test_runs_of_another_length_and_tr__find_the_response_in_both(name):
    """The second run has another TR: read as if it had the first one's, nothing would be found."""
    rng = np.random.default_rng(3)
    runs, parts = [], []
    for n, tr in ((120, 2.0), (230, 1.1)):
        onsets = np.arange(4.0, n * tr - 25, 12.7)
        response = canonical_hrf(tr * np.arange(n)[:, None] - onsets).sum(axis=1)
        runs.append(Run(n, tr, {"a": events(onsets)}))
        parts.append(5.0 * response[:, None] + rng.normal(size=(n, 24)))
    given = {} if name == "glm" else {"edges": EDGES}
    estimate = ({**ESTIMATORS, "glm": GLM}[name])(Experiment(("a",), tuple(runs))).fit(
        np.vstack(parts), **given
    )
    level = estimate.maps["nrl", "a"]
    assert 4.3 < level.mean() < 5.7
    if name != "glm":
        time, hrf = estimate.hrf["time"], estimate.hrf["hrf"]
        assert abs(time[np.argmax(hrf)] - 5.0) <= 1.0
        np.testing.assert_allclose(hrf, canonical_hrf(time), atol=0.2)


def runs_of_other_levels():
    """Two runs with a level of ``a`` in each; half of the positions do not respond at all."""
    rng = np.random.default_rng(9)
    level = np.where(np.arange(24) < 12, [[6.0], [2.0]], 0.0)
    runs, parts = [], []
    for n, height in zip((130, 120), level, strict=True):
        onsets = np.arange(4.0, n * TR - 25, 11.9)
        response = canonical_hrf(TR * np.arange(n)[:, None] - onsets).sum(axis=1)
        runs.append(Run(n, TR, {"a": events(onsets)}))
        parts.append((response[:, None] * height + rng.normal(size=(n, 24))).astype(np.float32))
    return tuple(runs), parts, level


@pytest.mark.parametrize("name", ESTIMATORS)
def test_levels_per_run__are_those_of_the_simulation(name):
    runs, parts, level = runs_of_other_levels()
    experiment, _ = levels_per_run(Experiment(("a",), runs))
    estimate = ESTIMATORS[name](experiment).fit(np.vstack(parts), edges=EDGES)
    for number, truth in enumerate(level, start=1):
        found = estimate.maps["nrl", f"a_run{number}"]
        assert np.sqrt(np.mean((found - truth) ** 2)) < 0.6
        assert abs(found[:12].mean() - truth[0]) < 0.4


@pytest.mark.parametrize("noise", ["white", "ar1"])
def test_levels_per_run_of_the_glm__are_those_of_the_runs_alone(noise):
    runs, parts, _ = runs_of_other_levels()
    experiment, _ = levels_per_run(Experiment(("a",), runs))
    together = GLM(experiment, noise=noise).fit(np.vstack(parts))
    for number, (run, bold) in enumerate(zip(runs, parts, strict=True), start=1):
        alone = GLM(Experiment(("a",), (run,)), noise=noise).fit(bold)
        for kind in ("nrl", "nrl_sd", "t", "z", "effect"):
            np.testing.assert_array_equal(
                together.maps[kind, f"a_run{number}"], alone.maps[kind, "a"]
            )
