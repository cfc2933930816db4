"""``pyhrf parcellate``: make and edit parcellations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from pyhrf.commands.build import BuildOptions, study_of
from pyhrf.commands.options import CONTEXT, FILE, check_output
from pyhrf.commands.parameter_options import take_parameters
from pyhrf.commands.study_commands import GROUPS
from pyhrf.errors import InputError

if TYPE_CHECKING:
    from pyhrf.spaces.space import Space

_WHAT = "such parcellations are"
_source = click.argument("source", type=FILE, metavar="FILE")
_meshes = click.option(
    "-g",
    "meshes",
    type=FILE,
    multiple=True,
    help="Mesh of FILE (GIFTI); for CIFTI, one -g for each cortical structure.",
)
_output = click.option(
    "-o",
    "output",
    type=FILE,
    help="File to write: .nii.gz, .label.gii for a mesh, .dlabel.nii for CIFTI. An existing file "
    "is not overwritten.  [default: parcellation with this ending]",
)
_size = click.option(
    "--size",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Largest parcel, in voxels or nodes.",
)
_OF_DATA = (
    *("bold", "meshes", "paradigm", "data__event_column", "data__amplitude_column", "spm"),
    *("data__tr", "confounds", "confounds__columns", "confounds__fd_threshold", "censored"),
)


@click.group(short_help="Make and edit parcellations.", context_settings=CONTEXT)
def parcellate() -> None:
    """Make and edit parcellations: one whole number per voxel or node, 0 for background.

    They are NIfTI, or with a mesh (-g) GIFTI or CIFTI.
    """


@parcellate.command(context_settings=CONTEXT)
@_source
@_meshes
@_size
@_output
def mask(source: Path, meshes: tuple[Path, ...], size: int, output: Path | None) -> None:
    """Cut a mask into connected parcels of bounded size."""
    from pyhrf.parcellation.edit import split_mask

    _make(
        source,
        meshes,
        output,
        lambda inside, edges: split_mask(inside, size=size, edges=edges),
        is_mask=True,
    )


@parcellate.command(context_settings=CONTEXT)
@click.argument("mask", type=FILE, metavar="MASK")
@_size
@click.option(
    "--smallest",
    type=click.IntRange(min=1),
    help="Smallest parcel, in voxels or nodes, as far as the mask allows.  [default: a tenth of "
    "--size]",
)
@click.option(
    "--parcels",
    "n_parcels",
    type=click.IntRange(min=1),
    default=1,
    help="Cut into at least this many parcels, before small ones are joined.",
)
@_output
def data(
    mask: Path,
    size: int,
    smallest: int | None,
    n_parcels: int,
    output: Path | None,
    **options: Any,
) -> None:
    """Cut MASK into connected parcels in which the data respond alike.

    Ward's clustering of neighbours, by the t values of a GLM: in every condition those of the
    canonical response and of its derivatives. The options of the data are those of
    pyhrf_jde_buildcfg. If MASK is a parcellation, no parcel crosses its borders.
    """
    if not options["bold"]:
        raise click.UsageError("give the BOLD data with -f")
    parameters = take_parameters(options)
    build = BuildOptions(**options, estimator="glm", parcellation=mask, parameters=parameters)
    if output is not None:
        check_output(output, output.name, _WHAT)
    smallest = max(size // 10, 1) if smallest is None else smallest
    if smallest > size:
        raise click.UsageError(f"--smallest {smallest} is above --size {size}")
    from pyhrf.parcellation.data import parcels_of_data
    from pyhrf.study_data import open_files

    notes: list[str] = []
    study = study_of(build, notes)
    dataset = open_files(study, study.data.runs, study.data.parcellation, study.data.meshes)
    output = _checked(output, dataset.space)
    for note in [*notes, *dataset.notes]:
        click.echo(f"note: {note}", err=True)
    places = f"{dataset.space.place}s"
    labels, n_unusable = parcels_of_data(dataset, size=size, smallest=smallest, n_parcels=n_parcels)
    if n_unusable:
        click.echo(
            f"note: {n_unusable} of {sum(dataset.parcels.values())} {places} of the mask are "
            "constant or not finite and left out",
            err=True,
        )
    _write(labels, dataset.space, output)
    n_small = int((np.unique(labels[labels > 0], return_counts=True)[1] < smallest).sum())
    if n_small:
        click.echo(
            f"note: {n_small} of the parcels have fewer than {smallest} {places}: no neighbour "
            "could take them in",
            err=True,
        )


# The data are said as pyhrf_jde_buildcfg has them said.
_BUILDCFG = GROUPS["jde"].commands["buildcfg"]
data.params[1:1] = [one for one in _BUILDCFG.params if one.name in _OF_DATA]


@parcellate.command(context_settings=CONTEXT)
@_source
@_meshes
@_output
def contiguous(source: Path, meshes: tuple[Path, ...], output: Path | None) -> None:
    """Give each connected piece of a parcel a number of its own."""
    from pyhrf.parcellation.edit import make_contiguous

    _make(source, meshes, output, lambda labels, edges: make_contiguous(labels, edges=edges))


@parcellate.command(context_settings=CONTEXT)
@_source
@_meshes
@click.option(
    "--smallest",
    type=click.IntRange(min=1),
    required=True,
    help="Merge parcels of fewer voxels or nodes with the neighbour that they touch most.",
)
@click.option(
    "--drop", is_flag=True, help="Turn small parcels that touch no other into background."
)
@_output
def merge(
    source: Path, meshes: tuple[Path, ...], smallest: int, drop: bool, output: Path | None
) -> None:
    """Merge small parcels with their neighbours."""
    from pyhrf.parcellation.edit import merge_small

    _make(
        source,
        meshes,
        output,
        lambda labels, edges: merge_small(labels, smallest=smallest, drop=drop, edges=edges),
    )


@parcellate.command(context_settings=CONTEXT)
@_source
@click.argument("numbers", type=int, nargs=-1, required=True)
@_meshes
@_output
def extract(
    source: Path, numbers: tuple[int, ...], meshes: tuple[Path, ...], output: Path | None
) -> None:
    """Keep the parcels of these NUMBERS."""
    from pyhrf.parcellation.edit import extract as keep

    written = _make(source, meshes, output, lambda labels, _: keep(labels, numbers))
    _keep_names(source, written)


@parcellate.command(context_settings=CONTEXT)
@_source
@click.option(
    "--onto", type=FILE, required=True, metavar="BOLD", help="4D NIfTI whose grid the result takes."
)
@_output
def resample(source: Path, onto: Path, output: Path | None) -> None:
    """Bring an atlas onto the grid of the data, each voxel by its nearest neighbour."""
    from pyhrf.inputs.templates import space_in_name, template_notes
    from pyhrf.parcellation.resample import resample_labels
    from pyhrf.spaces.grid import Grid
    from pyhrf.spaces.labels import whole_labels
    from pyhrf.spaces.volumes import check_oriented, open_volume
    from pyhrf.spaces.voxels import read_volume

    atlas, bold = open_volume(source, n_dims=3), open_volume(onto, n_dims=4)
    check_oriented(atlas, bold)
    for note in template_notes(source, space_in_name(onto)):
        click.echo(f"note: {note}", err=True)
    grid = Grid.of(bold)
    output = _checked(output, grid)
    labels = whole_labels(source, read_volume(atlas), place="voxel")

    def work() -> Any:
        return resample_labels(
            labels, atlas.affine, target_shape=bold.grid, target_affine=bold.affine
        )

    resampled = _named(source, work)
    n_before, n_after = (np.count_nonzero(np.unique(one)) for one in (labels, resampled))
    _write(resampled, grid, output)
    _keep_names(source, output)
    click.echo(f"resampled by nearest neighbour: {n_after} of {n_before} parcels lie on the grid")


def _make(
    source: Path,
    meshes: tuple[Path, ...],
    output: Path | None,
    change: Callable[[Any, Any], Any],
    *,
    is_mask: bool = False,
) -> Path:
    """Read a parcellation or mask, make another of it and its edges, and write that."""
    from pyhrf.spaces.parcellations import open_placed

    if output is not None:
        check_output(output, output.name, _WHAT)
    placed = open_placed(source, meshes)
    output = _checked(output, placed.space)
    content, edges = placed.mask() if is_mask else placed.labels(), placed.space.edges
    _write(_named(source, lambda: change(content, edges)), placed.space, output)
    return output


def _named(source: Path, work: Callable[[], Any]) -> Any:
    """Name the file in what is wrong with its content."""
    try:
        return work()
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _checked(path: Path | None, space: Space) -> Path:
    """Give the file to write, which fits where the parcels lie."""
    path = Path(f"parcellation{space.label_ending}") if path is None else path
    check_output(path, space.label_ending, _WHAT)
    return path


def _keep_names(source: Path, output: Path) -> None:
    """Put the names of parcels that keep their numbers beside the new file, if nothing is there."""
    from pyhrf.files import new_file
    from pyhrf.spaces.parcellations import names_file, names_table, parcel_names

    names, path = parcel_names(source), names_file(output)
    if not names:
        return
    try:
        with new_file(path) as file:
            file.write(names_table(names))
    except FileExistsError:
        note = f"note: {path} exists and stays as it is, without the names of {source}"
        click.echo(note, err=True)
    else:
        click.echo(f"{path}: the names of its parcels")


def _write(labels: Any, space: Space, path: Path) -> None:
    space.write_labels(path, labels)
    sizes = np.unique(labels[labels > 0], return_counts=True)[1]
    if len(sizes) == 1:
        click.echo(f"{path}: 1 parcel of {sizes[0]} {space.place}s")
        return
    click.echo(
        f"{path}: {len(sizes)} parcels of {sizes.min()} to {sizes.max()} {space.place}s "
        f"(median {np.median(sizes):g})"
    )
