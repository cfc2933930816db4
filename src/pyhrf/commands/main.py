"""The program ``pyhrf`` and the classic names of its sub-commands."""

from __future__ import annotations

from pyhrf import __version__
from pyhrf.commands.early import LoadingQuietly

with LoadingQuietly():
    from importlib import import_module
    from typing import NoReturn

    import click

    from pyhrf.commands.exits import run_command
    from pyhrf.commands.options import CONTEXT

_COMMANDS = {
    name: name
    for name in (
        *("bids", "check", "compare", "glm", "jde", "maketests", "monitor"),
        *("parcellate", "plot", "project", "report", "rfir", "simulate"),
    )
}


class _LazyGroup(click.Group):
    """A group that imports the module of a command when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"pyhrf.commands.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=_LazyGroup, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="pyhrf")
def pyhrf() -> None:
    """Haemodynamic responses and activation maps from task fMRI."""


def run() -> NoReturn:
    """Run ``pyhrf``."""
    run_command(pyhrf, "pyhrf")


def run_jde_buildcfg() -> NoReturn:
    """Run ``pyhrf_jde_buildcfg``."""
    from pyhrf.commands.jde import buildcfg

    run_command(buildcfg, "pyhrf_jde_buildcfg")


def run_jde_estim() -> NoReturn:
    """Run ``pyhrf_jde_estim``."""
    from pyhrf.commands.jde import estim

    run_command(estim, "pyhrf_jde_estim")


def run_glm_buildcfg() -> NoReturn:
    """Run ``pyhrf_glm_buildcfg``."""
    from pyhrf.commands.glm import buildcfg

    run_command(buildcfg, "pyhrf_glm_buildcfg")


def run_glm_estim() -> NoReturn:
    """Run ``pyhrf_glm_estim``."""
    from pyhrf.commands.glm import estim

    run_command(estim, "pyhrf_glm_estim")


def run_rfir_buildcfg() -> NoReturn:
    """Run ``pyhrf_rfir_buildcfg``."""
    from pyhrf.commands.rfir import buildcfg

    run_command(buildcfg, "pyhrf_rfir_buildcfg")


def run_rfir_estim() -> NoReturn:
    """Run ``pyhrf_rfir_estim``."""
    from pyhrf.commands.rfir import estim

    run_command(estim, "pyhrf_rfir_estim")


def run_maketests() -> NoReturn:
    """Run ``pyhrf_maketests``."""
    from pyhrf.commands.maketests import maketests

    run_command(maketests, "pyhrf_maketests")
