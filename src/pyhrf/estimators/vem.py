"""Joint detection-estimation by variational EM: the class that users and engines call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from pyhrf.data import Experiment, Parcel, ParcelEstimate
from pyhrf.estimators.base import Bold, BoolArray, ParcelEstimator
from pyhrf.estimators.checks import (
    SharedNoiseKind,
    check_beta,
    check_iterations,
    check_seed,
    check_shared_noise,
    check_threshold,
)
from pyhrf.estimators.vem_problem import experiment_problem
from pyhrf.estimators.vem_solver import solve_vem
from pyhrf.estimators.vem_summary import summarise
from pyhrf.model.checks import NoiseKind
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.neighbour_correlation import neighbour_correlation
from pyhrf.model.nuisance import DriftKind


class JDEVEM(ParcelEstimator):
    """HRF of a parcel, and response levels and activation of its positions, from BOLD data.

    ``y_v = sum_m a_vm X_m h + P l_v + b_v`` with a Gaussian prior of smoothness on ``h``, a
    mixture of an inactive and an active class on every ``a_vm``, an Ising field on the labels,
    and noise that positions share as far as the data show it (``docs/model.md``). Model: Makni et
    al. 2008, Vincent et al. 2010 (IEEE TMI 29(4):1059); variational EM: Chaari et al. 2013 (IEEE
    TMI 32(5):821).

    Parameters
    ----------
    experiment : Experiment
        Runs, TR, conditions and events.
    dt : float
        Step of the HRF, seconds; it need not divide TR.
    hrf_duration : float
        Length of the HRF, seconds, made up to a multiple of `dt`; the HRF is 0 at both ends.
    drift : {"cosine", "polynomial", "none"}
        Slow drift, integrated out together with one intercept per run.
    drift_cutoff : float
        Shortest period of the cosines, seconds.
    drift_order : int
        Degree of the polynomials.
    noise : {"ar1", "white"}
        Whether successive scans are correlated. With ``ar1`` every position has its own lag-1
        autocorrelation or, where positions share noise or its spectrum is another one, all have
        one spectrum that is estimated; with ``white`` all frequencies have the same variance.
    n_iterations : int
        Iterations at most, after the 38 at most that prepare noise and field.
    tolerance : float
        Iterations end when one adds less than this per level to the free energy, and changes the
        HRF by less than ten times this, relative to its norm.
    beta : float, optional
        Strength of the field, the same everywhere. By default it is chosen for every parcel and
        condition: the one with which neighbours best predict a position.
    shared_noise : {"measured", "none"}
        Whether noise that positions share is measured, and modelled where there is some, or each
        position is taken to have its own.
    contrasts : mapping of str to mapping of str to float, optional
        Weights of the conditions, by name of the contrast.
    ppm_threshold : float, optional
        Level for ``ppm_COND``, unit of the data: the probability of more than this, or, where it
        is below 0, of less; by default where the two classes cross.
    min_positions : int
        Parcels with fewer usable positions are not estimated.
    seed : int
        Seed of the draws behind the errors of the HRF's shape; a parcel's draws also depend on
        its number.

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
    >>> estimate.maps["nrl_flash"].shape
    (30,)
    """

    name = "jde-vem"

    def __init__(
        self,
        experiment: Experiment,
        *,
        dt: float = 1.0,
        hrf_duration: float = 25.0,
        drift: DriftKind = "cosine",
        drift_cutoff: float = 128.0,
        drift_order: int = 4,
        noise: NoiseKind = "ar1",
        n_iterations: int = 100,
        tolerance: float = 1e-4,
        beta: float | None = None,
        shared_noise: SharedNoiseKind = "measured",
        contrasts: Mapping[str, Mapping[str, float]] | None = None,
        ppm_threshold: float | None = None,
        min_positions: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__(experiment, contrasts, min_positions, given=locals())
        check_iterations(n_iterations, tolerance)
        check_beta(beta)
        check_shared_noise(shared_noise)
        check_threshold(ppm_threshold)
        self.dt = dt
        self.ppm_threshold = ppm_threshold
        check_seed(seed)
        self.seed = seed
        self._problem = experiment_problem(
            experiment,
            dt=dt,
            hrf_duration=hrf_duration,
            drift=drift,
            drift_cutoff=drift_cutoff,
            drift_order=drift_order,
            noise=noise,
            n_iterations=n_iterations,
            tolerance=tolerance,
            beta=beta,
            shared=shared_noise == "measured",
        )

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel of `n_positions` takes, seconds, roughly."""
        M = len(self.experiment.conditions)
        n_hrf = self._problem.n_hrf
        touch = 2e-9 * self.experiment.n_scans * M * n_hrf
        iterate = 40 * (8e-9 * M * n_hrf + 2e-7 * M)
        fixed = 40 * 2e-9 * 10 * (M * (M + 1) // 2) * n_hrf**2
        return 2e-3 + fixed + n_positions * (touch + iterate)

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
        return summarise(
            solve_vem(self._problem, bold, graph),
            parcel=parcel,
            usable=usable,
            conditions=self.experiment.conditions,
            contrasts=self.contrasts,
            dt=self.dt,
            neighbour_correlation=neighbour_correlation(bold, self._problem.explained, graph),
            ppm_threshold=self.ppm_threshold,
            seed=self.seed,
        )
