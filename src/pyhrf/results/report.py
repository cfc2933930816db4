"""``report.html``: one file that shows what an analysis found, made from the saved results.

It holds its own data, styles and script, and loads nothing. The same results give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from pyhrf.files import replace_file
from pyhrf.outputs.columns import COLUMNS
from pyhrf.parameters.estimators import assumed_response, kind_of
from pyhrf.results.clusters import cluster_tables
from pyhrf.results.comparison import shared_hrfs
from pyhrf.results.damage import made_by_analysis
from pyhrf.results.glass_brain import in_standard_space, outlines
from pyhrf.results.naming import short_name
from pyhrf.results.report_fit import pack_design, pack_fit
from pyhrf.results.report_maps import pack_maps
from pyhrf.results.report_overview import overview_of
from pyhrf.results.report_text import (
    inputs_of,
    methods_of,
    name_of,
    parameters_of,
    references_of,
    summary_of,
)
from pyhrf.results.report_trials import pack_trials
from pyhrf.results.report_warnings import warnings_of
from pyhrf.results.results import LOW_QUALITY, Results
from pyhrf.results.thresholds import said_of

REPORT = "report.html"
"""Name of the report in the output directory."""

_PARCEL_FIGURES = (
    "n_positions",
    "hrf_quality",
    "time_to_peak",
    "fwhm",
    "r2",
    "r2_held_out",
    "delta_canonical",
    "delta_canonical_sd",
    "n_iterations",
    "converged",
)
_LEAST_ACTIVE = 0.05  # share of a parcel's positions, of which a level where active is one
_MOST_POINTS = 60  # of a criterion that is drawn small
_FILES = {
    "hrf.tsv": "the responses, one row per sample",
    "parcels.tsv": "one row per parcel: status, time to peak, width, quality, …",
    "conditions.tsv": "one row per parcel and condition: mixtures, share that is active",
    "convergence.tsv": "the criterion after each iteration (of VEM those that its limit counts)",
    "courses.tsv": "measured and fitted signal of the voxels that are explained best, by parcel",
    "events.tsv": "the events as the model takes them",
    "design.tsv": "one row per scan: whether it counts, and the regressors",
    "trials.tsv": "one row per single trial: run, condition, onset, what the data say of it",
    "run.json": "provenance: versions, every parameter, checksums, engine, times",
}


def write_report(directory: str | Path, *, anatomy: Path | None = None) -> Path:
    """Write ``report.html`` from the tables and maps of an output directory.

    Parameters
    ----------
    directory : path
        Where an analysis wrote.
    anatomy : Path, optional
        A 3D image in the space of the data to draw the maps on; by default fMRIPrep's T1w if the
        data are its, else the mean BOLD.

    Returns
    -------
    Path
        Of the report; an older one is replaced.

    Raises
    ------
    InputError
        When there are no whole results, or the anatomy cannot be used, as with maps of a surface.

    Examples
    --------
    >>> write_report("results")  # doctest: +SKIP
    """
    results = Results(directory)
    with made_by_analysis(results.directory):
        page = _template().render(_content(results, anatomy))
    path = results.directory / REPORT
    copy = "copy the folder to where you may write and give the copy"
    with replace_file(path, cure=copy) as file:
        file.write(page.encode())
    return path


@cache
def _template() -> jinja2.Template:
    """Compile the template, once."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pyhrf.results", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _content(results: Results, anatomy: Path | None) -> dict[str, Any]:
    """Gather all that the page shows."""
    study = results.provenance["study"]
    maps = pack_maps(results, anatomy=anatomy)
    fit, design = pack_fit(results), pack_design(results)
    trials = pack_trials(results)
    assumed = assumed_response(study)
    overview = overview_of(results, assumed=bool(assumed))
    clusters = cluster_tables(results) if maps else []
    in_mni = bool(maps and maps["volume"]) and in_standard_space(results)
    glass = outlines() if in_mni else {}
    regions = results.regions
    return {
        "study": study,
        "name": name_of(results),
        "summary": summary_of(results),
        "methods": methods_of(results),
        "references": references_of(results),
        "parameters": parameters_of(results),
        "inputs": inputs_of(results),
        "warnings": warnings_of(results),
        "failed": results.failed,
        "conditions": _conditions(results),
        "headings": {name: one.title for name, one in COLUMNS["conditions"].items()},
        "files": {name: text for name, text in _FILES.items() if _is_there(results, name)},
        "overview": overview,
        "assumed": assumed,
        "clusters": clusters,
        "glass": glass,
        "in_mni": in_mni,
        "said": {one["name"]: said_of(one) for one in clusters},
        "neighbours": _neighbours(maps),
        "place": results.place,
        "has_quality": bool(results.parcels["hrf_quality"].notna().any()),
        "maps": maps,
        "fit": fit,
        "design": design,
        "trials": trials,
        "own_design": kind_of(study).own_design,
        "full_name": lambda number: short_name(number, regions.get(number, "")),
        "page_data": {"parcels": _parcels(results), "regions": regions, "hrfs": _hrfs(results)}
        | {"maps": maps, "overview": overview, "assumed": bool(assumed)}
        | {"clusters": clusters, "glass": glass}
        | {"place": results.place, "low_quality": LOW_QUALITY, "traces": _traces(results)}
        | {"fit": fit, "design": design, "trials": trials}
        | {"criterion": kind_of(study).criterion},
    }


