"""The columns of the tables: what each holds, and how the report calls it.

Tables have the columns in this order. To add one, add it here and compute it in the estimator; all
else follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal

from pyhrf.outputs.column import Column
from pyhrf.outputs.map_kind import JDE, SIGNAL

Table = Literal[
    "hrf", "parcels", "conditions", "convergence", "courses", "events", "design", "trials"
]

_ITERATED = (*JDE, "rfir")
_MCMC = ("jde-mcmc",)
_SHARE = (0.0, 1.0)
_FROM_0 = (0.0, math.inf)
_AGREEMENT = "Largest split R-hat: how well the chains of MCMC agree; 1 is perfect"
_DRAWS = "Smallest effective number of draws of MCMC"

_HRF = (
    Column("parcel", "Number of the parcel", always=True),
    Column(
        "condition",
        "Condition; n/a for all of them together",
        note="Only where each condition has a response of its own",
        by=("rfir", "glm"),
        is_text=True,
    ),
    Column("time", "Time after the event", unit="s", always=True),
    Column("hrf", "Haemodynamic response, its largest excursion scaled to 1", always=True),
    Column("sd", "Posterior standard deviation of the response", range=_FROM_0, always=True),
    Column("q025", "2.5 % quantile of the response", by=_MCMC),
    Column("q975", "97.5 % quantile of the response", by=_MCMC),
)
_PARCELS = (
    Column("parcel", "Number of the parcel", always=True),
    Column(
        "region",
        "Name of the parcel",
        note="Where the parcellation has names (GIFTI, CIFTI), or a table of the same name beside "
        "it, `.tsv` with the columns `index` and `name`",
        is_text=True,
    ),
    Column(
        "status",
        "What came of the parcel",
        levels={
            "ok": "It was estimated",
            "failed": "The estimation failed",
            "skipped": "It could not be estimated",
        },
        is_text=True,
        always=True,
    ),
    Column("reason", "Why a parcel is not ok", is_text=True, always=True),
    Column("n_positions", "Voxels in the parcel", always=True),
    Column(
        "n_iterations",
        "Iterations that were done; of MCMC, sweeps of a chain",
        note="Of JDE VEM the limit (`-n`) does not count the first ones, 38 at most, in which "
        "noise and field are found",
        by=_ITERATED,
        always=True,
        title="iterations in all",
    ),
    Column(
        "converged",
        "How the iterations ended",
        levels={"1": "The criterion settled, or chains agree", "0": "They ended before"},
        by=_ITERATED,
        always=True,
    ),
    Column(
        "time_to_peak",
        "When the response is largest, after an event",
        unit="s",
        always=True,
        title="time to peak",
    ),
    Column("fwhm", "Width of the response at half its height", unit="s", always=True),
    Column(
        "peak_to_undershoot",
        "Height of the peak as a multiple of the undershoot's depth",
        always=True,
    ),
    Column(
        "hrf_quality",
        "How far the data determine the response: from 0, not at all, to 1, fully",
        note="Of JDE VEM never above the highest probability of activation, without which it is a "
        "response to noise",
        by=JDE,
        range=_SHARE,
        always=True,
        title="quality of the response",
    ),
    Column(
        "r2",
        "Share of the signal of all voxels that the responses explain; see the map",
        range=(-math.inf, 1.0),
        title="share explained",
    ),
    Column(
        "r2_held_out",
        "The same of scans that were held out, predicted by what was estimated from the others; "
        "only with `cross_validate`",
        range=(-math.inf, 1.0),
        title="share predicted",
    ),
    Column(
        "trial_patterns",
        "Whether single trials are estimated in patterns over voxels, with the noise that these "
        "share, or voxel by voxel; only with `single_trials`",
        by=("jde-vem",),
        levels={"1": "In patterns", "0": "Voxel by voxel"},
    ),
    Column(
        "log_bayes_canonical",
        "Log Bayes factor of the parcel's own response against the canonical one, of any height",
        note="Above 5 the data speak clearly for a response of its own, below -5 for the canonical "
        "shape. It takes the model of the noise for right",
        unit="nats",
        by=("jde-vem",),
    ),
    Column(
        "delta_canonical",
        "By how much the parcel's own response predicts scans that were held out better than the "
        "canonical one: difference of log likelihoods; only with `cross_validate`",
        note="The canonical HRF is not enough where this is above 4 and above two standard errors; "
        "elsewhere the data do not show that it is not",
        unit="nats",
        by=("jde-vem",),
    ),
    Column(
        "delta_canonical_sd",
        "Standard error of delta_canonical",
        unit="nats",
        by=("jde-vem",),
        range=_FROM_0,
    ),
    Column("n_positions_used", "Voxels that are constant in no run and have finite values only"),
    Column(
        "time_to_peak_sd",
        "Posterior standard deviation of time_to_peak",
        unit="s",
        by=JDE,
        range=_FROM_0,
    ),
    Column("fwhm_sd", "Posterior standard deviation of fwhm", unit="s", by=JDE, range=_FROM_0),
    Column("undershoot", "Depth of the undershoot as a part of the height of the peak"),
    Column("undershoot_sd", "Posterior standard deviation of undershoot", by=JDE, range=_FROM_0),
    Column(
        "shared_noise",
        "1 if the noise is that of a parcel whose voxels share it, 0 if each voxel has its own",
        note="Always 0 in MCMC",
        by=JDE,
        range=_SHARE,
    ),
    Column(
        "noise_inflation",
        "How much more noise is in sums over voxels than the model says, a ratio of variances",
        by=JDE,
        range=(1.0, math.inf),
    ),
    Column(
        "neighbour_correlation",
        "Mean correlation of the noise of neighbouring voxels; high in smoothed data",
        note="The noise is what is left without drifts, confounds and anything that a response "
        "could be; `n/a` where there are no neighbours",
        by=JDE,
        range=(-1.0, 1.0),
    ),
    Column("free_energy", "The criterion that VEM raises, at its end", by=("jde-vem",)),
    Column("n_chains", "Chains of MCMC", by=_MCMC),
    Column(
        "rhat",
        _AGREEMENT,
        note="Of HRF and mixtures; `converged` is 1 where it is at most 1.05",
        by=_MCMC,
        title="worst split R-hat",
    ),
    Column("ess", _DRAWS, note="Of HRF and mixtures", by=_MCMC),
    Column("rhat_hrf", "As rhat, of the response alone", by=_MCMC),
    Column("ess_hrf", "As ess, of the response alone", by=_MCMC),
    Column(
        "acceptance_scale",
        "Part of the proposed changes of scale that MCMC accepted",
        note="Of the scale between HRF and levels",
        by=_MCMC,
        range=_SHARE,
    ),
    Column(
        "acceptance_sign",
        "Part of the proposed changes of sign that MCMC accepted",
        by=_MCMC,
        range=_SHARE,
    ),
    Column(
        "log_likelihood",
        "Log likelihood of the data, at the end",
        note="Of MCMC the mean over the draws; of RFIR the criterion of all voxels",
        by=("jde-mcmc", "rfir"),
    ),
    Column(
        "n_outlying_scans",
        "Scans of which the mean over the parcel lies far off those around them",
        note="By more than five times the noise of a voxel",
    ),
    Column(
        "outlying_scan",
        "The farthest of these, counted through all runs from 0",
        note="If there is any",
    ),
)
_CONDITIONS = (
    Column("parcel", "Number of the parcel", always=True),
    Column("condition", "Condition", is_text=True, always=True),
    Column(
        "mean_active",
        "Mean level of the active voxels",
        unit=SIGNAL,
        by=JDE,
        always=True,
        title="level where active",
    ),
    Column(
        "sd_active",
        "Standard deviation of the levels of the active voxels",
        unit=SIGNAL,
        by=JDE,
        range=_FROM_0,
        always=True,
    ),
    Column(
        "sd_inactive",
        "Standard deviation of the levels of the others, whose mean is 0",
        unit=SIGNAL,
        by=JDE,
        range=_FROM_0,
        always=True,
    ),
    Column("beta", "Strength of the spatial regularisation", by=JDE, always=True),
    Column(
        "fraction_active",
        "Mean probability of being active",
        by=JDE,
        range=_SHARE,
        always=True,
        title="active share",
    ),
    Column("alpha", "Log odds of activation apart from neighbours", by=JDE),
    Column("rhat", _AGREEMENT, note="Of the condition's mixture and field", by=_MCMC),
    Column("ess", _DRAWS, note="Of the condition's mixture and field", by=_MCMC),
    Column(
        "mean_nrl",
        "Mean level of the voxels of the parcel",
        unit=SIGNAL,
        by=("rfir", "glm"),
        title="mean level",
    ),
    Column(
        "fraction_responding",
        "Part of the voxels that respond",
        note="In which a response is likelier than none",
        by=("rfir",),
        range=_SHARE,
    ),
    Column("max_z", "Highest z value in the parcel", by=("glm",)),
)
_CONVERGENCE = (
    Column("parcel", "Number of the parcel", by=_ITERATED, always=True),
    Column("chain", "Number of the MCMC chain, from 1", by=_ITERATED, always=True),
    Column(
        "iteration",
        "Number of the iteration, from 1",
        note="Of JDE VEM those that the limit does not count have no row: it begins at 17 or at "
        "39 as a rule",
        by=_ITERATED,
        always=True,
    ),
    Column(
        "criterion",
        "Its value then: the free energy of VEM, the log likelihood of MCMC and RFIR",
        by=_ITERATED,
        always=True,
    ),
)
_RUN = Column("run", "Number of the run, from 1", always=True)
_SCAN = Column("scan", "Number of the scan in its run, from 0", always=True)
_COURSES = (
    Column("parcel", "Number of the parcel", always=True),
    _RUN,
    _SCAN,
    Column(
        "measured",
        "Signal without mean, drift and confounds, mean over the voxels that the model explains "
        "best",
        note="The tenth of highest `r2`, one at least; none whose response runs against that of "
        "the best. `n/a` in censored scans",
        unit=SIGNAL,
        always=True,
    ),
    Column(
        "fitted", "What the model makes of it: responses to all events", unit=SIGNAL, always=True
    ),
)
_EVENTS = (
    _RUN,
    Column("condition", "Condition", is_text=True, always=True),
    Column(
        "onset",
        "When the event begins, after the first scan of the run",
        unit="s",
        always=True,
    ),
    Column("duration", "How long it lasts", unit="s", range=_FROM_0, always=True),
    Column("amplitude", "Its height relative to others of the condition", always=True),
)
_DESIGN = (
    _RUN,
    _SCAN,
    Column("time", "When it was taken, after the first", unit="s", range=_FROM_0, always=True),
    Column(
        "kept",
        "Whether the scan counts",
        levels={"1": "It counts", "0": "It is censored"},
        always=True,
    ),
    Column(
        "framewise_displacement",
        "How far the head moved since the scan before",
        note="Where the table of confounds has it",
        unit="mm",
        range=_FROM_0,
    ),
)

_of_trial = partial(Column, by=("jde-vem",), always=True)
_TRIALS = (
    _of_trial("trial", "Number of the volume in the maps of single trials, from 0", range=_FROM_0),
    _of_trial("run", _RUN.text),
    _of_trial(
        "condition", "Condition; of events that are pooled, those of all of them", is_text=True
    ),
    _of_trial("onset", "When the event begins, after the first scan of the run", unit="s"),
    _of_trial("duration", "How long it lasts", unit="s", range=_FROM_0),
    _of_trial(
        "amplitude", "As it was given; the level is the height of the response whatever it is"
    ),
    _of_trial("n_scans", "Scans that count, while the response lasts", range=_FROM_0),
    _of_trial(
        "information",
        "How much the data say of how it differs from the mean: 1 less the posterior over the "
        "prior variance, median over the voxels of a parcel, mean over parcels",
        range=_SHARE,
    ),
    _of_trial("reason", "Why it has no level", is_text=True),
)


def _by_name(columns: Iterable[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}


COLUMNS: Mapping[Table, Mapping[str, Column]] = {
    "hrf": _by_name(_HRF),
    "parcels": _by_name(_PARCELS),
    "conditions": _by_name(_CONDITIONS),
    "convergence": _by_name(_CONVERGENCE),
    "courses": _by_name(_COURSES),
    "events": _by_name(_EVENTS),
    "design": _by_name(_DESIGN),
    "trials": _by_name(_TRIALS),
}
"""The columns of each table by their names, in their order."""


def by_condition(column: str) -> str:
    """Name what an estimate has of the responses of single conditions, a row for each."""
    return f"{column}_by_condition"


def columns_of(table: Table, found: Iterable[str] = ()) -> list[str]:
    """Name the columns of a table in which these have values."""
    names = set(found)
    return [name for name, one in COLUMNS[table].items() if one.always or name in names]
