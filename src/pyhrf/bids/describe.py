"""What the maps and tables are, for their JSON files; names of maps as nilearn's for GLMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MapKind:
    """A kind of map.

    Attributes
    ----------
    prefix : str
        How PyHRF's own names of these maps begin.
    label : str
        After ``stat-``.
    text : str
        What it shows.
    unit : str
        Empty for the unit of the signal.
    squared : bool
        Whether the values are squared, as a standard deviation becomes a variance.
    is_variance : bool
        Whether the unit is that of the signal squared.
    """

    prefix: str
    label: str
    text: str
    unit: str = ""
    squared: bool = False
    is_variance: bool = False

    def unit_in(self, signal: str) -> str:
        """Give the unit of the map where that of the signal is ``signal``."""
        if self.unit:
            return self.unit
        return f"({signal})^2" if self.is_variance else signal


def _variance(prefix: str, label: str, text: str) -> MapKind:
    """Say what becomes of a map of standard deviations."""
    return MapKind(prefix, label, text, squared=True, is_variance=True)


_PLACES = {"gifti": "node", "cifti": "grayordinate"}


def density(label: str, kind: str) -> str:
    """Say what the label of the entity ``den`` means, as BIDS wants of each file that has it.

    Parameters
    ----------
    label : str
        Such as ``91k``.
    kind : {"volume", "gifti", "cifti"}

    Returns
    -------
    str
    """
    return f"{label} is the number of {_PLACES.get(kind, 'voxel')}s, rounded"


def in_places(about: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Say of data on a surface where their values are: not in voxels.

    Parameters
    ----------
    about : dict
        What a JSON file says.
    kind : {"volume", "gifti", "cifti"}

    Returns
    -------
    dict
        With other words in ``Description`` and ``Threshold``, which are ours, at any depth; names
        stay.
    """
    if kind == "volume":
        return dict(about)
    place = _PLACES[kind]
    said: dict[str, Any] = {}
    for key, value in about.items():
        if isinstance(value, dict):
            said[key] = in_places(value, kind)
        elif key in ("Description", "Threshold") and isinstance(value, str):
            said[key] = value.replace("voxel", place).replace("Voxel", place.capitalize())
        else:
            said[key] = value
    return said


_PROBABILITY = "probability"
_NONE = "none"

# Longer prefixes first: nrl_sd_audio is no map nrl_ of a condition sd_audio.
_JDE_CONDITIONS = (
    _variance("nrl_sd_", "variance", "Posterior variance of the height of the response"),
    MapKind("nrl_q025_", "q025", "2.5 % quantile of the height of the response"),
    MapKind("nrl_q975_", "q975", "97.5 % quantile of the height of the response"),
    MapKind("nrl_", "effect", "Height of the response (response level), posterior mean"),
    MapKind("active_", "active", "Posterior probability that the voxel is active", _PROBABILITY),
    MapKind(
        "ppm_",
        "ppm",
        "Posterior probability that the height of the response exceeds the threshold; lies below "
        "it where it is negative",
        _PROBABILITY,
    ),
    MapKind("response_sd_", "responsesd", "Standard deviation of the response of the voxel"),
    MapKind("response_", "response", "Response of the voxel over the time after an event"),
)
_JDE_CONTRASTS = (
    _variance("contrast_sd_", "variance", "Posterior variance of the contrast"),
    MapKind("contrast_ppm_", "ppm", "Posterior probability that it is above 0", _PROBABILITY),
    MapKind("contrast_", "effect", "Contrast of the heights of responses, posterior mean"),
)


def _of_glm(prefix: str) -> tuple[MapKind, ...]:
    """Kinds of the maps of a GLM, of a condition or contrast."""
    return (
        MapKind(
            f"{prefix}effect_variance_", "variance", "Variance of the effect", is_variance=True
        ),
        MapKind(
            f"{prefix}effect_",
            "effect",
            "Effect: signal per unit of nilearn's regressor; stat-level is the height of the "
            "response",
        ),
        MapKind(f"{prefix}F_z_", "Fz", "z value of the F test of any response", _NONE),
        MapKind(f"{prefix}F_p_", "Fp", "p value of the F test of any response", _PROBABILITY),
        MapKind(f"{prefix}F_", "F", "F test of any response that the model has", _NONE),
        MapKind(f"{prefix}t_", "t", "t test that it is above 0", _NONE),
        MapKind(f"{prefix}z_", "z", "z value of the t test", _NONE),
        MapKind(f"{prefix}p_", "p", "p value of the t test", _PROBABILITY),
    )


CONDITION_MAPS: Mapping[bool, tuple[MapKind, ...]] = {
    False: _JDE_CONDITIONS,
    True: (
        *_of_glm(""),
        _variance("nrl_sd_", "levelvariance", "Variance of the height of the response"),
        MapKind("nrl_", "level", "Height of the response"),
        MapKind("response_", "response", "Coefficients of the free response"),
    ),
}
"""Kinds of the maps of a condition: of the GLM or of the others."""

