"""The results of a study as BIDS derivatives: maps, tables and report with their JSON files."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyhrf import __version__
from pyhrf.bids.describe import density, described_columns, in_places, unit_of
from pyhrf.bids.files import keep_current, scratch_beside, write_json
from pyhrf.bids.map_files import (
    estimated_mask,
    label_file,
    squared_map,
)
from pyhrf.bids.names import bids_label, condition_labels
from pyhrf.bids.plan import PlannedStudy
from pyhrf.bids.studies import WORK, folder_of_inputs
from pyhrf.bids.trials import about_trials, trial_events
from pyhrf.config.study import Study
from pyhrf.errors import ConfigError, InputError
from pyhrf.inputs.bids import DESCRIPTION, BidsData
from pyhrf.inputs.bids_names import natural, read_json
from pyhrf.outputs.columns import Table
from pyhrf.outputs.map_kind import MapKind
from pyhrf.outputs.maps import MAPS
from pyhrf.results import Results
from pyhrf.spaces.kinds import kind_of_file
from pyhrf.spaces.parcellations import parcel_names
from pyhrf.spaces.space import Space

_PROGRAM = "PyHRF"
_BIDS_VERSION = "1.10.0"
_OF_SURFACES = ("hemi-*", "den-*", "space-fsLR*")
_IGNORED = (
    *("*_statmap.*", "*_table.*", "*_desc-trials_events.*", "*.html"),
    *(f"*_{x}_{suffix}.*" for suffix in ("dseg", "mask") for x in _OF_SURFACES),
)
"""What the schema of BIDS does not know yet; of segmentations and masks it knows volumes."""
_MASK = "desc-estimated_mask"
_LINK = re.compile(r'href="([\w.-]+)"')


def check_folder(out_dir: Path, data: BidsData) -> None:
    """See that OUT_DIR may be written to; nothing is.

    Raises
    ------
    ConfigError
        If it is part of the input, or holds the data set of another program.
    InputError
        If it cannot be written.
    """
    _refuse_input(out_dir.resolve(), data)
    if out_dir.exists() and not out_dir.is_dir():
        raise ConfigError(f"{out_dir}: is a file: OUT_DIR is the folder of what comes out")
    path = out_dir / DESCRIPTION
    if path.exists():
        made_by = read_json(path).get("GeneratedBy")
        names = (
            [x.get("Name") for x in made_by if isinstance(x, dict)]
            if isinstance(made_by, list)
            else []
        )
        if _PROGRAM not in names:
            raise ConfigError(
                f"{out_dir}: holds a data set that PyHRF did not make (GeneratedBy in "
                f"{DESCRIPTION}), and nothing is written there: choose another OUT_DIR"
            )
    elif any(out_dir.glob("sub-*")):
        raise ConfigError(
            f"{out_dir}: holds folders of participants and no {DESCRIPTION} of PyHRF, and nothing "
            "is written there: choose another OUT_DIR"
        )
    there = next(
        folder for folder in (out_dir.absolute(), *out_dir.absolute().parents) if folder.exists()
    )
    if not os.access(there, os.W_OK):
        raise InputError(f"{there}: cannot be written: choose another OUT_DIR")


def claim_folder(out_dir: Path, data: BidsData) -> None:
    """Make OUT_DIR a BIDS data set of derivatives; several processes may do so at once.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    out = out_dir.resolve()
    description: dict[str, Any] = {
        "Name": "PyHRF: haemodynamic responses and activation maps",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": _PROGRAM, "Version": __version__}],
        "DatasetLinks": {
            name: os.path.relpath(folder.resolve(), out) for name, folder in _roots(data).items()
        },
    }
    if isinstance(doi := data.description.get("DatasetDOI"), str):
        description["SourceDatasets"] = [{"DOI": doi}]
    write_json(out_dir / DESCRIPTION, description)
    keep_current(out_dir / ".bidsignore", "".join(f"{x}\n" for x in _IGNORED).encode())


def _refuse_input(out: Path, data: BidsData) -> None:
    raw, derivatives = data.raw.resolve(), data.derivatives.resolve()
    inside = out.is_relative_to(raw) and not out.is_relative_to(raw / "derivatives")
    if inside or out == raw / "derivatives" or out.is_relative_to(derivatives):
        raise ConfigError(
            f"{out}: lies in the input, which is not written to: choose another OUT_DIR, such as "
            f"{raw / 'derivatives' / 'pyhrf'}"
        )


def _roots(data: BidsData) -> dict[str, Path]:
    return {"raw": data.raw, "preprocessed": data.derivatives}


