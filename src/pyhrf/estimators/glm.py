"""The general linear model, by nilearn: the class that users and engines call."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.errors import InputError, says_where
from pyhrf.estimators.base import FOR_IMAGES, Bold, BoolArray, ParcelEstimator
from pyhrf.estimators.checks import too_few, usable_positions
from pyhrf.estimators.glm_design import GLMDesign, fir_delays_of, make_designs
from pyhrf.estimators.glm_fit import fit_runs, responses
from pyhrf.estimators.glm_summary import summarise_glm
from pyhrf.estimators.held_out import Forecast
from pyhrf.model.checks import check_drift, check_experiment
from pyhrf.model.folds import check_folds
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.regressors import Columns, condition_column, named_drifts
from pyhrf.parameters.declare import documented
from pyhrf.parameters.glm import GlmSettings

_PARTS = ("condition", "derivative", "dispersion")


@documented
@says_where(FOR_IMAGES)
@dataclass(frozen=True, kw_only=True, eq=False)
class GLM(GlmSettings, ParcelEstimator):
    """A general linear model of every position, fitted and tested by nilearn.

    Each run is fitted by itself (``run_glm``), with AR(1) noise whose coefficient is rounded to a
    hundredth, or white noise; runs are put together by fixed effects. Responses are SPM's
    canonical HRF, the same with its time and dispersion derivatives, or finite impulse responses.
    Censored scans are taken out of data and design, as by nilearn's ``sample_masks``: its AR(1)
    noise takes the scans on both sides of a gap for neighbours, where the other estimators know
    how long the gap was.

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
        If a value is not allowed, or a run's design has too many columns for its scans or columns
        that cannot be told apart.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhrf.data import Events, Experiment, Run
    >>> rng = np.random.default_rng(0)
    >>> onsets = np.arange(10.0, 270.0, 13.0)
    >>> events = Events(onsets, np.zeros(20), np.ones(20))
    >>> experiment = Experiment(("flash",), (Run(150, 2.0, {"flash": events}),))
    >>> estimate = GLM(experiment, model="fir").fit(rng.normal(size=(150, 30)))
    >>> estimate.maps["t", "flash"].shape, estimate.maps["response", "flash"].shape
    ((30,), (30, 13))
    """

    name = "glm"
    dt: float = field(init=False, default=1.0)  # its responses have no time step of ours
    seed: int = field(init=False, default=0)  # nothing is drawn

    def _check(self) -> None:
        check_experiment(self.experiment)
        check_drift(self)
        _ = self._design
        if self.cross_validate != "none":
            check_folds(self.experiment, self.cross_validate, *self._design_and_nuisance)
            _ = self._folds

    @cached_property
    def _design(self) -> GLMDesign:
        tr = self.experiment.runs[0].tr
        try:
            delays = self.delays
        except (TypeError, ValueError):
            raise InputError(f"fir_delays are {self.fir_delays!r}: give numbers") from None
        if delays is None:
            delays = fir_delays_of(tr, self.hrf_duration)
            if self.model == "fir" and len(delays) < 2:
                raise InputError(
                    f"hrf_duration is {self.hrf_duration:g} s: for the FIR it must be at least the "
                    f"repetition time of {tr:g} s, or give fir_delays"
                )
        else:
            _check_delays(delays)
        with threadpool_limits(1, user_api="blas"):
            return make_designs(self.experiment, self, model=self.model, delays=delays)

    def regressors(self) -> list[Columns]:
        """Name the columns of each run, nilearn's own, as `named_regressors` does.

        Of a condition that has several they are ``derivative.NAME`` and ``dispersion.NAME`` beside
        ``condition.NAME``, or ``bin1.NAME``, ``bin2.NAME`` …; NaN in censored scans.
        """
        runs = []
        for run, design in zip(self.experiment.runs, self._design.runs, strict=True):
            matrix = np.full((run.n_scans, design.matrix.shape[1]), np.nan)
            matrix[run.kept] = design.matrix
            named = {}
            for m, columns in design.columns.items():
                for k, values in enumerate(matrix[:, columns].T):
                    part, of = (k + 1, "bin") if self.model == "fir" else (0, _PARTS[k])
                    named[condition_column(self.experiment.conditions[m], part, of=of)] = values
            drifts = np.roll(matrix[:, design.drifts], 1, axis=1)
            runs.append(named | named_drifts(drifts))
        return runs

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel of `n_positions` takes, seconds, roughly."""
        n_runs = len(self._design.runs)
        # each rounded autocorrelation that occurs is a fit of its own, and a test of its own
        models = n_runs * min(n_positions, 60)
        tests = len(self.experiment.conditions) + len(self._weights)
        touch = 2e-8 * self.experiment.n_scans * n_positions
        return 1e-3 + touch + models * (5e-5 + 5e-5 * tests * self._design.n_basis)

    def _estimate(
        self, parcel: Parcel, usable: BoolArray, bold: Bold, graph: NeighbourGraph
    ) -> ParcelEstimate:
        del graph  # no position knows of another
        signal = bold[self._kept].astype(np.float64)
        return summarise_glm(
            self._design,
            fit_runs(self._design, signal, self.noise),
            bold=signal,
            noise=self.noise,
            parcel=parcel,
            usable=usable,
            conditions=self.experiment.conditions,
            contrasts=self._weights,
            kept=self._kept,
        )

    def _forecast(self, training: GLM, parcel: Parcel, held: BoolArray) -> Forecast:
        """As in `ParcelEstimator`: coefficients of the derivatives are in no map."""
        return Forecast(training.task_of(parcel, self)[held])

    def task_of(self, parcel: Parcel, other: GLM) -> FloatArray:
        """Fit a parcel, and give the signal of the task in the runs of another experiment.

        Its own runs have coefficients of their own, as in nilearn; others take their mean.

        Parameters
        ----------
        parcel : Parcel
        other : GLM
            Of the other experiment, or itself.

        Returns
        -------
        array, shape (n_scans, n_positions)
            0 in scans that are censored, NaN where a position cannot be used.

        Raises
        ------
        FloatingPointError
            If too few positions can be used.
        """
        conditions = self.experiment.conditions
        usable = usable_positions(
            parcel.bold[self._kept], [int(run.kept.sum()) for run in self.experiment.runs]
        )
        needed = max(self.min_positions, 1)
        if (n_usable := int(usable.sum())) < needed:
            raise FloatingPointError(too_few(len(usable), n_usable, needed))
        bold = parcel.bold[self._kept][:, usable].astype(np.float64)
        fits = fit_runs(self._design, bold, self.noise)
        coefficients = responses(fits, len(conditions))
        blocks = []
        runs = zip(other.experiment.runs, other._design.runs, strict=True)
        for place, (run, design) in enumerate(runs):
            block = np.full((run.n_scans, len(usable)), np.nan)
            block[:, usable] = 0.0
            for m, columns in design.columns.items():
                if other is self:
                    theta = fits[place].gather("theta")[columns]
                else:
                    own = coefficients[conditions.index(other.experiment.conditions[m])]
                    theta = np.linalg.solve(design.mixing[m], own) / design.unit[m]
                block[np.ix_(run.kept, usable)] += design.matrix[:, columns] @ theta
            blocks.append(block)
        return np.vstack(blocks)


def _check_delays(delays: Sequence[float]) -> None:
    """Refuse delays that make no bins."""
    rising = all(low < high for low, high in itertools.pairwise(delays))
    if len(delays) < 2 or not rising or delays[0] < 0 or not math.isfinite(delays[-1]):
        raise InputError(
            "fir_delays must be two or more rising numbers from 0 on, seconds, not "
            f"{', '.join(f'{delay:g}' for delay in delays) or 'nothing'}"
        )
