"""Folders of results that are damaged or cannot be read: each command says so in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from validation.fuzz_readers import estimate, write_two_results

from pyhrf.commands.exits import run_command
from pyhrf.commands.main import pyhrf
from pyhrf.data import ParcelId
from pyhrf.execution.engine import Batch, BatchResult
from pyhrf.execution.journal import Journal
from pyhrf.execution.run_state import RunState

FILES = ("run.json", "parcels.tsv", "hrf.tsv", "conditions.tsv", "convergence.tsv")
MAPS = ("parcels.nii.gz", "nrl_a.nii.gz", "hrf.nii.gz")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Two output directories, side by side."""
    folder = tmp_path_factory.mktemp("damaged")
    write_two_results(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path, monkeypatch) -> Path:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nothing_drawn(monkeypatch) -> None:
    """Leave out the pixels, which take most of the time: what is read is read before."""
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


COMMANDS = {
    "report": ["report", "one"],
    "compare": ["compare", "one", "other", "--no-figures"],
    "hrf": ["plot", "hrf", "one"],
    "map": ["plot", "map", "one", "nrl_a"],
    "convergence": ["plot", "convergence", "one", "-p", "1"],
}


def said_by(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capfd.readouterr()
    with pytest.raises(SystemExit) as caught:
        run_command(pyhrf, "pyhrf", arguments)
    return int(caught.value.code or 0), capfd.readouterr().err


def test_whole__results_are_shown_by_each_command(folder, capfd):
    for arguments in COMMANDS.values():
        assert said_by(arguments, capfd)[0] == 0


@pytest.mark.usefixtures("nothing_drawn")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", [*FILES, *MAPS])
def test_damaged__results_are_refused_in_a_sentence(folder, capfd, command, name):
    not_read = {"map": FILES[1:], "hrf": MAPS, "convergence": MAPS}
    if name in not_read.get(command, ()):
        return
    path = folder / "one" / name
    content = path.read_bytes()
    ends_with = {"empty": b"", "half": content[: len(content) // 2], "noise": b"\xff\0\x1b[2J" * 40}
    if name.endswith(".tsv"):
        ends_with |= {"words": content.replace(b"\t1\t", b"\tword\t"), "header": b"a\tb\n1\t2\n"}
        ends_with |= {"renamed": content.replace(b"parcel\t", b"x\t").replace(b"sd", b"ds")}
    if name == "run.json":
        ends_with |= {f"type {k}": json.dumps(v).encode() for k, v in enumerate([[], 1, "a", None])}
        ends_with |= {
            f"inside {k}": json.dumps({"study": v, "versions": 1, "inputs": 2, "notes": 3}).encode()
            for k, v in enumerate([[], {"data": 3}, {"data": {}}, {"data": {"runs": [1]}}, None])
        }
    for damage in ends_with.values():
        path.write_bytes(damage)
        code, said = said_by(COMMANDS[command], capfd)
        assert code in (0, 1)
        assert "error in PyHRF" not in said, (damage[:80], said)
        assert "Traceback" not in said
        assert "\x1b" not in said
        shutil.rmtree(folder / "comparison", ignore_errors=True)


@pytest.mark.usefixtures("nothing_drawn")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_and_folders__in_place_of_results_are_refused_at_once(folder, capfd, command, make):
    for name in ("run.json", "hrf.tsv", "parcels.nii.gz", "nrl_a.nii.gz"):
        path = folder / "one" / name
        content = path.read_bytes()
        path.unlink()
        make(path)
        code, said = said_by(COMMANDS[command], capfd)
        assert code in (0, 1)
        assert "error in PyHRF" not in said, (name, said)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.write_bytes(content)
        shutil.rmtree(folder / "comparison", ignore_errors=True)


@pytest.fixture
def run_of_two(tmp_path) -> Path:
    out = tmp_path / "out"
    with Journal(out, {"a": "1"}) as journal:
        journal.announce(RunState("local", 2, 3, 0, news=("host\x1b[2J lost",)))
        journal.add(
            BatchResult(
                Batch(1, (ParcelId(0, 1),), 1.0), [estimate(1)], "h\x1b]0;evil\x07[red]", 0.2
            )
        )
    return out


def changed_state(out: Path, **values: object) -> None:
    path = out / ".journal" / "run-state.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values))


def test_monitor__lets_nothing_through_that_steers_a_terminal(run_of_two):
    changed_state(run_of_two, state="ended", host="\x9b2J", engine="\x1b[31m")
    code = "from pyhrf.commands.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "monitor", str(run_of_two)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not any(not letter.isprintable() for letter in done.stdout.replace("\n", ""))
    assert "h\\x1b]0;evil\\x07[red]: 1 batch, 1 parcel" in done.stdout
    assert done.stdout.endswith("ended, 2 parcels left; the same command continues it\n")


@pytest.mark.parametrize("pid", [0, -1, 1 << 40])
def test_monitor__does_not_take_a_process_that_cannot_be_for_running(run_of_two, capfd, pid):
    changed_state(run_of_two, pid=pid, state="running")
    code, _ = said_by(["monitor", str(run_of_two)], capfd)
    assert code == 0


@pytest.mark.parametrize("content", ["", "3", "[1]", '{"a": 1}', "[" * 100_000])
def test_monitor__of_a_list_of_runs_that_is_damaged(run_of_two, capfd, content):
    inside = run_of_two / ".journal" / "run-0123"
    inside.mkdir()
    (inside / "members.json").write_text(content)
    code, said = said_by(["monitor", str(run_of_two)], capfd)
    assert code == 1
    assert "members.json is damaged or cannot be read" in said
