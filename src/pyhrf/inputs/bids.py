"""BIDS data sets with the derivatives of fMRIPrep: which files make the runs of a participant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pyhrf.errors import InputError
from pyhrf.inputs.bids_bold import ALL_PREPROCESSED, NO_LABEL, is_bold, why_not
from pyhrf.inputs.bids_names import BidsName, Tree, natural, parse_name, read_json
from pyhrf.inputs.sidecars import ScanTimes, is_old_fmriprep, scan_times

DESCRIPTION = "dataset_description.json"
DEFAULT_SPACE = "MNI152NLin2009cAsym"
NATIVE_SPACE = "func"
"""How fMRIPrep calls the space of the BOLD data themselves, which its names leave out."""

# Entities that preprocessing adds to the name of what was acquired.
_DERIVED = ("space", "cohort", "res", "den", "hemi", "label", "seg", "desc")
_FSNATIVE = "fsnative"
"""The space of a participant's own meshes, which their names mostly leave out."""
_MESHES = ("midthickness", "pial", "white")
"""Suffixes of meshes whose nodes are those of the data; the best first."""


@dataclass(frozen=True)
class BidsRun:
    """The files of one preprocessed run.

    Attributes
    ----------
    bold : BidsName
        Preprocessed BOLD.
    events, confounds, mask : Path or None
        What belongs to it; None if it is not there.
    times : ScanTimes
        When its scans were acquired, by its JSON files.
    """

    bold: BidsName
    events: Path | None
    confounds: Path | None
    mask: Path | None
    times: ScanTimes

    @property
    def entities(self) -> dict[str, str]:
        """Entities of what was acquired."""
        return _acquired(self.bold)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is asked for; everything where nothing is said. Labels are without ``task-`` and such.

    Attributes
    ----------
    sessions, tasks, runs : collection of str
        Labels.
    acq, ce, rec, dir : collection of str
        Labels of these entities; ``none`` for files that have no such entity.
    desc : str
        Version of the preprocessed data: ``none`` for those without.
    space : str or None
        As fMRIPrep writes it, such as ``MNI152NLin2009cAsym`` or with ``:res-2``.
    """

    sessions: Collection[str] = ()
    tasks: Collection[str] = ()
    runs: Collection[str] = ()
    acq: Collection[str] = ()
    ce: Collection[str] = ()
    rec: Collection[str] = ()
    dir: Collection[str] = ()
    desc: str = ALL_PREPROCESSED
    space: str | None = None

    @property
    def labels(self) -> dict[str, Collection[str]]:
        """Labels that are asked for, by entity."""
        names = {"ses": self.sessions, "task": self.tasks, "run": self.runs}
        return names | {"acq": self.acq, "ce": self.ce, "rec": self.rec, "dir": self.dir}

    def takes(self, name: BidsName) -> bool:
        """Tell whether a file is asked for, whatever its space."""
        return all(
            not labels or any(is_labelled(name, entity, label) for label in labels)
            for entity, labels in self.labels.items()
        )


def is_labelled(name: BidsName, entity: str, label: str) -> bool:
    """Tell whether a file has a label; ``none`` is also that of a file without the entity."""
    return name.has({entity: label}) or (label == NO_LABEL and entity not in name.entities)


def _acquired(name: BidsName) -> dict[str, str]:
    return {key: label for key, label in name.entities.items() if key not in _DERIVED}


def space_of(name: BidsName) -> str:
    """Name the space of a file as fMRIPrep's ``--output-spaces`` does."""
    words = [name.entities.get("space", NATIVE_SPACE)]
    keys = ("cohort", "res", "den")
    words += [f"{key}-{name.entities[key]}" for key in keys if key in name.entities]
    return ":".join(words)


def spaces_of(names: Collection[BidsName]) -> list[str]:
    """Name the spaces of some files, each once."""
    return sorted({space_of(name) for name in names}, key=natural)


