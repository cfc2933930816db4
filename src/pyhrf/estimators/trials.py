"""Single trials of a parcel: HRF, patterns in which they are independent, levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Experiment, FloatArray
from pyhrf.estimators.canonical import evidence_of, hrf_priors
from pyhrf.estimators.trial_hrf import refined_hrf, scaled, start_hrf
from pyhrf.estimators.trial_levels import (
    Bases,
    Levels,
    TrialData,
    fit_levels,
    means_known,
    run_bases,
    with_means,
)
from pyhrf.estimators.trial_patterns import Patterns, along, find_patterns
from pyhrf.estimators.vem_problem import VEMProblem, experiment_problem
from pyhrf.estimators.vem_solver import solve_vem
from pyhrf.model.design import experiment_design
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.nuisance import experiment_nuisance, independent_columns
from pyhrf.model.trial_designs import TrialDesign, trial_designs, trial_regressors
from pyhrf.model.trials import Trial, trials_as_one
from pyhrf.outputs.maps import MapName
from pyhrf.parameters.model import ModelSettings
from pyhrf.parameters.vem import VemSettings

# Steps towards the likeliest HRF: more follow the noise.
N_HRF_STEPS = 2
# It is refined by how trials differ from their means, and not by fewer differences.
FEWEST_DIFFERENCES = 10
# Positions that patterns are looked for in at once: it takes their number to the power of three.
MOST_TOGETHER = 250


class TrialFit(NamedTuple):
    """Levels of the single trials of a parcel.

    Attributes
    ----------
    level, sd : arrays, shape (n_trials, n_positions)
        NaN where a trial has no level.
    mean, between, snr : arrays, shape (n_positions,)
        Mean of the levels, their standard deviation, and that over the error of an unshrunk level.
    information : array, shape (n_trials, n_positions)
        1 less the posterior over the prior variance around the mean.
    patterns : bool
        Whether they were estimated in patterns.
    """

    level: FloatArray
    sd: FloatArray
    mean: FloatArray
    between: FloatArray
    snr: FloatArray
    information: FloatArray
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

    Attributes
    ----------
    trials : sequence of Trial
    """

    def __init__(
        self,
        experiment: Experiment,
        trials: Sequence[Trial],
        model: ModelSettings,
        settings: VemSettings,
    ) -> None:
        self.trials = trials
        self._model, self._settings = model, settings
        self._together = trials_as_one(experiment, trials)
        self._has_level = np.array([not trial.reason for trial in trials])
        self._seen = [trial for trial in trials if not trial.reason]
        self._tr = min(run.tr for run in experiment.runs)
        self._lengths = [run.n_scans for run in experiment.runs]
        rows = np.cumsum([0, *self._lengths])
        self._spans = [slice(*span) for span in itertools.pairwise(rows)]

    @cached_property
    def _problem(self) -> VEMProblem:
        return experiment_problem(self._together, self._model, self._settings)

    @cached_property
    def _hrf_priors(self) -> tuple[FloatArray, FloatArray]:
        return hrf_priors(self._problem.prior.R_inv, self._model.dt)

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
        refined = own and len(self._seen) - self._means[0].shape[1] >= FEWEST_DIFFERENCES
        parts = _parts(Y)
        if refined:
            h = self._refined(h, parts)
        data = self._data(h)
        levels, patterns = [], False
        for part in parts:
            bases = run_bases(data, part)
            found = self._patterns(data, part, bases)
            patterns = patterns or found is not None
            levels.append(self._levels(data, part, bases, found))
        return self._summary(levels, patterns=patterns)

    def _refined(self, h: FloatArray, parts: Sequence[Sequence[FloatArray]]) -> FloatArray:
        """Refine the HRF by how trials differ, where voxels share noise that it could follow."""
        data = self._data(h)
        bases = [run_bases(data, part) for part in parts]
        found = [self._patterns(data, *each) for each in zip(parts, bases, strict=True)]
        joint = [one.joint for one in found if one is not None]
        if len(joint) < len(parts):
            return h
        series = [_series(part, B) for part, B in zip(parts, joint, strict=True)]
        for step in range(N_HRF_STEPS):
            if step:
                data = self._data(h)
                bases = [run_bases(data, one) for one in series]
            else:
                bases = [along(B, basis) for B, basis in zip(joint, bases, strict=True)]
            pairs = list(zip(series, bases, strict=True))
            h = refined_hrf(h, self._problem.prior.R_inv, data, self._designs, pairs)
        return h

    def _patterns(self, data: TrialData, Y: Sequence[FloatArray], bases: Bases) -> Patterns | None:
        return find_patterns(data, Y, bases, self._tr)

    def _start(self, bold: NDArray[np.floating], graph: NeighbourGraph) -> tuple[FloatArray, bool]:
        """Find the HRF of all trials together, and whether it is another one than the canonical."""
        dt = self._model.dt
        solution = solve_vem(self._problem, bold, graph)
        evidence = evidence_of(solution, self._hrf_priors, dt)
        return start_hrf(scaled(solution.state.h), evidence, dt)

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

    def _levels(
        self, data: TrialData, Y: Sequence[FloatArray], bases: Bases, found: Patterns | None
    ) -> Levels:
        """Estimate levels, each run's perhaps with the variances of the others."""
        every = list(range(len(Y)))
        if self._settings.trial_hyper == "all":
            return _levels_in(found, data.U, bases, every, every, every)
        parts = []
        for run in (run for run in every if len(data.U[run])):
            others = [one for one in every if one != run]
            of_others = [[basis[one] for one in others] for basis in bases]
            found = self._patterns(data.of(others), [Y[one] for one in others], of_others)
            if self._settings.trial_prior == "common":
                # the mean may be that of all runs: what a run has of it is no label
                parts.append(_levels_in(found, data.U, bases, others, [run], every))
            else:
                U = means_known(data.U, others)
                parts.append(_levels_in(found, U, with_means(bases, U), others, [run], others))
        return _joined(parts)

    def _summary(self, parts: Sequence[Levels], *, patterns: bool) -> TrialFit:
        mean, variance, around, mu, prior_variance = (
            np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)
        )
        prior = np.maximum(np.atleast_2d(prior_variance), 1e-300)
        information = np.clip(1 - around / prior, 0.0, 1 - 1e-6)
        reliability = information.mean(axis=0)
        return TrialFit(
            self._of_all(mean),
            self._of_all(np.sqrt(variance)),
            mu,
            np.sqrt(prior.mean(axis=0)),
            np.sqrt(reliability / (1 - reliability)),
            self._of_all(information),
            patterns,
        )

    def _of_all(self, values: FloatArray) -> FloatArray:
        found = np.full((len(self._has_level), values.shape[1]), np.nan)
        found[self._has_level] = values
        return found


