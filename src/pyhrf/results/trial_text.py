"""Words about single trials, for reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyhrf.errors import counted
from pyhrf.parameters.estimators import kind_of
from pyhrf.results.results import Results

if TYPE_CHECKING:
    import pandas as pd

CIRCULAR = (
    "single trials were shrunk to the mean of their condition (trial_prior is condition): repeats "
    "are alike by construction, so that decoding and similarity of these levels are circular; "
    "for those take trial_prior common"
)
"""What whoever uses such levels must know."""

_ALLEN = (
    "Allen E. J. et al. (2022). A massive 7T fMRI dataset to bridge cognitive neuroscience and "
    "artificial intelligence. Nature Neuroscience 25:116–126."
)
_REFERENCES = (
    "Mumford J. A. et al. (2012). Deconvolving BOLD activation in event-related designs for "
    "multivoxel pattern classification analyses. NeuroImage 59(3):2636–2643.",
    "Prince J. S. et al. (2022). Improving the accuracy of single-trial fMRI response estimates "
    "using GLMsingle. eLife 11:e77599.",
)


def has_no_level(table: pd.DataFrame) -> pd.Series[bool]:
    """Tell which rows of ``trials.tsv`` have a reason why there is no level."""
    return table["reason"].fillna("") != ""


def is_circular(results: Results) -> bool:
    """Tell whether single trials were shrunk to the mean of their condition."""
    return not results.trial_table.empty and _own(results).get("trial_prior") == "condition"


def settings_text(results: Results) -> list[str]:
    """Say how many trials there are, and what they were shrunk to.

    Parameters
    ----------
    results : Results
        With trials.

    Returns
    -------
    list of str
        Sentences.
    """
    table = results.trial_table
    n_lost = int(has_no_level(table).sum())
    n_runs = table["run"].nunique()
    text = (
        f"{counted(len(table), 'trial')} of {counted(table['condition'].nunique(), 'condition')} "
        f"in {counted(n_runs, 'run')}"
    )
    text += f", of which {n_lost} {'has' if n_lost == 1 else 'have'} no level." if n_lost else "."
    return [text, _prior(results), _patterns(results)]


def _prior(results: Results) -> str:
    to = (
        "the mean of their condition"
        if is_circular(results)
        else "the mean of all of them, without knowledge of their conditions"
    )
    of = "for each run from the other runs" if _leaves_runs_out(results) else "from all of them"
    return f"Levels are shrunk to {to}; mean, variances and noise were estimated {of}."


def _leaves_runs_out(results: Results) -> bool:
    return bool(_own(results).get("trial_hyper") == "run")


def _in_patterns(results: Results) -> tuple[int, int]:
    """Count the parcels that were estimated in patterns, and all that were estimated."""
    if "trial_patterns" not in results.parcels:
        return 0, 0
    known = results.parcels["trial_patterns"].dropna()
    return int(known.sum()), len(known)


def _patterns(results: Results) -> str:
    n, n_all = _in_patterns(results)
    alone = f"{results.place} by {results.place}"
    if not n:
        return f"They were estimated {alone}."
    text = f"They were estimated in patterns over {results.place}s, with the noise that these share"
    return f"{text}." if n == n_all else f"{text}, in {n} of {n_all} parcels, else {alone}."


def trial_methods(results: Results) -> list[str]:
    """Describe the estimation of single trials, for a methods section; nothing without trials.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of str
        Paragraphs.
    """
    table = results.trial_table
    if table.empty:
        return []
    n, n_all = _in_patterns(results)
    where = f"{results.place} by {results.place}"
    if n:
        some = "" if n == n_all else f"in {n} of {n_all} parcels "
        where = f"{some}in patterns over {results.place}s" + (f", else {where}" if some else "")
    around = (
        "the mean of their condition"
        if is_circular(results)
        else "one mean, whatever their condition"
    )
    others = ", for the trials of each run from the others" if _leaves_runs_out(results) else ""
    text = (
        f"Besides, the height of the response to each of {len(table)} single events was estimated "
        "by empirical Bayes, where least squares (Mumford et al. 2012) or ridge regression (Prince "
        f"et al. 2022) are common: {where}, levels vary around {around}, given one response for "
        "all of them, in which that of the parcel and the canonical one are averaged by their "
        "probabilities. That mean, their variance and the noise were estimated by the "
        f"restricted likelihood of this model{others}, and what is uncertain in them is part of "
        "the error of a level."
    )
    if "noise_ceiling" in results.maps():
        text += (
            " The noise ceiling is the share of the variance of trials that conditions explain "
            "(Allen et al. 2022)."
        )
    return [text]


def trial_references(results: Results) -> list[str]:
    """Name the papers on single trials; none without trials."""
    if results.trial_table.empty:
        return []
    return [*([_ALLEN] if "noise_ceiling" in results.maps() else []), *_REFERENCES]


def _own(results: Results) -> dict[str, Any]:
    """Give the parameters of the estimator."""
    study = results.provenance["study"]
    own: dict[str, Any] = study.get(kind_of(study).section, {})
    return own
