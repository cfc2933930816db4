"""``pyhrf parcellate``: make and edit parcellations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from pyhrf.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pyhrf.inputs.volumes import Volume

__all__ = ["parcellate"]

_CONTEXT = {"help_option_names": ["-h", "--help"]}
_file = click.Path(path_type=Path)
_source = click.argument("source", type=_file, metavar="FILE")
_output = click.option(
    "-o",
    "output",
    type=_file,
    default="parcellation.nii.gz",
    show_default=True,
    help="File to write, .nii.gz; one that is there is not written over.",
)


@click.group(short_help="Make and edit parcellations.", context_settings=_CONTEXT)
def parcellate() -> None:
    """Make and edit parcellations: NIfTI files of one whole number per voxel, 0 for background."""


@parcellate.command(context_settings=_CONTEXT)
@_source
@click.option(
    "--size",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Voxels of a parcel at most.",
)
@_output
def mask(source: Path, size: int, output: Path) -> None:
    """Cut a mask into connected parcels of bounded size."""
    from pyhrf.inputs.volumes import open_volume
    from pyhrf.inputs.voxels import read_volume
    from pyhrf.parcellation.edit import split_mask

    _check_output(output)
    volume = open_volume(source, n_dims=3)
    values = read_volume(volume)
    if not np.isfinite(values).all():
        raise InputError(f"{source}: the mask holds NaN or infinite values")
    _write(_named(source, lambda: split_mask(values, size=size)), volume, output)


@parcellate.command(context_settings=_CONTEXT)
@_source
@_output
def contiguous(source: Path, output: Path) -> None:
    """Give each connected piece of a parcel a number of its own."""
    from pyhrf.parcellation.edit import make_contiguous

    _edit(source, output, make_contiguous)


@parcellate.command(context_settings=_CONTEXT)
@_source
@click.option(
    "--smallest",
    type=click.IntRange(min=1),
    required=True,
    help="Parcels of fewer voxels are merged with the neighbour that they touch most.",
)
@_output
def merge(source: Path, smallest: int, output: Path) -> None:
    """Merge small parcels with their neighbours."""
    from pyhrf.parcellation.edit import merge_small

    _edit(source, output, lambda labels: merge_small(labels, smallest=smallest))


@parcellate.command(context_settings=_CONTEXT)
@_source
@click.argument("numbers", type=int, nargs=-1, required=True)
@_output
def extract(source: Path, numbers: tuple[int, ...], output: Path) -> None:
    """Keep the parcels of these NUMBERS."""
    from pyhrf.parcellation.edit import extract as keep

    _edit(source, output, lambda labels: keep(labels, numbers))


@parcellate.command(context_settings=_CONTEXT)
@_source
@click.option(
    "--onto", type=_file, required=True, metavar="BOLD", help="4D NIfTI on whose grid it is to lie."
)
@_output
def resample(source: Path, onto: Path, output: Path) -> None:
    """Bring an atlas onto the grid of the data, each voxel by its nearest neighbour."""
    from pyhrf.inputs.labels import whole_labels
    from pyhrf.inputs.volumes import open_volume
    from pyhrf.inputs.voxels import read_volume
    from pyhrf.parcellation.resample import resample_labels

    _check_output(output)
    atlas, bold = open_volume(source, n_dims=3), open_volume(onto, n_dims=4)
    labels = whole_labels(source, read_volume(atlas), place="voxel")

    def work() -> Any:
        return resample_labels(
            labels, atlas.affine, target_shape=bold.grid, target_affine=bold.affine
        )

    resampled = _named(source, work)
    n_before, n_after = (np.count_nonzero(np.unique(one)) for one in (labels, resampled))
    _write(resampled, bold, output)
    click.echo(f"resampled by nearest neighbour: {n_after} of {n_before} parcels lie on the grid")


def _edit(source: Path, output: Path, change: Callable[[Any], Any]) -> None:
    """Read a parcellation, change it and write it."""
    from pyhrf.inputs.labels import whole_labels
    from pyhrf.inputs.volumes import open_volume
    from pyhrf.inputs.voxels import read_volume

    _check_output(output)
    volume = open_volume(source, n_dims=3)
    labels = whole_labels(source, read_volume(volume), place="voxel").astype(np.int32)
    _write(_named(source, lambda: change(labels)), volume, output)


def _named(source: Path, work: Callable[[], Any]) -> Any:
    """Name the file in what is wrong with its content."""
    try:
        return work()
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _check_output(path: Path) -> None:
    if not path.name.endswith(".nii.gz"):
        raise ConfigError(f"{path}: parcellations are written as .nii.gz: choose such a name (-o)")
    if path.exists():
        raise ConfigError(f"{path} is there and is not written over: choose another name with -o")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.absolute().parent}: make it first")


def _write(labels: Any, volume: Volume, path: Path) -> None:
    from pyhrf.results import Grid

    grid = Grid(labels, volume.affine, volume.header)
    stem = path.with_name(path.name.removesuffix(".nii.gz"))
    grid.write(stem, "parcels", [labels.reshape(-1)], dtype=np.int32, n_samples=None, step=None)
    sizes = np.unique(labels[labels > 0], return_counts=True)[1]
    click.echo(
        f"{path}: {len(sizes)} parcels of {sizes.min()} to {sizes.max()} voxels "
        f"(median {np.median(sizes):g})"
    )
