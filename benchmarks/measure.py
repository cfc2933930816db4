"""Clocks: of a piece of Python, and of a program with its peak of memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from threadpoolctl import threadpool_limits

__all__ = [
    "ROOT",
    "Cost",
    "in_turns",
    "median",
    "program",
    "run_program",
    "timed",
]

ROOT = Path(__file__).resolve().parent.parent
_LAUNCHER = Path(__file__).with_name("launch.py")
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")


@dataclass(frozen=True)
class Cost:
    """What something took.

    Attributes
    ----------
    seconds : float
        By the clock on the wall.
    cpu : float
        Of all threads.
    peak : int
        Largest resident memory, bytes; 0 when it was not a program of its own.
    output, messages : str
        What a program printed.
    """

    seconds: float
    cpu: float
    peak: int = 0
    output: str = ""
    messages: str = ""


def program(name: str) -> str:
    """Find one of PyHRF's programs beside the Python that runs."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def run_program(
    *command: str | Path, folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a program to its end, with one thread for each library that would take more.

    A small program starts it: what a child has at its peak counts from the peak of its parent on,
    and this one is large.
    """
    own = dict(os.environ) | {f"{name}_NUM_THREADS": "1" for name in _THREADS}
    # the settings of the user do not count; a checkout that is not installed is on the path
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    own |= {"PYHRF_CONFIG": os.devnull, "PYTHONPATH": path} | dict(environment or {})
    # a warm start has Python's own cache, too
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "cost.json"
        done = subprocess.run(
            [sys.executable, "-S", "-E", _LAUNCHER, report, *command],
            cwd=folder,
            env=own,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise click.ClickException(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
        return Cost(**json.loads(report.read_text()), output=done.stdout, messages=done.stderr)


def timed(work: Callable[[], object]) -> Cost:
    """Do something with one BLAS thread."""
    with threadpool_limits(1):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(n_runs: int, works: Mapping[str, Callable[[], Cost]]) -> dict[str, list[Cost]]:
    """Run each in turn, again and again, so that a busy moment of the machine meets all."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for number in range(n_runs):
        for name, work in works.items():
            click.echo(f"  run {number + 1} of {n_runs}: {name}", err=True)
            costs[name].append(work())
    return costs


def median(costs: Sequence[Cost], what: str = "seconds") -> float:
    """Median of one of the figures."""
    return float(statistics.median(getattr(cost, what) for cost in costs))
