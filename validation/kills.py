"""Runs that are ended at random moments: ``python -m validation.kills``.

Each time a run is started, gets a signal at a moment chosen by the seed, and is started again. Then
its files must be those of a run that nobody disturbed, byte for byte, with none beside them, and no
process of it may be left. SIGSTOP is followed by SIGCONT: such a run goes on by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from pyhrf.simulation.bids import write_bids
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP)
_MARK = "PYHRF_VALIDATION_KILLS"
_PYTHON = [sys.executable, "-c"]
_SECONDS = 300  # for a run to its end
_TOLD = {  # what tells when and by whom, and so differs
    "run.json",
    "run-state.json",
    "lock",
    "pyhrf.log",
}


def _program(name: str, *arguments: object) -> list[str]:
    code = (
        f"import sys; from pyhrf.commands.main import {name} as run; sys.argv[0] = 'pyhrf'; run()"
    )
    return [*_PYTHON, code, *map(str, arguments)]


def _prepare(folder: Path) -> dict[str, list[str]]:
    """Make the data; give the commands, which lack the output directory at their end."""
    spec = SimulationSpec(
        region="box", shape=(10, 8, 6), n_parcels=12, n_scans=80, n_conditions=2, seed=3
    )
    paths = write_dataset(simulate(spec), folder / "data")
    xml = folder / "detectestim.xml"
    files = ("-f", paths.bold[0], "-r", paths.paradigm[0], "-k", paths.parcellation, "-o", xml)
    subprocess.run(_program("run_jde_buildcfg", *files), check=True, capture_output=True)
    write_bids(spec, 2, folder / "set")
    bids = ("bids", "--parcellation", 60, "-j", 2, folder / "set")
    return {
        "serial": _program("run_jde_estim", "-c", xml, "-x", "serial", "-u"),
        "local": _program("run_jde_estim", "-c", xml, "-x", "local", "-j", 2, "-u"),
        "bids": _program("run", *bids),
    }


def _command(kind: str, command: Sequence[str], output: Path) -> list[str]:
    return [*command, str(output), *(["participant"] if kind == "bids" else [])]


def _start(command: Sequence[str], mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=os.environ | {_MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_listen,
    )


def _listen() -> None:
    """Undo what a shell does to programs in the background."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)


def files_of(output: Path) -> dict[str, bytes]:
    """Give the content of each file that does not tell when, and empty that of each which does."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if ".journal" in path.parts and path.name.startswith("batch-"):
            continue  # which parcels are in one depends on when they were ready
        if path.is_file():
            found[name] = b"" if path.name in _TOLD else path.read_bytes()
    return found


def _processes(mark: str) -> list[int]:
    """Find the processes of a run that still live."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lives = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if lives and wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _wait_for_none(mark: str, seconds: float = 15) -> list[int]:
    until = time.monotonic() + seconds
    while (left := _processes(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _disturb(command: list[str], mark: str, number: signal.Signals, after: float) -> list[str]:
    """Disturb a run once, and start it again; say what was wrong."""
    wrong = []
    first = _start(command, mark)
    time.sleep(after)
    first.send_signal(number)
    if number == signal.SIGSTOP:
        time.sleep(0.5)
        first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=_SECONDS)
    if b"Traceback" in said:
        wrong.append(f"a traceback: {said[-400:].decode(errors='replace')}")
    if number == signal.SIGSTOP and first.returncode:
        wrong.append(f"after SIGCONT it ended with {first.returncode}")
    if left := _wait_for_none(mark):
        wrong.append(f"{len(left)} processes are left")
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    again = _start(command, mark)
    _, said = again.communicate(timeout=_SECONDS)
    if again.returncode:
        wrong.append(f"started again, it ended with {again.returncode}: {said[-400:].decode()}")
    return wrong


@click.command(context_settings={"show_default": True})
@click.option("--kills", default=40, type=click.IntRange(1), help="Of each kind of run.")
@click.option("--kinds", default="serial,local,bids", help="Kinds, with commas between.")
@click.option("--seed", default=0, type=click.IntRange(0))
def main(kills: int, kinds: str, seed: int) -> None:
    """End runs at random moments and compare what they leave; exit 1 if anything differs."""
    n_wrong = 0
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = Path(name)
        commands = _prepare(folder)
        for kind in kinds.split(","):
            n_wrong += _try_kind(kind, commands[kind], folder, kills, seed)
    sys.exit(1 if n_wrong else 0)


def _try_kind(kind: str, command: list[str], folder: Path, kills: int, seed: int) -> int:
    # The same name each time: it stands in some of the files.
    output, n_wrong = folder / kind / "out", 0
    output.parent.mkdir()
    subprocess.run(_command(kind, command, output), check=True, capture_output=True)  # compiles
    output.rename(output.with_name("first"))
    began = time.monotonic()
    subprocess.run(_command(kind, command, output), check=True, capture_output=True)
    whole = time.monotonic() - began
    reference = files_of(output)
    output.rename(output.with_name("reference"))
    random = np.random.default_rng([seed, *kind.encode()])
    for number in range(kills):
        what, after = SIGNALS[number % len(SIGNALS)], float(random.uniform(0, whole))
        wrong = _disturb(_command(kind, command, output), f"{kind}-{number}", what, after)
        found = files_of(output)
        different = [f for f in {**found, **reference} if found.get(f) != reference.get(f)]
        if different:
            wrong.append(f"other files: {', '.join(sorted(different)[:5])}")
        click.echo(f"{kind:7} {what.name:8} after {after:5.2f} s: {'; '.join(wrong) or 'the same'}")
        n_wrong += bool(wrong)
        output.rename(output.with_name(f"out-{number}"))
    return n_wrong


if __name__ == "__main__":
    main()
