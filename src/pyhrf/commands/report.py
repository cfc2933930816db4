"""``pyhrf report``: one page that shows what an analysis found."""

from __future__ import annotations

from pathlib import Path

import click

from pyhrf.commands.exits import OK
from pyhrf.commands.options import CONTEXT, FILE


@click.command(
    "report",
    short_help="Make report.html from the results of an analysis.",
    context_settings=CONTEXT,
)
@click.argument("directory", metavar="DIR", type=FILE)
@click.option(
    "--anatomy",
    type=FILE,
    metavar="FILE",
    help="Draw the maps on this 3D NIfTI (in the space of the data) instead of fMRIPrep's "
    "T1w or the mean BOLD.",
)
def report(directory: Path, anatomy: Path | None) -> int:
    """Make report.html in the output directory DIR, anew, from its tables and maps.

    It is one file that needs no network: responses, maps, convergence, failed parcels, warnings,
    and text for a methods section.
    """
    from pyhrf.results.report import write_report

    click.echo(f"the report is {write_report(directory, anatomy=anatomy)}")
    return OK
