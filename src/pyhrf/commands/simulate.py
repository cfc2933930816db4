"""``pyhrf simulate``: artificial BOLD data with known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

import click

from pyhrf.commands.options import CONTEXT, FILE
from pyhrf.errors import counted
from pyhrf.simulation.examples import EXAMPLES, example_spec
from pyhrf.simulation.spec import SimulationSpec


def _option(one: Field[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Option of one field of the description; not given means the default."""
    about, default = one.metadata, one.default
    choices, length = about["choices"], about["length"]
    number = int if about["whole"] else float
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    shown = "none" if default is None else shown
    return click.option(
        f"--{about['option']}",
        one.name,
        type=click.Choice(choices) if choices else number,
        nargs=length,
        default=None,
        metavar=None if choices else " ".join([number.__name__.upper()] * length),
        help=f"{about['text'][0].upper()}{about['text'][1:]}.  [default: {shown}]",
    )


def _all_options(command: Callable[..., None]) -> Callable[..., None]:
    for one in reversed(fields(SimulationSpec)):
        command = _option(one)(command)
    return command


@click.command(context_settings=CONTEXT)
@click.argument("directory", type=FILE, metavar="DIR")
@click.option(
    "--example",
    type=click.Choice(EXAMPLES),
    help="Start from this example data set: the other options change it.",
)
@click.option(
    "--bids",
    "n_subjects",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write a BIDS data set of N participants, with derivatives like fMRIPrep's.",
)
@click.option(
    "--surfaces",
    is_flag=True,
    help="With --bids: also write two slices of each volume as data on the meshes of two "
    "hemispheres.",
)
@_all_options
def simulate(
    directory: Path,
    example: str | None,
    n_subjects: int | None,
    surfaces: bool,
    **given: Any,
) -> None:
    """Write artificial BOLD data with known truth into DIR.

    The files are bold.nii.gz, parcellation.nii.gz, paradigm.tsv (BIDS events), paradigm.csv (the
    same events), truth.npz (what an analysis should find) and simulation.json (the description).
    DIR must be empty or not there. The same options and seed give the same bytes.
    """
    from pyhrf.simulation.datasets import write_dataset
    from pyhrf.simulation.simulate import simulate as make

    if surfaces and n_subjects is None:
        raise click.UsageError("--surfaces is for data sets of --bids")
    changes = {name: value for name, value in given.items() if value is not None}
    if changes.get("region") == "grey-matter":
        changes.setdefault("shape", None)
    base = SimulationSpec() if example is None else example_spec(example)
    if n_subjects is not None:
        _simulate_bids(replace(base, **changes), n_subjects, directory, surfaces=surfaces)
        return
    simulated = make(replace(base, **changes))
    paths = write_dataset(simulated, directory)
    spec = simulated.spec
    runs = "" if spec.n_runs == 1 else f"{spec.n_runs} runs of "
    click.echo(
        f"{counted(len(simulated.positions), 'voxel')} in {counted(spec.n_parcels, 'parcel')}, "
        f"{runs}{spec.n_scans} scans, {counted(spec.n_conditions, 'condition')}: {directory}"
    )
    runs_of = zip(paths.bold, paths.paradigm, strict=True)
    files = " ".join(f"-f {bold} -r {events}" for bold, events in runs_of)
    click.echo(f"To analyse: pyhrf_jde_buildcfg {files} -k {paths.parcellation}")


def _simulate_bids(
    spec: SimulationSpec, n_subjects: int, directory: Path, *, surfaces: bool
) -> None:
    from pyhrf.simulation.bids import write_bids

    labels = write_bids(spec, n_subjects, directory, surfaces=surfaces)
    click.echo(
        f"{counted(len(labels), 'participant')}, {counted(spec.n_runs, 'run')} of "
        f"{spec.n_scans} scans, {counted(spec.n_conditions, 'condition')}: {directory}"
    )
    out = directory / "derivatives" / "pyhrf"
    click.echo(f"To analyse: pyhrf bids {directory} {out} participant")
    if surfaces:
        click.echo(f"or on the surface: pyhrf bids {directory} {out} participant --space fsnative")
