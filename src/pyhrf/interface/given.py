"""What a user of Python gives as data, turned into the files that a study names."""

from __future__ import annotations

import shutil
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
    written_labels,
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
from pyhrf.spaces.parcellations import names_file, names_table, parcel_names
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
            else _path(image)
        )
        if isinstance(events, Mapping) and not is_table(events):
            run["times"] = [
                {"condition": str(name), "file": _path(path)} for name, path in events.items()
            ]
        elif is_table(events):
            run["paradigm"] = written_events(events, number, folder)
        else:
            run["paradigm"] = _path(events)
        if confounds is not None:
            run["confounds"] = (
                written_table(confounds, folder / f"confounds of run {number}.tsv")
                if is_table(confounds)
                else _path(confounds)
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


def written_parcellation(
    parcellation: Any, mask: Any, meshes: Sequence[Path], folder: Path
) -> Path:
    """Give the file of the parcellation that a model has, with the names of its regions beside it.

    Parameters
    ----------
    parcellation : object
        A path, an image, nilearn's ``Bunch`` of an atlas, a masker of labels, or the size of the
        parcels into which the mask is cut.
    mask : path or image, optional
        Outside of it is no parcel.
    meshes : sequence of Path
        On which the data lie.
    folder : Path
        Where what is in memory is written.

    Raises
    ------
    InputError
        If it is nothing of that.
    """
    if mask is None and hasattr(parcellation, "labels_img"):
        mask = parcellation.mask_img  # that of the masker
    mask_file = None if mask is None else _label_file(mask, folder, "mask", "mask_img")
    if isinstance(parcellation, int | np.integer) and not isinstance(parcellation, bool):
        if mask_file is None:
            raise InputError(
                f"parcellation={parcellation} cuts a mask into parcels of that size: "
                "give the mask (mask_img)"
            )
        return _cut(mask_file, int(parcellation), meshes, folder)
    image, names = atlas_of(parcellation)
    path = _label_file(image, folder, "parcellation", "parcellation")
    if names and getattr(parcellation, "lut", None) is None:
        names = _by_number(names, path, meshes)
    if mask_file is not None:
        names = names or parcel_names(path)
        path = _masked(path, mask_file, meshes, folder)
    return _with_names(path, names, folder) if names else path


def _with_names(path: Path, names: Mapping[int, str], folder: Path) -> Path:
    """Put the names of regions beside a parcellation, of which a copy is made for that."""
    if path.parent != folder:
        copy = folder / f"parcellation{''.join(path.suffixes[-2:])}"
        shutil.copyfile(path, copy)
        path = copy
    names_file(path).write_bytes(names_table(names))
    return path


def check_same_kind(given: Given, others: Mapping[str, Any]) -> None:
    """Refuse images of volumes beside those of surfaces, which have no position in common.

    Raises
    ------
    InputError
        Naming the parameter.
    """
    for name, value in others.items():
        image = None if value is None or isinstance(value, int) else atlas_of(value)[0]
        if is_image(image) and is_surface_image(image) != given.on_surface:
            if given.on_surface:
                raise InputError(f"{name} must be a SurfaceImage on the mesh of run_imgs")
            raise InputError(f"{name} is a SurfaceImage, and run_imgs are none")


def atlas_of(parcellation: Any) -> tuple[Any, dict[int, str]]:
    """Give image or path of an atlas, and the name of each region by its number.

    Raises
    ------
    InputError
        If there is none, or as an atlas of probabilities it holds several for each position.
    """
    if parcellation is None:
        raise InputError(
            "no parcellation is given: parcellation= takes an image or path of whole numbers on "
            "the grid of the data, an atlas of nilearn, or a size with mask_img"
        )
    labels_img = getattr(parcellation, "labels_img", None)  # a masker
    if labels_img is not None:
        background = getattr(parcellation, "background_label", 0)
        if background:
            raise InputError(
                f"the masker has background_label={background}, and here 0 is what lies outside "
                "of all regions: give it an image with 0 there"
            )
        lut = getattr(parcellation, "lut", None)
        return labels_img, _region_names(getattr(parcellation, "labels", None), lut)
    maps = getattr(parcellation, "maps", None)  # a Bunch
    if maps is not None:
        if getattr(maps, "shape", ())[3:] > (1,):
            raise InputError(
                "the atlas holds one map of probabilities for each region: give one with a number "
                "for each voxel, as nilearn's of the kind 'deterministic'"
            )
        lut = getattr(parcellation, "lut", None)
        return maps, _region_names(getattr(parcellation, "labels", None), lut)
    return parcellation, {}


def _region_names(labels: Any, lut: Any) -> dict[int, str]:
    """Give the names of the regions; the table of an atlas tells them, else their order."""
    if lut is not None and {"index", "name"} <= set(getattr(lut, "columns", ())):
        return {int(k): str(name) for k, name in zip(lut["index"], lut["name"], strict=True)}
    if labels is None:
        return {}
    names = [one.decode() if isinstance(one, bytes) else str(one) for one in labels]
    first = 0 if names and names[0].lower() == "background" else 1
    return {k: name for k, name in enumerate(names, start=first) if k}


def _by_number(names: dict[int, str], path: Path, meshes: Sequence[Path]) -> dict[int, str]:
    """Give names to the numbers that an atlas has, which need not be 1, 2, …: in their order."""
    from pyhrf.spaces.parcellations import open_placed

    labels = open_placed(path, meshes).labels()
    numbers = np.unique(labels[labels > 0]).tolist()
    if len(numbers) == len(names):
        return dict(zip(numbers, names.values(), strict=True))
    if numbers[-1] > max(len(names), len(numbers)):
        raise InputError(
            f"the atlas has {len(names)} names (labels) for {len(numbers)} regions with numbers up "
            f"to {numbers[-1]}, so that it cannot be told whose they are: give a name for each "
            "region, or a table with the columns index and name (lut)"
        )
    return names


def _label_file(image: Any, folder: Path, stem: str, argument: str) -> Path:
    if is_image(image):
        return written_labels(image, folder, stem)
    if isinstance(image, str | Path):
        return Path(image).absolute()
    raise InputError(
        f"{argument} is of the type {type(image).__name__}: give an image, a path, or an atlas of "
        "nilearn (an experiment is for the estimators of one parcel, in pyhrf.estimators)"
    )


def _cut(mask: Path, size: int, meshes: Sequence[Path], folder: Path) -> Path:
    from pyhrf.parcellation.edit import split_mask
    from pyhrf.spaces.parcellations import open_placed

    placed = open_placed(mask, meshes)
    labels = split_mask(placed.mask(), size=size, edges=placed.space.edges)
    return _write_labels(labels, placed, folder)


def _masked(path: Path, mask: Path, meshes: Sequence[Path], folder: Path) -> Path:
    """Leave out what of a parcellation is outside of a mask."""
    from pyhrf.spaces.grid import Grid
    from pyhrf.spaces.parcellations import open_placed
    from pyhrf.spaces.volumes import grid_difference, open_volume

    placed, inside = open_placed(path, meshes), open_placed(mask, meshes)
    if placed.values.shape != inside.values.shape:
        raise InputError(
            f"mask_img has {_sizes(inside.values)} values and the parcellation "
            f"{_sizes(placed.values)}: resample the one to the grid of the other"
        )
    if isinstance(placed.space, Grid):
        difference = grid_difference(open_volume(mask, n_dims=3), open_volume(path, n_dims=3))
        if difference:
            raise InputError(
                f"mask_img does not lie on the parcellation: {difference}; resample it"
            )
    return _write_labels(np.where(inside.mask(), placed.labels(), 0), placed, folder)


def _sizes(values: Any) -> str:
    return " x ".join(map(str, values.shape))


def _write_labels(labels: Any, placed: Any, folder: Path) -> Path:
    path = folder / f"parcels{placed.space.label_ending}"
    placed.space.write_labels(path, labels.astype(np.int32))
    return path


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


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path):
        raise InputError(
            f"a value of the type {type(value).__name__} is given where a table or a path is needed"
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
