"""Single trials of a parcel: HRF, patterns in which they are independent, levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Experiment, FloatArray
from pyhrf.estimators.canonical import log_bayes_canonical
from pyhrf.estimators.trial_hrf import refined_hrf, scaled, start_hrf
from pyhrf.estimators.trial_levels import Levels, TrialData, fit_levels
from pyhrf.estimators.trial_patterns import Patterns, along, find_patterns
from pyhrf.estimators.vem_problem import VEMProblem, experiment_problem
from pyhrf.estimators.vem_solver import solve_vem
from pyhrf.model.design import experiment_design
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.hrf import rougher_part
from pyhrf.model.nuisance import experiment_nuisance, independent_columns
from pyhrf.model.trials import Trial, TrialDesign, trial_designs, trial_regressors, trials_as_one
from pyhrf.outputs.maps import MapName
from pyhrf.parameters.model import ModelSettings
from pyhrf.parameters.vem import VemSettings

# Steps towards the likeliest HRF: more follow the noise.
N_HRF_STEPS = 2


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
        self._model, self._settings = model, settings
        self._together = trials_as_one(experiment, trials)
        self._has_level = np.array([not trial.reason for trial in trials])
        self._seen = [trial for trial in trials if not trial.reason]
        self._lengths = [run.n_scans for run in experiment.runs]
        rows = np.cumsum([0, *self._lengths])
        self._spans = [slice(*span) for span in itertools.pairwise(rows)]

    @cached_property
    def _problem(self) -> VEMProblem:
        return experiment_problem(self._together, self._model, self._settings)

    @cached_property
    def _nuisance(self) -> list[FloatArray]:
        P = experiment_nuisance(self._together, self._model)
        return [P[span][:, P[span].any(axis=0)] for span in self._spans]

    @cached_property
    def _others(self) -> FloatArray:
        """Design of the conditions that are not of trials, shape (n_scans, n_others, n_hrf)."""
        return experiment_design(self._together, self._model.dt, self._problem.n_hrf)[:, 1:]

    @cached_property
    def _designs(self) -> list[list[TrialDesign]]:
        """Designs of the trials of each run."""
        designs = trial_designs(self._together, self._seen, self._model.dt, self._problem.n_hrf)
        found: list[list[TrialDesign]] = [[] for _ in self._lengths]
        for trial, design in zip(self._seen, designs, strict=True):
            found[trial.run].append(design)
        return found

    @cached_property
    def _means(self) -> list[FloatArray]:
        """Which mean each trial has: that of all, or that of its condition."""
        names = [trial.condition for trial in self._seen]
        if self._settings.trial_prior == "common":
            names = [""] * len(names)
        U = np.array(names)[:, None] == np.array(list(dict.fromkeys(names)))
        runs = np.array([trial.run for trial in self._seen])
        return [U[runs == run].astype(np.float64) for run in range(len(self._lengths))]

    def fit(self, bold: NDArray[np.floating], graph: NeighbourGraph) -> TrialFit:
        """Estimate the trials of a parcel.

        Parameters
        ----------
        bold : array, shape (n_scans, n_positions)
            Finite values, none constant; 0 in censored scans.
        graph : NeighbourGraph

        Raises
        ------
        FloatingPointError
            If the iterations for the HRF leave the finite numbers.
        """
        Y = [bold[span].astype(np.float64) for span in self._spans]
        h, own = self._start(bold, graph)
        if own:
            for _ in range(N_HRF_STEPS):
                h = self._refined(h, Y)
        levels, patterns = self._levels(self._data(h), Y)
        return self._summary(levels, patterns=patterns)

    def _start(self, bold: NDArray[np.floating], graph: NeighbourGraph) -> tuple[FloatArray, bool]:
        """Find the HRF of all trials together, and whether it is another one than the canonical."""
        problem, dt = self._problem, self._model.dt
        solution = solve_vem(problem, bold, graph)
        state = solution.state
        prior = np.linalg.inv(problem.prior.R_inv)
        if solution.shared:
            prior = prior + rougher_part(len(prior), dt)
        evidence = log_bayes_canonical(state.h, solution.hrf_covariance, state.v_h[0] * prior, dt)
        return start_hrf(scaled(state.h), evidence, dt)

    def _data(self, h: FloatArray) -> TrialData:
        """Make the regressors of an HRF."""
        designs = [design for run in self._designs for design in run]
        Z = trial_regressors(designs, self._seen, self._lengths, h)
        P = self._nuisance
        if self._others.shape[1]:
            others = self._others @ h
            P = [
                np.hstack([P[run], independent_columns(others[span], P[run])])
                for run, span in enumerate(self._spans)
            ]
        return TrialData(Z, P, self._means)

    def _refined(self, h: FloatArray, Y: Sequence[FloatArray]) -> FloatArray:
        data = self._data(h)
        found = find_patterns(data, Y)
        if found is None:
            return h
        series = along(found.joint, Y)
        return refined_hrf(h, self._problem.prior.R_inv, data, series, self._designs)

    def _levels(self, data: TrialData, Y: Sequence[FloatArray]) -> tuple[Levels, bool]:
        """Estimate levels; tell whether it was in patterns, which each part of the runs has."""
        every = list(range(len(Y)))
        if self._settings.trial_hyper == "all":
            found = find_patterns(data, Y)
            return _levels_in(found, data, Y, every, every), found is not None
        parts, patterns = [], False
        for run in (run for run in every if len(data.U[run])):
            others = [one for one in every if one != run]
            found = find_patterns(data.of(others), [Y[one] for one in others])
            patterns = patterns or found is not None
            parts.append(_levels_in(found, data, Y, others, [run]))
        return _joined(parts), patterns

    def _summary(self, levels: Levels, *, patterns: bool) -> TrialFit:
        prior = np.maximum(levels.prior_variance, 1e-300)
        information = np.clip(np.mean(1 - levels.variance / prior, axis=0), 0.0, 1 - 1e-6)
        return TrialFit(
            self._of_all(levels.mean),
            self._of_all(np.sqrt(levels.variance)),
            levels.mu,
            np.sqrt(levels.prior_variance),
            np.sqrt(information / (1 - information)),
            patterns,
        )

    def _of_all(self, values: FloatArray) -> FloatArray:
        found = np.full((len(self._has_level), values.shape[1]), np.nan)
        found[self._has_level] = values
        return found


def _levels_in(
    patterns: Patterns | None,
    data: TrialData,
    Y: Sequence[FloatArray],
    known: Sequence[int],
    wanted: Sequence[int],
) -> Levels:
    """Estimate levels in patterns, or of each position.

    The covariance of trials is estimated from the same data as their levels, so that errors are no
    smaller than those of patterns that do not use it.
    """
    if patterns is None:
        return fit_levels(data, Y, known, wanted)
    joint, of_noise = (
        _in_positions(fit_levels(data, along(B, Y), known, wanted), B) for B in patterns
    )
    return joint._replace(
        variance=np.maximum(joint.variance, of_noise.variance),
        prior_variance=np.maximum(joint.prior_variance, of_noise.prior_variance),
    )


def _in_positions(levels: Levels, B: FloatArray) -> Levels:
    """Turn levels of patterns into those of positions."""
    mean, variance, mu, prior_variance = levels
    return Levels(mean @ B.T, variance @ B.T**2, B @ mu, B**2 @ prior_variance)


def _joined(parts: Sequence[Levels]) -> Levels:
    """Put the levels of runs together, each with a prior of its own."""
    mean, variance, mu, prior_variance = zip(*parts, strict=True)
    return Levels(
        np.concatenate(mean),
        np.concatenate(variance),
        np.mean(mu, axis=0),
        np.mean(prior_variance, axis=0),
    )
