"""Parcels of a participant: cut from the brain mask, or an atlas brought onto the BOLD grid."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.bids.files import keep_first, write_json
from pyhrf.errors import InputError
from pyhrf.inputs.bids_names import read_json
from pyhrf.notices import Figures, Note
from pyhrf.parcellation.edit import merge_small, split_mask
from pyhrf.parcellation.resample import resample_labels
from pyhrf.spaces.grid import Grid
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.volumes import Volume, check_oriented, grid_difference, open_volume
from pyhrf.spaces.voxels import read_volume
from pyhrf.wording import named

Labels = NDArray[np.int32]
_HALF = 0.5  # of a voxel, to both sides of its centre
_SHOWN = 10
_USUALLY_SHARED = 0.8  # of the voxels of a mask, or nodes: fewer, and a run is cut off or moved


def make_parcels(
    bold: Volume, masks: Sequence[Path], parcellation: Path | int, *, smallest: int = 1
) -> tuple[Labels, list[str]]:
    """Make the parcels of the runs of a participant.

    Parameters
    ----------
    bold : Volume
        A run, on whose grid they are to lie.
    masks : sequence of Path
        Brain masks of the runs; parcels are where all of them are.
    parcellation : Path or int
        An atlas; or the size of parcels, voxels at most.
    smallest : int
        How many voxels a parcel that is cut needs: those of smaller ones are left out.

    Returns
    -------
    labels : int32 array, shape of the grid
    notes : list of str
        What was done to the atlas, and what was left out.

    Raises
    ------
    InputError
        If a file cannot be used, or the atlas misses the brain.
    """
    brain, of_masks = _brain(bold, masks)
    if isinstance(parcellation, int):
        if brain is None or not brain.any():
            raise InputError(f"{masks[0]}: the masks of the runs have no voxel in common")
        labels, notes = without_islands(
            split_mask(brain, size=parcellation), smallest=min(parcellation, smallest)
        )
        if not labels.any():
            raise InputError(
                f"{masks[0]}: no connected piece of what the masks of the runs have in common has "
                f"as many voxels as a parcel needs ({smallest})"
            )
        return labels, [*of_masks, *notes]
    atlas, labels = read_atlas(parcellation)
    _check_comparable(atlas, bold)
    n_parcels = _count(labels)
    notes = of_masks
    difference = grid_difference(atlas, bold)
    if difference is not None:
        try:
            resampled = resample_labels(
                labels, atlas.affine, target_shape=bold.grid, target_affine=bold.affine
            )
        except InputError as error:
            raise InputError(f"{parcellation}: {error}") from error
        form = "the atlas is resampled to the BOLD grid by nearest neighbour: {difference}"
        notes.append(Note(form, difference=Figures(difference)))
        notes += _lost(labels, resampled, atlas, bold)
        labels = resampled
    n_on_grid = _count(labels)
    if brain is not None:
        labels = np.where(brain, labels, 0).astype(np.int32)
    if not labels.any():
        raise InputError(
            f"{parcellation}: no parcel of the atlas lies in the brain mask {masks[0]}: "
            "are both in the same space?"
        )
    if (n_left := n_on_grid - _count(labels)) > 0:
        form = "{n} of {n_parcels} parcels of the atlas lie outside the brain mask"
        notes.append(Note(form, n=n_left, n_parcels=n_parcels))
    return labels, notes


def _lost(labels: Labels, resampled: Labels, atlas: Volume, bold: Volume) -> list[str]:
    """Say which parcels no voxel of the grid has: those outside, and those between its voxels."""
    numbers = np.unique(labels[labels != 0])
    missing = numbers[~np.isin(numbers, resampled)]
    if not missing.size:
        return []
    where = np.argwhere(np.isin(labels, missing))
    to_grid = np.linalg.inv(bold.affine) @ atlas.affine
    at = where @ to_grid[:3, :3].T + to_grid[:3, 3]
    inside = ((at > -_HALF) & (at < np.array(bold.grid) - _HALF)).all(axis=1)
    small = np.unique(labels[tuple(where[inside].T)])
    outside = np.setdiff1d(missing, small)
    return [
        Note(
            "{n} of {n_parcels} parcels of the atlas {why} ({shown})",
            n=len(some),
            n_parcels=len(numbers),
            why=why,
            shown=Figures(
                f"{', '.join(map(str, some[:_SHOWN]))}{', ...' if len(some) > _SHOWN else ''}"
            ),
        )
        for some, why in (
            (
                small,
                "are lost: they are so small that no voxel of the BOLD grid is nearest to them",
            ),
            (outside, "lie outside the BOLD grid"),
        )
        if len(some)
    ]


def _check_comparable(atlas: Volume, bold: Volume) -> None:
    """Refuse to bring an atlas to another grid where either place in space is made up."""
    if grid_difference(atlas, bold) is not None:
        check_oriented(atlas, bold)


def read_atlas(path: Path) -> tuple[Volume, Labels]:
    """Read an atlas in its own space.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    atlas = open_volume(path, n_dims=3)
    return atlas, whole_labels(path, read_volume(atlas), place="voxel").astype(np.int32)


