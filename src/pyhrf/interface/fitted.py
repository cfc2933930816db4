"""The signal that a model predicts, and how much of the data it explains."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.config.study import Study
from pyhrf.data import Experiment, FloatArray, Parcel
from pyhrf.errors import InputError
from pyhrf.inputs.dataset import Dataset
from pyhrf.interface.given import Given
from pyhrf.interface.images import as_surface_image, with_values
from pyhrf.interface.prepared import prepared, prepared_again
from pyhrf.model.design import experiment_design
from pyhrf.model.fitted import own_signal, share, squares, task_signal
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.outputs.maps import map_title
from pyhrf.results import Results
from pyhrf.study_data import open_files

if TYPE_CHECKING:
    import pandas as pd

    from pyhrf.interface.model import HrfModel

Predict = Callable[[Parcel], FloatArray]
"""Gives the responses of a parcel, shape (n_scans, n_positions), NaN where there is no estimate."""


@dataclass(frozen=True)
class FittedParcel:
    """Data and prediction of a parcel.

    Attributes
    ----------
    number : int
    positions : array, shape (n_positions,)
    bold, task, nuisance : array, shape (n_scans, n_positions)
        The data; the responses; what nuisance fits of the data without the responses. NaN where a
        position was left out.
    """

    number: int
    positions: NDArray[np.int64]
    bold: FloatArray
    task: FloatArray
    nuisance: FloatArray


@dataclass(frozen=True)
class Explained:
    """Sums of squares of a parcel over scans, nuisance taken out.

    Attributes
    ----------
    number : int
    positions : array, shape (n_positions,)
    total, left : array, shape (n_positions,)
        Of the data; of what the responses leave.
    """

    number: int
    positions: NDArray[np.int64]
    total: FloatArray
    left: FloatArray

    @property
    def share(self) -> float:
        """Share that responses explain of all positions together."""
        return _share([self])


class Fitted:
    """What a fitted model says of runs: those that it was fitted to, or others.

    Parameters
    ----------
    model : HrfModel
        Fitted.
    given : Given
        The runs.
    """

    def __init__(self, model: HrfModel, given: Given) -> None:
        self._model, self._given = model, given

    def predicted(self) -> Any:
        """Images of the fitted signal, as the runs were given."""
        return self._series(lambda parcel: parcel.nuisance + parcel.task)

    def residuals(self) -> Any:
        """Images of what the fit leaves."""
        return self._series(lambda parcel: parcel.bold - parcel.nuisance - parcel.task)

    def r_square_image(self) -> Any:
        """Map of the share that responses explain."""
        explained = self._explained
        values = self._nothing().reshape(-1)
        for parcel in explained:
            values[parcel.positions] = share(parcel.total, parcel.left)
        return self._image(values.reshape(self._shape), None)

    def r_square(self) -> float:
        """Share that responses explain of all positions together."""
        return _share(self._explained)

    def r_square_of_parcels(self) -> pd.Series[float]:
        """Share that responses explain of each parcel."""
        import pandas as pd

        found = {parcel.number: parcel.share for parcel in self._explained}
        return pd.Series(found, name="r2", dtype=float).rename_axis("parcel")

    @cached_property
    def _explained(self) -> list[Explained]:
        return [_explained_of(parcel, self._nuisance) for parcel in self._parcels()]

    def _series(self, what: Callable[[FittedParcel], FloatArray]) -> Any:
        values = np.empty((0, 0), np.float32)
        for parcel in self._parcels():
            if not values.size:
                values = np.repeat(self._nothing(), len(parcel.bold), axis=1)
            values[parcel.positions] = what(parcel).T
        ends = list(itertools.accumulate(self._lengths, initial=0))
        images = [
            self._image(values[:, first:end].reshape(*self._shape, -1), self._tr)
            for first, end in itertools.pairwise(ends)
        ]
        return images if self._given.is_list else images[0]

    def _nothing(self) -> NDArray[np.float32]:
        """Give what maps have where nothing was estimated: NaN in parcels, 0 outside of them."""
        labels = self._model.results_.labels.reshape(-1, 1)
        return np.where(labels > 0, np.nan, 0).astype(np.float32)

    def _image(self, values: NDArray[np.floating], time_step: float | None) -> Any:
        if self._given.on_surface:
            return as_surface_image(values, self._given.images[0])
        like = self._model.results_.load_map("parcels")
        return with_values(values, like, time_step=time_step)

    def _parcels(self) -> Iterator[FittedParcel]:
        """Give one parcel after the other, so that no more than the data is in memory."""
        fitted_to = self._model._given
        with prepared_again(self._model) as ready:
            study = ready.study
            if self._given is fitted_to:
                dataset = _opened(study)
                training = dataset if study.kind.own_design else None
                yield from self._parcels_of(study, dataset, training)
                return
            as_fitted = self._model._as_fitted
            with prepared(as_fitted, self._given, self._model.contrasts_) as other:
                training = _opened(study) if study.kind.own_design else None
                yield from self._parcels_of(other.study, _opened(other.study), training)

    def _parcels_of(
        self, study: Study, dataset: Dataset, training: Dataset | None
    ) -> Iterator[FittedParcel]:
        results, experiment = self._model.results_, dataset.experiment
        _check_conditions(experiment, results)
        self._shape, self._tr = dataset.shape, dataset.tr
        self._lengths = [run.n_scans for run in experiment.runs]
        self._nuisance = np.linalg.qr(experiment_nuisance(experiment, study.model))[0]
        if training is not None:
            predict = _predict_by_glm(study, experiment, training)
        else:
            predict = _predict_by_maps(experiment, results)
        for number in dataset.parcels:
            if number in results.failed:
                continue
            (parcel,) = dataset.load([number])
            bold = parcel.bold.astype(np.float64)
            task = predict(parcel)
            nuisance = self._nuisance @ (self._nuisance.T @ (bold - task))
            yield FittedParcel(number, parcel.positions, bold, task, nuisance)


def _explained_of(parcel: FittedParcel, nuisance: FloatArray) -> Explained:
    total, left = squares(parcel.bold, parcel.task, nuisance)
    return Explained(parcel.number, parcel.positions, total, left)


def _share(parcels: Sequence[Explained]) -> float:
    """Give the share explained of all positions that have an estimate."""
    left = total = np.float64(0)
    for parcel in parcels:
        used = np.isfinite(parcel.left)
        left += parcel.left[used].sum()
        total += parcel.total[used].sum()
    return float(share(np.asarray(total), np.asarray(left)))


def _check_conditions(experiment: Experiment, results: Results) -> None:
    known = results.condition_names
    for name in experiment.conditions:
        if name not in known:
            raise InputError(
                f"the events have the condition {name!r}, and the model was fitted to "
                f"{', '.join(known)}: leave its events out"
            )


def _opened(study: Study) -> Dataset:
    data = study.data
    dataset = open_files(study, data.runs, data.parcellation, data.meshes)
    dataset.read()
    return dataset


def _predict_by_maps(experiment: Experiment, results: Results) -> Predict:
    """Predict by levels and the HRF of the parcel, or by the responses of each voxel."""
    table = results.hrf
    if "condition" in table:
        table = table[table["condition"].isna()]
    hrfs = {int(str(number)): rows for number, rows in table.groupby("parcel")}
    times = next(iter(hrfs.values()))["time"].to_numpy()
    X = experiment_design(experiment, float(times[1] - times[0]), len(times) - 2)
    own = ("response", experiment.conditions[0]) in results.map_names.values()
    kind = "response" if own else "nrl"
    maps = [results.map_values(map_title(kind, name)) for name in experiment.conditions]

    def predict(parcel: Parcel) -> FloatArray:
        if own:
            n_samples = len(times)
            responses = [one.reshape(-1, n_samples)[parcel.positions, 1:-1] for one in maps]
            return own_signal(X, np.array(responses, np.float64))
        levels = np.array([one.reshape(-1)[parcel.positions] for one in maps], np.float64)
        return task_signal(X, hrfs[parcel.number]["hrf"].to_numpy()[1:-1], levels)

    return predict


def _predict_by_glm(study: Study, experiment: Experiment, training: Dataset) -> Predict:
    """Predict by coefficients, which are fitted again: those of derivatives are in no map.

    Runs that were fitted have coefficients of their own, as in nilearn; others take the mean.
    """
    from pyhrf.estimation import make_estimator

    fitted: Any = make_estimator(study, training.experiment, {})
    is_own = experiment is training.experiment
    other: Any = fitted if is_own else make_estimator(study, experiment, {})

    def predict(parcel: Parcel) -> FloatArray:
        (mine,) = training.load([parcel.number])
        task: FloatArray = fitted.task_of(mine, other)
        return task

    return predict
