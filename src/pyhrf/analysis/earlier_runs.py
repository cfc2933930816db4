"""Results of an earlier run of a pool that had not come home when one of its studies changed.

An engine on other machines knows the work by all that it depends on, which is what all studies of
the pool depend on. When a study of them was mended meanwhile, the results of the others there are
as good as before: they are fetched as the work that they were, and numbered anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyhrf.analysis.work import bring_home
from pyhrf.errors import InputError
from pyhrf.execution.directory_lock import DirectoryLock
from pyhrf.execution.engine import BatchResult, Engine
from pyhrf.execution.engines import tell_workflow
from pyhrf.execution.runner import Keeper
from pyhrf.execution.together import Numbering
from pyhrf.files import write_whole

LOCK = "lock"
"""File, in the folder of a run, that holds it against another of the same studies."""

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Identity:
    """What the work of a pool depends on.

    Attributes
    ----------
    numbering : Numbering
    keys : tuple of mapping of str to str
        Everything that the results of each study depend on, in the order of the numbering.
    """

    numbering: Numbering
    keys: tuple[Mapping[str, str], ...]

    def as_json(self) -> list[object]:
        """Give it as JSON can hold it."""
        studies = [
            [name, dict(key)] for name, key in zip(self.numbering.names, self.keys, strict=True)
        ]
        return [self.numbering.step, studies]

    @classmethod
    def load(cls, folder: Path, engine: str) -> Identity | None:
        """Read that of the latest run on an engine; None if there is none to be understood."""
        try:
            step, studies = json.loads(_file(folder, engine).read_bytes())
            names = tuple(str(name) for name, _ in studies)
            return cls(Numbering(names, int(step)), tuple(dict(key) for _, key in studies))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, folder: Path, engine: str) -> None:
        """Write it for a run to come.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        write_whole(_file(folder, engine), json.dumps(self.as_json()).encode(), durable=True)


class _Renumbered:
    """Keeps results of an earlier run under the numbers of this one, of unchanged studies."""

    def __init__(self, journal: Keeper, old: Identity, new: Identity) -> None:
        self.directory = journal.directory
        self._journal, self._old, self._new = journal, old, new
        self._done = journal.done()
        keys = dict(zip(new.numbering.names, new.keys, strict=True))
        places = {name: place for place, name in enumerate(new.numbering.names)}
        self._place_of = {
            place: places[name]
            for place, (name, key) in enumerate(zip(old.numbering.names, old.keys, strict=True))
            if keys.get(name) == key
        }

    @property
    def n_shared(self) -> int:
        """Studies of the earlier run that are in this one as they were."""
        return len(self._place_of)

    def done(self) -> set[int]:
        """Nothing: what is done is known by other numbers."""
        return set()

    def add(self, result: BatchResult) -> None:
        """Keep what is missing of a result."""
        kept = []
        for estimate in result.estimates:
            study, parcel = self._old.numbering.split(estimate.parcel)
            if study in self._place_of:
                number = self._new.numbering.whole(self._place_of[study], parcel)
                if number not in self._done:
                    kept.append(replace(estimate, parcel=number))
        if kept:
            batch = replace(result.batch, parcels=tuple(each.parcel for each in kept))
            self._journal.add(replace(result, batch=batch, estimates=kept))
            self._done.update(batch.parcels)


def bring_home_all(
    engine: Engine, journal: Keeper, identity: Identity, folder: Path, *, fresh: bool, tell: Tell
) -> None:
    """Keep what an engine on other machines finished in earlier runs and did not bring home.

    Parameters
    ----------
    engine : Engine
    journal : Keeper
        Of all studies.
    identity : Identity
        Of this run.
    folder : Path
        Of the run, where its identity is kept for the next one; runs of other studies have theirs
        beside it.
    fresh : bool
        Whether what is there is to be removed instead.
    tell : callable
        Told of work of other runs that may still be running.

    Raises
    ------
    InputError
        If the folder cannot be written.
    EngineError
        If the engine cannot reach what it left.
    """
    if not engine.resumes:
        return
    if not fresh:
        for other in sorted(folder.parent.glob(f"*/{_file(folder, engine.name).name}")):
            if other.parent != folder:
                _take_from_other(engine, journal, identity, other.parent, folder, tell)
    old = Identity.load(folder, engine.name)
    if old is not None and old != identity:
        if not fresh:
            bring_home(engine, _Renumbered(journal, old, identity), old.as_json(), fresh=False)
        bring_home(engine, journal, old.as_json(), fresh=True)
    bring_home(engine, journal, identity.as_json(), fresh=fresh)
    try:
        identity.save(folder, engine.name)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror or error})") from error


def _take_from_other(
    engine: Engine, journal: Keeper, identity: Identity, other: Path, folder: Path, tell: Tell
) -> None:
    """Bring home what a run of other studies finished for those that it shares with ours."""
    old = Identity.load(other, engine.name)
    if old is None:
        return
    renumbered = _Renumbered(journal, old, identity)
    if renumbered.n_shared == 0:
        return
    try:
        lock = DirectoryLock(other / LOCK, owner=other)
    except (InputError, OSError):
        return  # it still works, and brings them home itself
    try:
        engine.folder = other / engine.name
        bring_home(engine, renumbered, old.as_json(), fresh=False)
        if renumbered.n_shared == len(old.keys):
            bring_home(engine, journal, old.as_json(), fresh=True)
            _file(other, engine.name).unlink(missing_ok=True)
        else:
            tell_workflow(other, tell=tell)
    finally:
        engine.folder = folder / engine.name
        lock.release()


def _file(folder: Path, engine: str) -> Path:
    return folder / f"identity-{engine}.json"
