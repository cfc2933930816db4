"""Words of a report: what was done, as for a methods section, and what a reader should know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pyhrf.results.results import Results

__all__ = [
    "LOW_QUALITY",
    "inputs_of",
    "methods_of",
    "parameters_of",
    "references_of",
    "summary_of",
    "warnings_of",
]

LOW_QUALITY = 0.5
"""Below this ``hrf_quality`` the data say too little of the response."""

_SECTIONS = {"jde-vem": "vem", "jde-mcmc": "mcmc", "rfir": "rfir", "glm": "glm"}

_NAMES = {
    "jde-vem": "JDE, variational EM",
    "jde-mcmc": "JDE, MCMC",
    "rfir": "regularised FIR",
    "glm": "GLM",
}
_MOST_NAMES = 6  # conditions that are named at the top

_ESTIMATORS = {
    "jde-vem": "Haemodynamic responses and response levels were estimated together by joint "
    "detection-estimation (Makni et al. 2008; Vincent et al. 2010), with variational "
    "expectation-maximisation (Chaari et al. 2013): all positions of a parcel share one response, "
    "the levels of each condition follow a mixture of an active and an inactive class, and an "
    "Ising field favours equal classes in neighbouring positions.",
    "jde-mcmc": "Haemodynamic responses and response levels were estimated together by joint "
    "detection-estimation (Makni et al. 2008; Vincent et al. 2010), with Gibbs sampling: all "
    "positions of a parcel share one response, the levels of each condition follow a mixture of "
    "an active and an inactive class, and an Ising field favours equal classes in neighbouring "
    "positions.",
    "rfir": "A smooth response of every position and condition was estimated by regularised finite "
    "impulse responses (Ciuciu et al. 2003), whose smoothness and noise variance were found by "
    "maximum marginal likelihood.",
    "glm": "A general linear model was fitted to every position with nilearn.",
}
_REFERENCES = {
    "jde": (
        "Makni S. et al. (2008). A fully Bayesian approach to the parcel-based "
        "detection-estimation of brain activity in fMRI. NeuroImage 41(3):941–969.",
        "Vincent T., Risser L., Ciuciu P. (2010). Spatially adaptive mixture modeling for analysis "
        "of fMRI time series. IEEE Transactions on Medical Imaging 29(4):1059–1074.",
    ),
    "jde-vem": (
        "Chaari L. et al. (2013). Fast joint detection-estimation of evoked brain activity in "
        "event-related fMRI using a variational approach. IEEE Transactions on Medical Imaging "
        "32(5):821–837.",
    ),
    "rfir": (
        "Ciuciu P. et al. (2003). Unsupervised robust nonparametric estimation of the hemodynamic "
        "response function for any fMRI experiment. IEEE Transactions on Medical Imaging "
        "22(10):1235–1251.",
    ),
}
_GLM_MODELS = {
    "canonical": "SPM's canonical response",
    "derivatives": "SPM's canonical response with its time and dispersion derivatives",
    "fir": "a finite impulse response",
}


def summary_of(results: Results) -> list[tuple[str, str]]:
    """Say in a few words what was analysed, for the top of a report."""
    provenance, parcels = results.provenance, results.parcels
    data = provenance["study"]["data"]
    n_runs = max(len(data.get("runs", ())), 1)
    source = f"example “{data['example']}”" if data["kind"] == "simulation" else data["kind"]
    tr = f", TR {data['tr']:g} s" if data.get("tr") else ""
    names = list(map(str, results.conditions["condition"].unique()))
    n_lost = len(results.failed)
    found = [
        ("estimator", _NAMES[provenance["study"]["estimator"]]),
        ("data", f"{source}, {n_runs} run{'s' if n_runs > 1 else ''}{tr}"),
        ("conditions", ", ".join(names) if len(names) <= _MOST_NAMES else str(len(names))),
        ("parcels", f"{len(parcels)}, {n_lost} not estimated" if n_lost else f"{len(parcels)}"),
        ("positions", str(parcels["n_positions"].sum())),
    ]
    # Not when: run.json knows, and the same results give the same bytes.
    found.append(("PyHRF", provenance["versions"]["pyhrf"]))
    return [(name, text) for name, text in found if text]


def methods_of(results: Results) -> list[str]:
    """Describe the analysis in sentences that can go into a methods section.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of str
        Paragraphs.
    """
    study = results.provenance["study"]
    estimator = study["estimator"]
    name = {"glm": "pyhrf_glm_estim", "rfir": "pyhrf_rfir_estim"}.get(estimator, "pyhrf_jde_estim")
    versions = results.provenance["versions"]
    data = f"{_data(results)} The data were analysed with PyHRF {versions['pyhrf']} ({name})."
    model = f"{_ESTIMATORS[estimator]} {_response(study)}"
    return [data, model, f"{_nuisance(study)} {_iterations(study)}".strip(), _outcome(results)]


def _data(results: Results) -> str:
    study, parcels = results.provenance["study"], results.parcels
    data = study["data"]
    n_runs = max(len(data.get("runs", ())), 1)
    if data["kind"] == "simulation":
        start = f"The artificial data “{data['example']}” of PyHRF"
    else:
        start = f"BOLD data of {n_runs} run{'s' if n_runs > 1 else ''}"
    tr = f" with a repetition time of {data['tr']:g} s" if data.get("tr") else ""
    n_conditions = results.conditions["condition"].nunique()
    return (
        f"{start}{tr}, in which there were events of {n_conditions} "
        f"condition{'s' if n_conditions != 1 else ''}, were divided into {len(parcels)} parcels of "
        f"{parcels['n_positions'].min()} to {parcels['n_positions'].max()} positions "
        f"({parcels['n_positions'].sum()} in all)."
    )


def _response(study: Mapping[str, Any]) -> str:
    if study["estimator"] == "glm":
        return f"The response to an event was {_GLM_MODELS[study['glm']['model']]}."
    hrf = study["hrf"]
    return (
        f"The response is piecewise linear, zero at its two ends, {hrf['duration']:g} s long with "
        f"a step of {hrf['dt']:g} s; onsets were not rounded. Its largest excursion is scaled to "
        "+1, so that a level is the height of the response."
    )


def _nuisance(study: Mapping[str, Any]) -> str:
    drift, noise = study["drift"], study["noise"]
    form = {
        "cosine": f"cosines of periods above {drift['cutoff']:g} s",
        "polynomial": f"a polynomial of order {drift['order']}",
    }.get(drift["kind"])
    removed = f"The mean of each run and {form} were" if form else "The mean of each run was"
    model = {
        "ar1": "autoregressive of order 1, with a variance and an autocorrelation of its own in "
        "every position",
        "white": "white, with a variance of its own in every position",
    }[noise["kind"]]
    return (
        f"{removed} part of the model as nuisance{_confounds(study)}. The noise was "
        f"modelled as {model}."
    )


def _confounds(study: Mapping[str, Any]) -> str:
    """Say what else was taken out, and in which unit the signal was."""
    data, confounds = study["data"], study.get("confounds", {})
    runs = data["runs"]
    text = ""
    if any(run.get("confounds") for run in runs):
        text = f", and so were confounds (columns: {confounds['columns']})"
    threshold = confounds.get("fd_threshold")
    if threshold is not None:
        text += f"; scans with a framewise displacement above {threshold:g} mm were censored"
    if any(run.get("censored") for run in runs):
        text += "; listed scans were censored"
    if data.get("scaling") == "percent":
        text += "; the signal was scaled to percent of its mean in each position and run"
    if data.get("levels") == "per-run":
        text += "; each run had response levels of its own"
    return text


def _iterations(study: Mapping[str, Any]) -> str:
    own = study[_SECTIONS[study["estimator"]]]
    if study["estimator"] == "jde-mcmc":
        return (
            f"Each parcel had {own['n_chains']} chains of {own['n_iterations']} sweeps, of which "
            f"the first {own['n_burn_in']} were thrown away; the seed was {study['seed']}."
        )
    if "tolerance" not in own:
        return ""
    return (
        f"Iterations ended at a tolerance of {own['tolerance']:g}, or after "
        f"{own['n_iterations']} of them."
    )


def _outcome(results: Results) -> str:
    good = results.parcels[results.parcels["status"] == "ok"]
    text = f"{len(good)} of {len(results.parcels)} parcels were estimated."
    peaks = good["time_to_peak"].dropna()
    if len(peaks):
        text += (
            f" The time to peak of their responses had a median of {peaks.median():.1f} s "
            f"(quartiles {peaks.quantile(0.25):.1f} and {peaks.quantile(0.75):.1f} s)."
        )
    return text


def references_of(results: Results) -> list[str]:
    """Name the papers that the methods rest on."""
    estimator = results.provenance["study"]["estimator"]
    both = _REFERENCES["jde"] if estimator.startswith("jde") else ()
    return [*both, *_REFERENCES.get(estimator, ())]


def parameters_of(results: Results) -> list[tuple[str, str]]:
    """List every parameter that the analysis used, by its place in the study file."""
    study = dict(results.provenance["study"])
    unused = set(_SECTIONS.values()) - {_SECTIONS[study["estimator"]]}
    # Where the results lie is no part of what was done; files and contrasts have their own tables.
    for name in (*unused, "output", "contrasts"):
        study.pop(name, None)
    study["data"] = {k: v for k, v in study["data"].items() if k not in ("runs", "parcellation")}
    return list(_flat(study))


def _flat(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}{name}/")
        elif value is not None:
            yield f"{place}{name}", f"{value:g}" if isinstance(value, float) else str(value)


def inputs_of(results: Results) -> list[tuple[str, str]]:
    """List the input files with their SHA-256; of example data, which move, their names alone."""
    inputs: Mapping[str, str] = results.provenance["inputs"]
    if results.provenance["study"]["data"]["kind"] != "simulation":
        return list(inputs.items())
    return [(path.rpartition("/")[2], sum_) for path, sum_ in inputs.items()]


def warnings_of(results: Results) -> list[str]:
    """Say what a reader should know before he believes the figures."""
    parcels = results.parcels
    good = parcels[parcels["status"] == "ok"]
    found = [str(note) for note in results.provenance["notes"]]
    if results.failed:
        found.append(f"{len(results.failed)} of {len(parcels)} parcels could not be estimated")
    n_out = _n_left_out(good)
    if n_out:
        found.append(
            f"{n_out} of {good['n_positions'].sum()} positions are constant or not finite and were "
            "left out (1 in the map left_out)"
        )
    wandering = good[good["converged"] == 0]
    if len(wandering):
        found.append(
            f"{_some(wandering['parcel'])} had not converged at the last iteration: raise "
            "n_iterations if the figures matter"
        )
    weak = good[good["hrf_quality"] < LOW_QUALITY]
    if len(weak):
        found.append(
            f"of the response in {_some(weak['parcel'])} the data say little (hrf_quality below "
            f"{LOW_QUALITY:g}): what is drawn there is mostly the prior"
        )
    return found


def _n_left_out(good: pd.DataFrame) -> int:
    """Count the positions of estimated parcels that were not used."""
    if "n_positions_used" not in good:
        return 0
    return int((good["n_positions"] - good["n_positions_used"]).sum())


def _some(numbers: pd.Series[int], most: int = 8) -> str:
    """Name parcels, with their number if there is more than one."""
    if len(numbers) == 1:
        return f"parcel {numbers.iloc[0]}"
    named = ", ".join(str(number) for number in numbers[:most])
    left = len(numbers) - most
    return f"{len(numbers)} parcels ({named}{f' and {left} more' if left > 0 else ''})"
