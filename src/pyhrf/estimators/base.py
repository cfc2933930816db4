"""What all estimators share: the way from a parcel, or plain arrays, to an estimate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, FloatArray, Parcel, ParcelEstimate
from pyhrf.errors import InputError, says_where
from pyhrf.estimators.checks import (
    check_choices,
    contrast_vector,
    parcel_of_arrays,
    too_few,
    usable_positions,
)
from pyhrf.estimators.held_out import Forecast, HeldOutScore, Rival
from pyhrf.model.design import experiment_design, n_hrf_coefficients
from pyhrf.model.fitted import mean_courses, own_signal, share, squares, task_signal
from pyhrf.model.folds import Fold, folds_of, held_out_nuisance
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.model.outliers import outlying_scans
from pyhrf.outputs.maps import MAPS, MapName, map_title
from pyhrf.parameters.model import ModelSettings

Bold = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


FOR_IMAGES = (
    "it estimates one parcel, of plain arrays; models of images and tables of events are "
    "pyhrf.JDE, pyhrf.RFIR and pyhrf.GLM"
)
"""Where to go with what an estimator of one parcel does not take."""
_OF_MODELS = (
    *("predict", "score", "compute_contrast", "generate_report", "plot_hrf", "map", "save"),
    *("residuals_", "r_square_", "get_params", "set_params", "results_", "hrf_", "parcels_"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ParcelEstimator(ModelSettings, ABC):
    """Base of the estimators: one is its parameters, and the experiment that they are for.

    A subclass inherits its own parameters from a subclass of `EstimatorSettings`, so that each is
    an argument of its constructor. A parameter in its `EstimatorKind.unused` is not.

    Parameters
    ----------
    experiment : Experiment
        Runs, TR, conditions and events.
    contrasts : mapping of str to mapping of str to float, optional
        Weight of each condition, by name of contrast and condition.

    Raises
    ------
    InputError
        If a value is not allowed, or a contrast names no condition.
    """

    experiment: Experiment = field(kw_only=False, repr=False)
    contrasts: Mapping[str, Mapping[str, float]] | None = None
    min_positions: int = 1

    _in_folds: ClassVar[Mapping[str, Any]] = {"contrasts": None, "cross_validate": "none"}
    """What is not asked of the estimators of parts of the scans."""

    if not TYPE_CHECKING:  # which would then take any name for one that is there

        def __getattr__(self, name: str) -> Any:
            """Say where what models have is to be found."""
            where = f": {FOR_IMAGES}" if name in _OF_MODELS else ""
            raise AttributeError(f"{type(self).__name__} has no {name}{where}")

    def __post_init__(self) -> None:
        # What cannot be is refused at once, not at the first parcel.
        given: object = self.experiment  # of whatever type a caller gave
        if not isinstance(given, Experiment):
            raise InputError(
                f"experiment is a {type(given).__name__}: an estimator of one parcel takes a "
                "pyhrf.data.Experiment; images and tables of events are for pyhrf.JDE, pyhrf.RFIR "
                "and pyhrf.GLM"
            )
        _ = self._weights
        check_choices(self)
        self._check()

    def _check(self) -> None:
        """Refuse values that are not allowed, and a design of which nothing can be estimated."""

    @cached_property
    def _weights(self) -> dict[str, FloatArray]:
        """Weights of the conditions, in their order, by name of the contrast."""
        return {
            name: contrast_vector(name, weights, self.experiment.conditions)
            for name, weights in (self.contrasts or {}).items()
        }

    @cached_property
    def _kept(self) -> BoolArray:
        """Which scans count."""
        return self.experiment.kept if self.experiment.runs else np.ones(0, dtype=np.bool_)

    def compile(self) -> None:
        """Bring compiled kernels into memory, if there are any: the first parcel needs them."""

    def recipe(self) -> dict[str, object]:
        """Return the arguments with which this class makes an equal estimator elsewhere."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.init}

    @says_where(FOR_IMAGES)
    def fit(
        self,
        bold: ArrayLike,
        *,
        edges: ArrayLike | None = None,
        coordinates: ArrayLike | None = None,
    ) -> ParcelEstimate:
        """Estimate one parcel from plain arrays.

        Parameters
        ----------
        bold : array, shape (n_scans, n_positions)
            BOLD signal, runs one after the other, any unit.
        edges : integer array, shape (n_edges, 2), optional
            Pairs of neighbouring positions; the GLM has no use for them.
        coordinates : integer array, shape (n_positions, 3), optional
            Voxel indices, from which the pairs are made; without either no position has a
            neighbour.

        Returns
        -------
        ParcelEstimate
            With maps in the order of the columns of `bold`.

        Raises
        ------
        InputError
            If shapes do not fit, or the data cannot be estimated.
        """
        parcel = parcel_of_arrays(bold, self.experiment.n_scans, edges, coordinates)
        # Matrices this small only lose by BLAS threads; engines see to it themselves.
        with threadpool_limits(1, user_api="blas"):
            estimate = self.fit_parcel(parcel)
        if estimate.status != "ok":
            raise InputError(estimate.reason)
        return estimate

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        """Estimate one parcel; data that cannot be used give a ``failed`` estimate.

        Positions that are constant in a run, not finite, or too large for finite estimates, are
        left out; their maps are NaN. Censored scans are not looked at.
        """
        bold = parcel.bold
        if not self._kept.all():
            bold = np.where(self._kept[:, None], bold, np.float32(0))
        usable = usable_positions(
            bold if self._kept.all() else bold[self._kept],
            [int(run.kept.sum()) for run in self.experiment.runs],
        )
        return self._fit(parcel, bold, usable)

    def _fit(self, parcel: Parcel, bold: Bold, usable: BoolArray) -> ParcelEstimate:
        """Estimate the usable positions, and again without those of which the maps are infinite."""
        n_usable = int(usable.sum())
        needed = max(self.min_positions, 1)
        if n_usable < needed:
            return _failed(parcel, too_few(len(usable), n_usable, needed))
        graph = NeighbourGraph.from_edges(parcel.edges, len(usable))
        used = bold
        if n_usable < len(usable):
            graph, used = graph.subgraph(usable), bold[:, usable]
        try:
            estimate = self._estimate(parcel, usable, used, graph)
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            reason = f"the computation did not stay finite ({error}): look at the parcel's data"
            return _failed(parcel, reason)
        infinite = _infinite(estimate)
        bad = np.logical_or.reduce([np.zeros(len(usable), np.bool_), *infinite.values()])
        if bad[usable].all():
            names = ", ".join(map_title(*key) for key, where in infinite.items() if where.any())
            return _failed(
                parcel,
                f"the computation did not stay finite ({names}): look at the parcel's data, whose "
                "values may be too large, or a run of too few scans",
            )
        if bad.any():
            return self._fit(parcel, bold, usable & ~bad)
        estimate = self._with_share(estimate, used, usable)
        if self.cross_validate != "none":
            estimate = self._with_held_out(estimate, used, usable, graph)
        return replace(estimate, summary={**estimate.summary, **self._outliers(used)})

    @cached_property
    def _design_and_nuisance(self) -> tuple[FloatArray, FloatArray]:
        """Design, and an orthonormal basis of the nuisance."""
        n_hrf = n_hrf_coefficients(self.hrf_duration, self.dt)
        X = experiment_design(self.experiment, self.dt, n_hrf)
        return X, np.linalg.qr(experiment_nuisance(self.experiment, self))[0]

    def _with_share(
        self, estimate: ParcelEstimate, bold: Bold, usable: BoolArray
    ) -> ParcelEstimate:
        """Add the share of the signal that the responses explain, drift and confounds taken out."""
        if ("r2", "") in estimate.maps:
            return estimate
        X, Q = self._design_and_nuisance
        task = self._task(estimate, X)[:, usable]
        signal = bold.astype(np.float64)
        total, left = squares(signal, task, Q)
        r2 = share(total, left)
        values = np.full(len(usable), np.nan, np.float32)
        values[usable] = r2
        return replace(
            estimate,
            maps={**estimate.maps, ("r2", ""): values},
            summary={**estimate.summary, "r2": float(share(total.sum(), left.sum()))},
            courses=mean_courses([(signal, task, Q)], r2, self._kept),
        )

    def _task(self, estimate: ParcelEstimate, X: FloatArray) -> FloatArray:
        """Signal of the task in the scans of a design, shape (n_scans, n_positions)."""
        names = self.experiment.conditions
        if ("response", names[0]) in estimate.maps:
            of_each = [estimate.maps["response", name][:, 1:-1] for name in names]
            return own_signal(X, np.array(of_each, np.float64))
        levels = [estimate.maps["nrl", name] for name in names]
        return task_signal(X, estimate.hrf["hrf"][1:-1], np.array(levels, np.float64))

    @cached_property
    def _folds(self) -> list[tuple[Fold, Self, FloatArray]]:
        """What is held out, the estimator of the other scans, and the nuisance in those held."""
        P = experiment_nuisance(self.experiment, self)
        return [
            (fold, self._of_fold(fold), held_out_nuisance(P, fold))
            for fold in folds_of(self.experiment, self.cross_validate)
        ]

    @property
    def n_fits(self) -> int:
        """How often a parcel is fitted: again for each part of the scans that is held out."""
        # at most: some have no second model to compare with
        return 1 + 2 * len(folds_of(self.experiment, self.cross_validate))

    def _of_fold(self, fold: Fold) -> Self:
        try:
            return replace(self, experiment=fold.training, **self._in_folds)
        except InputError as error:
            raise InputError(
                f"cross_validate is {self.cross_validate}: without {fold.text}, {error}"
            ) from error

    def _with_held_out(
        self, estimate: ParcelEstimate, bold: Bold, usable: BoolArray, graph: NeighbourGraph
    ) -> ParcelEstimate:
        """Add how well scans that are held out are predicted."""
        score = HeldOutScore(bold.shape[1])
        for fold, estimator, Q in self._folds:
            parcel = Parcel(estimate.parcel, bold[fold.rows], graph.pairs(), np.arange(len(bold.T)))
            try:
                forecast = self._forecast(estimator, parcel, fold.held)
            except (ArithmeticError, np.linalg.LinAlgError):  # too little is left: nothing is said
                return estimate
            held = bold[fold.held].astype(np.float64)
            score.add(held, forecast, Q, fold.places, fold.seconds)
        values = np.full(len(usable), np.nan, np.float32)
        values[usable] = score.r2()
        return replace(
            estimate,
            maps={**estimate.maps, ("r2_held_out", ""): values},
            summary={**estimate.summary, **score.summary()},
        )

    def _forecast(self, training: Self, parcel: Parcel, held: BoolArray) -> Forecast:
        """Predict scans that are held out by what an estimator of the others makes of a parcel."""
        return training.forecast_of(parcel, self._design_and_nuisance[0][held])

    def forecast_of(self, parcel: Parcel, X: FloatArray) -> Forecast:
        """Estimate a parcel, and predict scans of another design by what was found.

        Raises
        ------
        FloatingPointError
            If it cannot be estimated.
        """
        estimate = self.fit_parcel(parcel)
        if estimate.status != "ok":
            raise FloatingPointError(estimate.reason)
        return Forecast(self._task(estimate, X), self._rival(estimate, parcel, X))

    def _rival(self, estimate: ParcelEstimate, parcel: Parcel, X: FloatArray) -> Rival | None:
        """Predict the same scans by a model to compare with; by default there is none."""
        del estimate, parcel, X
        return None

    def _outliers(self, bold: Bold) -> dict[str, float]:
        """Count the scans that lie far off the others; if there are any, number the farthest."""
        lengths = [int(run.kept.sum()) for run in self.experiment.runs]
        looked_at = bold if self._kept.all() else bold[self._kept]
        n_outlying, worst = outlying_scans(looked_at, lengths)
        if not n_outlying:
            return {"n_outlying_scans": 0.0}
        scan = np.flatnonzero(self._kept)[worst]
        return {"n_outlying_scans": float(n_outlying), "outlying_scan": float(scan)}

    @abstractmethod
    def _estimate(
        self, parcel: Parcel, usable: BoolArray, bold: Bold, graph: NeighbourGraph
    ) -> ParcelEstimate:
        """Estimate the usable positions of a parcel.

        Parameters
        ----------
        parcel : Parcel
            The whole of it.
        usable : bool array, shape (n_positions,)
            Which positions are used.
        bold : float32 array, shape (n_scans, n_usable)
            Their signal; 0 in censored scans.
        graph : NeighbourGraph
            Of these positions.
        """


def _infinite(estimate: ParcelEstimate) -> dict[MapName, BoolArray]:
    """Tell where maps are infinite that may not: of too large numbers, or of too short runs."""
    return {
        key: np.asarray(np.isinf(values.reshape(len(values), -1)).any(axis=1))
        for key, values in estimate.maps.items()
        if not MAPS[key[0]].may_be_infinite
    }


def _failed(parcel: Parcel, reason: str) -> ParcelEstimate:
    return ParcelEstimate(parcel.number, "failed", reason, parcel.positions)