@dataclass(frozen=True)
class _Writer:
    """Writes the files of one study, each with its JSON; knows which those are."""

    stem: Path
    kind: type[Space]
    about: Mapping[str, Any]
    files: list[Path]

    def put(self, rest: str, extension: str, content: bytes, about: Mapping[str, Any]) -> Path:
        """Write a file and its JSON; return its path."""
        written = self._path(rest, extension)
        self.put_alone(written, content)
        path = self._path(rest, ".json")
        write_json(path, {**in_places(about, self.kind), **self.about})
        self.files.append(path)
        return written

    def put_mask(self, maps: Mapping[str, Path]) -> Path:
        """Write the mask of what was estimated; return its path."""
        ending, content = estimated_mask(maps["parcels"], maps.get("left_out"))
        text = (
            "1 in each voxel that has an estimate, 0 elsewhere. Maps are NaN in voxels of parcels "
            "that have none, and 0 outside of all parcels: a group analysis must leave out both"
        )
        return self.put(_MASK, ending, content, {"Description": text, "Type": "ROI"})

    def put_table(self, rest: str, content: bytes) -> None:
        """Write a table whose JSON is that of a map."""
        self.put_alone(self._path(rest, ".tsv"), content)

    def put_alone(self, path: Path, content: bytes) -> None:
        """Write a file by its path."""
        keep_current(path, content)
        self.files.append(path)

    def _path(self, rest: str, extension: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}_{rest}{extension}")


def write_derivatives(
    out_dir: Path,
    planned: PlannedStudy,
    study: Study,
    results: Results,
    data: BidsData,
    *,
    notes: Sequence[str] = (),
) -> None:
    """Write the results of a study as BIDS derivatives.

    Files that earlier results of the study had and these have not, such as maps of another
    contrast, are removed.

    Parameters
    ----------
    out_dir : Path
        The data set.
    planned : PlannedStudy
    study : Study
    results : Results
        As the analysis has left them.
    data : BidsData
        The input, which the JSON files name.
    notes : sequence of str
        What the JSON files say beside what they say of any study.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    session = [f"ses-{planned.entities['ses']}"] if "ses" in planned.entities else []
    folder = out_dir.joinpath(f"sub-{planned.entities['sub']}", *session, "func")
    about = {
        "Estimator": study.estimator,
        "Sources": _sources(planned, study, data),
        **_places(planned, study, data),
        **({"Notes": list(notes)} if notes else {}),
        "GeneratedBy": [{"Name": _PROGRAM, "Version": __version__}],
    }
    names = parcel_names(study.data.parcellation) if study.data.parcellation is not None else {}
    writer = _Writer(folder / planned.name, planned.kind, about, [])
    # Files on their way: the folder of the results is the analysis's own.
    with scratch_beside(folder) as scratch:
        mask = writer.put_mask(results.maps())
        about_mask = {"EstimatedMask": _own_uri(mask, out_dir)}
        of_trials = about_mask | _write_trials(writer, study, results, out_dir)
        about_kinds = {"": about_mask, "trials": of_trials}
        _write_maps(writer, study, results, scratch, names, about_kinds)
    _write_tables(writer, results, names)
    _write_report(writer, out_dir, planned, results)
    _remove_others(writer.files, out_dir, folder_of_inputs(out_dir, planned) / "derivatives.json")


def older_results(out_dir: Path) -> list[str]:
    """Name the studies of which OUT_DIR holds derivatives."""
    listed = (out_dir / WORK / "inputs").glob("*/derivatives.json")
    return sorted((path.parent.name for path in listed), key=natural)


def _remove_others(files: Sequence[Path], out_dir: Path, about: Path) -> None:
    """Remove what an earlier run has written and this one has not."""
    names = sorted(path.relative_to(out_dir).as_posix() for path in files)
    older = read_json(about).get("files", []) if about.is_file() else []
    # First the list of what there is: a run that is killed here leaves too much, not too little.
    write_json(about, {"files": sorted({*names, *older})})
    for name in set(older).difference(names):
        (out_dir / name).unlink(missing_ok=True)
    write_json(about, {"files": names})


def _sources(planned: PlannedStudy, study: Study, data: BidsData) -> list[str]:
    """Name the input files by BIDS URI."""
    paths = []
    for run in planned.runs:
        used = [run.events, *(run.confounds for one in study.data.runs[:1] if one.confounds)]
        paths += [run.bold.path, run.mask, *used]
    uris = []
    for path in dict.fromkeys(path for path in paths if path is not None):
        uris += _uris(path, data)
    return uris


def _own_uri(path: Path, out_dir: Path) -> str:
    """Name a file of ours by BIDS URI."""
    return f"bids::{path.relative_to(out_dir).as_posix()}"


def _uris(path: Path, data: BidsData) -> list[str]:
    """Name a file by BIDS URI; none if it lies elsewhere."""
    # The derivatives may lie in the data set, so that they are asked first.
    path = path.absolute()
    roots = [(name, root.absolute()) for name, root in reversed(_roots(data).items())]
    found = next(((name, root) for name, root in roots if path.is_relative_to(root)), None)
    return [f"bids:{found[0]}:{path.relative_to(found[1]).as_posix()}"] if found else []


def _places(planned: PlannedStudy, study: Study, data: BidsData) -> dict[str, Any]:
    """Say where the positions lie, where the space of a name does not say it."""
    about: dict[str, Any] = {}
    if "den" in planned.entities:
        about["Density"] = density(planned.entities["den"], planned.kind)
    if planned.kind.by_hemisphere and planned.entities.get("space", "fsnative") == "fsnative":
        uris = [uri for mesh in study.data.meshes for uri in _uris(mesh, data)]
        if uris:
            about["SpatialReference"] = uris[0]
    return about


def _write_maps(
    writer: _Writer,
    study: Study,
    results: Results,
    scratch: Path,
    names: Mapping[int, str],
    about_kinds: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the maps; what else is said of them depends on their ``desc``."""
    maps = results.maps()
    labels = condition_labels(results.condition_names)
    unit = "percent of the mean" if study.data.scaling == "percent" else "arbitrary"
    for stem, (name, of_whom) in results.map_names.items():
        path, kind = maps[stem], MAPS[name]
        stat = kind.stat(study.estimator)
        entity, whose = _whose(kind, of_whom, study, labels)
        about = {
            "Description": stat.text or kind.text,
            **whose,
            "Units": unit_of(kind, stat, unit),
        }
        content = squared_map(path, scratch) if stat.squared else path.read_bytes()
        if (step := kind_of_file(path).map_step(path)) is not None:
            about["RepetitionTime"] = step
        if name == "parcels":
            # One JSON speaks for the map and its table.
            about |= described_columns("parcels", next(_rows_with_names(results, names)))
            ending, content = label_file(path, names)
            writer.put("desc-parcels_dseg", ending, content, about)
        else:
            rest = f"{entity}{stat.entities}_statmap"
            about |= about_kinds[stat.desc]
            writer.put(rest, path.name.removeprefix(stem), content, about)


