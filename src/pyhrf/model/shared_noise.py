"""The covariance of noise that positions share, from residuals of fewer scans than positions.

The correlation of the residuals is shrunk: its largest ``k`` eigenvalues stay as they are, the
others go by a part ``l`` of the way to their mean. ``k`` and ``l`` are those with which the other
scans best predict those of a fold, whatever the scale; how much less sure the scale is outside
the scans that made the covariance is measured on the same folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray

N_FOLDS = 8
# Eigenvalues that stay, and the way to their mean that the others go.
KEPT = np.array([0, 1, 2, 3, 5, 8, 12, 16, 24])
SHRINKAGE = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0])
# The variance outside of the scans that made the covariance is taken to this power: in between
# that of these scans, and that of folds, which had fewer of them.
_OUTSIDE = 0.5
# Directions whose precision is this close to that of all others count among them.
_NEGLIGIBLE = 1e-3


@dataclass(frozen=True, slots=True)
class SharedNoise:
    """Precision of the noise between positions, ``diag(diagonal) - F F'``.

    Attributes
    ----------
    sd : array, shape (n_positions,)
        Of the whitened noise.
    rest : float
        Precision of the correlation in all directions but those of `directions`.
    directions : array, shape (n_positions, n_factors)
        Orthonormal.
    precision : array, shape (n_factors,)
        In them, below `rest`.
    n_kept : int
        Eigenvalues that stayed as they are.
    shrinkage : float
        The way to their mean that the others went, from 0 to 1.
    scale : float
        By which the covariance was multiplied for scans that did not make it.
    gain : float
        By how much the folds' log likelihood exceeds that of independent noise.
    """

    sd: FloatArray
    rest: float
    directions: FloatArray
    precision: FloatArray
    n_kept: int
    shrinkage: float
    scale: float
    gain: float

    @property
    def diagonal(self) -> FloatArray:
        """Of the precision, without the factors; shape (n_positions,)."""
        return self.rest / self.sd**2

    @property
    def factors(self) -> FloatArray:
        """``F``, shape (n_positions, n_factors)."""
        scaled = self.directions * np.sqrt(self.rest - self.precision)
        return np.ascontiguousarray(scaled / self.sd[:, None])

    @property
    def own(self) -> FloatArray:
        """Diagonal of the precision: of each position given all others, shape (n_positions,)."""
        return self.diagonal - np.sum(self.factors**2, axis=1)

    @property
    def variance(self) -> FloatArray:
        """Of the noise of each position, shape (n_positions,)."""
        more = 1 / self.precision - 1 / self.rest
        return self.sd**2 * (1 / self.rest + self.directions**2 @ more)

    @property
    def covariance(self) -> FloatArray:
        """Of the noise, shape (n_positions, n_positions)."""
        more = 1 / self.precision - 1 / self.rest
        correlation = (self.directions * more) @ self.directions.T
        correlation[np.diag_indices_from(correlation)] += 1 / self.rest
        return np.asarray(self.sd[:, None] * correlation * self.sd)


@dataclass(frozen=True, slots=True)
class FoldSpectra:
    """Residuals without scale, and for each fold the eigenvalues of the other rows.

    Attributes
    ----------
    sd : array, shape (n_positions,)
    Z : array, shape (n_free, n_positions)
        Independent rows, each column with a mean square of 1.
    folds : list of array
        Rows of each fold.
    values : list of array, shape (n_values,)
        Eigenvalues of the correlation of the other rows, the largest first.
    vectors : list of array
        How to get its eigenvectors: the eigenvectors, shape (n_positions, n_values), or, if there
        are fewer rows than positions, the weights of the rows, shape (n_rows, n_values).
    gram : array
        Products of all rows or, if there are more of them than positions, of all columns.
    """

    sd: FloatArray
    Z: FloatArray
    folds: list[NDArray[np.intp]]
    values: list[FloatArray]
    vectors: list[FloatArray]
    gram: FloatArray

    @property
    def by_rows(self) -> bool:
        """Whether eigenvectors are kept as weights of rows."""
        return self.Z.shape[0] <= self.Z.shape[1]

    def others(self, fold: NDArray[np.intp]) -> NDArray[np.intp]:
        """Rows that are not in a fold."""
        inside = np.zeros(len(self.Z), dtype=np.bool_)
        inside[fold] = True
        return np.flatnonzero(~inside)

    def along(self, index: int) -> FloatArray:
        """Rows of a fold along the eigenvectors of the others, shape (n_rows, n_values)."""
        fold = self.folds[index]
        rows = self.gram[np.ix_(fold, self.others(fold))] if self.by_rows else self.Z[fold]
        return rows @ self.vectors[index]


def fold_spectra(rows: FloatArray, *, n_folds: int = N_FOLDS) -> FoldSpectra:
    """Decompose the residuals without each fold.

    Parameters
    ----------
    rows : array, shape (n_free, n_positions)
        Residuals, whitened in time and turned so that their rows are independent.
    n_folds : int
        None, where the shrinkage is known.
    """
    n, V = rows.shape
    sd = np.sqrt(np.mean(rows**2, axis=0))
    Z = rows / sd
    by_rows = n <= V
    gram = Z @ Z.T if by_rows else Z.T @ Z
    spectra = FoldSpectra(sd, Z, [], [], [], gram)
    for first in range(min(n_folds, n)):
        fold = np.arange(first, n, n_folds)
        others = spectra.others(fold)
        inner = gram[np.ix_(others, others)] if by_rows else gram - Z[fold].T @ Z[fold]
        values, vectors = _spectrum(inner, len(others), by_rows=by_rows)
        spectra.folds.append(fold)
        spectra.values.append(values)
        spectra.vectors.append(vectors)
    return spectra


def _spectrum(inner: FloatArray, n: int, *, by_rows: bool) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues of a correlation of `n` rows, the largest first, and its eigenvectors."""
    values, vectors = np.linalg.eigh(inner)
    values, vectors = values[::-1] / n, vectors[:, ::-1]
    kept = values > 1e-9 * max(values[0], 1e-300)
    values, vectors = values[kept], vectors[:, kept]
    return values, vectors / np.sqrt(values * n) if by_rows else vectors


