"""Variational EM for one parcel, and the way through it.

- `solve_vem` measures the noise (`vem_noise`) and chooses the model of it: shared by positions
  (`vem_shared.SharedFit.solve`) or independent (`vem_independent.solve_independent`).
- Either begins with levels and an HRF (`vem_start`, or least squares), iterates, chooses the field
  and measures the noise again on the way, then iterates to convergence. What it works on is a
  `vem_fit.VEMFit`, an object that changes.
- One iteration is the body of the loop in `vem_kernels.run_vem`: levels and classes, mixtures,
  noise, response, scale.
- With shared noise, `vem_along` and `vem_misfit` then give back what its model took away.
"""

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
    shared = SharedFit.measured(problem, bold, graph)
    return solve_independent(problem, bold, graph) if shared is None else shared.solve()
