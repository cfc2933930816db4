"""``pyhrf check``: whether what an engine needs is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pyhrf.commands.exits import NOT_STARTED, OK
from pyhrf.commands.options import CONTEXT
from pyhrf.execution.queues.schedulers import SCHEDULERS

if TYPE_CHECKING:
    from rich.table import Table

    from pyhrf.execution.check_steps import Check
    from pyhrf.execution.lan.check import LanCheck

_NARROWEST = 100
_TITLES = {"network": "ssh", "remote_path": "folder"}
"""Of columns that are not called as the step is."""


class _AnyCase(click.Group):
    """A group that takes the names of its commands in capitals or not."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        names = {name.casefold(): name for name in self.commands}
        return super().get_command(ctx, names.get(cmd_name.casefold(), cmd_name))


@click.group(
    cls=_AnyCase,
    short_help="Check what an engine needs: LAN, cluster, slurm ...",
    context_settings=CONTEXT,
)
def check() -> None:
    """Check what an engine needs, before a run."""


@check.command("LAN", short_help="Check every host of [parallel-LAN].", context_settings=CONTEXT)
def check_hosts() -> int:
    """Try every host of section [parallel-LAN] of ~/.pyhrf/config.cfg, all at the same time.

    For each: is the name resolved, does ssh answer, is its host key known, is your key accepted, is
    the interpreter there, are the versions equal, can remote_path be written; its niceness, cores
    and free memory, and whether compiled code can be kept. What fails is named with what to do.

    Exit codes: 0 at least one host can be used, 1 none.
    """
    from pyhrf.config.settings import load_settings
    from pyhrf.execution.extras import check_installed

    check_installed("LAN", "lan")
    from pyhrf.execution.lan.check import check_lan

    found = check_lan(load_settings().parallel_LAN)
    _show(found)
    return OK if found.usable else NOT_STARTED


@check.command(
    "cluster", short_help="Check the cluster of [parallel-cluster].", context_settings=CONTEXT
)
def check_soma_cluster() -> int:
    """Try the cluster of section [parallel-cluster] of ~/.pyhrf/config.cfg, step by step.

    Is the configuration of soma-workflow complete here and there, does ssh work, are the versions
    equal, do scheduler, sacct and database server answer, can remote_path be written, does a
    trivial job come back. The first thing that fails is named with what to do.

    Exit codes: 0 the engine can work, 1 it cannot.
    """
    from pyhrf.config.settings import load_settings
    from pyhrf.execution.extras import check_installed

    check_installed("cluster", "cluster")
    from pyhrf.execution.soma.check import check_cluster

    return _show_steps(check_cluster(load_settings().parallel_cluster))


def _queue_check(name: str, title: str) -> click.Command:
    """Make the check of one of the batch schedulers."""

    def check_scheduler() -> int:
        from pyhrf.config.settings import load_settings
        from pyhrf.execution.extras import check_installed

        check_installed(name, "queue")
        from pyhrf.execution.queues.check import check_queue

        return _show_steps(check_queue(name, load_settings().parallel_queue))

    return click.Command(
        name,
        callback=check_scheduler,
        context_settings=CONTEXT,
        short_help=f"Check {title} with the settings of [parallel-queue].",
        help=f"Try {title} from this login node, with section [parallel-queue] of "
        "~/.pyhrf/config.cfg, step by step.\n\nAre its programs there, does it answer, is there "
        "such a queue, does a job of it reach this machine with the same versions. The first thing "
        "that fails is named with what to do. Run it where analyses are run: the job uses a folder "
        "there.\n\nExit codes: 0 the engine can work, 1 it cannot.",
    )


for _scheduler in SCHEDULERS.values():
    check.add_command(_queue_check(_scheduler.name, _scheduler.title))


def _show_steps(found: Check) -> int:
    """Show what was tried, what failed and what helps; return the exit code."""
    width = max(len(step.name) for step in found.steps)
    marks = {True: "yes", False: "NO ", None: "–  "}
    for step in found.steps:
        click.echo(f"{step.name:{width}}  {marks[step.passed]}  {step.fact}".rstrip())
    if found.failed:
        cure = f"\n    {found.cure}" if found.cure else ""
        click.echo(f"\n{found.failed}: {found.cause}{cure}")
    for note in found.notes:
        click.echo(f"\nnote: {note}")
    click.echo(f"\n{found.what} {'can' if found.usable else 'cannot'} be used")
    return OK if found.usable else NOT_STARTED


def _show(found: LanCheck) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(console.width, _NARROWEST)
    console.print(_table(found))
    for host in found.hosts:
        if not host.usable:
            click.echo(f"\n{host.what}: {host.cause}\n    {host.cure}")
        for note in host.notes:
            click.echo(f"\n{host.what}: note: {note}")
    for note in found.notes:
        click.echo(f"\n{note}")
    usable = found.usable
    click.echo(
        f"\n{len(usable)} of {len(found.hosts)} hosts can be used, "
        f"{sum(host.n_slots for host in usable)} of {sum(host.n_slots for host in found.hosts)} "
        "slots"
    )


def _table(found: LanCheck) -> Table:
    from rich.table import Table

    from pyhrf.execution.lan.check import STEPS

    table = Table(box=None, pad_edge=False)
    table.add_column("host", overflow="fold")
    table.add_column("slots", justify="right")
    for step in STEPS:
        table.add_column(_TITLES.get(step, step), justify="center")
    for title in ("nice", "cores", "memory"):
        table.add_column(title, justify="right")
    for host in found.hosts:
        facts = host.facts
        means = ["–", "–", "–"]
        if facts is not None:
            free = facts.free_memory
            memory = "?" if free is None else f"{free / 1e9:.1f} GB"
            means = [str(facts.niceness), str(facts.n_cores), memory]
        marks = ({True: "yes", False: "NO", None: "–"}[step.passed] for step in host.steps)
        table.add_row(host.what, str(host.n_slots), *marks, *means)
    return table