class BidsData:
    """A BIDS data set and its derivatives, which are never written to; made by `open_bids`.

    Attributes
    ----------
    raw : Path
        Folder of the data set.
    derivatives : Path
        Folder of the preprocessed data.
    description : dict
        ``dataset_description.json`` of the data set; empty if there is none.
    """

    def __init__(self, raw: Path, derivatives: Path, description: Mapping[str, Any]) -> None:
        self.raw, self.derivatives = raw, derivatives
        self.description = dict(description)
        self._raw, self._derived = Tree(raw), Tree(derivatives)

    def subjects(self, wanted: Collection[str] = ()) -> tuple[list[str], list[str]]:
        """Give the labels of the participants with derivatives, and of those that have none.

        Parameters
        ----------
        wanted : collection of str
            Labels of those that are asked for; all by default.

        Raises
        ------
        InputError
            If a participant is in neither folder.
        """
        derived = self._derived.labels("sub")
        known = sorted({*derived, *self._raw.labels("sub")}, key=natural)
        for label in wanted:
            if label not in known:
                raise InputError(f"{self.raw}: there is no participant {label}; {_there(known)}")
        chosen = [label for label in known if label in wanted] if wanted else known
        return [x for x in chosen if x in derived], [x for x in chosen if x not in derived]

    def bold_files(
        self, subject: str, desc: str = ALL_PREPROCESSED
    ) -> tuple[list[BidsName], dict[Path, str]]:
        """Find the preprocessed BOLD series of a participant.

        Parameters
        ----------
        subject : str
            Label.
        desc : str
            The version of the data: the label of their ``desc``.

        Returns
        -------
        taken : list of BidsName
            Of all spaces; without single echoes and phases.
        passed_over : dict of Path to str
            Why others are not taken.
        """
        taken: list[BidsName] = []
        passed_over: dict[Path, str] = {}
        for folder in self._derived.folders(subject):
            session = folder.parent.name.removeprefix("ses-")
            for path in filter(is_bold, self._derived.paths_in(folder)):
                reason = why_not(
                    path,
                    subject=subject,
                    session=session if folder.parent.name.startswith("ses-") else None,
                    desc=desc,
                )
                name = parse_name(path)
                if reason or name is None:
                    passed_over[path] = reason
                else:
                    taken.append(name)
        return taken, passed_over

    def mesh_files(self, bold: BidsName) -> list[BidsName]:
        """Find the meshes that may be those of a surface series; the best first.

        Parameters
        ----------
        bold : BidsName
            GIFTI, whose hemisphere they are of; or CIFTI, which needs those of both.

        Returns
        -------
        list of BidsName
            In its space, by their names: of its session before others, the middle of the cortex
            before its outer and inner surface.
        """
        hemi, session = bold.entities.get("hemi"), bold.entities.get("ses")
        space = bold.entities.get("space", _FSNATIVE)
        found = [
            name
            for folder in self._derived.folders(bold.entities["sub"], "anat")
            for name in self._derived.names_in(folder)
            if name.suffix in _MESHES
            and name.extension == ".surf.gii"
            and "desc" not in name.entities
            and name.entities.get("space", _FSNATIVE) == space
            and name.entities.get("hemi") in ((hemi,) if hemi else ("L", "R"))
        ]

        def rank(name: BidsName) -> tuple[int, int]:
            near = [session, None]
            own = name.entities.get("ses")
            return near.index(own) if own in near else len(near), _MESHES.index(name.suffix)

        return sorted(found, key=rank)

    def has_events(self, task: str, near: Collection[str] = ()) -> bool:
        """Tell whether anyone has events of a task.

        Parameters
        ----------
        task : str
            Its label.
        near : collection of str
            Participants to look at first: mostly there is no need to look at the others.
        """
        return any(
            name.suffix == "events"
            and name.extension == ".tsv"
            and name.entities.get("task", task) == task
            for folder in self._folders_of_events(near)
            for name in self._raw.names_in(folder)
        )

    def _folders_of_events(self, near: Collection[str]) -> Iterator[Path]:
        yield self.raw
        others = (label for label in self._raw.labels("sub") if label not in near)
        for subject in chain(near, others):
            yield from self._raw.folders(subject)
            home = self.raw / f"sub-{subject}"
            yield home
            yield from (home / f"ses-{label}" for label in self._raw.labels("ses", home))

    def run_of(self, bold: BidsName) -> BidsRun:
        """Find what belongs to a BOLD file.

        Raises
        ------
        InputError
            If a file cannot be read, or two files would belong to it.
        """
        acquired, derived = _acquired(bold), dict(bold.entities)
        place = {key: label for key, label in derived.items() if key in ("space", "cohort", "res")}
        events = self._raw.inherited(acquired, ["events"], [".tsv"])
        confounds = self._derived.inherited(
            {**acquired, "desc": "confounds"},
            ["timeseries", "regressors"],
            [".tsv"],
            required={"desc": "confounds"},
        )
        mask = None
        kind = bold.kind
        for extension in () if kind.needs_mesh else kind.bold_endings:  # that of fMRIPrep first
            mask = mask or self._derived.inherited(
                {**derived, "desc": "brain"},
                ["mask"],
                [extension],
                required={**place, "desc": "brain"},
            )
        if mask is not None and space_of(mask) != space_of(bold):
            mask = None
        return BidsRun(
            bold=bold,
            events=_path(events),
            confounds=_path(confounds),
            mask=_path(mask),
            times=self.scan_times(bold),
        )

    def holds(self, bold: BidsName) -> bool:
        """Tell whether a file lies in its place of the derivatives."""
        return self._derived.folder_of(bold.entities) == bold.path.parent

    def scan_times(self, bold: BidsName) -> ScanTimes:
        """Read in the JSON files when the scans of a BOLD file were acquired.

        Raises
        ------
        InputError
            If one cannot be read, or says what cannot be.
        """
        volumes = {
            name.path.name: read_json(name.path)
            for name in (self._derived.names_in(bold.path.parent) if bold.kind.needs_mesh else ())
            if (name.suffix, name.extension) == ("bold", ".json")
            and name.entities.get("desc") == "preproc"
            and _acquired(name) == _acquired(bold)
        }
        about = self.derivatives / DESCRIPTION
        return scan_times(
            bold.path,
            self._derived.metadata(bold.entities, "bold"),
            raw=self._raw.metadata(_acquired(bold), "bold"),
            volumes=volumes,
            is_old=about.is_file() and is_old_fmriprep(read_json(about)),
        )


def _path(name: BidsName | None) -> Path | None:
    return None if name is None else name.path


def _there(labels: Sequence[str]) -> str:
    """Name what is there."""
    if not labels:
        return "there is none at all"
    shown = ", ".join(labels[:20]) + (f", ... ({len(labels)})" if len(labels) > 20 else "")
    return f"there {'is' if len(labels) == 1 else 'are'} {shown}"