def _parts(Y: Sequence[FloatArray]) -> list[list[FloatArray]]:
    """Divide the positions of a large parcel into parts in which there may be patterns."""
    n = Y[0].shape[1]
    edges = np.linspace(0, n, -(-n // MOST_TOGETHER) + 1).astype(int)
    return [[run[:, first:last] for run in Y] for first, last in itertools.pairwise(edges)]


def _series(Y: Sequence[FloatArray], patterns: FloatArray) -> list[FloatArray]:
    inverse = np.linalg.inv(patterns)
    return [run @ inverse.T for run in Y]


def _levels_in(
    patterns: Patterns | None,
    means: Sequence[FloatArray],
    bases: Bases,
    known: Sequence[int],
    wanted: Sequence[int],
    with_mean: Sequence[int],
) -> Levels:
    """Estimate levels in patterns, or of each position.

    The covariance of trials is estimated from the same data as their levels, so that errors are no
    smaller, and trials not surer, than by patterns that do not use it.
    """

    def fitted(of_series: Bases) -> Levels:
        return fit_levels(of_series, means, known=known, wanted=wanted, with_mean=with_mean)

    if patterns is None:
        return fitted(bases)
    joint, of_noise = (_in_positions(fitted(along(B, bases)), B) for B in patterns)
    left_open = [one.around / np.maximum(one.prior_variance, 1e-300) for one in (joint, of_noise)]
    return joint._replace(
        variance=np.maximum(joint.variance, of_noise.variance),
        around=np.maximum(*left_open) * joint.prior_variance,
    )


def _in_positions(levels: Levels, B: FloatArray) -> Levels:
    """Turn levels of patterns into those of positions."""
    squares = B.T**2
    return Levels(
        levels.mean @ B.T,
        levels.variance @ squares,
        levels.around @ squares,
        B @ levels.mu,
        levels.prior_variance @ squares,
    )


def _joined(parts: Sequence[Levels]) -> Levels:
    """Put the levels of runs together, each trial with the prior variance of its run."""
    mean, variance, around, mu, prior_variance = zip(*parts, strict=True)
    of_trials = [
        np.tile(v, (len(levels), 1)) for v, levels in zip(prior_variance, mean, strict=True)
    ]
    return Levels(
        np.concatenate(mean),
        np.concatenate(variance),
        np.concatenate(around),
        np.mean(mu, axis=0),
        np.concatenate(of_trials),
    )
