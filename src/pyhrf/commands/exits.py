"""How every command ends: one clear sentence and one of five exit codes."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import click

from pyhrf.errors import PyhrfError, printable
from pyhrf.wording import IN_OWN_COLUMNS, speaking

OK = 0
NOT_STARTED = 1
SOME_FAILED = 3
INTERRUPTED = 130
OPTIONS = {
    "again": "run the same command again",
    "bold": "-f",
    "cancel": "--cancel",
    "condition_file": "give such a file for each condition, as -r NAME={file}; " + IN_OWN_COLUMNS,
    "command": "command",
    "confounds": "--confounds",
    "engine": "-x {name}",
    "event_column": "--event-column",
    "amplitude_column": "--amplitude-column",
    "file": "-o",
    "fresh": "--fresh",
    "mesh": "-g",
    "output": "-u",
    "paradigm": "-r",
    "parcellation": "-k",
    "pool_simultaneous": "--pool-simultaneous",
    "single_trials": "--single-trials",
    "trial_hyper": "--trial-hyper",
    "tr": "-I",
}
"""What the commands call what messages ask for."""
_BROKEN_PIPE = 141  # what the shell itself says when the reader of a pipe has gone


def run_command(command: click.Command, name: str, args: list[str] | None = None) -> NoReturn:
    """Run a command and leave the program with its exit code.

    Parameters
    ----------
    command : click command
        Its function returns an exit code.
    name : str
        Of the program, for its messages.
    args : list of str, optional
        Instead of those of the program.
    """
    _replace_closed_streams()
    try:
        with speaking(OPTIONS):
            code = _run(command, name, args)
        sys.exit(code)
    except BrokenPipeError:
        # Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_BROKEN_PIPE)


def _replace_closed_streams() -> None:
    """Give a program whose streams are closed (``2>&-``) others that lead nowhere.

    Otherwise the next file that it opens takes their number, and gets what is meant for them.
    """
    for number, mode in enumerate(("r", "w", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        name = ("stdin", "stdout", "stderr")[number]
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


def _run(command: click.Command, name: str, args: list[str] | None) -> int:
    try:
        code = command.main(args, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PyhrfError as error:
        from pyhrf.execution.runner import Interrupted

        _say(name, str(error))
        return INTERRUPTED if isinstance(error, Interrupted) else NOT_STARTED
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes a file that ends for Ctrl-D
            return _say_fault(name, error.__cause__)
        _say(name, "interrupted: run the same command again to continue")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except MemoryError:
        _say(
            name,
            "there is not enough memory: use a machine with more, or use fewer jobs (-j), runs or "
            "voxels; what is done is kept",
        )
        return NOT_STARTED
    except Exception as error:
        return _say_fault(name, error)
    return code if isinstance(code, int) else OK


def _say_fault(name: str, error: BaseException) -> int:
    """Tell of an error that nobody has foreseen; to be called while it is handled."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        where = f"in {_log_fault()}: please send that file with a report of the error"
    except OSError:  # no room, or no folder for temporary files
        where = f"these, please send them with a report of the error:\n{traceback.format_exc()}"
    _say(name, f"an error in PyHRF stopped the run ({text}); the details are {where}")
    return NOT_STARTED


def _say(name: str, text: str) -> None:
    click.echo(printable(f"{name}: {text}"), err=True)


def _log_fault() -> Path:
    """Write the traceback among the temporary files: no other folder is surely ours."""
    handle, path = tempfile.mkstemp(prefix="pyhrf_fault_", suffix=".log", text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{' '.join(sys.argv)}\n{traceback.format_exc()}")
    return Path(path)
