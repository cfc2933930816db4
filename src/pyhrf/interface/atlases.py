"""The regions of a model: atlases, maskers and sizes, turned into the file of a parcellation."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.errors import InputError
from pyhrf.interface.given import Given
from pyhrf.interface.images import is_image, is_surface_image, written_labels
from pyhrf.spaces.parcellations import names_file, names_table, parcel_names


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
    if numbers[-1] > max(names):
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
        f"{argument} is of the type {type(image).__name__}: give an image, a path, an atlas of "
        "nilearn, or a whole number (an experiment is for the estimators of one parcel, in "
        "pyhrf.estimators)"
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
