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

from pyhrf.data import FloatArray
from pyhrf.model.fitted import share

# Seconds of the stretches whose sums are taken for independent: the responses to neighbouring
# events overlap.
STRETCH = 20.0


class Forecast(NamedTuple):
    """What was estimated from other scans says of those of a fold.

    Attributes
    ----------
    task : array, shape (n_held, n_positions)
        Signal of the task.
    noise_sd, ar1 : array, shape (n_positions,)
        Of the noise.
    rival : array, shape (n_held, n_positions), optional
        Signal of the task by a model that this one is compared with.
    """

    task: FloatArray
    noise_sd: FloatArray
    ar1: FloatArray
    rival: FloatArray | None = None


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
        self, bold: FloatArray, forecast: Forecast, Q: FloatArray, times: FloatArray, seconds: float
    ) -> None:
        """Take in a fold.

        Parameters
        ----------
        bold : array, shape (n_held, n_positions)
        forecast : Forecast
        Q : array, shape (n_held, n_nuisance)
            Orthonormal basis of the nuisance in these scans.
        times : array, shape (n_held,)
            Of the scans, in numbers of scans; between runs a gap.
        seconds : float
            That the scans take together.
        """

        def without_nuisance(values: FloatArray) -> FloatArray:
            return values - Q @ (Q.T @ values)

        left = without_nuisance(bold - forecast.task)
        self.total += np.sum(without_nuisance(bold) ** 2, axis=0)
        self.left += np.sum(left**2, axis=0)
        if forecast.rival is not None:
            known = np.isfinite(left).all(axis=0) & np.isfinite(forecast.rival).all(axis=0)
            of_rival = without_nuisance(bold - forecast.rival)
            squares = [
                np.sum(innovations(one, forecast, times)[:, known] ** 2, axis=1)
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


def innovations(left: FloatArray, forecast: Forecast, times: FloatArray) -> FloatArray:
    """Turn AR(1) noise into independent noise of variance 1; each gap begins it again.

    Parameters
    ----------
    left : array, shape (n_scans, n_positions)
    forecast : Forecast
    times : array, shape (n_scans,)
        Of the scans, in numbers of scans.
    """
    rho, sd = forecast.ar1, forecast.noise_sd
    follows = np.flatnonzero(np.diff(times) == 1) + 1
    scaled = left / sd
    white = scaled.copy()
    white[follows] = (scaled[follows] - rho * scaled[follows - 1]) / np.sqrt(1 - rho**2)
    return white
