"""Variational EM for one parcel: with the noise that its positions share, if they do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.estimators.vem_fit import VEMSolution
from pyhrf.estimators.vem_independent import solve_independent
from pyhrf.estimators.vem_problem import VEMProblem
from pyhrf.estimators.vem_shared import SharedFit
from pyhrf.model.graph import NeighbourGraph


def solve_vem(
    problem: VEMProblem, bold: NDArray[np.floating], graph: NeighbourGraph
) -> VEMSolution:
    """Fit one parcel.

    The noise is measured first, on residuals of all that a response could be. If positions share
    some of it, or its spectrum is not that of AR(1) noise, it is that of `vem_shared`; otherwise
    each position has its own variance and autocorrelation (`vem_independent`).

    Parameters
    ----------
    problem : VEMProblem
    bold : array, shape (n_scans, n_positions)
        Finite values, none constant.
    graph : NeighbourGraph
        Of its positions.

    Returns
    -------
    VEMSolution

    Raises
    ------
    FloatingPointError
        If the iterations leave the finite numbers.
    """
    fit = SharedFit.measured(problem, bold, graph)
    return solve_independent(problem, bold, graph) if fit is None else fit.solve()
