"""``pyhrf project``: a volume on the nodes of a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from pyhrf.commands.exits import OK
from pyhrf.commands.options import CONTEXT, FILE, check_output

if TYPE_CHECKING:
    from pyhrf.spaces.surfaces import Mesh
    from pyhrf.spaces.volumes import Volume

_SERIES, _LABELS = ".func.gii", ".label.gii"


@click.command(
    short_help="Project a volume onto the nodes of a mesh.",
    context_settings=CONTEXT,
)
@click.argument("source", type=FILE, metavar="FILE")
@click.option(
    "-g",
    "meshes",
    type=FILE,
    multiple=True,
    required=True,
    help="Mesh in the space of FILE, GIFTI; a second -g is the inner surface of the cortex.",
)
@click.option("--atlas", is_flag=True, help="FILE is a 3D atlas of whole numbers.")
@click.option(
    "--radius",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MM",
    help="With one mesh: how far to sample on both sides of it, in millimetres.  [default: 3]",
)
@click.option(
    "-I",
    "tr",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Repetition time in seconds, instead of the header's.",
)
@click.option(
    "-o",
    "output",
    type=FILE,
    help="File to write: .func.gii, or .label.gii for an atlas. An existing file is not "
    "overwritten.  [default: the name of FILE with this ending]",
)
def project(
    source: Path,
    meshes: tuple[Path, ...],
    atlas: bool,
    radius: float | None,
    tr: float | None,
    output: Path | None,
) -> int:
    """Bring FILE, a 4D series or with --atlas parcels, onto the nodes of a mesh.

    A node has the mean of ten samples across the cortex, between two meshes or along the normal
    of one; of an atlas the label that most of them have.
    """
    if len(meshes) > 2:
        raise click.UsageError("-g is given at most twice: the mesh, and the inner surface")
    if radius is not None and len(meshes) == 2:
        raise click.UsageError("--radius goes with one mesh; between two, samples lie between them")
    if tr is not None and atlas:
        raise click.UsageError("-I is the repetition time of a series: leave it out with --atlas")
    from pyhrf.inputs.projection import check_nested
    from pyhrf.spaces.surfaces import open_mesh
    from pyhrf.spaces.volumes import open_volume

    ending = _LABELS if atlas else _SERIES
    if output is None:
        stem = source.name.removesuffix(".gz").removesuffix(".nii")
        output = Path(f"{stem}{ending}")
    check_output(output, ending, "this is")
    volume = open_volume(source, n_dims=3 if atlas else 4)
    surfaces = [open_mesh(path) for path in meshes]
    if len(surfaces) == 2:
        check_nested(*surfaces)
    how: dict[str, Any] = {
        "inner": surfaces[1] if len(surfaces) == 2 else None,
        "radius": 3.0 if radius is None else radius,
    }
    if atlas:
        _write_labels(volume, surfaces[0], how, output)
    else:
        _write_series(volume, surfaces[0], how, output, tr)
    return OK


def _write_series(
    volume: Volume, mesh: Mesh, how: dict[str, Any], path: Path, tr: float | None
) -> None:
    from pyhrf.inputs.projection import project_series
    from pyhrf.spaces.nodes import Nodes

    values = project_series(volume, mesh, **how)
    tr = volume.tr if tr is None else tr
    n_outside = int(np.isnan(values).all(axis=0).sum())
    stem = path.with_name(path.name.removesuffix(_SERIES))
    Nodes.of(mesh).write(stem, "bold", values, n_samples=len(values), step=tr)
    step = "no repetition time: give it later with -I" if tr is None else f"every {tr:g} s"
    click.echo(f"{path}: {mesh.n_nodes} nodes, {len(values)} scans, {step}")
    if n_outside:
        click.echo(
            f"note: {n_outside} of {mesh.n_nodes} nodes lie outside the volume: they are NaN, and "
            "an analysis leaves them out",
            err=True,
        )


def _write_labels(volume: Volume, mesh: Mesh, how: dict[str, Any], path: Path) -> None:
    from pyhrf.inputs.projection import project_labels
    from pyhrf.spaces.nodes import Nodes
    from pyhrf.spaces.voxels import read_volume

    labels = project_labels(volume, mesh, **how)
    n_before, n_after = (np.count_nonzero(np.unique(one)) for one in (read_volume(volume), labels))
    Nodes.of(mesh).write_labels(path, labels)
    click.echo(
        f"{path}: {n_after} of {n_before} parcels, on {np.count_nonzero(labels)} of "
        f"{mesh.n_nodes} nodes"
    )
