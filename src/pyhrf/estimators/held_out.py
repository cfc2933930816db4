"""How well what is estimated from a part of the scans predicts the others.

Means, drifts and confounds are taken out of data and prediction alike, in the scans that are held
out. The comparison with the canonical response is one of log likelihoods, with the noise as it was
estimated from the other scans; its error is that of a sum over stretches of time, which counts
noise that positions share (Vehtari, Gelman and Gabry 2017, Statistics and Computing 27:1413, with
stretches in the place of single observations).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.model.fitted import share, without

# Seconds of the stretches whose sums are taken for independent: the responses to neighbouring
# events overlap.
STRETCH = 20.0


class Rival(NamedTuple):
    """A model that is compared with an estimator, and the noise by which both are judged.

    Attributes
    ----------
    task : array, shape (n_held, n_positions)
        Its signal of the task.
    noise_sd, ar1 : array, shape (n_positions,)
        As the estimator found them.
    """

    task: FloatArray
    noise_sd: FloatArray
    ar1: FloatArray


class Forecast(NamedTuple):
    """What was estimated from other scans says of those of a fold.

    Attributes
    ----------
    task : array, shape (n_held, n_positions)
        Signal of the task; NaN where a position could not be estimated.
    rival : Rival, optional
    """

    task: FloatArray
    rival: Rival | None = None


@dataclass
class HeldOutScore:
    """Sums over folds.

    Parameters
    ----------
    n_positions : int
    """

    n_positions: int

    def __post_init__(self) -> None:
        self.total, self.left = np.zeros(self.n_positions), np.zeros(self.n_positions)
        self._stretches: list[FloatArray] = []

    def add(
        self,
        bold: FloatArray,
        forecast: Forecast,
        Q: FloatArray,
        places: NDArray[np.intp],
        seconds: float,
    ) -> None:
        """Take in a fold.

        Parameters
        ----------
        bold : array, shape (n_held, n_positions)
        forecast : Forecast
        Q : array, shape (n_held, n_nuisance)
            Orthonormal basis of the nuisance in these scans.
        places, seconds
            As of `pyhrf.model.folds.Fold`.
        """
        left = without(bold - forecast.task, Q)
        self.total += np.sum(without(bold, Q) ** 2, axis=0)
        self.left += np.sum(left**2, axis=0)
        rival = forecast.rival
        if rival is not None:
            known = np.isfinite(left).all(axis=0) & np.isfinite(rival.task).all(axis=0)
            of_rival = without(bold - rival.task, Q)
            squares = [
                np.sum(innovations(one, rival, places)[:, known] ** 2, axis=1)
                for one in (of_rival, left)
            ]
            # log likelihood of normal noise: -(y - prediction)² / 2 in units of its variance
            gain = (squares[0] - squares[1]) / 2
            n_stretches = max(round(seconds / STRETCH), 1)
            self._stretches += [one.sum() for one in np.array_split(gain, n_stretches)]

    def r2(self) -> FloatArray:
        """Share of the signal of each position that is predicted, shape (n_positions,)."""
        return share(self.total, self.left)

    def summary(self) -> dict[str, float]:
        """Give the columns of ``parcels.tsv``: those of the comparison only if there is a rival."""
        known = np.isfinite(self.left)
        found = {"r2_held_out": float(share(self.total[known].sum(), self.left[known].sum()))}
        if self._stretches:
            sums = np.array(self._stretches)
            found["delta_canonical"] = float(sums.sum())
            found["delta_canonical_sd"] = float(np.sqrt(len(sums)) * sums.std(ddof=1))
        return found


def innovations(left: FloatArray, rival: Rival, places: NDArray[np.intp]) -> FloatArray:
    """Turn AR(1) noise into independent noise of variance 1; each gap begins it again.

    Parameters
    ----------
    left : array, shape (n_scans, n_positions)
    rival : Rival
        With the noise.
    places : int array, shape (n_scans,)
        Of the scans in time, in numbers of scans.
    """
    rho, sd = rival.ar1, rival.noise_sd
    follows = np.flatnonzero(np.diff(places) == 1) + 1
    scaled = left / sd
    white = scaled.copy()
    white[follows] = (scaled[follows] - rho * scaled[follows - 1]) / np.sqrt(1 - rho**2)
    return white
