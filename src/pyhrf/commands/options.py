"""Options that several commands take, each declared here once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pyhrf.errors import ConfigError
from pyhrf.execution.queues.schedulers import SCHEDULERS

Command = TypeVar("Command", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"]}
"""Of every command: -h is short for --help."""

FILE = click.Path(path_type=Path)
"""A path, not looked at: what is wrong with a file is said by what reads it."""

# Those of pyhrf.execution.engines, which takes too long to import for a word of help.
ENGINES = ("serial", "local", "LAN", "cluster", *SCHEDULERS)
"""What ``-x`` takes."""


def check_output(path: Path, ending: str, what: str) -> None:
    """Refuse a file to write (`what` in words) that has another ending, is there, or cannot be."""
    if not path.name.endswith(ending):
        raise ConfigError(f"{path}: {what} written as {ending}: choose such a name (-o)")
    if path.exists():
        raise ConfigError(f"{path} exists and is not overwritten: choose another name with -o")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.absolute().parent}: make it first")


fresh_option = click.option(
    "--fresh", is_flag=True, help="Start from scratch; older results are kept aside."
)


def contrast_options(command: Command) -> Command:
    """Give a command ``-C`` and ``--contrasts-file``: ``contrasts`` and ``contrasts_file``."""
    command = click.option(
        "--contrasts-file", type=FILE, help='JSON file of contrasts: {"name": "expression", ...}.'
    )(command)
    return click.option(
        "-C",
        "contrasts",
        multiple=True,
        metavar="NAME=EXPRESSION",
        help='Contrast, such as "audio-video = audio - video"; may be repeated.',
    )(command)


def engine_option(text: str) -> Callable[[Command], Command]:
    """Make the option ``-x``: ``engine``, one of `ENGINES`.

    Parameters
    ----------
    text : str
        Its help.
    """
    return click.option(
        "-x",
        "engine",
        type=click.Choice(ENGINES, case_sensitive=False),
        default="local",
        show_default=True,
        help=text,
    )


def n_jobs_option(*names: str) -> Callable[[Command], Command]:
    """Make the option ``-j``: ``n_jobs``, 1 at least, or None.

    Parameters
    ----------
    *names : str
        Other names of it, as ``--n-cpus``.
    """
    return click.option(
        "-j",
        *names,
        "n_jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Job slots of -x local.  [default: nb_procs of ~/.pyhrf/config.cfg, or all cores]",
    )
