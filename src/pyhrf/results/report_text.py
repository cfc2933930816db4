"""Words of a report: what was done, as for a methods section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pyhrf.inputs.bids_names import parse_name
from pyhrf.parameters.estimators import ESTIMATORS, assumed_response, kind_of
from pyhrf.results.held_out import held_out_text
from pyhrf.results.names import BIDS_RESULTS
from pyhrf.results.report_sources import command_of, parcellation_of
from pyhrf.results.results import Results
from pyhrf.results.trial_text import trial_methods, trial_references

_MOST_NAMES = 6  # conditions that are named at the top


def name_of(results: Results) -> str:
    """Name what was analysed, by its files: where the results lie changes nothing in a report.

    Of results of ``pyhrf bids`` it is the name that they were given, of other BIDS files what the
    names of the runs have in common, of others the first and the last of them, with the folders of
    the first.
    """
    output = Path(results.provenance["study"].get("output", ""))
    if output.parent.name == BIDS_RESULTS:
        return output.name
    data = results.provenance["study"]["data"]
    if data["kind"] == "simulation":
        return f"example data “{data['example']}”"
    if entities := _entities(data):
        return "_".join(f"{key}-{label}" for key, label in entities.items() if key != "desc")
    first, last = (Path(data["runs"][place]["bold"]) for place in (0, -1))
    folders = [part for part in first.parent.parts[-2:] if part != first.anchor]
    stems = dict.fromkeys(path.name.partition(".")[0] for path in (first, last))
    return "/".join([*folders, " … ".join(stems)])


def _entities(data: Mapping[str, Any]) -> dict[str, str]:
    """Give the BIDS entities that the BOLD files of all runs share; none of other names."""
    names = [parse_name(Path(run["bold"])) for run in data.get("runs", ())]
    of_runs = [name.entities.items() for name in names if name is not None and name.entities]
    if not of_runs or len(of_runs) < len(names):
        return {}
    return dict(item for item in of_runs[0] if all(item in other for other in of_runs))


def summary_of(results: Results) -> list[tuple[str, str]]:
    """Say in a few words what was analysed, for the top of a report."""
    provenance, parcels = results.provenance, results.parcels
    data, response = provenance["study"]["data"], assumed_response(provenance["study"])
    kind = "example" if data["kind"] == "simulation" else data["kind"]
    tr = f", TR {_in_order(_trs(provenance))} s" if _trs(provenance) else ""
    entities = _entities(data)
    space = [f"{key}-{entities[key]}" for key in ("cohort", "res") if key in entities]
    names = _conditions(results)
    n_lost = len(results.failed)
    found = [
        ("estimator", kind_of(provenance["study"]).report_name),
        ("response", f"{response}, assumed" if response else ""),
        ("data", f"{kind}, {_runs(provenance)}{tr}"),
        ("space", ", ".join([entities["space"], *space]) if "space" in entities else ""),
        ("conditions", ", ".join(names) if len(names) <= _MOST_NAMES else str(len(names))),
        ("single trials", str(len(results.trial_table) or "")),
        ("parcels", f"{len(parcels)}, {n_lost} not estimated" if n_lost else f"{len(parcels)}"),
        ("parcellation", parcellation_of(data).name),
        (f"{results.place}s", str(parcels["n_positions"].sum())),
    ]
    # Not when: run.json knows, and the same results give the same bytes.
    found.append(("PyHRF", _versions(provenance)))
    return [(name, text) for name, text in found if text]


def _versions(provenance: Mapping[str, Any]) -> str:
    """Give our version, and those of packages that do the work of the estimator."""
    versions = provenance["versions"]
    others = [name for name in kind_of(provenance["study"]).packages if name in versions]
    return ", ".join([versions["pyhrf"], *(f"{name} {versions[name]}" for name in others)])


def _runs(provenance: Mapping[str, Any]) -> str:
    """Say how many runs there are, and of how many scans."""
    runs = provenance.get("runs", ())  # not in those of older versions
    n_runs = len(runs) or len(provenance["study"]["data"].get("runs", ())) or 1
    text = f"{n_runs} run{'s' if n_runs > 1 else ''}"
    if not runs:
        return text
    lengths = [run["n_scans"] for run in runs]
    each = " each" if n_runs > 1 and len(set(lengths)) == 1 else ""
    return f"{text} of {_in_order(lengths)} scans{each}"


def _trs(provenance: Mapping[str, Any]) -> list[float]:
    tr = provenance["study"]["data"].get("tr")
    return [run["tr"] for run in provenance.get("runs", ())] or ([tr] if tr else [])


def _in_order(values: Sequence[float]) -> str:
    """Name what differs between runs in the order of the runs: one value is that of all."""
    texts = [f"{value:g}" for value in values]
    if len(set(values)) > 1 and len(texts) <= _MOST_NAMES:
        return f"{', '.join(texts[:-1])} and {texts[-1]}"
    return _listed(values)


def _listed(values: Sequence[float]) -> str:
    """Name different values, or their range where they are many."""
    texts = [f"{value:g}" for value in sorted(set(values))]
    if len(texts) > _MOST_NAMES:
        return f"{texts[0]} to {texts[-1]}"
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


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
    name = command_of(results.provenance)
    with_pyhrf = f"The data were analysed with PyHRF {_versions(results.provenance)} ({name})."
    data = f"{_data(results)}{_starts(study)} {with_pyhrf}"
    model = f"{kind_of(study).report.format(place=results.place)} {_response(study)}"
    nuisance = f"{_nuisance(results)} {_iterations(results)}".strip()
    trials, contrasts = trial_methods(results), _contrasts(study)
    return [data, model, nuisance, *trials, *contrasts, _outcome(results)]


def _data(results: Results) -> str:
    provenance, parcels = results.provenance, results.parcels
    data = provenance["study"]["data"]
    runs, trs = _runs(provenance), set(_trs(provenance))
    if data["kind"] == "simulation":
        start = f"The artificial data “{data['example']}” of PyHRF ({runs})"
    else:
        start = f"BOLD data of {runs}"
    name = "repetition times of" if len(trs) > 1 else "a repetition time of"
    tr = f" with {name} {_in_order(_trs(provenance))} s" if trs else ""
    n_conditions = len(_conditions(results))
    into = parcellation_of(data).counted(len(parcels))
    n_all = parcels["n_positions"].sum()
    return (
        f"{start}{tr}, in which there were events of {n_conditions} "
        f"condition{'s' if n_conditions != 1 else ''}, were divided into {into} of "
        f"{_range(parcels['n_positions'])} {results.place}s ({n_all} in all)."
    )


def _starts(study: Mapping[str, Any]) -> str:
    """Say how far onsets were moved."""
    starts = [float(run.get("start_time", 0)) for run in study["data"].get("runs", ())]
    if not any(starts):
        return ""
    return (
        f" Onsets were moved {_listed(starts)} s earlier, since the first scan came that much "
        "after the time from which they count (StartTime, by slice timing correction)."
    )


def _conditions(results: Results) -> list[str]:
    """Name the conditions of the events, which may have levels in each run."""
    names = results.condition_names
    if results.provenance["study"]["data"].get("levels") == "per-run":
        return list(dict.fromkeys(name.rpartition("_run")[0] for name in names))
    return names


def _range(numbers: pd.Series[int]) -> str:
    least, most = numbers.min(), numbers.max()
    return f"{least} to {most}" if least < most else f"{least}"


def _contrasts(study: Mapping[str, Any]) -> list[str]:
    texts = [f"“{one['name']}” ({one['expression']})" for one in study.get("contrasts", ())]
    if not texts:
        return []
    return [f"Contrast{'s' if len(texts) > 1 else ''} of the conditions: {', '.join(texts)}."]


def _response(study: Mapping[str, Any]) -> str:
    kind = kind_of(study)
    if response := assumed_response(study):
        return (
            f"The response to an event was assumed to be {response}, the same everywhere; its "
            "height was estimated."
        )
    if kind.responses:
        return f"The response to an event was {kind.responses[study[kind.section]['model']]}."
    hrf = study["hrf"]
    return (
        f"The response is piecewise linear, zero at its two ends, {hrf['duration']:g} s long with "
        f"a step of {hrf['dt']:g} s; onsets were not rounded. Its largest excursion is scaled to "
        "+1, so that a level is the height of the response."
    )


def _nuisance(results: Results) -> str:
    study = results.provenance["study"]
    drift, noise = study["drift"], study["noise"]
    form = {
        "cosine": f"cosines of periods above {drift['cutoff']:g} s",
        "polynomial": f"a polynomial of order {drift['order']}",
    }.get(drift["kind"])
    removed = f"The mean of each run and {form} were" if form else "The mean of each run was"
    model = {
        "ar1": "autoregressive of order 1, with a variance and an autocorrelation of its own in "
        f"every {results.place}{_as_nilearn(study)}",
        "white": f"white, with a variance of its own in every {results.place}",
    }[noise["kind"]]
    taken_out = f"{removed} part of the model as nuisance{_confounds(results)}."
    if "noise" in kind_of(study).unused:
        return taken_out
    return f"{taken_out} The noise was modelled as {model}{_shared_noise(results)}."


def _as_nilearn(study: Mapping[str, Any]) -> str:
    """Say how nilearn handles autocorrelations, where it fits the model."""
    if "nilearn" not in kind_of(study).packages:
        return ""
    return " (Worsley et al. 2002), the latter cut to a hundredth as nilearn does"


def _shared_noise(results: Results) -> str:
    """Say in how many parcels voxels share their noise."""
    if "shared_noise" not in results.parcels:
        return ""
    shared = results.parcels["shared_noise"].dropna()
    if not shared.any():
        return ""
    spectrum = results.provenance["study"]["noise"]["kind"] == "ar1"
    common = "one spectrum and a shrunk" if spectrum else "a shrunk"
    places = f"{results.place}s"
    return (
        f"; in {int(shared.sum())} of {len(shared)} parcels, in which {places} share noise, with "
        f"{common} covariance between {places}, both estimated from the residuals; levels "
        "along the main directions of the noise were in part those of least squares there, and the "
        f"HRF was averaged with that of sums over {places} as far as the two differ"
    )


def _confounds(results: Results) -> str:
    """Say what else was taken out, and in which unit the signal was."""
    study = results.provenance["study"]
    data, confounds = study["data"], study.get("confounds", {})
    runs = data["runs"]
    text = ""
    if any(run.get("confounds") for run in runs) and confounds["columns"] != "none":
        text = f", and so were confounds (columns: {confounds['columns']})"
    used = results.provenance.get("runs", ())
    if of_spm := [n for run in used if (n := run.get("n_spm_confounds", 0))]:
        each = " of each run" if len(of_spm) > 1 else ""
        text += (
            f"{' and' if text else ', and so were'} {_listed(of_spm)} regressors{each} in SPM.mat"
        )
    threshold = confounds.get("fd_threshold")
    if threshold is not None:
        text += f"; scans with a framewise displacement above {threshold:g} mm were censored"
    n_not_steady = sum(run.get("n_not_steady", 0) for run in used)
    if n_not_steady:
        text += (
            f"; {_scans(n_not_steady)} that fMRIPrep marks as not in steady state "
            f"{_were(n_not_steady)} censored"
        )
    if any(run.get("censored") for run in runs):
        text += "; listed scans were censored"
    n_censored = sum(run["n_censored"] for run in used)
    if n_censored:
        n_scans = sum(run["n_scans"] for run in used)
        text += f"; {n_censored} of {n_scans} scans {_were(n_censored)} censored in all"
    if data.get("scaling") == "percent":
        text += f"; the signal was scaled to percent of its mean in each {results.place} and run"
    if data.get("levels") == "per-run":
        text += "; each run had response levels of its own"
    return text


def _scans(number: int) -> str:
    return f"{number} scan{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _iterations(results: Results) -> str:
    study = results.provenance["study"]
    own = study[kind_of(study).section]
    if "n_chains" in own:
        return (
            f"Each parcel had {own['n_chains']} chains of {own['n_iterations']} sweeps, of which "
            f"the first {own['n_burn_in']} were thrown away; the seed was {study['seed']}."
        )
    if "tolerance" not in own:
        return ""
    return (
        f"Iterations ended at a tolerance of {own['tolerance']:g}, or after "
        f"{own['n_iterations']} of them{_warm_up(results)}."
    )


def _warm_up(results: Results) -> str:
    """Say which iterations the limit does not count: those before the course of the criterion."""
    spans = results.convergence.groupby("parcel")["iteration"].agg(["min", "max", "count"])
    whole = spans[spans["max"] - spans["min"] + 1 == spans["count"]]  # long courses are thinned
    n_before = int(whole["min"].max()) - 1 if len(whole) else 0
    if n_before <= 0:
        return ""
    return (
        f"; {n_before} more at most came before, in which the noise and the field between "
        "neighbours were found"
    )


def _outcome(results: Results) -> str:
    good = results.parcels[results.parcels["status"] == "ok"]
    text = f"{len(good)} of {len(results.parcels)} parcels were estimated."
    peaks = good["time_to_peak"].dropna()
    if len(peaks) and not assumed_response(results.provenance["study"]):
        text += (
            f" The time to peak of their responses had a median of {peaks.median():.1f} s "
            f"(quartiles {peaks.quantile(0.25):.1f} and {peaks.quantile(0.75):.1f} s)."
        )
    return text + held_out_text(results)


def references_of(results: Results) -> list[str]:
    """Name the papers that the methods rest on."""
    study = results.provenance["study"]
    kind = kind_of(study)
    chosen = (study.get(kind.section, {}).get("model"), study.get("noise", {}).get("kind"))
    more = (kind.more_references[one] for one in chosen if one in kind.more_references)
    return [*kind.references, *more, *trial_references(results)]


def parameters_of(results: Results) -> list[tuple[str, str]]:
    """List every parameter that the analysis used, by its place in the study file."""
    study = dict(results.provenance["study"])
    unused = {kind.section for kind in ESTIMATORS.values()} - {kind_of(study).section}
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
