"""File names of BIDS: entities, and which file speaks for which by the inheritance principle.

Of the standard (bids-specification.readthedocs.io, "Common principles") only what finding files
needs. No indexer is used: those there are read the whole data set, which takes minutes where a job
of one participant needs two folders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pyhrf.errors import InputError
from pyhrf.files import read_regular
from pyhrf.spaces.kinds import kind_of_file
from pyhrf.spaces.space import Space

_ENTITY = re.compile(r"([A-Za-z]+)-([A-Za-z0-9+]+)")
_INDICES = {"run", "echo", "flip", "inv", "split"}  # 1 and 01 are the same


@dataclass(frozen=True)
class BidsName:
    """A file, by its name.

    Attributes
    ----------
    path : Path
        The file.
    entities : mapping of str to str
        Such as ``{"sub": "01", "task": "rest"}``, in the order of the name.
    suffix : str
        Such as ``bold``.
    extension : str
        Such as ``.nii.gz``.
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str
    extension: str

    @property
    def kind(self) -> type[Space]:
        """What its values lie on, of a series."""
        return kind_of_file(self.path)

    def speaks_for(self, entities: Mapping[str, str]) -> bool:
        """Tell whether the file is one of files with these entities: it has no other ones."""
        return all(
            key in entities and _same(key, label, entities[key])
            for key, label in self.entities.items()
        )

    def has(self, entities: Mapping[str, str]) -> bool:
        """Tell whether the name has all of these entities."""
        return all(
            key in self.entities and _same(key, label, self.entities[key])
            for key, label in entities.items()
        )


def _same(key: str, one: str, other: str) -> bool:
    if key in _INDICES and one.isdecimal() and other.isdecimal():
        return int(one) == int(other)
    return one == other


def parse_name(path: Path) -> BidsName | None:
    """Take a name apart; None if it is not of BIDS.

    Examples
    --------
    >>> parse_name(Path("sub-01_task-rest_bold.nii.gz")).entities
    {'sub': '01', 'task': 'rest'}
    """
    stem, dot, extension = path.name.partition(".")
    *parts, suffix = stem.split("_")
    entities: dict[str, str] = {}
    for part in parts:
        match = _ENTITY.fullmatch(part)
        if match is None or match[1] in entities:
            return None
        entities[match[1]] = match[2]
    if not dot or not suffix.isalnum():
        return None
    return BidsName(path, entities, suffix, dot + extension)


