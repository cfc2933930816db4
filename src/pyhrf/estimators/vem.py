"""Joint detection-estimation by variational EM: the class that users and engines call.

How a parcel is solved is told in `vem_solver`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.errors import says_where
from pyhrf.estimators.base import FOR_IMAGES, Bold, BoolArray, ParcelEstimator
from pyhrf.estimators.canonical import evidence_of, hrf_priors
from pyhrf.estimators.checks import (
    check_iterations,
    check_seed,
    check_threshold,
    strength_of,
)
from pyhrf.estimators.held_out import Rival
from pyhrf.estimators.summary import placed
from pyhrf.estimators.trials import TrialModel
from pyhrf.estimators.vem_problem import VEMProblem, experiment_problem
from pyhrf.estimators.vem_solver import solve_vem
from pyhrf.estimators.vem_summary import summarise
from pyhrf.model.fitted import task_signal
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.hrf import canonical_coefficients
from pyhrf.model.neighbour_correlation import neighbour_correlation
from pyhrf.model.trials import trials_of
from pyhrf.parameters.declare import documented
from pyhrf.parameters.vem import VemSettings


@documented
@says_where(FOR_IMAGES)
@dataclass(frozen=True, kw_only=True, eq=False)
class JDEVEM(VemSettings, ParcelEstimator):
    """HRF of a parcel, and response levels and activation of its positions, from BOLD data.

    ``y_v = sum_m a_vm X_m h + P l_v + b_v`` with a Gaussian prior of smoothness on ``h``, a
    mixture of an inactive and an active class on every ``a_vm``, an Ising field on the labels,
    and noise that positions share as far as the data show it (``docs/model.md``). Model: Makni et
    al. 2008, Vincent et al. 2010 (IEEE TMI 29(4):1059); variational EM: Chaari et al. 2013 (IEEE
    TMI 32(5):821). Noise and field are prepared by 38 iterations at most, before those that are
    counted.

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
    >>> estimate = JDEVEM(experiment).fit(rng.normal(size=(150, 30)))
    >>> estimate.maps["nrl", "flash"].shape
    (30,)
    """

    name = "jde-vem"
    _in_folds = MappingProxyType({**ParcelEstimator._in_folds, "single_trials": None})

    def _check(self) -> None:
        check_iterations(self.n_iterations, self.tolerance)
        check_threshold(self.ppm_threshold)
        check_seed(self.seed)
        strength_of(self.beta)
        _ = self._problem
        _ = self._trials

    @cached_property
    def _problem(self) -> VEMProblem:
        return experiment_problem(self.experiment, self, VemSettings.of(self))

    @cached_property
    def _canonical(self) -> VEMProblem:
        """The same, of which the HRF is canonical."""
        return experiment_problem(self.experiment, self, VemSettings.of(self), canonical=True)

    @cached_property
    def _trials(self) -> TrialModel | None:
        trials = trials_of(self.experiment, self, hrf_duration=self.hrf_duration)
        return TrialModel(self.experiment, trials, self, VemSettings.of(self)) if trials else None

    def _rival(self, estimate: ParcelEstimate, parcel: Parcel, X: FloatArray) -> Rival:
        """Predict by the canonical HRF."""
        noise_sd, ar1 = (estimate.maps[kind, ""].astype(float) for kind in ("noise_sd", "ar1"))
        known = np.isfinite(noise_sd)
        graph = NeighbourGraph.from_edges(parcel.edges, len(known)).subgraph(known)
        bold = np.where(self._kept[:, None], parcel.bold[:, known], np.float32(0))
        state = solve_vem(self._canonical, bold, graph).state
        hrf = state.h[0] * canonical_coefficients(X.shape[2], self.dt)
        task = np.full((len(X), len(known)), np.nan)
        task[:, known] = task_signal(X, hrf, state.level.T)
        return Rival(task, noise_sd, ar1)

    @cached_property
    def _hrf_priors(self) -> tuple[FloatArray, FloatArray]:
        return hrf_priors(self._problem.prior.R_inv, self.dt)

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel of `n_positions` takes, seconds, roughly."""
        M = len(self.experiment.conditions)
        n_hrf = self._problem.n_hrf
        touch = 2e-9 * self.experiment.n_scans * M * n_hrf
        iterate = 40 * (8e-9 * M * n_hrf + 2e-7 * M)
        fixed = 40 * 2e-9 * 10 * (M * (M + 1) // 2) * n_hrf**2
        n_trials = 0 if self._trials is None else len(self._trials.trials)
        of_trials = n_trials * (1e-3 + 6e-6 * n_positions)
        return 2e-3 + fixed + n_positions * (touch + iterate) + of_trials

    def compile(self) -> None:
        """Bring the compiled kernels into memory: seconds the first time, then tenths of one.

        Without it the first parcel of every worker waits for them.
        """
        n = 8
        noise = np.random.default_rng(0).standard_normal((self.experiment.n_scans, n))
        bold = noise.astype(np.float32)
        pairs = np.column_stack([np.arange(n - 1), np.arange(1, n)]).astype(np.int32)
        parcel = Parcel(1, bold, pairs, np.arange(n))
        graph = NeighbourGraph.from_edges(pairs, n)
        with suppress(ArithmeticError, np.linalg.LinAlgError):  # of noise nothing is asked
            self._estimate(parcel, np.ones(n, dtype=np.bool_), bold, graph)

    def _estimate(
        self, parcel: Parcel, usable: BoolArray, bold: Bold, graph: NeighbourGraph
    ) -> ParcelEstimate:
        solution = solve_vem(self._problem, bold, graph)
        estimate = summarise(
            solution,
            parcel=parcel,
            usable=usable,
            conditions=self.experiment.conditions,
            contrasts=self._weights,
            dt=self.dt,
            neighbour_correlation=neighbour_correlation(bold, self._problem.explained, graph),
            ppm_threshold=self.ppm_threshold,
            seed=self.seed,
        )
        evidence = evidence_of(solution, self._hrf_priors, self.dt)
        estimate = replace(estimate, summary={**estimate.summary, "log_bayes_canonical": evidence})
        return self._with_trials(estimate, usable, bold, graph)

    def _with_trials(
        self, estimate: ParcelEstimate, usable: BoolArray, bold: Bold, graph: NeighbourGraph
    ) -> ParcelEstimate:
        """Add the levels of single trials."""
        if self._trials is None:
            return estimate
        found = self._trials.fit(bold, graph)
        maps = {name: placed(values, usable) for name, values in found.maps().items()}
        return replace(
            estimate,
            maps={**estimate.maps, **maps},
            summary={**estimate.summary, "trial_patterns": float(found.patterns)},
            trials={"information": np.median(found.information, axis=1)},
        )
