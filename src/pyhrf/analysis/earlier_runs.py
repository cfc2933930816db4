"""Results of earlier runs that lie elsewhere: brought home, as far as they are as good as before.

An engine on other machines knows the work by all that it depends on, which is what all studies of
the run depend on. When a study of them was mended meanwhile, the results of the others there are
as good as before: they are fetched as the work that they were, under the new places of their
studies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pyhrf.data import ParcelId
from pyhrf.errors import InputError
from pyhrf.execution.directory_lock import DirectoryLock
from pyhrf.execution.engine import Engine
from pyhrf.execution.engines import tell_workflow
from pyhrf.execution.together import Journals
from pyhrf.files import write_whole

LOCK = "lock"
"""File, in the folder of a run, that holds it against another of the same studies."""

Tell = Callable[[str], object]


def bring_home(
    engine: Engine,
    journals: Journals,
    key: object,
    *,
    fresh: bool,
    find: Callable[[ParcelId], ParcelId | None] = lambda parcel: parcel,
) -> None:
    """Keep what an engine on other machines finished in earlier runs and did not bring home.

    Parameters
    ----------
    engine : Engine
    journals : Journals
    key : object
        Everything that the results depend on, of what JSON can hold.
    fresh : bool
        Whether that is to be removed instead.
    find : callable
        Gives the place in this run of a parcel of the earlier one; None if it has none.
    """
    if not engine.resumes:
        return
    # Work that continues elsewhere is found by the notes beside the journal, which move with it.
    where = "" if engine.detaches else str(journals.directory)
    results = engine.resume(json.dumps([where, key]), fresh=fresh)
    done = journals.done() if results else set()
    for result in results:
        kept = {}
        for parcel, estimate in zip(result.batch.parcels, result.estimates, strict=True):
            here = find(parcel)
            if here is not None and here not in done:
                kept[here] = replace(estimate, parcel=here.number)
        if kept:
            batch = replace(result.batch, parcels=tuple(kept))
            journals.add(replace(result, batch=batch, estimates=list(kept.values())))
            done.update(kept)


@dataclass(frozen=True)
class Identity:
    """What the work of many studies depends on.

    Attributes
    ----------
    studies : tuple of (str, mapping of str to str)
        Name of each study, and everything that its results depend on, in their order.
    step : int
        Of a run of an older version, which numbered the parcels of all studies through: those of
        study i began behind i + 1 times this.
    """

    studies: tuple[tuple[str, Mapping[str, str]], ...]
    step: int = 0

    def as_json(self) -> list[object]:
        """Give it as JSON can hold it."""
        studies: list[object] = [[name, dict(key)] for name, key in self.studies]
        return [self.step, studies] if self.step else studies

    @classmethod
    def load(cls, folder: Path, engine: str) -> Identity | None:
        """Read that of the latest run on an engine; None if there is none to be understood."""
        try:
            content = json.loads(_file(folder, engine).read_bytes())
            step, studies = content if isinstance(content[0], int) else (0, content)
            return cls(tuple((str(name), dict(key)) for name, key in studies), step)
        except (OSError, ValueError, TypeError, IndexError):
            return None

    def save(self, folder: Path, engine: str) -> None:
        """Write it for a run to come.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        write_whole(_file(folder, engine), json.dumps(self.as_json()).encode(), durable=True)

    def n_shared(self, other: Identity) -> int:
        """Count the studies that are in another run as they are here."""
        return sum(study in other.studies for study in self.studies)

    def find_in(self, other: Identity, parcel: ParcelId) -> ParcelId | None:
        """Find a parcel of this run in another; None if its study is not there as it is here."""
        study, number = parcel
        if self.step:
            study, number = divmod(number, self.step)
            study -= 1
        known = self.studies[study]
        return ParcelId(other.studies.index(known), number) if known in other.studies else None


def bring_home_all(
    engine: Engine, journals: Journals, identity: Identity, folder: Path, *, fresh: bool, tell: Tell
) -> None:
    """Bring home what earlier runs finished for many studies.

    Parameters
    ----------
    engine : Engine
    journals : Journals
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
                _take_from_other(engine, journals, identity, other.parent, folder, tell)
    old = Identity.load(folder, engine.name)
    if old is not None and old != identity:
        if not fresh:
            find = partial(old.find_in, identity)
            bring_home(engine, journals, old.as_json(), fresh=False, find=find)
        bring_home(engine, journals, old.as_json(), fresh=True)
    bring_home(engine, journals, identity.as_json(), fresh=fresh)
    try:
        identity.save(folder, engine.name)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror or error})") from error


def _take_from_other(
    engine: Engine, journals: Journals, identity: Identity, other: Path, folder: Path, tell: Tell
) -> None:
    """Bring home what a run of other studies finished for those that it shares with ours."""
    old = Identity.load(other, engine.name)
    if old is None or not old.n_shared(identity):
        return
    try:
        lock = DirectoryLock(other / LOCK, owner=other)
    except (InputError, OSError):
        return  # it still works, and brings them home itself
    try:
        engine.folder = other / engine.name
        find = partial(old.find_in, identity)
        bring_home(engine, journals, old.as_json(), fresh=False, find=find)
        if old.n_shared(identity) == len(old.studies):
            bring_home(engine, journals, old.as_json(), fresh=True)
            _file(other, engine.name).unlink(missing_ok=True)
        else:
            tell_workflow(other, tell=tell)
    finally:
        engine.folder = folder / engine.name
        lock.release()


def _file(folder: Path, engine: str) -> Path:
    return folder / f"identity-{engine}.json"
