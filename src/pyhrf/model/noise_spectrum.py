"""How the noise of a parcel is spread over frequencies, shared by its positions.

In the cosine basis of each run (DCT-II) any stationary noise has, but for what the ends of the run
add, independent coefficients: their variance as a function of the frequency says all that AR(1),
ARMA or 1/f noise differ in. It is estimated in bands, and neither drifts slower than the cut-off of
the cosines nor oscillations just above it pass for responses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from pyhrf.data import Experiment, FloatArray

# A band is this wide relative to its frequency, but never fewer cosines than these; below the
# second frequency, Hz, where spectra are steep, fewer are enough.
_RELATIVE_WIDTH = 0.26
_FEWEST, _FEWEST_SLOW, _SLOW = 6, 2, 1 / 40
# A band changes as if this many more coefficients had been as expected.
_CAUTION = 0.5


@dataclass(frozen=True, slots=True)
class CosineBasis:
    """The cosines of all runs, and the bands that their frequencies are put into.

    Attributes
    ----------
    run_lengths : tuple of int
        Scans of each run.
    run : int array, shape (n_scans,)
        Run of each cosine.
    log_frequency : array, shape (n_scans,)
        Log of its frequency in Hz; of the constant, that of a quarter of a period.
    band : int array, shape (n_scans,)
    n_bands : int
    """

    run_lengths: tuple[int, ...]
    run: NDArray[np.intp]
    log_frequency: FloatArray
    band: NDArray[np.intp]
    n_bands: int

    @property
    def angle(self) -> FloatArray:
        """Phase by which each cosine moves on from one scan to the next, shape (n_scans,)."""
        return np.pi * np.concatenate([np.arange(n) / n for n in self.run_lengths])


def cosine_basis(experiment: Experiment) -> CosineBasis:
    """Set up the basis for the runs of an experiment.

    Parameters
    ----------
    experiment : Experiment
    """
    lengths = tuple(run.n_scans for run in experiment.runs)
    frequencies = [
        np.maximum(np.arange(run.n_scans), 0.5) / (2 * run.n_scans * run.tr)
        for run in experiment.runs
    ]
    longest = frequencies[int(np.argmax([run.n_scans * run.tr for run in experiment.runs]))]
    log_frequency = np.log(np.concatenate(frequencies))
    band = np.searchsorted(np.log(_inner_edges(longest)), log_frequency)
    band = np.unique(band, return_inverse=True)[1]
    return CosineBasis(
        lengths,
        np.repeat(np.arange(len(lengths)), lengths),
        log_frequency,
        band,
        int(band.max()) + 1,
    )


def _inner_edges(frequency: FloatArray) -> FloatArray:
    """Frequencies at which a band ends and the next begins."""
    edges, place = [], 1
    while place < len(frequency):
        fewest = _FEWEST_SLOW if frequency[place] < _SLOW else _FEWEST
        place += max(fewest, round(place * _RELATIVE_WIDTH))
        if place + fewest < len(frequency):
            edges.append(0.5 * (frequency[place - 1] + frequency[place]))
    return np.array(edges)


def to_cosines(values: FloatArray, run_lengths: tuple[int, ...]) -> FloatArray:
    """Bring time series into the orthonormal cosine basis of each run.

    Parameters
    ----------
    values : array, shape (n_scans, …)
    run_lengths : tuple of int

    Returns
    -------
    array, shape (n_scans, …)
    """
    found = np.empty(values.shape)
    first = 0
    for length in run_lengths:
        scans = slice(first, first + length)
        found[scans] = dct(values[scans], axis=0, norm="ortho")
        first += length
    return found


def updated_spectrum(
    basis: CosineBasis, spectrum: FloatArray, squares: FloatArray, expected: FloatArray
) -> FloatArray:
    """Take a step towards the spectrum that explains the squares of whitened residuals.

    Parameters
    ----------
    basis : CosineBasis
    spectrum : array, shape (n_scans,)
        With which the data were whitened: variance of the coefficient of each cosine.
    squares : array, shape (n_scans,)
        Of the whitened residuals, means over positions, in units of their variance.
    expected : array, shape (n_scans,)
        What the squares would be if the spectrum were right: 1 less the leverage of all that was
        fitted.

    Returns
    -------
    array, shape (n_scans,)
        With a geometric mean of 1.
    """
    weight = np.bincount(basis.band, expected, basis.n_bands) + _CAUTION
    ratio = (np.bincount(basis.band, squares, basis.n_bands) + _CAUTION) / weight
    centre = np.bincount(basis.band, basis.log_frequency) / np.bincount(basis.band)
    change = np.interp(basis.log_frequency, centre, np.log(ratio))
    n_runs = len(basis.run_lengths)
    if n_runs > 1:
        left = squares * np.exp(-change)
        run = np.bincount(basis.run, left, n_runs) + _CAUTION
        run /= np.bincount(basis.run, expected, n_runs) + _CAUTION
        change = change + np.log(run)[basis.run]
    log_spectrum = np.log(spectrum) + change
    return np.asarray(np.exp(log_spectrum - log_spectrum.mean()))


def autocorrelation(basis: CosineBasis, spectrum: FloatArray) -> float:
    """Tell the lag-1 autocorrelation of noise with this spectrum.

    Parameters
    ----------
    basis, spectrum
        As for `updated_spectrum`.
    """
    return float(spectrum @ np.cos(basis.angle) / spectrum.sum())


def gain_over_autoregression(
    basis: CosineBasis,
    spectrum: FloatArray,
    squares: FloatArray,
    expected: FloatArray,
    rho: FloatArray,
) -> float:
    """Tell by how much one spectrum for all beats AR(1), of each position or of all.

    By Whittle's likelihood of the coefficients, each position with its best variance, and
    Akaike's price of a parameter.

    Parameters
    ----------
    basis, spectrum
        As for `updated_spectrum`.
    squares : array, shape (n_scans, n_positions)
        Of the residuals, not whitened.
    expected : array, shape (n_scans,)
        As for `updated_spectrum`.
    rho : array, shape (n_rho,)
        Autocorrelations to choose from.

    Returns
    -------
    float
        Nats; below 0 if AR(1) is better.
    """
    n_positions = squares.shape[1]
    spectra = 1 / (1 - 2 * rho[:, None] * np.cos(basis.angle) + rho[:, None] ** 2)
    likelihood = _whittle(spectra, squares, expected)
    of_each = float(likelihood.max(axis=0).sum()) - n_positions
    of_all = float(likelihood.sum(axis=1).max()) - 1
    common = float(_whittle(spectrum[None], squares, expected).sum()) - basis.n_bands
    return common - max(of_each, of_all)


def _whittle(spectra: FloatArray, squares: FloatArray, expected: FloatArray) -> FloatArray:
    """Log likelihood of each spectrum in each position, shape (n_spectra, n_positions)."""
    scale = np.log((1 / spectra) @ squares)
    return -0.5 * (np.log(spectra) @ expected)[:, None] - 0.5 * expected.sum() * scale
