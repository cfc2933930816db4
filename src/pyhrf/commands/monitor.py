"""``pyhrf monitor``: how far a run is, seen from another terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyhrf.commands.exits import OK
from pyhrf.commands.options import CONTEXT, FILE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pyhrf.execution.watch import Watch

__all__ = ["monitor"]

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

    It reads the journal of the run, whatever its engine (-x) is, and changes nothing. Ctrl-C ends
    the view, not the run.
    """
    from pyhrf.execution.watch import Watch

    watch = Watch(directory)
    try:
        if sys.stdout.isatty():
            _show_live(watch)
        else:
            _print_lines(watch)
    except KeyboardInterrupt:
        click.echo("the run is not affected", err=True)
    return OK


def _show_live(watch: Watch) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(_view(watch), console=Console(), auto_refresh=False) as live:
        while watch.goes_on:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            watch.look()
            live.update(_view(watch), refresh=True)


def _print_lines(watch: Watch, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Print a line now and then, when there is something new, and the whole picture at the end."""
    printed, new = float("-inf"), True
    while watch.goes_on:
        if new and time.monotonic() - printed >= _SECONDS_BETWEEN_LINES:
            click.echo(_figures(watch))
            printed, new = time.monotonic(), False
        sleep(_SECONDS_BETWEEN_LOOKS)
        new = watch.look() or new
    click.echo(_figures(watch))
    for name, host in sorted(watch.hosts.items()):
        click.echo(f"  {name}: {host.n_batches} batches, {host.n_parcels} parcels")
    for line in watch.state.news if watch.state else ():
        click.echo(f"  {line}")
    click.echo(watch.how_it_stands())


def _figures(watch: Watch) -> str:
    parts = [f"{watch.n_done}/{watch.n_total} parcels"]
    if watch.n_failed:
        parts.append(f"{watch.n_failed} failed")
    if rate := watch.rate():
        parts.append(f"{rate:.3g} parcels/s")
        if watch.goes_on:
            # At most: the longest parcels come first.
            left = (watch.n_total - watch.n_done) / rate
            parts.append(f"about {_clock(left)} left")
    return ", ".join(parts)


def _view(watch: Watch) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    state = watch.state
    engine = ""
    if state is not None:
        began = datetime.fromtimestamp(state.started).strftime("%H:%M:%S")
        engine = f", -x {state.engine}, {state.n_workers} slots, since {began}"
    table = Table("host", box=None, pad_edge=False)
    for title in ("batches", "parcels", "work", "latest result"):
        table.add_column(title, justify="right")
    now = time.time()
    for name, host in sorted(watch.hosts.items()):
        table.add_row(
            escape(name),
            str(host.n_batches),
            str(host.n_parcels),
            f"{host.seconds:.1f} s",
            f"{_clock(max(0.0, now - host.latest))} ago",
        )
    return Group(
        Text(f"{watch.directory}{engine}", style="bold"),
        Text(watch.how_it_stands()),
        ProgressBar(total=max(watch.n_total, 1), completed=watch.n_done, width=60),
        Text(_figures(watch)),
        table,
        *(Text(line, style="yellow") for line in (state.news if state else ())),
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