def _write_trials(writer: _Writer, study: Study, results: Results, out_dir: Path) -> dict[str, str]:
    """Write the events of single trials, if there are any; say of their maps where these are."""
    found = trial_events(results.directory)
    if found is None:
        return {}
    content, columns = found
    about = about_trials(study)
    path = writer.put("desc-trials_events", ".tsv", content, {**columns, **about})
    return {**about, "Trials": _own_uri(path, out_dir)}


def _whose(
    kind: MapKind, name: str, study: Study, labels: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """Give the entity of the condition or contrast of a map, and what is said of it."""
    if kind.subject == "contrast":
        (expression,) = (one.expression for one in study.contrasts if one.name == name)
        label = bids_label(name, contrast=True)
        return f"contrast-{label}_", {"Contrast": name, "Expression": expression}
    if kind.subject == "condition":
        about: dict[str, Any] = {"Condition": name}
        if kind.name == "ppm":
            about["Threshold"] = _threshold(study)
        return f"contrast-{labels[name]}_", about
    return "", {}


def _threshold(study: Study) -> float | str:
    """Say what the levels of a PPM are compared with."""
    given = getattr(study.own, "ppm_threshold", None)
    return "where active and inactive voxels are equally likely" if given is None else float(given)


def _write_tables(writer: _Writer, results: Results, names: Mapping[int, str]) -> None:
    tables: tuple[Table, ...] = ("hrf", "conditions")
    for name in tables:
        content = (results.directory / f"{name}.tsv").read_bytes()
        columns = content.split(b"\n", 1)[0].decode().split("\t")
        writer.put(f"desc-{name}_table", ".tsv", content, described_columns(name, columns))
    rows = _rows_with_names(results, names)
    content = "".join("\t".join(row) + "\n" for row in rows).encode()
    writer.put_table("desc-parcels_dseg", content)


def _rows_with_names(results: Results, names: Mapping[int, str]) -> Iterator[list[str]]:
    """Give the table of parcels as BIDS wants that of a segmentation: with ``index``, ``name``."""
    with (results.directory / "parcels.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(rows)
        kept = [k for k, column in enumerate(header) if column not in ("parcel", "region")]
        yield ["index", "name", *(header[k] for k in kept)]
        for row in rows:
            name = names.get(int(row[0]), f"parcel-{row[0]}")
            yield [row[0], name, *(row[k] for k in kept)]


def _write_report(writer: _Writer, out_dir: Path, planned: PlannedStudy, results: Results) -> None:
    """Copy the report to the top, as fMRIPrep has it; its links lead to the files it names."""
    report = results.directory / "report.html"
    if not report.is_file():  # that has been told
        return
    page = report.read_text("utf-8")
    home = os.path.relpath(results.directory, out_dir)

    def led_home(link: re.Match[str]) -> str:
        is_there = (results.directory / link[1]).is_file()
        return f'href="{home}/{link[1]}"' if is_there else link[0]

    page = _LINK.sub(led_home, page)
    writer.put_alone(out_dir / f"{planned.name}.html", page.encode())