def without_islands(
    labels: Labels, *, smallest: int, edges: NDArray[Any] | None = None
) -> tuple[Labels, list[str]]:
    """Leave no parcel that is too small to be estimated, and would fail in every run.

    Parameters
    ----------
    labels : int32 array
        Parcels that were cut.
    smallest : int
        Positions of a parcel at least. What is smaller joins a neighbour, which may then be larger
        than what was asked for; without neighbours it becomes background.
    edges : int array, shape (n_edges, 2), optional
        Neighbours, where they are not those of voxels.

    Returns
    -------
    labels : int32 array
    notes : list of str
        One if any position was left out.
    """
    merged = merge_small(labels, smallest=smallest, edges=edges)
    islands = (merged > 0) & (np.bincount(merged.ravel())[merged] < smallest)
    n_left_out = int(np.count_nonzero(islands))
    if not n_left_out:
        return merged, []
    merged[islands] = 0
    place = "voxel" if edges is None else "node"
    one = n_left_out == 1
    where = f"{'lies on an island' if one else 'lie on islands'} of fewer than"
    form = f"{{n}} of the {place}s {where} {{smallest}} and {'is' if one else 'are'} in no parcel"
    return merged, [Note(form, n=n_left_out, smallest=smallest)]


def _count(labels: Labels) -> int:
    return int(np.count_nonzero(np.unique(labels)))


def _brain(bold: Volume, masks: Sequence[Path]) -> tuple[NDArray[Any] | None, list[str]]:
    """Find the voxels that all masks hold; note a mask that takes many away from the others."""
    brain: NDArray[Any] | None = None
    sizes = []
    for path in masks:
        mask = open_volume(path, n_dims=3)
        difference = grid_difference(mask, bold)
        if difference:
            if mask.grid == bold.grid:
                check_oriented(mask, bold)
            raise InputError(f"{path}: does not lie on the grid of {bold.path}: {difference}")
        values = read_volume(mask)
        if not np.isfinite(values).all():
            raise InputError(f"{path}: the mask holds NaN or infinite values")
        sizes.append(int(np.count_nonzero(values > 0)))
        brain = values > 0 if brain is None else brain & (values > 0)
    if brain is None:
        return None, []
    shared = shared_notes(masks, sizes, int(brain.sum()), runs="masks of the runs", of="voxels")
    return brain, shared


def shared_notes(
    paths: Sequence[Path], sizes: Sequence[int], n_shared: int, *, runs: str, of: str
) -> list[str]:
    """Name the run that takes much away from what the others have.

    Parameters
    ----------
    paths : sequence of Path
        The file of each run that says where its data are.
    sizes : sequence of int
        How many voxels or nodes are in each.
    n_shared : int
        How many are in all.
    runs, of : str
        What the files are, and what is counted.

    Returns
    -------
    list of str
        Empty if the runs share about all.
    """
    usual = float(np.median(sizes))
    if n_shared >= _USUALLY_SHARED * usual:
        return []
    least = int(np.argmin(sizes))
    return [
        Note(
            "the {runs} have only {n} {of} in common, where one has {usual:.0f} in the median; the "
            "smallest, of {size}, is {path}: if that run is faulty, leave it out with {option}",
            runs=runs,
            n=n_shared,
            of=of,
            usual=usual,
            size=sizes[least],
            path=paths[least],
            option=named("run"),
        )
    ]


def provide_parcels(
    folder: Path,
    bold: Volume,
    masks: Sequence[Path],
    parcellation: Path | int,
    *,
    smallest: int = 1,
) -> tuple[Path, list[str]]:
    """Make the parcels of a participant in a folder, or find those of the same files there.

    Cutting a whole brain takes seconds, and a rerun would do it for everyone. The name of the file
    says what the parcels are made of, and it is never written again: a run that works on others,
    or results of them, may need it.

    Parameters
    ----------
    folder : Path
        Where they are kept; made when missing.
    bold, masks, parcellation, smallest
        As for `make_parcels`.

    Returns
    -------
    path : Path
        Named by the atlas, or by the size of the parcels, and a digest.
    notes : list of str
        What was done to the atlas, and what was left out.

    Raises
    ------
    InputError
        As `make_parcels`; or if a file cannot be read or written.
    """
    if not isinstance(parcellation, int):
        _check_comparable(open_volume(parcellation, n_dims=3), bold)
    where = repr((bold.grid, bold.affine.tolist()))
    needed = (smallest,) if isinstance(parcellation, int) else ()
    digest = digest_of(where, (parcellation, *needed, *masks))[:16]
    stem = f"parcels-{_spoken(parcellation)}-{digest}"
    path, about = folder / f"{stem}.nii.gz", folder / f"{stem}.json"
    # The notes are written last, so that parcels with them are whole.
    if path.is_file() and about.is_file():
        return path, [str(note) for note in read_json(about).get("notes", [])]
    labels, notes = make_parcels(bold, masks, parcellation, smallest=smallest)
    keep_first(path, Grid.of(bold).label_bytes(labels))
    write_json(about, {"notes": notes})
    return path, notes


def _spoken(parcellation: Path | int) -> str:
    """Say in a file name where parcels are from: reports name the file."""
    if isinstance(parcellation, int):
        return f"of-{parcellation}-voxels"
    return re.sub(r"[^\w.-]", "_", parcellation.name.removesuffix(".gz").removesuffix(".nii"))[:80]


def digest_of(where: str, of: Sequence[Path | int]) -> str:
    """Sum up all that parcels depend on.

    Parameters
    ----------
    where : str
        What is to be known of where they lie.
    of : sequence of Path or int
        Files, whose content counts, and numbers.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    content = hashlib.sha256(where.encode())
    for one in of:
        try:
            known = str(one).encode() if isinstance(one, int) else one.read_bytes()
        except OSError as error:
            raise InputError(f"{one}: cannot be read: {error.strerror or error}") from error
        content.update(hashlib.sha256(known).digest())
    return content.hexdigest()
