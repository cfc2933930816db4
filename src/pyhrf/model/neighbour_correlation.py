"""How alike the noise of neighbouring positions is, by which smoothed data are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.model.graph import NeighbourGraph

# Pairs that are looked at: their mean is that of all within two hundredths.
_N_PAIRS = 200
# Residuals this small beside the data are rounding.
_NOTHING = 1e-6


def neighbour_correlation(
    bold: NDArray[np.floating], explained: FloatArray, graph: NeighbourGraph
) -> float:
    """Correlate the residuals of neighbours.

    Parameters
    ----------
    bold : array, shape (n_scans, n_positions)
        Finite values, any unit.
    explained : array, shape (n_scans, n_explained)
        Orthonormal basis of all that is not noise.
    graph : NeighbourGraph
        Of the positions.

    Returns
    -------
    float
        Mean over at most 200 pairs, spread evenly; NaN where none has a residual.
    """
    pairs = graph.pairs()
    if len(pairs) > _N_PAIRS:
        pairs = pairs[np.linspace(0, len(pairs) - 1, _N_PAIRS).astype(int)]
    looked_at, place = np.unique(pairs, return_inverse=True)
    # Each position in a row: pairs are then picked, and multiplied, in one go.
    values = np.ascontiguousarray(bold[:, looked_at].T, dtype=np.float64)
    values -= values.mean(axis=1, keepdims=True)  # a high baseline would leave few digits
    residual = values - (values @ explained) @ explained.T
    norm = np.linalg.norm(residual, axis=1)
    some = norm > _NOTHING * np.linalg.norm(values, axis=1)
    unit = residual / np.where(some, norm, 1.0)[:, None]
    one, other = place.reshape(-1, 2).T
    known = some[one] & some[other]
    if not known.any():
        return float("nan")
    return float(np.mean(np.einsum("vn,vn->v", unit[one[known]], unit[other[known]])))
