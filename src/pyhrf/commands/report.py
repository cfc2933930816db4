"""``pyhrf report``: one page that shows what an analysis found."""

from __future__ import annotations

from pathlib import Path

import click

from pyhrf.commands.exits import OK

__all__ = ["report"]


@click.command(
    "report",
    short_help="Make report.html from the results of an analysis.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--anatomy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the maps on this 3D NIfTI, in the space of the data, not on the mean BOLD.",
)
def report(directory: Path, anatomy: Path | None) -> int:
    """Make report.html in the output directory DIR, anew, from its tables and maps.

    It is one file that needs no network: responses, maps, convergence, failed parcels, warnings,
    and text for a methods section.
    """
    from pyhrf.results.report import write_report

    click.echo(f"the report is {write_report(directory, anatomy=anatomy)}")
    return OK