CONTRAST_MAPS: Mapping[bool, tuple[MapKind, ...]] = {
    False: _JDE_CONTRASTS,
    True: (
        *_of_glm("contrast_"),
        _variance("contrast_sd_", "levelvariance", "Variance of the contrast of heights"),
        MapKind("contrast_", "level", "Contrast of the heights of responses"),
    ),
}
"""Kinds of the maps of a contrast: of the GLM or of the others."""

PARCEL_MAPS: Mapping[str, MapKind] = {
    "noise_sd": MapKind("", "noisesd", "Standard deviation of the noise"),
    "ar1": MapKind("", "ar1", "Correlation of the noise from one scan to the next", _NONE),
    "residual_ar1": MapKind(
        "", "residualar1", "Correlation from scan to scan that the AR(1) model leaves", _NONE
    ),
    "hrf": MapKind(
        "",
        "hrf",
        "Haemodynamic response of the voxel's parcel, its largest excursion scaled to 1; samples "
        "are times after an event, which RepetitionTime is the step of",
        _NONE,
    ),
    "time_to_peak": MapKind("", "timetopeak", "Time to peak of the parcel's response", "s"),
    "parcels": MapKind("", "parcels", "Parcels; 0 is background", _NONE),
}
"""Kinds of the maps that belong to no condition, by PyHRF's own name."""


def _column(text: str, unit: str = "") -> dict[str, Any]:
    return {"Description": text, **({"Units": unit} if unit else {})}


_RHAT = _column("Largest split R-hat: how well the chains of MCMC agree; 1 is perfect")
_ESS = _column("Smallest effective number of draws of MCMC")
_CONVERGED = {"1": "The criterion settled, or chains agree", "0": "They ended before"}

COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "parcel": _column("Number of the parcel in the file desc-parcels_dseg"),
    "condition": _column("Condition; n/a for all of them together"),
    "time": _column("Time after the event", "s"),
    "hrf": _column("Haemodynamic response, its largest excursion scaled to 1"),
    "sd": _column("Posterior standard deviation of the response"),
    "q025": _column("2.5 % quantile of the response"),
    "q975": _column("97.5 % quantile of the response"),
    "mean_active": _column("Mean level of the active voxels"),
    "sd_active": _column("Standard deviation of the levels of the active voxels"),
    "sd_inactive": _column("Standard deviation of the levels of the others, whose mean is 0"),
    "beta": _column("Strength of the spatial regularisation"),
    "alpha": _column("Log odds of activation apart from neighbours"),
    "fraction_active": _column("Mean probability of being active"),
    "mean_nrl": _column("Mean level of the voxels of the parcel"),
    "max_z": _column("Highest z value in the parcel"),
    "fraction_responding": _column("Part of the voxels that respond"),
    "rhat": _RHAT,
    "ess": _ESS,
}
"""Columns of the tables of responses and conditions."""

PARCEL_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "index": _column("Number of the parcel in the map"),
    "name": _column("Name of the parcel"),
    "status": {
        "Description": "What came of the parcel",
        "Levels": {
            "ok": "It was estimated",
            "failed": "The estimation failed",
            "skipped": "It could not be estimated",
        },
    },
    "reason": _column("Why a parcel is not ok"),
    "n_positions": _column("Voxels in the parcel"),
    "n_positions_used": _column("Voxels that are constant in no run and have finite values only"),
    "n_outlying_scans": _column(
        "Scans of which the mean over the parcel lies far off those around them"
    ),
    "outlying_scan": _column("The farthest of these, counted through all runs from 0"),
    "n_iterations": _column("Iterations that were done; of MCMC, sweeps of a chain"),
    "converged": {"Description": "How the iterations ended", "Levels": _CONVERGED},
    "time_to_peak": _column("When the response is largest, after an event", "s"),
    "time_to_peak_sd": _column("Posterior standard deviation of time_to_peak", "s"),
    "fwhm": _column("Width of the response at half its height", "s"),
    "fwhm_sd": _column("Posterior standard deviation of fwhm", "s"),
    "undershoot": _column("Depth of the undershoot as a part of the height of the peak"),
    "undershoot_sd": _column("Posterior standard deviation of undershoot"),
    "peak_to_undershoot": _column("Height of the peak as a multiple of the undershoot's depth"),
    "hrf_quality": _column(
        "How far the data determine the response: from 0, not at all, to 1, fully"
    ),
    "shared_noise": _column(
        "1 if the noise is that of a parcel whose voxels share it, 0 if each voxel has its own"
    ),
    "noise_redundancy": _column(
        "How much more noise is in sums over voxels than the model says, a ratio of variances"
    ),
    "neighbour_correlation": _column(
        "Mean correlation of the noise of neighbouring voxels; high in smoothed data"
    ),
    "free_energy": _column("The criterion that VEM raises, at its end"),
    "log_likelihood": _column("Log likelihood of the data, at the end"),
    "n_chains": _column("Chains of MCMC"),
    "rhat": _RHAT,
    "ess": _ESS,
    "rhat_hrf": _column("As rhat, of the response alone"),
    "ess_hrf": _column("As ess, of the response alone"),
    "acceptance_scale": _column("Part of the proposed changes of scale that MCMC accepted"),
    "acceptance_sign": _column("Part of the proposed changes of sign that MCMC accepted"),
}
"""Columns of the table of parcels."""
