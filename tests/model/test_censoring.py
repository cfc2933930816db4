"""Censored scans and confounds against dense matrices from which scans were really removed."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from pyhrf.data import Events, Experiment, Run
from pyhrf.model.design import experiment_design
from pyhrf.model.nuisance import experiment_nuisance, independent_columns
from pyhrf.model.statistics import (
    cross_products,
    design_statistics,
    noise_inflation,
    parcel_moments,
    without_nuisance,
)
from pyhrf.parameters.model import ModelSettings

RUNS = (40, 31)
GONE = np.isin(np.arange(sum(RUNS)), [0, 1, 7, 8, 9, 20, 39, 40, 55, 70])
RHO = np.array([-0.3, 0.0, 0.35, 0.9])
N_CONDITIONS, N_HRF = 2, 3


def covariance(rho):
    """Covariance of AR(1) noise with innovations of variance 1, all scans, run by run."""
    blocks = [rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))) for n in RUNS]
    return block_diag(*blocks) / (1 - rho**2)


def marginal_precision(covariance, P):
    L = np.linalg.inv(covariance)
    return L - L @ P @ np.linalg.solve(P.T @ L @ P, P.T @ L)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(5)
    n = sum(RUNS)
    X = rng.normal(size=(n, N_CONDITIONS, N_HRF))
    P = block_diag(*(np.vander(np.arange(k) / k, 3) for k in RUNS))
    Y = 500 + 20 * np.arange(n)[:, None] / n + rng.normal(size=(n, 6))
    with_spikes = np.hstack([P * ~GONE[:, None], np.eye(n)[:, GONE]])
    projector, design = design_statistics(X, with_spikes, RUNS, RHO, kept=~GONE)
    return X, P, Y, projector, design


def test_censored_scans__statistics_are_those_of_the_other_scans(problem):
    X, P, Y, projector, design = problem
    moments = parcel_moments(projector, without_nuisance(projector, Y))
    kept = ~GONE
    K = projector.Q.shape[1]
    flat = X[kept].reshape(kept.sum(), -1)
    full = cross_products(projector, design)
    for i, rho in enumerate(RHO):
        S = covariance(rho)[np.ix_(kept, kept)]
        M = marginal_precision(S, P[kept])
        scale = np.array([1, rho**2, -rho])
        ZY, YY = np.tensordot(scale, moments.ZY, 1), scale @ moments.YY
        B = ZY[:, K:] - ZY[:, :K] @ design.C[i]
        e = YY - np.einsum("vk,kl,vl->v", ZY[:, :K], design.inv_PP[i], ZY[:, :K])
        np.testing.assert_allclose(full[i], flat.T @ M @ flat, atol=1e-8)
        np.testing.assert_allclose(B, Y[kept].T @ M @ flat, atol=1e-8)
        np.testing.assert_allclose(e, np.einsum("nv,nm,mv->v", Y[kept], M, Y[kept]), atol=1e-8)
        A = P[kept].T @ np.linalg.inv(S) @ P[kept]
        expected = -np.linalg.slogdet(S)[1] - np.linalg.slogdet(A)[1]
        assert design.log_det[i] - design.log_det[1] == pytest.approx(
            expected - _white_log_det(P[kept]), abs=1e-8
        )
    assert design.n_free == kept.sum() - P.shape[1]


def _white_log_det(P):
    return -np.linalg.slogdet(P.T @ P)[1]


def test_censored_scans__their_values_change_nothing(problem):
    _, _, Y, projector, _ = problem
    other = np.where(GONE[:, None], 1e4, Y)
    one, two = (parcel_moments(projector, without_nuisance(projector, y)) for y in (Y, other))
    np.testing.assert_allclose(two.ZY, one.ZY, atol=1e-6)
    np.testing.assert_allclose(two.YY, one.YY, atol=1e-6)


def test_noise_inflation__does_not_count_censored_scans(problem):
    rng = np.random.default_rng(8)
    n, n_positions = sum(RUNS), 400
    projector = problem[3]
    rho = 0.6
    root = np.linalg.cholesky(covariance(rho))
    level = np.full((n_positions, N_CONDITIONS), 1e-9)
    found = [
        noise_inflation(
            projector,
            without_nuisance(projector, root @ rng.normal(size=(n, 1)) * np.ones(n_positions)),
            h=np.ones(N_HRF),
            level=level,
            noise=np.ones(n_positions),
            rho=np.full(n_positions, rho),
            n_fitted=0.0,
        )
        for _ in range(60)
    ]
    # all positions have the same noise: each is counted n_positions times, per condition
    assert np.mean(found) == pytest.approx(n_positions, rel=0.1)


def impulses(onsets):
    onsets = np.asarray(onsets, dtype=float)
    return Events(onsets, np.zeros(len(onsets)), np.ones(len(onsets)))


def statistics(experiment, *, drift, order, rho, bold):
    X = experiment_design(experiment, 1.0, 12)
    P = experiment_nuisance(experiment, ModelSettings(drift=drift, drift_order=order))
    lengths = tuple(run.n_scans for run in experiment.runs)
    projector, design = design_statistics(X, P, lengths, rho, kept=experiment.kept)
    moments = parcel_moments(projector, without_nuisance(projector, bold))
    K = P.shape[1]
    results = [cross_products(projector, design)]
    for i, r in enumerate(rho):
        scale = np.array([1, r**2, -r])
        ZY, YY = np.tensordot(scale, moments.ZY, 1), scale @ moments.YY
        results.append(ZY[:, K:] - ZY[:, :K] @ design.C[i])
        results.append(YY - np.einsum("vk,kl,vl->v", ZY[:, :K], design.inv_PP[i], ZY[:, :K]))
    return [*results, design.log_det - design.log_det[0], design.n_free]


@pytest.mark.parametrize("n_first", [0, 6])
def test_censored_ends__are_as_a_shorter_run(n_first):
    rng = np.random.default_rng(2)
    n, n_last, tr = 90, 9, 2.0
    bold = 800 + rng.normal(size=(n, 5))
    confounds = rng.normal(size=(n, 4))
    censored = np.zeros(n, bool)
    censored[:n_first] = censored[n - n_last :] = True
    onsets = np.arange(20.0, 150.0, 11.7)
    kept = ~censored
    long = Run(n, tr, {"a": impulses(onsets)}, confounds, censored)
    short = Run(int(kept.sum()), tr, {"a": impulses(onsets - n_first * tr)}, confounds[kept])
    # polynomials of a part of the run are polynomials; the cosines would be others
    found, expected = (
        statistics(Experiment(("a",), (run,)), drift="polynomial", order=3, rho=RHO, bold=y)
        for run, y in ((long, bold), (short, bold[kept]))
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)


def test_two_runs__are_as_one_that_was_concatenated_by_hand():
    rng = np.random.default_rng(4)
    lengths, tr = (80, 65), 2.0
    n = sum(lengths)
    bold = np.repeat([900.0, 700.0], lengths)[:, None] + rng.normal(size=(n, 7))
    # no response reaches from the first run into the second
    onsets = [np.arange(5.0, lengths[0] * tr - 14, 9.3), np.arange(3.0, 110.0, 10.1)]
    runs = tuple(Run(k, tr, {"a": impulses(each)}) for k, each in zip(lengths, onsets, strict=True))
    parts = [experiment_nuisance(Experiment(("a",), (run,)), ModelSettings()) for run in runs]
    by_hand = Run(
        n,
        tr,
        {"a": impulses(np.concatenate([onsets[0], onsets[1] + lengths[0] * tr]))},
        confounds=block_diag(*parts),
    )
    white = np.zeros(1)
    found = statistics(Experiment(("a",), runs), drift="cosine", order=0, rho=white, bold=bold)
    expected = statistics(
        Experiment(("a",), (by_hand,)), drift="none", order=0, rho=white, bold=bold
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)


def test_two_runs__are_as_one_with_a_long_gap_under_autocorrelated_noise():
    rng = np.random.default_rng(6)
    lengths, gap, tr = (50, 45), 260, 2.0
    n, second = sum(lengths) + gap, (lengths[0] + gap) * tr
    bold = 300 + rng.normal(size=(n, 4))
    censored = np.zeros(n, bool)
    censored[lengths[0] : lengths[0] + gap] = True
    onsets = [np.arange(5.0, 90.0, 9.3), np.arange(3.0, 70.0, 10.1)]
    runs = tuple(Run(k, tr, {"a": impulses(each)}) for k, each in zip(lengths, onsets, strict=True))
    in_first = (np.arange(n) < lengths[0]).astype(float)
    by_hand = Run(
        n,
        tr,
        {"a": impulses(np.concatenate([onsets[0], onsets[1] + second]))},
        confounds=in_first[:, None],
        censored=censored,
    )
    given = {"drift": "none", "order": 0, "rho": RHO}  # 0.9 ** 260 is nothing
    found = statistics(Experiment(("a",), runs), bold=bold[~censored], **given)
    expected = statistics(Experiment(("a",), (by_hand,)), bold=bold, **given)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)


def test_experiment_nuisance__leaves_out_what_confounds_repeat():
    rng = np.random.default_rng(0)
    new = rng.normal(size=(60, 2))
    confounds = np.column_stack(
        [np.full(60, 3.0), new, 1e6 * new[:, 0] - 2 * new[:, 1], np.zeros(60), np.arange(60) > 58]
    )
    censored = np.arange(60) > 57
    run = Run(60, 2.0, {}, confounds, censored)
    P = experiment_nuisance(Experiment(("a",), (run,)), ModelSettings(drift="none"))
    # mean, the two new ones, two censored scans
    assert P.shape == (60, 5)
    np.testing.assert_allclose(P.T @ P, np.eye(5), atol=1e-12)
    for column in confounds.T:
        np.testing.assert_allclose(P @ (P.T @ column), column, atol=1e-6)


def test_independent_columns__are_orthogonal_to_what_is_known():
    rng = np.random.default_rng(1)
    known, columns = rng.normal(size=(50, 4)), rng.normal(size=(50, 3))
    columns[:, 2] = known @ np.ones(4)
    new = independent_columns(columns, known)
    assert new.shape == (50, 2)
    np.testing.assert_allclose(new.T @ np.hstack([known, new]), np.eye(6)[4:], atol=1e-12)