def _shrunk(
    values: FloatArray, n_positions: int, kept: NDArray[np.intp], shrinkage: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues after shrinkage, and the one of all other directions.

    Returns
    -------
    array, shape (n_kept, n_shrinkage, n_values)
    array, shape (n_kept, n_shrinkage)
    """
    place = np.arange(len(values))
    stay = place < kept[:, None]
    left = n_positions - kept
    mean = np.maximum((n_positions - (values * stay).sum(axis=1)) / np.maximum(left, 1), 1e-3)
    rest = shrinkage * mean[:, None]
    shrunk = (1 - shrinkage[:, None]) * values + rest[:, :, None]
    return np.where(stay[:, None], np.maximum(values, shrunk), shrunk), rest


def shared_noise(spectra: FoldSpectra, like: SharedNoise | None = None) -> SharedNoise:
    """Estimate the covariance of the rows.

    Parameters
    ----------
    spectra : FoldSpectra
    like : SharedNoise, optional
        Whose shrinkage and scale are taken; by default the folds choose them.
    """
    n, V = spectra.Z.shape
    if like is None:
        n_kept, shrinkage, scale, gain = _chosen(spectra)
    else:
        n_kept, shrinkage, scale, gain = like.n_kept, like.shrinkage, like.scale, like.gain
    by_rows = spectra.by_rows
    values, vectors = _spectrum(spectra.gram, n, by_rows=by_rows)
    shrunk, rest = _shrunk(values, V, np.array([n_kept]), np.array([shrinkage]))
    all_others = 1 / (float(rest[0, 0]) * scale)
    precision = 1 / (shrunk[0, 0] * scale)
    few = precision < (1 - _NEGLIGIBLE) * all_others
    directions = spectra.Z.T @ vectors[:, few] if by_rows else vectors[:, few]
    return SharedNoise(
        spectra.sd, all_others, directions, precision[few], n_kept, shrinkage, scale, gain
    )


def _chosen(spectra: FoldSpectra) -> tuple[int, float, float, float]:
    """Find what predicts the folds best: `n_kept`, `shrinkage`, `scale` and `gain`."""
    n, V = spectra.Z.shape
    kept = KEPT[min(n, V) / 3 > KEPT]
    log_det = np.zeros((len(kept), len(SHRINKAGE)))
    squares = np.zeros_like(log_det)
    for index, fold in enumerate(spectra.folds):
        values = spectra.values[index]
        inside = np.sum(spectra.along(index) ** 2, axis=0)
        shrunk, rest = _shrunk(values, V, kept, SHRINKAGE)
        log_det += len(fold) * (np.log(shrunk).sum(axis=2) + (V - len(values)) * np.log(rest))
        outside = max(float(np.sum(spectra.Z[fold] ** 2) - inside.sum()), 0.0)
        squares += (inside / shrunk).sum(axis=2)
        if len(values) < V:
            squares += outside / rest
    scale = squares / (n * V)
    score = -0.5 * (log_det + n * V * np.log(scale))
    k, s = np.unravel_index(int(np.argmax(score)), score.shape)
    return (
        int(kept[k]),
        float(SHRINKAGE[s]),
        float(scale[k, s] ** _OUTSIDE),
        float(score[k, s] - score[0, -1]),
    )


def held_out_ratio(spectra: FoldSpectra, noise: SharedNoise, level: FloatArray) -> float:
    """Tell how much noisier sums over positions are than the covariance says.

    A response is estimated from the sums ``A' Q Y``, whose variance is ``A' Q A`` if the
    covariance is right. With one that a fold had no part in, the sums over the fold's own
    residuals tell by how much it is not.

    Parameters
    ----------
    spectra, noise
        Of the same residuals.
    level : array, shape (n_positions, n_conditions)
        Levels, ``A``.

    Returns
    -------
    float
        Mean square of these sums over what it was expected to be; at least 1.
    """
    V = spectra.Z.shape[1]
    A = level / spectra.sd[:, None]
    Z_A = spectra.Z @ A
    found = expected = 0.0
    for index, fold in enumerate(spectra.folds):
        values, vectors = spectra.values[index], spectra.vectors[index]
        shrunk, rest = _shrunk(values, V, np.array([noise.n_kept]), np.array([noise.shrinkage]))
        more = 1 / rest[0, 0] - 1 / shrunk[0, 0]
        A_in = vectors.T @ (Z_A[spectra.others(fold)] if spectra.by_rows else A)
        sums = Z_A[fold] / rest[0, 0] - spectra.along(index) @ (more[:, None] * A_in)
        found += float(np.sum(sums**2))
        claimed = np.sum(A**2) / rest[0, 0] - float(np.sum(more[:, None] * A_in**2))
        expected += len(fold) * float(claimed) * noise.scale
    return max(found / expected, 1.0) if expected > 0 else 1.0


def shared_correlation(residual: FloatArray, n_free: float) -> float:
    """Compare the mean squared correlation of positions with that of independent noise.

    Parameters
    ----------
    residual : array, shape (n_scans, n_positions)
        Whitened.
    n_free : float
        Independent scans in it.

    Returns
    -------
    float
        About 1, with a standard deviation of ``2 / n_positions``, if nothing is shared.
    """
    V = residual.shape[1]
    Z = residual / np.linalg.norm(residual, axis=0)
    products = Z @ Z.T if len(Z) < V else Z.T @ Z
    return float((np.sum(products**2) - V) * n_free / (V * max(V - 1, 1)))
