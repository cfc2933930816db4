"""Regularised finite impulse responses: the class that users and engines call."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from pyhrf.data import Parcel, ParcelEstimate
from pyhrf.errors import says_where
from pyhrf.estimators.base import FOR_IMAGES, Bold, BoolArray, ParcelEstimator
from pyhrf.estimators.checks import check_iterations, check_threshold
from pyhrf.estimators.rfir_solver import RFIRProblem, make_rfir_problem, solve_rfir
from pyhrf.estimators.rfir_summary import summarise_rfir
from pyhrf.model.checks import checked_design
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.hrf import prior_precision
from pyhrf.model.statistics import design_statistics
from pyhrf.parameters.declare import documented
from pyhrf.parameters.rfir import RfirSettings

# Lag-1 autocorrelations that a position's noise may have.
AR1_GRID = np.round(np.arange(-0.2, 0.91, 0.05), 2)
# Positions of the noise that brings the kernels into memory.
N_COMPILED = 4


@documented
@says_where(FOR_IMAGES)
@dataclass(frozen=True, kw_only=True, eq=False)
class RFIR(RfirSettings, ParcelEstimator):
    """A smooth HRF of every position and condition, with its errors, from BOLD data.

    ``y_v = sum_m X_m h_vm + P l_v + b_v`` with ``h_vm ~ N(0, r_vm R)``: regularised FIR (Ciuciu et
    al. 2003, IEEE TMI 22(10):1235). ``r_vm``, the noise's variance and its autocorrelation are
    those of the greatest marginal likelihood, for every position by itself; drift and means are
    integrated out. The responses are computed with the mean of each ``r_vm`` over what the data
    leave open, not with 0 where nothing seems to respond: see `uncertain_variances`. ``R`` is the
    prior of shapes of the other estimators.

    Parameters
    ----------
    experiment : Experiment
        Runs, TR, conditions and events.
    contrasts : mapping of str to mapping of str to float, optional
        Weights of the conditions, by name of the contrast.
    {parameters}

    Raises
    ------
    InputError
        If a value is not allowed, or the design leaves no scan free.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhrf.data import Events, Experiment, Run
    >>> rng = np.random.default_rng(0)
    >>> onsets = np.arange(10.0, 270.0, 13.0)
    >>> events = Events(onsets, np.zeros(20), np.ones(20))
    >>> experiment = Experiment(("flash",), (Run(150, 2.0, {"flash": events}),))
    >>> estimate = RFIR(experiment).fit(rng.normal(size=(150, 30)))
    >>> estimate.maps["response", "flash"].shape
    (30, 26)
    """

    name = "rfir"
    seed: int = field(init=False, default=0)  # nothing is drawn

    def _check(self) -> None:
        check_iterations(self.n_iterations, self.tolerance)
        check_threshold(self.ppm_threshold)
        _ = self._problem

    @cached_property
    def _problem(self) -> RFIRProblem:
        with threadpool_limits(1, user_api="blas"):
            X, P = checked_design(self.experiment, self)
            projector, design = design_statistics(
                X,
                P,
                tuple(run.n_scans for run in self.experiment.runs),
                AR1_GRID if self.noise == "ar1" else np.zeros(1),
                kept=self.experiment.kept,
            )
            R = np.asarray(np.linalg.inv(prior_precision(X.shape[2], self.dt)), dtype=np.float64)
            return make_rfir_problem(projector, design, R, RfirSettings.of(self))

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel of `n_positions` takes, seconds, roughly."""
        n = self._problem.G.shape[1]
        touch = 4e-9 * self.experiment.n_scans * n
        # of each position, and of a mean signal for each condition
        fits = n_positions + 2 * len(self.experiment.conditions)
        return 1e-3 + fits * (touch + 2e-6 * n + 2.5e-9 * n**3)

    def compile(self) -> None:
        """Bring the compiled kernels into memory: seconds the first time, then tenths of one.

        Without it the first parcel of every worker waits for them.
        """
        shape = (self.experiment.n_scans, N_COMPILED)
        noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        graph = NeighbourGraph.from_edges(np.empty((0, 2), np.int32), N_COMPILED)
        short = replace(self._problem.settings, n_iterations=2)
        with suppress(ArithmeticError, np.linalg.LinAlgError):  # of noise nothing is asked
            solve_rfir(replace(self._problem, settings=short), noise, graph)

    def _estimate(
        self, parcel: Parcel, usable: BoolArray, bold: Bold, graph: NeighbourGraph
    ) -> ParcelEstimate:
        return summarise_rfir(
            self._problem,
            solve_rfir(self._problem, bold, graph),
            parcel=parcel,
            usable=usable,
            conditions=self.experiment.conditions,
            contrasts=self._weights,
            dt=self.dt,
            ppm_threshold=self.ppm_threshold,
        )