def _is_there(results: Results, name: str) -> bool:
    return (results.directory / name).is_file()


def _parcels(results: Results) -> list[dict[str, Any]]:
    """Give the figures by which parcels are named and sorted."""
    good = results.parcels[results.parcels["status"] == "ok"]
    columns = [name for name in _PARCEL_FIGURES if name in good]
    named = [name for name in ("region",) if name in good]
    return [
        {"parcel": int(row["parcel"])}
        | {name: _number(row[name]) for name in columns}
        | {name: row[name] for name in named if isinstance(row[name], str)}
        for row in good[["parcel", *named, *columns]].to_dict("records")
    ]


def _neighbours(maps: Mapping[str, Any] | None) -> str:
    """Say what the members of a cluster are."""
    if maps is None:
        return ""
    voxels = ["voxels that share a face"] if maps["volume"] else []
    nodes = ["nodes that share an edge"] if maps["meshes"] else []
    return " or ".join(voxels + nodes).capitalize()


def _hrfs(results: Results) -> dict[int, dict[str, Any]]:
    """Give the response of each parcel, and those of single conditions where they are there."""
    found: dict[int, dict[str, Any]] = {}
    for number, rows in shared_hrfs(results):
        found[number] = {"time": _numbers(rows["time"])} | _curve(rows) | {"own": {}}
    table = results.hrf
    if "condition" in table:
        own = table[table["condition"].notna()]
        for key, of_parcel in own.groupby("parcel"):
            for condition, rows in of_parcel.groupby("condition", sort=False):
                found[int(str(key))]["own"][str(condition)] = _curve(rows)
    return found


def _traces(results: Results) -> dict[int, list[list[list[float | None]]]]:
    """Give the criterion of each parcel: for each chain its iterations and values."""
    found: dict[int, list[list[list[float | None]]]] = {}
    for (number, _), rows in results.convergence.groupby(["parcel", "chain"]):
        few = rows.iloc[(len(rows) - 1) % (step := -(-len(rows) // _MOST_POINTS)) :: step]
        curve = [[_number(one) for one in few[name]] for name in ("iteration", "criterion")]
        found.setdefault(int(str(number)), []).append(curve)
    return found


def _curve(rows: pd.DataFrame) -> dict[str, Any]:
    return {"hrf": _numbers(rows["hrf"]), "sd": _numbers(rows["sd"])}


def _numbers(column: pd.Series[float]) -> list[float | None]:
    return [_number(value, 3) for value in column]


def _number(value: Any, digits: int = 4) -> float | None:
    """Round a number; JSON has no NaN."""
    return round(float(value), digits) if math.isfinite(value) else None


def _conditions(results: Results) -> list[dict[str, Any]]:
    """Summarise each condition over the parcels."""
    table = results.conditions
    if table.empty:
        return []
    wanted = [name for name, one in COLUMNS["conditions"].items() if one.title and name in table]
    table = table[["condition", *wanted]].dropna(axis=1, how="all")
    has_shares = "mean_active" in table and "fraction_active" in table
    if has_shares:
        # Of a parcel where nothing is active this level is none: most would pull the median to 0.
        active = table["fraction_active"] > _LEAST_ACTIVE
        table = table.assign(mean_active=table["mean_active"].where(active), n_active=active)
    rows = []
    for name, of_one in table.groupby("condition", sort=False):
        row: dict[str, Any] = {"condition": str(name)}
        row |= {column: of_one[column].median() for column in wanted if column in table}
        if has_shares:
            row["n_active"] = int(of_one["n_active"].sum())
        rows.append(row)
    return rows
