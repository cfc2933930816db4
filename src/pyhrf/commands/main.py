"""The program ``pyhrf`` and the classic names of its sub-commands."""

from __future__ import annotations

from pyhrf import __version__
from pyhrf.commands.early import LoadingQuietly

with LoadingQuietly():
    from collections.abc import Callable
    from importlib import import_module
    from typing import NoReturn

    import click

    from pyhrf.commands.exits import run_command
    from pyhrf.commands.options import CONTEXT

_COMMANDS = {
    *("bids", "check", "compare", "maketests", "monitor"),
    *("parcellate", "plot", "project", "report", "simulate"),
}


class _LazyGroup(click.Group):
    """A group that imports the module of a command when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        from pyhrf.parameters.estimators import PROGRAMS

        return sorted(_COMMANDS | PROGRAMS.keys())

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            from pyhrf.commands.study_commands import GROUPS

            return GROUPS.get(cmd_name)
        command: click.Command = getattr(import_module(f"pyhrf.commands.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_LazyGroup, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="pyhrf")
def pyhrf() -> None:
    """Haemodynamic responses and activation maps from task fMRI."""


def run() -> NoReturn:
    """Run ``pyhrf``."""
    run_command(pyhrf, "pyhrf")


def __getattr__(name: str) -> Callable[[], NoReturn]:
    """Give the entry point of a program of its own, as ``run_jde_estim`` of ``pyhrf_jde_estim``."""
    run_, _, command = name.partition("_")
    program, _, action = command.partition("_")
    if run_ != "run" or action not in ("buildcfg", "estim"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def run_program() -> NoReturn:
        from pyhrf.commands.study_commands import GROUPS

        run_command(GROUPS[program].commands[action], f"pyhrf_{command}")

    return run_program


def run_maketests() -> NoReturn:
    """Run ``pyhrf_maketests``."""
    from pyhrf.commands.maketests import maketests

    run_command(maketests, "pyhrf_maketests")
