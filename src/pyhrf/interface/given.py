"""What a user of Python gives as data, turned into the files that a study names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.errors import InputError, PyhrfError
from pyhrf.interface.images import (
    as_list,
    is_image,
    is_surface_image,
    written_series,
)
from pyhrf.interface.tables import (
    is_table,
    kept,
    kept_confounds,
    written_censored,
    written_events,
    written_table,
)
from pyhrf.wording import tables_in


@dataclass(frozen=True)
class Given:
    """Runs as a user of Python has them, checked as far as that goes without their values.

    Attributes
    ----------
    images, events, confounds, sample_masks : list
        One of each for every run; None where a run has none.
    starts : list of float
        When the first scan of each run was acquired, seconds.
    t_r : float or None
        Seconds between scans.
    is_list : bool
        Whether they came as a list.
    """

    images: list[Any]
    events: list[Any]
    confounds: list[Any]
    sample_masks: list[Any]
    starts: list[float]
    t_r: float | None
    is_list: bool

    @classmethod
    def checked(
        cls,
        run_imgs: Any,
        events: Any,
        confounds: Any,
        sample_masks: Any,
        *,
        start_time: Any = None,
        t_r: float | None = None,
    ) -> Given:
        """Take what `fit` was given.

        Raises
        ------
        InputError
            If something is of the wrong kind, or there are not as many as runs.
        """
        images = as_list(run_imgs)
        if not images:
            raise InputError("run_imgs is an empty list: give one image for each run")
        for image in images:
            _check_image(image)
        if events is None:
            raise InputError(
                "events are missing: give a table of onset, duration and trial_type for each run "
                "(events=)"
            )
        if t_r is None and any(is_surface_image(image) for image in images):
            raise InputError(
                "a SurfaceImage does not say the time between scans: give t_r, seconds"
            )
        _check_meshes(images)
        return cls(
            images,
            [kept(one) for one in _for_each_run("events", events, len(images))],
            [kept_confounds(one) for one in _for_each_run("confounds", confounds, len(images))],
            [kept(one) for one in _for_each_run("sample_masks", sample_masks, len(images))],
            [_seconds(one) for one in _for_each_run("start_time", start_time, len(images))],
            t_r,
            isinstance(run_imgs, list | tuple),
        )

    @property
    def on_surface(self) -> bool:
        """Whether the images are nilearn's SurfaceImage."""
        return is_surface_image(self.images[0])

    @property
    def has_table_of_confounds(self) -> bool:
        """Whether confounds are given as tables or arrays, of which all columns are meant."""
        return any(is_table(one) for one in self.confounds)

    def written(self, folder: Path) -> list[dict[str, Any]]:
        """Write what is in memory to a folder; give the files of each run, as a study names them.

        Raises
        ------
        InputError
            If a table cannot be used.
        """
        return [self._written_run(number, folder) for number in range(1, len(self.images) + 1)]

    def _written_run(self, number: int, folder: Path) -> dict[str, Any]:
        k = number - 1
        run: dict[str, Any] = {"start_time": self.starts[k]}
        image, events, confounds = self.images[k], self.events[k], self.confounds[k]
        run["bold"] = (
            written_series(image, folder, f"bold of run {number}", self.t_r)
            if is_image(image)
            else Path(image).absolute()
        )
        if isinstance(events, Mapping) and not is_table(events):
            run["times"] = [
                {"condition": str(name), "file": _path(path, f"events of {name!r} in run {number}")}
                for name, path in events.items()
            ]
        elif is_table(events):
            run["paradigm"] = written_events(events, number, folder)
        else:
            run["paradigm"] = _path(events, f"events of run {number}")
        if confounds is not None:
            run["confounds"] = (
                written_table(confounds, folder / f"confounds of run {number}.tsv")
                if is_table(confounds)
                else _path(confounds, f"confounds of run {number}")
            )
        if self.sample_masks[k] is not None:
            path = folder / f"censored scans of run {number}.txt"
            run["censored"] = written_censored(self.sample_masks[k], _n_scans(image), number, path)
        return run


@contextmanager
def in_words_of_memory(folder: Path) -> Iterator[None]:
    """Say of what was written to a folder for the analysis what it is, not where it is."""
    try:
        with tables_in(folder):
            yield
    except PyhrfError as error:
        error.args = (without_folder(str(error), folder),)
        raise


def without_folder(text: str, folder: Path) -> str:
    """Call files that were made of what is in memory by what they are."""
    for path in folder.iterdir() if folder.is_dir() else ():
        text = text.replace(str(path), path.name.partition(".")[0])
    return text


def _check_image(image: Any) -> None:
    if is_image(image) or isinstance(image, str | Path):
        return
    if hasattr(image, "shape"):
        raise InputError(
            f"run_imgs is an array of shape {tuple(image.shape)}, and an array does not say where "
            "its columns lie: give the image of the voxels, or its path. Means of regions have "
            "lost the voxels that this model needs; the voxels of a single parcel as an array are "
            "for pyhrf.estimators.JDEVEM(experiment).fit"
        )
    raise InputError(
        f"run_imgs holds a value of the type {type(image).__name__}: give images or their paths"
    )


def _for_each_run(name: str, value: Any, n_runs: int) -> list[Any]:
    """Give one value for each run; what is no list is that of all."""
    is_many = isinstance(value, list | tuple)
    if not is_many:
        return [value] * n_runs
    if len(value) != n_runs:
        raise InputError(
            f"{name} is a list of {len(value)}, but the number of images is {n_runs}: give one "
            "for each run, in the same order"
        )
    return list(value)


def _check_meshes(images: Sequence[Any]) -> None:
    """Refuse runs of a surface on another mesh than the first, as which they would be read."""
    if not all(map(is_surface_image, images)):
        return
    first = images[0].mesh.parts
    for number, image in enumerate(images[1:], start=2):
        parts = image.mesh.parts
        if parts is not first and not (
            list(parts) == list(first)
            and all(np.array_equal(parts[x].faces, first[x].faces) for x in first)
            and all(np.allclose(parts[x].coordinates, first[x].coordinates) for x in first)
        ):
            raise InputError(
                f"run_imgs of run {number} lies on another mesh than run 1: bring it to that mesh"
            )


def one_if_same(value: Any) -> Any:
    """Give the one value of a list whose values are all the same, for any number of runs."""
    some = list(value) if isinstance(value, list | tuple) else []
    return some[0] if some and all(one == some[0] for one in some) else value


def _seconds(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        raise InputError(
            f"start_time={value!r} is not a number: give seconds, or a list of them for each run"
        ) from None


def _path(value: Any, what: str) -> Path:
    if not isinstance(value, str | Path):
        raise InputError(
            f"{what}: a value of the type {type(value).__name__} is given where a table or a path "
            "is needed"
        )
    return Path(value).absolute()


def _n_scans(image: Any) -> int:
    if not is_image(image):
        from pyhrf.spaces.kinds import kind_of_file

        return kind_of_file(image).timing(Path(image)).n_scans[0]
    if hasattr(image, "darrays"):
        first = image.darrays[0].data
        return len(image.darrays) if first.ndim == 1 else len(first)
    if hasattr(image, "nifti_header") or is_surface_image(image):
        return int(image.shape[0 if hasattr(image, "nifti_header") else -1])
    return int(max(image.shape[3:], default=1))  # some have a further axis, of length 1
