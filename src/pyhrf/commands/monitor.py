"""``pyhrf monitor``: how far a run is, seen from another terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyhrf.commands.exits import OK
from pyhrf.commands.options import CONTEXT, FILE
from pyhrf.errors import counted, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pyhrf.execution.watch import Watch, WatchAll

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_LINES = 5.0


@click.command(
    "monitor",
    short_help="Watch a run from another terminal.",
    context_settings=CONTEXT,
)
@click.argument("directory", metavar="DIR", type=FILE)
def monitor(directory: Path) -> int:
    """Show how far the run is that works into the output directory DIR, until it ends.

    It reads the journal of the run, whatever its engine (-x) is, and changes nothing. Where several
    runs work into DIR, such as the jobs of an array, it shows them all. Ctrl-C ends the view, not
    the run.
    """
    from pyhrf.execution.watch import WatchAll

    watch = WatchAll(directory)
    try:
        if sys.stdout.isatty():
            _show_live(watch)
        else:
            _print_lines(watch)
    except KeyboardInterrupt:
        click.echo("the run is not affected", err=True)
    return OK


def _show_live(watch: WatchAll) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(_view(watch), console=Console(), auto_refresh=False) as live:
        while watch.is_running:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            watch.look()
            live.update(_view(watch), refresh=True)


def _print_lines(watch: WatchAll, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Print a line now and then, when there is something new, and the whole picture at the end."""
    printed, new = float("-inf"), True
    while watch.is_running:
        if new and time.monotonic() - printed >= _SECONDS_BETWEEN_LINES:
            click.echo(_figures(watch.runs))
            printed, new = time.monotonic(), False
        sleep(_SECONDS_BETWEEN_LOOKS)
        new = watch.look() or new
    click.echo(_figures(watch.runs))
    for name, host in sorted(watch.hosts.items()):
        work = f"{counted(host.n_batches, 'batch')}, {counted(host.n_parcels, 'parcel')}"
        click.echo(f"  {printable(name)}: {work}")
    for line in _news(watch.runs):
        click.echo(f"  {line}")
    for run in watch.runs:
        whose = f"{run.name}: " if len(watch.runs) > 1 else ""
        click.echo(printable(f"{whose}{run.how_it_stands()}"))


def _news(runs: Sequence[Watch]) -> list[str]:
    """Give what the engines have told, each once."""
    lines = (line for run in runs for line in (run.state.news if run.state else ()))
    return [printable(line) for line in dict.fromkeys(lines)]


def _figures(runs: Sequence[Watch]) -> str:
    """Sum up how far runs are."""
    n_failed = sum(run.n_failed for run in runs)
    done = f"{sum(run.n_done for run in runs)}/{sum(run.n_total for run in runs)} parcels"
    working = [run for run in runs if run.is_running]
    parts = [done if len(runs) == 1 else f"{len(runs)} runs, {len(working)} at work: {done}"]
    if n_failed:
        parts.append(f"{n_failed} failed")
    if rate := sum(run.rate() for run in working or runs):
        parts.append(f"{rate:.3g} parcels/s")
        # At most: the longest parcels come first.
        left = [(run.n_total - run.n_done) / pace for run in working if (pace := run.rate())]
        if left:
            parts.append(f"about {_clock(max(left))} left")
    return ", ".join(parts)


def _view(watch: WatchAll) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table("host", box=None, pad_edge=False)
    for title in ("batches", "parcels", "work", "latest result"):
        table.add_column(title, justify="right")
    now = time.time()
    for name, host in sorted(watch.hosts.items()):
        table.add_row(
            escape(printable(name)),
            str(host.n_batches),
            str(host.n_parcels),
            f"{host.seconds:.1f} s",
            f"{_clock(max(0.0, now - host.latest))} ago",
        )
    runs = watch.runs
    n_done, n_total = sum(run.n_done for run in runs), sum(run.n_total for run in runs)
    return Group(
        Text(
            printable(f"{watch.directory}{_engine(runs[0]) if len(runs) == 1 else ''}"),
            style="bold",
        ),
        Text(printable(runs[0].how_it_stands())) if len(runs) == 1 else _table_of(runs),
        ProgressBar(total=max(n_total, 1), completed=n_done, width=60),
        Text(_figures(runs)),
        table,
        *(Text(line, style="yellow") for line in _news(runs)),
    )


def _engine(run: Watch) -> str:
    state = run.state
    if state is None:
        return ""
    began = datetime.fromtimestamp(state.started).strftime("%H:%M:%S")
    return f", -x {state.engine}, {state.n_workers} slots, since {began}"


def _table_of(runs: Sequence[Watch]) -> RenderableType:
    """Give a row to each of several runs."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("run", box=None, pad_edge=False)
    table.add_column("parcels", justify="right")
    table.add_column("")
    for run in runs:
        how = f"{run.how_it_stands()}{_engine(run)}"
        table.add_row(
            escape(printable(run.name)), f"{run.n_done}/{run.n_total}", escape(printable(how))
        )
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
