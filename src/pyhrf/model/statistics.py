"""Sufficient statistics: the only place where data with a time axis are touched.

With AR(1) noise of lag-1 autocorrelation ``rho`` the precision of a run's noise is
``(I + rho^2 E - rho U) / s``: ``E`` is the identity without the two ends of the run, ``U`` has
ones beside the diagonal. Every quadratic form of the model is therefore the combination
``1, rho^2, -rho`` of three products that do not depend on ``rho``; white noise is ``rho = 0``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray


class DesignStatistics(NamedTuple):
    """What the parcels of a study share, for every ``rho`` of a grid.

    The nuisance ``P`` has a flat prior and is integrated out under the noise's precision
    ``L(rho)``.

    Attributes
    ----------
    rho : array, shape (n_rho,)
        Grid of autocorrelations; ``(0,)`` for white noise.
    G : array, shape (n_rho, n_pairs, n_hrf * n_hrf)
        ``X_m' L X_n - X_m' L P (P' L P)^-1 P' L X_n`` for the pairs of conditions ``m <= n`` in
        the order of ``numpy.triu_indices``, symmetrised: only its quadratic forms matter.
    C : array, shape (n_rho, n_nuisance, n_conditions * n_hrf)
        ``(P' L P)^-1 P' L X``.
    inv_PP : array, shape (n_rho, n_nuisance, n_nuisance)
        ``(P' L P)^-1``.
    log_det : array, shape (n_rho,)
        ``log det L - log det P' L P``, the part of the likelihood that depends on ``rho`` alone.
    n_free : int
        Scans less nuisance regressors.
    """

    rho: FloatArray
    G: FloatArray
    C: FloatArray
    inv_PP: FloatArray
    log_det: FloatArray
    n_free: int


class Moments(NamedTuple):
    """The three products ``1, E, U`` of a parcel's data.

    Attributes
    ----------
    ZY : array, shape (3, n_positions, n_nuisance + n_conditions * n_hrf)
        ``Z' y``, ``Z' E y``, ``Z' U y`` with ``Z = [P, X]``.
    YY : array, shape (3, n_positions)
        ``y' y``, ``y' E y``, ``y' U y``.
    """

    ZY: FloatArray
    YY: FloatArray


class Projector(NamedTuple):
    """What turns a time series into `Moments`.

    Attributes
    ----------
    Q : array, shape (n_scans, n_nuisance)
        Orthonormal basis of the nuisance.
    Z : array, shape (n_scans, n_nuisance + n_conditions * n_hrf)
        ``[Q, X]`` with the nuisance taken out of ``X``.
    ZU : array, shape (n_scans, 2 * (n_nuisance + n_conditions * n_hrf))
        ``[Z, U Z]``.
    ends : int array, shape (2 * n_runs,)
        First scans of the runs, then their last scans.
    last : int array, shape (n_runs - 1,)
        Last scan of every run but the last one.
    censored : int array, shape (n_censored,)
        Scans whose values are left free, in ascending order.
    """

    Q: FloatArray
    Z: FloatArray
    ZU: FloatArray
    ends: NDArray[np.intp]
    last: NDArray[np.intp]
    censored: NDArray[np.intp]


def design_statistics(
    X: FloatArray,
    P: FloatArray,
    run_lengths: tuple[int, ...],
    rho: FloatArray,
    *,
    kept: NDArray[np.bool_] | None = None,
) -> tuple[Projector, DesignStatistics]:
    """Compute what all parcels share.

    Parameters
    ----------
    X : array, shape (n_scans, n_conditions, n_hrf)
        Design.
    P : array, shape (n_scans, n_nuisance)
        Nuisance, of full column rank.
    run_lengths : tuple of int
        Scans of every run.
    rho : array, shape (n_rho,)
        Autocorrelations, each between -1 and 1.
    kept : bool array, shape (n_scans,), optional
        Which scans count; `P` has a column for each of the others.

    Returns
    -------
    Projector, DesignStatistics
    """
    n_scans, n_conditions, n_hrf = X.shape
    Q = np.linalg.qr(P)[0]
    n_nuisance = Q.shape[1]
    flat = X.reshape(n_scans, -1)
    # The projection under L(rho) that follows is the same with and without this one, which
    # keeps the numbers small.
    Z = np.hstack([Q, flat - Q @ (Q.T @ flat)])
    stops = np.cumsum(run_lengths)
    last = stops[:-1] - 1
    ends = np.concatenate([stops - np.asarray(run_lengths), stops - 1])
    UZ = _neighbour_sum(Z, last)
    one, off = Z.T @ Z, Z.T @ UZ
    inner = one - Z[ends].T @ Z[ends]

    upper = np.triu_indices(n_conditions)
    G = np.empty((len(rho), len(upper[0]), n_hrf * n_hrf))
    C = np.empty((len(rho), n_nuisance, n_conditions * n_hrf))
    inv_PP = np.empty((len(rho), n_nuisance, n_nuisance))
    log_det = np.empty(len(rho))
    for i, r in enumerate(rho):
        S = one + r**2 * inner - r * off
        PP, PX = S[:n_nuisance, :n_nuisance], S[:n_nuisance, n_nuisance:]
        inv_PP[i] = np.linalg.inv(PP)
        C[i] = np.linalg.solve(PP, PX)
        G[i] = pair_blocks(S[n_nuisance:, n_nuisance:] - PX.T @ C[i], n_conditions)
        log_det[i] = len(run_lengths) * np.log1p(-(r**2)) - np.linalg.slogdet(PP)[1]
    censored = np.empty(0, np.intp) if kept is None else np.flatnonzero(~kept)
    projector = Projector(Q, Z, np.hstack([Z, UZ]), ends, last, censored)
    return projector, DesignStatistics(
        np.asarray(rho, dtype=float), G, C, inv_PP, log_det, n_scans - n_nuisance
    )


def pair_blocks(products: FloatArray, n_conditions: int) -> FloatArray:
    """Take the blocks of the pairs of conditions ``m <= n`` out of products of the design.

    Parameters
    ----------
    products : array, shape (n_conditions * n_hrf, n_conditions * n_hrf)
    n_conditions : int

    Returns
    -------
    array, shape (n_pairs, n_hrf * n_hrf)
        Symmetrised.
    """
    n_hrf = len(products) // n_conditions
    upper = np.triu_indices(n_conditions)
    full = products.reshape(n_conditions, n_hrf, n_conditions, n_hrf)
    blocks = full[upper[0], :, upper[1], :]
    return np.asarray(((blocks + blocks.transpose(0, 2, 1)) / 2).reshape(len(blocks), -1))


def cross_products(projector: Projector, design: DesignStatistics) -> FloatArray:
    """Compute ``X' L X`` with the nuisance integrated out, of all pairs of columns.

    `DesignStatistics.G` has its blocks symmetrised, which is enough for a response that conditions
    share; where each has its own, the blocks themselves count.

    Parameters
    ----------
    projector, design
        Of the study.

    Returns
    -------
    array, shape (n_rho, n_conditions * n_hrf, n_conditions * n_hrf)
    """
    Z, ends = projector.Z, projector.ends
    K = projector.Q.shape[1]
    one, off = Z.T @ Z, Z.T @ projector.ZU[:, Z.shape[1] :]
    inside = one - Z[ends].T @ Z[ends]
    full = np.empty((len(design.rho), Z.shape[1] - K, Z.shape[1] - K))
    for i, r in enumerate(design.rho):
        S = one + r**2 * inside - r * off
        gram = S[K:, K:] - S[:K, K:].T @ design.C[i]
        full[i] = (gram + gram.T) / 2
    return full


def without_nuisance(projector: Projector, bold: NDArray[np.floating]) -> FloatArray:
    """Take the nuisance out of data, by ordinary least squares.

    Parameters
    ----------
    projector : Projector
        Of the study.
    bold : array, shape (n_scans, n_positions)
        Finite values.

    Returns
    -------
    array, shape (n_scans, n_positions)
    """
    Q = projector.Q
    Y = bold.astype(np.float64)
    # Twice: a baseline a thousand times the fluctuations leaves a rest after the first time.
    for _ in range(2):
        Y -= Q @ (Q.T @ Y)
    return Y


def parcel_moments(projector: Projector, Y: FloatArray) -> Moments:
    """Compute a parcel's moments: one matrix product over its data.

    Parameters
    ----------
    projector : Projector
        Of the study.
    Y : array, shape (n_scans, n_positions)
        Data without nuisance.

    Returns
    -------
    Moments
    """
    _, Z, ZU, ends, last, _ = projector
    product = Y.T @ ZU
    n = Z.shape[1]
    at_ends = Y[ends]
    ZY = np.empty((3, Y.shape[1], n))
    ZY[0], ZY[2] = product[:, :n], product[:, n:]
    ZY[1] = ZY[0] - at_ends.T @ Z[ends]
    YY = np.empty((3, Y.shape[1]))
    YY[0] = np.einsum("nv,nv->v", Y, Y)
    YY[1] = YY[0] - np.einsum("nv,nv->v", at_ends, at_ends)
    YY[2] = 2 * np.einsum("nv,nv->v", Y[1:], Y[:-1])
    for scan in last:
        YY[2] -= 2 * Y[scan] * Y[scan + 1]
    return Moments(ZY, YY)


def grid_energy(moments: Moments, rho: FloatArray, inv_PP: FloatArray) -> FloatArray:
    """Compute ``y' L y - y' L P (P' L P)^-1 P' L y`` for every position and autocorrelation.

    Neither HRF nor levels are in it, so that once is enough for all iterations; with many
    confounds it is the dearest thing that is asked of the data.

    Parameters
    ----------
    moments : Moments
        Of a parcel.
    rho, inv_PP
        As in `DesignStatistics`.

    Returns
    -------
    array, shape (n_positions, n_rho)
    """
    ZY, YY = moments
    PY = ZY[:, :, : inv_PP.shape[1]]
    energy = np.empty((YY.shape[1], len(rho)))
    for i, r in enumerate(rho):
        nuisance = PY[0] + r * r * PY[1] - r * PY[2]
        explained = np.einsum("vk,vk->v", nuisance @ inv_PP[i], nuisance)
        energy[:, i] = YY[0] + r * r * YY[1] - r * YY[2] - explained
    return energy


def noise_inflation(
    projector: Projector,
    Y: FloatArray,
    *,
    h: FloatArray,
    level: FloatArray,
    noise: FloatArray,
    rho: FloatArray,
    n_fitted: float,
) -> float:
    """Tell how often the same noise is counted when an HRF is drawn from all positions.

    The HRF is estimated from the sums ``c_m = sum_v a_vm / s_v r_v`` of the whitened residuals.
    If the positions' noise is independent, ``E|c_m|^2`` is ``sum_v a_vm^2 / s_v`` per degree of
    freedom. Physiological noise is shared by neighbours, and exceeds it: the ratio (the design
    effect of survey sampling) says how much less the parcel tells of the HRF than its number of
    positions pretends.

    Parameters
    ----------
    projector : Projector
        Of the study.
    Y : array, shape (n_scans, n_positions)
        Data without nuisance.
    h : array, shape (n_hrf,)
        HRF.
    level : array, shape (n_positions, n_conditions)
        Response levels.
    noise, rho : arrays, shape (n_positions,)
        Variance of the innovations, and lag-1 autocorrelation.
    n_fitted : float
        Degrees of freedom that the fit has used in each sum.

    Returns
    -------
    float
        At least 1.
    """
    n_conditions = level.shape[1]
    n_nuisance = projector.Q.shape[1]
    first = projector.ends[: len(projector.ends) // 2]
    X = projector.Z[:, n_nuisance:].reshape(len(Y), n_conditions, -1)
    weight = level / noise[:, None]
    # the sums of the whitened residuals, without any of the residuals
    weights = np.hstack([weight, rho[:, None] * weight, np.sqrt(1 - rho**2)[:, None] * weight])
    sums = Y @ weights - (X @ h) @ (level.T @ weights)
    now, before, start = np.split(sums, 3, axis=1)
    now[1:] -= before[:-1]
    # a scan after a gap begins anew, and a censored one has no noise
    censored = projector.censored
    after = censored[censored < len(Y) - 1] + 1
    now[after] = start[after]
    now[first] = start[first]
    now[censored] = 0.0
    found = float(np.sum(now**2)) / max(len(Y) - n_nuisance - n_fitted, 1.0)
    return max(found / float(np.sum(level * weight)), 1.0)


def _neighbour_sum(Z: FloatArray, last: NDArray[np.intp]) -> FloatArray:
    """Multiply by ``U``: every row becomes the sum of the rows before and after it in its run."""
    UZ = np.zeros_like(Z)
    UZ[1:] += Z[:-1]
    UZ[:-1] += Z[1:]
    for scan in last:
        UZ[scan] -= Z[scan + 1]
        UZ[scan + 1] -= Z[scan]
    return UZ
