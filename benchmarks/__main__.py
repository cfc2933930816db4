"""The command ``python -m benchmarks``."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import click

from benchmarks.sections import OPTIONAL, SECTIONS
from benchmarks.workspace import Workspace


@click.command(context_settings={"show_default": True})
@click.argument("sections", nargs=-1, type=click.Choice([*SECTIONS, *OPTIONAL]))
@click.option("--runs", default=5, type=click.IntRange(1), help="Runs of each measurement.")
@click.option("--seeds", default=3, type=click.IntRange(1), help="Data sets for the accuracy.")
def main(sections: tuple[str, ...], runs: int, seeds: int) -> None:
    """Measure time, memory and accuracy; all sections but the large one when none is named."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    click.echo(
        f"# Benchmarks\n\nPython {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} cores{load}.\n"
    )
    with tempfile.TemporaryDirectory(prefix="pyhrf-benchmarks-") as name:
        space = Workspace(Path(name), n_runs=runs, n_seeds=seeds)
        _compile(space)
        for section in sections or SECTIONS:
            click.echo(f"{section}", err=True)
            click.echo((SECTIONS | OPTIONAL)[section](space).markdown())


def _compile(space: Workspace) -> None:
    """See that all kernels are compiled and in the cache before any clock runs."""
    study = space.make_study("first", "-t", "small")
    space.command(study, "-x", "serial", "-v", "0")


if __name__ == "__main__":
    main()
