"""Patterns in which single trials are independent, and the HRF that they refine."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag
from trial_parcel import double_gamma, events, experiment_of, random_trials, signal_of

from pyhrf.data import Experiment, Run
from pyhrf.estimators.trial_hrf import _products, _sums, _unwhitened, refined_hrf, start_hrf
from pyhrf.estimators.trial_levels import Levels, TrialData, run_bases, whitened
from pyhrf.estimators.trial_patterns import (
    N_STEPS,
    PRIOR_TRIALS,
    Patterns,
    _by_em,
    _eigenvectors,
    _joint,
    _log_likelihood,
    _of_part,
    along,
    find_patterns,
)
from pyhrf.estimators.trials import _levels_in
from pyhrf.model.hrf import canonical_coefficients, prior_precision
from pyhrf.model.trial_designs import TrialDesign, trial_designs, trial_regressors
from pyhrf.model.trials import trials_of
from pyhrf.parameters.trials import TrialSettings
from pyhrf.parameters.vem import VemSettings

EVERY = [0, 1, 2]


def known_response(
    n_voxels: int, *, shared: float, seed: int, shift: float = 0.0
) -> tuple[TrialData, list[np.ndarray], np.ndarray, list[list[TrialDesign]]]:
    """Regressors of the response that made the data, these, true levels, and designs."""
    experiment = experiment_of()
    bold, truth = signal_of(experiment, n_voxels, shared=shared, seed=seed)
    trials = trials_of(experiment, VemSettings(single_trials="all"), hrf_duration=25.0)
    h = double_gamma(24, 1.0, shift)
    designs = trial_designs(experiment, trials, 1.0, len(h))
    lengths = [run.n_scans for run in experiment.runs]
    Z = trial_regressors(designs, trials, lengths, h)
    of_runs = [
        [d for d, trial in zip(designs, trials, strict=True) if trial.run == run] for run in EVERY
    ]
    P = [np.vander(np.linspace(-1, 1, n), 2) for n in lengths]
    data = TrialData(Z, P, [np.ones((z.shape[1], 1)) for z in Z])
    return data, np.split(bold, np.cumsum(lengths)[:-1]), truth, of_runs


def patterns_of(data: TrialData, Y: list[np.ndarray]) -> Patterns | None:
    return find_patterns(data, Y, run_bases(data, Y), 2.0)


def levels_in(found: Patterns | None, data: TrialData, Y: list[np.ndarray]) -> Levels:
    return _levels_in(found, data.U, run_bases(data, Y), EVERY, EVERY, EVERY)


def test_patterns__are_of_both_covariances():
    rng = np.random.default_rng(0)
    A, N = (X @ X.T + np.eye(9) for X in rng.standard_normal((2, 9, 4)))
    d, B, inverse = _eigenvectors(A, N)
    np.testing.assert_allclose(B @ B.T, N, atol=1e-12)
    np.testing.assert_allclose((B * d) @ B.T, A, atol=1e-12)
    np.testing.assert_allclose(inverse @ B, np.eye(9), atol=1e-12)


def test_series_of_patterns__are_decomposed_as_any_others():
    rng = np.random.default_rng(1)
    trials = random_trials(rng, censored=(3,))
    B, series = rng.standard_normal((6, 6)), [rng.standard_normal((n, 6)) for n in (40, 55)]
    found = along(B, run_bases(trials, [run @ B.T for run in series]))
    for of_rho, wanted in zip(found, run_bases(trials, series), strict=True):
        for one, other in zip(of_rho, wanted, strict=True):
            np.testing.assert_allclose(one.C, other.C, atol=1e-9)
            np.testing.assert_allclose(one.left, other.left, rtol=1e-9)


@pytest.mark.parametrize("n_means", [1, 2])
def test_covariances__are_those_of_em_direction_by_direction(n_means):
    rng = np.random.default_rng(8)
    trials = random_trials(rng, (60, 50), n_trials=9, n_means=n_means)
    bases = run_bases(trials, [rng.standard_normal((n, 5)) for n in (60, 50)])[2]
    prior_A, prior_N = (x @ x.T / 9 + np.eye(5) for x in rng.standard_normal((2, 5, 9)))
    n_left = 30
    s, M, C = (np.concatenate([getattr(run, x) for run in bases]) for x in ("s", "M", "C"))
    A, N = prior_A, prior_N
    for _ in range(N_STEPS):
        V = [N + one**2 * A for one in s]
        X = [np.kron(np.eye(5), row) for row in M]  # of the means of all voxels
        inner = sum(x.T @ np.linalg.solve(v, x) for x, v in zip(X, V, strict=True))
        right = sum(x.T @ np.linalg.solve(v, c) for x, v, c in zip(X, V, C, strict=True))
        mu = np.linalg.solve(inner, right)
        of_trials, of_noise = PRIOR_TRIALS * 5 * prior_A, n_left * prior_N
        for one, v, x, c in zip(s, V, X, C, strict=True):
            gain = one * A @ np.linalg.inv(v)
            level, around = gain @ (c - x @ mu), A - one * gain @ A
            left = c - x @ mu - one * level
            of_trials = of_trials + np.outer(level, level) + around
            of_noise = of_noise + np.outer(left, left) + one**2 * around
        A, N = of_trials / (len(s) + PRIOR_TRIALS * 5), of_noise / (len(s) + n_left)
    S_A, S_N = _by_em(bases, prior_A, prior_N, n_left)
    np.testing.assert_allclose(S_N, N, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(S_A, A, rtol=1e-7, atol=1e-9)


def test_likelihood_of_covariances__is_the_dense_one_up_to_a_constant():
    rng = np.random.default_rng(9)
    trials = random_trials(rng, (60, 50), n_trials=9, n_means=2)
    bases = run_bases(trials, [rng.standard_normal((n, 5)) for n in (60, 50)])[2]
    s, M, C = (np.concatenate([getattr(run, x) for run in bases]) for x in ("s", "M", "C"))
    gaps = []
    for _ in range(4):
        A, N = (x @ x.T / 9 + np.eye(5) for x in rng.standard_normal((2, 5, 9)))
        V = block_diag(*(N + one**2 * A for one in s))
        X = np.vstack([np.kron(np.eye(5), row) for row in M])
        inner = X.T @ np.linalg.solve(V, X)
        left = C.ravel() - X @ np.linalg.solve(inner, X.T @ np.linalg.solve(V, C.ravel()))
        dense = -0.5 * (np.linalg.slogdet(V)[1] + left @ np.linalg.solve(V, left))
        gaps.append(_log_likelihood(bases, A, N) - dense)
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-8)


def test_parts_of_the_directions__are_all_of_them_once():
    rng = np.random.default_rng(10)
    trials = random_trials(rng, (60, 50), n_trials=9)
    bases = run_bases(trials, [rng.standard_normal((n, 5)) for n in (60, 50)])[2]
    for part in (0, 1):
        sides = [_of_part(bases, part, inside=inside) for inside in (True, False)]
        for run, one, other in zip(bases, *sides, strict=True):
            assert abs(len(one.s) - len(other.s)) <= 1
            np.testing.assert_array_equal(np.sort(np.r_[one.s, other.s]), np.sort(run.s))
            assert not set(one.s) & set(other.s)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_covariance_of_trials__is_followed_as_far_as_it_predicts(seed, shared):
    rng = np.random.default_rng(seed)
    trials = random_trials(rng, (150, 150), n_trials=40)
    pattern = rng.standard_normal(12)
    truth = np.eye(12) + shared * np.outer(pattern, pattern)
    root = np.linalg.cholesky(truth)
    Y = [Z @ (2 + rng.standard_normal((40, 12)) @ root.T) + rng.standard_normal((150, 12))
         for Z in trials.Z]  # fmt: skip
    bases = run_bases(trials, Y)[1]
    start = np.diag(np.diagonal(truth)), np.eye(12)
    A, _ = _joint(bases, *start, 100)
    gap, of_start = (np.linalg.norm(one - truth) for one in (A, start[0]))
    assert gap < 0.6 * of_start if shared else gap < 1.5


@pytest.mark.parametrize("seed", range(8))
def test_independent_noise__has_no_patterns(seed):
    data, Y, _, _ = known_response(40, shared=0.0, seed=seed)
    assert patterns_of(data, Y) is None


@pytest.mark.parametrize("seed", range(4))
def test_shared_noise__has_patterns_in_which_levels_are_nearer_to_the_truth(seed):
    data, Y, truth, _ = known_response(40, shared=1.5, seed=seed)
    found = patterns_of(data, Y)
    assert found is not None
    in_patterns = levels_in(found, data, Y)
    of_voxels = levels_in(None, data, Y)
    right, plain = (
        np.corrcoef(levels.mean.ravel(), truth.ravel())[0, 1] for levels in (in_patterns, of_voxels)
    )
    assert right > plain + 0.05
    inside = np.abs(in_patterns.mean - truth) < 1.96 * np.sqrt(in_patterns.variance)
    assert inside.mean() > 0.90


def test_order_and_units_of_voxels__are_those_of_the_levels():
    data, Y, _, _ = known_response(30, shared=1.5, seed=9)
    rng = np.random.default_rng(3)
    order, unit = rng.permutation(30), rng.uniform(0.1, 10.0, 30)
    one = levels_in(patterns_of(data, Y), data, Y)
    others = [(unit * run)[:, order] for run in Y]
    other = levels_in(patterns_of(data, others), data, others)
    np.testing.assert_allclose(other.mean, (unit * one.mean)[:, order], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(other.variance, (unit**2 * one.variance)[:, order], rtol=1e-6)


@pytest.mark.parametrize("n_voxels", [1, 4])
def test_few_voxels__have_no_patterns(n_voxels):
    data, Y, _, _ = known_response(n_voxels, shared=3.0, seed=1)
    assert patterns_of(data, Y) is None


def test_voxels_that_are_one__have_patterns_and_equal_levels():
    data, Y, _, _ = known_response(1, shared=1.0, seed=2)
    Y = [np.repeat(run, 20, axis=1) for run in Y]
    found = levels_in(patterns_of(data, Y), data, Y)
    assert np.isfinite(found.variance).all()
    np.testing.assert_allclose(found.mean, found.mean[:, :1] * np.ones(20), rtol=1e-6, atol=1e-6)


# --- the HRF


def shape_distance(h: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(h / np.linalg.norm(h) - other / np.linalg.norm(other)))


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_response_that_is_a_second_off__is_mended_by_the_trials(shift):
    data, Y, _, designs = known_response(30, shared=0.0, seed=4, shift=shift)
    truth, start = double_gamma(24, 1.0), double_gamma(24, 1.0, shift)
    R_inv = prior_precision(24, 1.0)
    found = refined_hrf(start, R_inv, data, designs, [(Y, run_bases(data, Y))])
    assert shape_distance(found, truth) < 0.6 * shape_distance(start, truth)
    assert found[np.argmax(np.abs(found))] == 1


def test_start__is_the_likelier_of_both_responses():
    own, canonical = double_gamma(24, 1.0, 2.0), canonical_coefficients(24, 1.0)
    canonical = canonical / canonical.max()
    for log_bayes, wanted, is_own in ((500.0, own, True), (-500.0, canonical, False)):
        found, says = start_hrf(own, log_bayes, 1.0)
        np.testing.assert_allclose(found, wanted / wanted.max(), atol=1e-12)
        assert says is is_own


def dense_designs(
    designs: list[TrialDesign], n_scans: int, rho: float, Q: np.ndarray
) -> np.ndarray:
    """Whitened designs without nuisance, shape (n_trials, n_scans, n_hrf)."""
    D = np.zeros((len(designs), n_scans, designs[0].X.shape[1]))
    for one, (first, X) in zip(D, designs, strict=True):
        one[first : first + len(X)] = X
    white = np.array([whitened(one, rho) for one in D])
    return white - Q @ (Q.T @ white)


def test_products_and_sums__are_dense_ones():
    rng = np.random.default_rng(5)
    n, n_trials, rho = 60, 11, 0.4
    run = Run(n, 2.0, {"a": events(10 * np.arange(n_trials) + 3.3)})
    experiment = Experiment(("a",), (run,))
    trials = trials_of(experiment, TrialSettings(single_trials="all"), hrf_duration=25.0)
    designs = trial_designs(experiment, trials, 1.0, 24)
    Q = np.linalg.qr(rng.standard_normal((n, 3)))[0]
    D = dense_designs(designs, n, rho, Q)
    root = rng.standard_normal((n_trials, n_trials))
    moment = root @ root.T + np.eye(n_trials)
    wanted = np.einsum("tnd,tu,une->de", D, moment, D)
    np.testing.assert_allclose(_products(moment, designs, n, rho, Q), wanted, rtol=1e-9, atol=1e-9)
    white = rng.standard_normal((n, n_trials))
    white -= Q @ (Q.T @ white)
    sums = _sums(_unwhitened(white, rho), designs)
    np.testing.assert_allclose(sums, np.einsum("tnd,nt->d", D, white), rtol=1e-9, atol=1e-9)


def test_run_without_trials__says_nothing_of_the_response():
    data, Y, _, designs = known_response(12, shared=0.0, seed=6, shift=1.0)
    rng = np.random.default_rng(7)
    empty = random_trials(rng, (50,), n_trials=0)
    more = TrialData([*data.Z, *empty.Z], [*data.P, *empty.P], [*data.U, np.ones((0, 1))])
    start, R_inv = double_gamma(24, 1.0, 1.0), prior_precision(24, 1.0)
    one = refined_hrf(start, R_inv, data, designs, [(Y, run_bases(data, Y))])
    quiet = [*Y, rng.standard_normal((50, 12))]
    other = refined_hrf(start, R_inv, more, [*designs, []], [(quiet, run_bases(more, quiet))])
    np.testing.assert_allclose(other, one, atol=0.05)