def json_beside(path: Path) -> Path | None:
    """Find the JSON file of the same name as a file of data; None if there is none."""
    name, stems = path.name, []
    for packed in ("", ".gz"):
        for ending in (".nii", ".gii"):
            if name.lower().endswith(ending + packed):
                stem = name[: -len(ending + packed)]
                stems += [stem, re.sub(r"\.(func|label|shape|dtseries|dlabel|dscalar)$", "", stem)]
    there = (path.with_name(f"{stem}.json") for stem in stems)
    return next((json for json in there if json.is_file()), None)


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key of names with numbers: 2 before 10."""
    return tuple(
        (False, int(part), part) if part.isdecimal() else (True, 0, part)
        for part in re.findall(r"\d+|\D+", text)
    )


def why_no_name(path: Path) -> str:
    """Say why a name is not one of BIDS."""
    *parts, suffix = path.name.partition(".")[0].split("_")
    seen: set[str] = set()
    for part in parts:
        key, hyphen, label = part.partition("-")
        if not hyphen:
            return f"{part!r} in its name is not a key-label such as run-2"
        if not key.isalpha() or not re.fullmatch("[A-Za-z0-9+]+", label):
            return f"{part!r} in its name is not BIDS: key and label are letters and digits"
        if key in seen:
            return f"its name has {key}- twice"
        seen.add(key)
    if not suffix.isalnum():
        return f"an underscore is missing in {suffix!r} of its name"
    return "its name is not one of BIDS"


class Tree:
    """The files of a data set; each folder is listed once, when it is asked for.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths_in = cache(self._paths_in)
        self.names_in = cache(self._names_in)

    def _paths_in(self, folder: Path) -> tuple[Path, ...]:
        if not folder.is_dir():
            return ()
        try:
            return tuple(sorted(folder.iterdir(), key=lambda path: natural(path.name)))
        except OSError as error:
            raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error

    def _names_in(self, folder: Path) -> tuple[BidsName, ...]:
        names = (parse_name(path) for path in self.paths_in(folder))
        return tuple(name for name in names if name is not None)

    def labels(self, entity: str, folder: Path | None = None) -> list[str]:
        """Labels of the folders ``sub-LABEL`` or ``ses-LABEL`` in a folder, in natural order."""
        base = self.root if folder is None else folder
        labels = [path.name.partition("-")[2] for path in base.glob(f"{entity}-*") if path.is_dir()]
        return sorted(labels, key=natural)

    def folders(self, subject: str, kind: str = "func") -> Iterator[Path]:
        """Give the folders ``func``, or of another kind, of a subject, in and out of sessions."""
        home = self.root / f"sub-{subject}"
        yield home / kind
        for session in self.labels("ses", home):
            yield home / f"ses-{session}" / kind

    def folder_of(self, entities: Mapping[str, str]) -> Path:
        """Give the folder ``func`` in which files of these entities lie."""
        session = [f"ses-{entities['ses']}"] if "ses" in entities else []
        return self.root.joinpath(f"sub-{entities['sub']}", *session, "func")

    def inherited(
        self,
        entities: Mapping[str, str],
        suffixes: Collection[str],
        extensions: Collection[str],
        *,
        required: Mapping[str, str] | None = None,
    ) -> BidsName | None:
        """Find the file that speaks for files of some entities: the nearest, from `folder_of` up.

        Parameters
        ----------
        entities : mapping of str to str
        suffixes, extensions : collection of str
            Those that it may have.
        required : mapping of str to str, optional
            Entities that it must have, of those in ``entities``.

        Returns
        -------
        BidsName or None

        Raises
        ------
        InputError
            If two files of one folder would speak for them.
        """
        found = self._levels(entities, suffixes, extensions, required or {})
        return next(found, None)

    def metadata(self, entities: Mapping[str, str], suffix: str) -> dict[str, Any]:
        """Merge the JSON files that speak for files of some entities; the nearer ones win.

        Raises
        ------
        InputError
            If one cannot be read.
        """
        merged: dict[str, Any] = {}
        for name in self._levels(entities, [suffix], [".json"], {}):
            merged = {**read_json(name.path), **merged}
        return merged

    def _levels(
        self,
        entities: Mapping[str, str],
        suffixes: Collection[str],
        extensions: Collection[str],
        required: Mapping[str, str],
    ) -> Iterator[BidsName]:
        """Give the file that speaks for the entities in each folder, the nearest first."""
        folder = self.folder_of(entities)
        for level in (folder, *folder.parents):
            fitting = [
                name
                for name in self.names_in(level)
                if name.suffix in suffixes
                and name.extension in extensions
                and name.speaks_for(entities)
                and name.has(required)
            ]
            if fitting:
                most = max(len(name.entities) for name in fitting)
                best = [name for name in fitting if len(name.entities) == most]
                if len(best) > 1:
                    raise InputError(
                        f"{best[0].path} and {best[1].path.name} are both for the same run: "
                        "remove one of them"
                    )
                yield best[0]
            if level == self.root:
                return


def check_link(path: Path) -> None:
    """Refuse a link to nothing, as git-annex has it for what was not fetched.

    Raises
    ------
    InputError
        Naming it.
    """
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"{path}: is a link to a file that is not there: fetch it, perhaps with 'datalad get'"
        )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of one object.

    Raises
    ------
    InputError
        If it is no such file.
    """
    check_link(path)
    try:
        content = json.loads(read_regular(path).decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold one JSON object, {{...}}")
    return content
