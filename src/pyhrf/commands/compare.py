"""``pyhrf compare``: tables and figures of several results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyhrf.commands.exits import OK
from pyhrf.commands.options import CONTEXT, FILE
from pyhrf.errors import ConfigError

if TYPE_CHECKING:
    from pyhrf.results.comparison import Comparison


@click.command(
    "compare",
    short_help="Compare the results of several analyses.",
    context_settings=CONTEXT,
)
@click.argument("directories", nargs=-1, required=True, metavar="DIR...", type=Path)
@click.option(
    "-u",
    "output",
    type=FILE,
    default="comparison",
    show_default=True,
    help="Folder for tables and figures; must be new or empty.",
)
@click.option("--figures/--no-figures", default=True, show_default=True, help="Draw figures too.")
def compare(directories: tuple[Path, ...], output: Path, figures: bool) -> int:
    """Compare the responses and maps in the output directories DIR, two or more.

    Writes hrfs.tsv and maps.tsv, one row for each pair of results, and the figures hrfs.png and
    maps.png. The analyses must be of the same parcels; the first DIR comes first everywhere.
    """
    if len(directories) < 2:
        raise click.UsageError("a comparison needs two output directories at least")
    from pyhrf.results.comparison import compare_results

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(f"{output} is not empty: choose another folder with -u")
    comparison = compare_results(directories)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{output} cannot be made: {error.strerror or error}") from error
    comparison.write(output)
    if figures:
        from pyhrf.results.figures import draw_comparison

        draw_comparison(comparison, output)
    _show(comparison)
    click.echo(f"tables{' and figures' if figures else ''} are in {output}")
    return OK


def _show(comparison: Comparison) -> None:
    """Print the means over parcels, and over the maps of levels."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("first", "second"):
        table.add_column(title, overflow="fold")
    for title in ("HRF distance", "peak, s", "correlation of levels", "slope"):
        table.add_column(title, justify="right")
    missing: list[str] = []
    maps = comparison.levels
    for (one, other), hrfs in comparison.hrfs.groupby(["first", "second"], sort=False):
        levels = maps[(maps["first"] == one) & (maps["second"] == other)]
        table.add_row(
            str(one),
            str(other),
            f"{hrfs['distance'].mean():.3f}",
            f"{hrfs['first_peak'].mean():.1f} / {hrfs['second_peak'].mean():.1f}",
            _figure(levels["correlation"].mean()),
            _figure(levels["slope"].mean()),
        )
        if levels.empty:
            missing.append(f"{one} and {other}")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(console.width, 110)
    console.print(table)
    for pair in missing:
        click.echo(
            f"n/a: {pair} share no map of levels (nrl_NAME), so that only their responses are "
            "compared; levels of each run have other names than levels that runs share"
        )


def _figure(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"
