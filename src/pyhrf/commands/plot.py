"""``pyhrf plot``: single figures as PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from pyhrf.commands.exits import OK
from pyhrf.commands.options import CONTEXT, FILE
from pyhrf.errors import ConfigError

_FORMATS = (".png", ".svg", ".pdf")
Command = TypeVar("Command", bound=Callable[..., int])


_directory = click.argument("directory", metavar="DIR", type=FILE)


def _output(default: str) -> Callable[[Command], Command]:
    """Make the option -o with its default."""
    return click.option(
        "-o",
        "output",
        type=FILE,
        default=default,
        show_default=True,
        help="File to write; its ending gives the format: .png, .svg or .pdf.",
    )


@click.group("plot", short_help="Draw a single figure of the results.", context_settings=CONTEXT)
def plot() -> None:
    """Draw responses, a map or the convergence of the results in an output directory."""


@plot.command("hrf", context_settings=CONTEXT)
@_directory
@click.option("-p", "parcels", metavar="N,N,...", help="Parcels; by default the first thirty.")
@_output("hrf.png")
def hrf(directory: Path, parcels: str | None, output: Path) -> int:
    """Draw the responses of parcels of the results in DIR, with their standard deviations."""
    _check_output(output)
    from pyhrf.results import Results
    from pyhrf.results.damage import made_by_analysis
    from pyhrf.results.plots import hrf_figure, save_figure

    numbers = None if parcels is None else _numbers(parcels)
    with made_by_analysis(directory):
        save_figure(hrf_figure(Results(directory), numbers), output)
    return _written(output)


@plot.command("map", context_settings=CONTEXT)
@_directory
@click.argument("name")
@click.option(
    "-t", "threshold", type=click.FloatRange(min=0), help="Hide values closer to 0 than this."
)
@click.option(
    "--anatomy",
    type=FILE,
    metavar="FILE",
    help="Draw on this 3D NIfTI (in the space of the data) instead of fMRIPrep's "
    "T1w or the mean BOLD.",
)
@click.option(
    "--cuts",
    type=click.Choice(["ortho", "x", "y", "z", "mosaic"]),
    help="For a volume: three cuts through one point (ortho, the default), cuts along one axis, or "
    "along all.",
)
@_output("map.png")
def map_(
    directory: Path,
    name: str,
    threshold: float | None,
    anatomy: Path | None,
    cuts: str | None,
    output: Path,
) -> int:
    """Draw the map NAME, such as nrl_audio, of the results in DIR.

    A map of voxels is drawn in cuts, one of a surface on its meshes, from two sides, one of CIFTI
    in both ways.
    """
    _check_output(output)
    from pyhrf.results import Results
    from pyhrf.results.damage import made_by_analysis
    from pyhrf.results.plots import save_map_figure

    with made_by_analysis(directory):
        save_map_figure(
            Results(directory), name, output, threshold=threshold, anatomy=anatomy, display=cuts
        )
    return _written(output)


@plot.command("convergence", context_settings=CONTEXT)
@_directory
@click.option("-p", "parcels", metavar="N,N,...", help="Draw the criterion of these parcels.")
@_output("convergence.png")
def convergence(directory: Path, parcels: str | None, output: Path) -> int:
    """Draw how many iterations the parcels in DIR took; of MCMC, how far its chains agree.

    With -p, the criterion of some parcels after each iteration: the free energy of VEM, from where
    its noise and field are found, the log likelihood of the others.
    """
    _check_output(output)
    from pyhrf.results import Results
    from pyhrf.results.damage import made_by_analysis
    from pyhrf.results.plots import convergence_figure, save_figure

    numbers = None if parcels is None else _numbers(parcels)
    with made_by_analysis(directory):
        save_figure(convergence_figure(Results(directory), numbers), output)
    return _written(output)


def _check_output(path: Path) -> None:
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(
            f"-o {path}: the ending must be {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"
        )
    if path.exists():
        raise ConfigError(f"{path} already exists: choose another name with -o, or remove it")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"-o {path}: there is no folder {path.absolute().parent}: make it first")


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise ConfigError(f"-p {text}: must be numbers of parcels, such as 1,2,5") from None


def _written(path: Path) -> int:
    click.echo(f"the figure is {path}")
    return OK
