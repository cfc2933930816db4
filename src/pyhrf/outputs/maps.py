"""The maps: what each kind is, and how files, reports and BIDS derivatives show it.

A map is a kind and a name: ``("nrl", "audio")``, where the name is that of a condition or a
contrast, or empty: ``("noise_sd", "")``. To add one, add it here and compute it in the estimator;
all else follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial

from pyhrf.outputs.map_kind import (
    JDE,
    SIGNAL,
    SIGNAL_SQUARED,
    WITH_POSTERIOR,
    MapKind,
    Stat,
    Subject,
)

MapName = tuple[str, str]

_SHARE = (0.0, 1.0)
_NOT_NEGATIVE = (0.0, math.inf)
_of_condition = partial(MapKind, subject="condition")
_of_contrast = partial(MapKind, subject="contrast")
_of_position = partial(MapKind, subject="position")
_of_parcel = partial(MapKind, subject="parcel")


def _sd(label: str, of_what: str, *, posterior: bool = False) -> Stat:
    """Of a standard deviation BIDS derivatives have the variance, as nilearn does."""
    text = f"Posterior variance of {of_what}" if posterior else f"Variance of {of_what}"
    return Stat(label, text, squared=True)


def _of_glm(subject: Subject, prefix: str, title: str) -> tuple[MapKind, ...]:
    """Give what a GLM says of a condition or a contrast."""
    kind = partial(MapKind, subject=subject, by=("glm",))
    return (
        kind(
            f"{prefix}effect",
            "Effect: signal per unit of nilearn's regressor; the level is the height of "
            "the response",
            Stat("effect"),
            unit=SIGNAL,
            note=f"`{title}` has that height. Not where impulses and events that last would be "
            "added, whose units differ",
        ),
        kind(
            f"{prefix}effect_variance",
            "Variance of the effect",
            Stat("variance"),
            unit=SIGNAL_SQUARED,
            range=_NOT_NEGATIVE,
        ),
        kind(
            f"{prefix}t",
            "t test that it is above 0",
            Stat("t"),
            note="Of the height of the response, or of the contrast of heights",
            may_be_infinite=True,
        ),
        kind(
            f"{prefix}z",
            "z value of the t test",
            Stat("z"),
            may_be_infinite=True,
            look="z",
            place=1 if subject == "contrast" else 3,
        ),
        kind(f"{prefix}p", "p value of the t test", Stat("p"), unit="probability", range=_SHARE),
        kind(
            f"{prefix}F",
            "F test of any response that the model has",
            Stat("F"),
            range=_NOT_NEGATIVE,
            may_be_infinite=True,
        ),
        kind(
            f"{prefix}F_z",
            "z value of the F test of any response",
            Stat("Fz"),
            may_be_infinite=True,
        ),
        kind(
            f"{prefix}F_p",
            "p value of the F test of any response",
            Stat("Fp"),
            unit="probability",
            range=_SHARE,
        ),
    )


_OF_CONDITIONS = (
    _of_condition(
        "nrl",
        "Height of the response (response level), posterior mean",
        Stat("effect"),
        bids_of_glm=Stat("level", "Height of the response"),
        unit=SIGNAL,
        look="levels",
        place=6,
    ),
    _of_condition(
        "nrl_sd",
        "Standard deviation of the height of the response",
        _sd("variance", "the height of the response", posterior=True),
        bids_of_glm=_sd("levelvariance", "the height of the response"),
        unit=SIGNAL,
        range=_NOT_NEGATIVE,
    ),
    _of_condition(
        "nrl_q025",
        "2.5 % quantile of the height of the response",
        Stat("q025"),
        unit=SIGNAL,
        by=("jde-mcmc",),
    ),
    _of_condition(
        "nrl_q975",
        "97.5 % quantile of the height of the response",
        Stat("q975"),
        unit=SIGNAL,
        by=("jde-mcmc",),
    ),
    _of_condition(
        "active",
        "Posterior probability that the voxel is active",
        Stat("active"),
        unit="probability",
        by=JDE,
        range=_SHARE,
        look="probability",
        place=2,
    ),
    _of_condition(
        "ppm",
        "Posterior probability that the height of the response exceeds the threshold; lies "
        "below it where it is negative",
        Stat("ppm"),
        unit="probability",
        by=WITH_POSTERIOR,
        note="The threshold is `ppm_threshold`. By default it is, for JDE, where the active and "
        "the inactive class cross, negative where the active class is; for RFIR 0",
        range=_SHARE,
        look="probability",
        place=4,
    ),
    _of_condition(
        "response",
        "Response of the voxel over the time after an event",
        Stat("response"),
        bids_of_glm=Stat("response", "Coefficients of the free response"),
        unit=SIGNAL,
        by=("rfir", "glm"),
        note="4D. Of a GLM with `fir` the coefficients",
        samples="time",
    ),
    _of_condition(
        "response_sd",
        "Standard deviation of the response of the voxel",
        Stat("responsesd"),
        unit=SIGNAL,
        by=("rfir",),
        note="4D",
        range=_NOT_NEGATIVE,
        samples="time",
    ),
    *_of_glm("condition", "", "nrl_COND"),
)
_OF_CONTRASTS = (
    _of_contrast(
        "contrast",
        "Contrast of the heights of responses, posterior mean",
        Stat("effect"),
        bids_of_glm=Stat("level", "Contrast of the heights of responses"),
        unit=SIGNAL,
        look="levels",
        place=5,
    ),
    _of_contrast(
        "contrast_sd",
        "Standard deviation of the contrast",
        _sd("variance", "the contrast", posterior=True),
        bids_of_glm=_sd("levelvariance", "the contrast of heights"),
        unit=SIGNAL,
        range=_NOT_NEGATIVE,
    ),
    _of_contrast(
        "contrast_ppm",
        "Posterior probability that it is above 0",
        Stat("ppm"),
        unit="probability",
        by=WITH_POSTERIOR,
        range=_SHARE,
        look="sides",
        place=1,
    ),
    *_of_glm("contrast", "contrast_", "contrast_NAME"),
)
_OF_NO_NAME = (
    _of_position(
        "noise_sd",
        "Standard deviation of the noise",
        Stat("noisesd"),
        unit=SIGNAL,
        range=_NOT_NEGATIVE,
        look="amount",
        place=11,
    ),
    _of_position(
        "ar1",
        "Correlation of the noise from one scan to the next",
        Stat("ar1"),
        range=(-1.0, 1.0),
        look="levels",
        place=12,
    ),
    _of_position(
        "r2",
        "Share of the signal that the responses explain; mean, drift and confounds are taken out "
        "of both",
        Stat("rsquared"),
        note="By least squares, of the scans that were fitted: of others less is explained, and "
        "a model that is freer explains more here and not there. Below 0 where a response that "
        "was found for the whole parcel is worse than none",
        range=(-math.inf, 1.0),
        look="amount",
        place=13,
    ),
    _of_position(
        "r2_held_out",
        "Share of the signal that is predicted in scans that were held out; means, drift and "
        "confounds are taken out of both",
        Stat("rsquaredHeldOut"),
        note="Only with `cross_validate`. Below 0 where the prediction is worse than none",
        range=(-math.inf, 1.0),
        look="amount",
        place=14,
    ),
    _of_position(
        "residual_ar1",
        "Correlation from scan to scan that the AR(1) model leaves",
        Stat("residualar1"),
        by=("glm",),
        note="Near 0 where the model is enough",
        range=(-1.0, 1.0),
    ),
    _of_parcel(
        "hrf",
        "Haemodynamic response of the voxel's parcel, its largest excursion scaled to 1; "
        "samples are times after an event",
        Stat("hrf"),
        note="4D, the time step in the header",
        samples="time",
    ),
    _of_parcel(
        "time_to_peak",
        "Time to peak of the parcel's response",
        Stat("timetopeak"),
        unit="s",
        look="time",
        place=8,
    ),
    _of_parcel(
        "parcels", "Parcels; 0 is background", Stat(""), is_code=True, look="labels", place=9
    ),
    _of_position(
        "left_out",
        "Where there is no estimate: 1 where the signal is constant in a run or not finite, 2 "
        "where the whole parcel was not estimated, 0 elsewhere",
        Stat("leftOut"),
        note="Only if there are such voxels",
        range=(0.0, 2.0),
        is_code=True,
        look="flag",
        place=10,
    ),
)

_VEM = ("jde-vem",)
_trial_stat = partial(Stat, desc="trials")
_OF_TRIALS = (
    _of_position(
        "trials",
        "Height of the response to each single trial, posterior mean",
        _trial_stat("effect"),
        unit=SIGNAL,
        by=_VEM,
        note="4D, one volume for each row of `trials.tsv`. Only with `single_trials`",
        samples="trial",
    ),
    _of_position(
        "trials_sd",
        "Standard deviation of the height of the response to each single trial",
        _trial_stat(
            "variance",
            "Posterior variance of the height of the response to each single trial",
            squared=True,
        ),
        unit=SIGNAL,
        by=_VEM,
        note="4D. It has the error of mean and variances of the trials",
        range=_NOT_NEGATIVE,
        samples="trial",
    ),
    _of_position(
        "trial_mean",
        "Mean of the heights of the responses to single trials",
        _trial_stat("trialMean"),
        unit=SIGNAL,
        by=_VEM,
        look="levels",
        place=15,
    ),
    _of_position(
        "trial_sd",
        "Standard deviation of the heights of single trials around their mean, without the error "
        "of each",
        _trial_stat("trialSd"),
        unit=SIGNAL,
        by=_VEM,
        range=_NOT_NEGATIVE,
        look="amount",
        place=16,
    ),
    _of_position(
        "trial_snr",
        "Standard deviation of single trials over that of the error of one",
        _trial_stat("trialSnr"),
        by=_VEM,
        note="Of a level of the data alone, not shrunk. Its square over 1 plus its square is the "
        "reliability of a single trial",
        range=_NOT_NEGATIVE,
        look="amount",
        place=17,
    ),
    _of_position(
        "noise_ceiling",
        "Share of the variance of single trials that conditions explain",
        _trial_stat("noiseCeiling"),
        by=_VEM,
        note="Only where two conditions are repeated, and of the trials of such: what the mean "
        "variance within conditions leaves of their variance, at least 0 (Allen et al. 2022). "
        "The levels know nothing of conditions, it does",
        range=_SHARE,
        look="amount",
        place=18,
    ),
)

MAPS = {kind.name: kind for kind in (*_OF_CONDITIONS, *_OF_CONTRASTS, *_OF_NO_NAME, *_OF_TRIALS)}
"""All kinds of maps by their names."""


def map_title(kind: str, name: str) -> str:
    """Call a map as its file is called, with every character of the name.

    Examples
    --------
    >>> map_title("nrl", "left hand"), map_title("noise_sd", "")
    ('nrl_left hand', 'noise_sd')
    """
    return f"{kind}_{name}" if MAPS[kind].is_named else kind


def possible_maps(conditions: Iterable[str], contrasts: Iterable[str]) -> Iterator[MapName]:
    """Give every map that an analysis of these conditions and contrasts may have."""
    names = {"condition": list(conditions), "contrast": list(contrasts)}
    for kind in MAPS.values():
        for name in names.get(kind.subject, [""]):
            yield kind.name, name
