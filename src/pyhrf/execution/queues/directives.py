"""What users may not ask sbatch for, since the command would not find its jobs again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from pyhrf.errors import ConfigError

_LETTERS = ("-J", "-M", "-a", "-o", "-e")
_WORDS = ("job-name", "clusters", "array", "output", "error")


def check_slurm_directives(lines: Iterable[str]) -> None:
    """Check the key ``extra_directives``.

    Parameters
    ----------
    lines : iterable of str
        Its lines, each with one or more options of ``sbatch``.

    Raises
    ------
    ConfigError
        If one of them names a job, makes many of it, sends it elsewhere, or hides what it says.
    """
    for line in lines:
        for word in _words(line):
            if _is_ours(word):
                raise ConfigError(
                    f"section [parallel-queue], key extra_directives: {word} cannot be chosen, "
                    "since the command finds its jobs and what they say by it: leave it out"
                )


def _words(line: str) -> list[str]:
    """Split a line as a shell does, or at each space if its quotes are not closed."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _is_ours(word: str) -> bool:
    if not word.startswith("--"):
        return word.startswith(_LETTERS)
    option = word[2:].partition("=")[0]  # which may be cut short
    return bool(option) and any(name.startswith(option) for name in _WORDS)
