"""Single trials of a parcel: their HRF and levels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Experiment, FloatArray
from pyhrf.estimators.trial_levels import fit_levels
from pyhrf.estimators.vem_problem import VEMProblem, experiment_problem
from pyhrf.estimators.vem_solver import solve_vem
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.hrf import scaled_to_peak
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.model.trials import Trial, trial_designs, trial_regressors, trials_as_one
from pyhrf.outputs.maps import MapName
from pyhrf.parameters.model import ModelSettings
from pyhrf.parameters.vem import VemSettings


class TrialFit(NamedTuple):
    """Levels of the single trials of a parcel.

    Attributes
    ----------
    level, sd : arrays, shape (n_trials, n_positions)
        NaN where a trial has no level.
    mean, between, snr : arrays, shape (n_positions,)
        Mean of the levels, their standard deviation, and that over the error of an unshrunk level.
    patterns : bool
        Whether they were estimated in patterns.
    """

    level: FloatArray
    sd: FloatArray
    mean: FloatArray
    between: FloatArray
    snr: FloatArray
    patterns: bool

    def maps(self) -> dict[MapName, FloatArray]:
        """Give the maps of these values."""
        return {
            ("trials", ""): self.level.T,
            ("trials_sd", ""): self.sd.T,
            ("trial_mean", ""): self.mean,
            ("trial_sd", ""): self.between,
            ("trial_snr", ""): self.snr,
        }


class TrialModel:
    """What the single trials of all parcels share.

    Parameters
    ----------
    experiment : Experiment
    trials : sequence of Trial
        At least one with a level.
    model : ModelSettings
    settings : VemSettings
    """

    def __init__(
        self,
        experiment: Experiment,
        trials: Sequence[Trial],
        model: ModelSettings,
        settings: VemSettings,
    ) -> None:
        self.trials, self._model, self._settings = trials, model, settings
        self._together = trials_as_one(experiment, trials)
        self._has_level = np.array([not trial.reason for trial in trials])
        self._lengths = [run.n_scans for run in experiment.runs]
        self._rows = np.cumsum([0, *self._lengths])

    @cached_property
    def _problem(self) -> VEMProblem:
        return experiment_problem(self._together, self._model, self._settings)

    @cached_property
    def _nuisance(self) -> list[FloatArray]:
        P = experiment_nuisance(self._together, self._model)
        runs = [P[first:last] for first, last in self._spans]
        return [run[:, run.any(axis=0)] for run in runs]

    @property
    def _spans(self) -> list[tuple[int, int]]:
        return list(zip(self._rows[:-1], self._rows[1:], strict=True))

    def fit(self, bold: NDArray[np.floating], graph: NeighbourGraph) -> TrialFit:
        """Estimate the trials of a parcel.

        Parameters
        ----------
        bold : array, shape (n_scans, n_positions)
            Finite values, none constant; 0 in censored scans.
        graph : NeighbourGraph
        """
        solution = solve_vem(self._problem, bold, graph)
        h, _, _ = scaled_to_peak(solution.state.h, solution.hrf_covariance)
        seen = [t for t, has in zip(self.trials, self._has_level, strict=True) if has]
        designs = trial_designs(self._together, seen, self._model.dt, len(h))
        Z = trial_regressors(designs, seen, self._lengths, h)
        Y = [bold[first:last].astype(np.float64) for first, last in self._spans]
        levels = fit_levels(Z, self._nuisance, Y)
        prior = np.maximum(levels.prior_variance, 1e-300)
        information = np.mean(1 - levels.variance / prior, axis=0)
        information = np.clip(information, 0.0, 1 - 1e-6)
        return TrialFit(
            self._of_all(levels.mean),
            self._of_all(np.sqrt(levels.variance)),
            levels.mu,
            np.sqrt(levels.prior_variance),
            np.sqrt(information / (1 - information)),
            patterns=False,
        )

    def _of_all(self, values: FloatArray) -> FloatArray:
        found = np.full((len(self._has_level), values.shape[1]), np.nan)
        found[self._has_level] = values
        return found
