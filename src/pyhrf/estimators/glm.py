"""The general linear model, by nilearn: the class that users and engines call."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, Parcel, ParcelEstimate
from pyhrf.errors import InputError
from pyhrf.estimators.base import Bold, BoolArray, ParcelEstimator
from pyhrf.estimators.glm_design import GLMModel, fir_delays_of, make_designs
from pyhrf.estimators.glm_fit import fit_runs
from pyhrf.estimators.glm_summary import summarise_glm
from pyhrf.model.checks import NoiseKind, check_experiment, check_models
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.nuisance import DriftKind


class GLM(ParcelEstimator):
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
    model : {"canonical", "derivatives", "fir"}
        Form of the responses.
    fir_delays : sequence of float, optional
        Where the bins of ``fir`` end, seconds after an event, on any grid; by default 0 and every
        TR up to `hrf_duration`. A bin begins where the one before it ends.
    hrf_duration : float
        Length of the default FIR, seconds.
    drift : {"cosine", "polynomial", "none"}
        Slow drift, beside one mean per run.
    drift_cutoff : float
        Shortest period of the cosines, seconds.
    drift_order : int
        Degree of the polynomials.
    noise : {"ar1", "white"}
        Noise model.
    contrasts : mapping of str to mapping of str to float, optional
        Weights of the conditions, by name of the contrast.
    min_positions : int
        Parcels with fewer usable positions are not estimated.

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
    >>> estimate.maps["t_flash"].shape, estimate.maps["response_flash"].shape
    ((30,), (30, 13))
    """

    name = "glm"

    def __init__(
        self,
        experiment: Experiment,
        *,
        model: GLMModel = "canonical",
        fir_delays: Sequence[float] | None = None,
        hrf_duration: float = 25.0,
        drift: DriftKind = "cosine",
        drift_cutoff: float = 128.0,
        drift_order: int = 4,
        noise: NoiseKind = "ar1",
        contrasts: Mapping[str, Mapping[str, float]] | None = None,
        min_positions: int = 1,
    ) -> None:
        super().__init__(experiment, contrasts, min_positions, given=locals())
        check_experiment(experiment)
        check_models(drift, drift_cutoff, drift_order, noise)
        if model not in get_args(GLMModel):
            raise InputError(
                f"model is {model!r}: it must be one of {', '.join(get_args(GLMModel))}"
            )
        tr = experiment.runs[0].tr
        delays = fir_delays_of(tr, hrf_duration)
        if fir_delays is not None:
            delays = tuple(map(float, fir_delays))
            _check_delays(delays)
        elif model == "fir" and len(delays) < 2:
            raise InputError(
                f"hrf_duration is {hrf_duration:g} s: for the FIR it must be at least the "
                f"repetition time of {tr:g} s, or give fir_delays"
            )
        self.noise: NoiseKind = noise
        with threadpool_limits(1, user_api="blas"):
            self._design = make_designs(
                experiment,
                model=model,
                delays=delays,
                drift=drift,
                drift_cutoff=drift_cutoff,
                drift_order=drift_order,
            )

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel of `n_positions` takes, seconds, roughly."""
        n_runs = len(self._design.runs)
        # each rounded autocorrelation that occurs is a fit of its own, and a test of its own
        models = n_runs * min(n_positions, 60)
        tests = len(self.experiment.conditions) + len(self.contrasts)
        touch = 2e-8 * self.experiment.n_scans * n_positions
        return 1e-3 + touch + models * (5e-5 + 5e-5 * tests * self._design.n_basis)

    def compile(self) -> None:
        """Do nothing: there are no kernels to compile."""

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
            contrasts=self.contrasts,
        )


def _check_delays(delays: Sequence[float]) -> None:
    """Refuse delays that make no bins."""
    rising = all(low < high for low, high in itertools.pairwise(delays))
    if len(delays) < 2 or not rising or delays[0] < 0 or not math.isfinite(delays[-1]):
        raise InputError(
            "fir_delays must be two or more rising numbers from 0 on, seconds, not "
            f"{', '.join(f'{delay:g}' for delay in delays) or 'nothing'}"
        )
