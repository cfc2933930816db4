"""``pyhrf bids`` with an OUT_DIR that holds results, or in which another call works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bids_sets import SPACE, change_json, func, run_bids

NAME = f"sub-01_task-sim_{SPACE}"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def native(out: Path, name: str = NAME) -> Path:
    return out / ".pyhrf" / name


def made_for(out: Path) -> dict[str, tuple[bytes, int]]:
    """The files that are made as input, with their times."""
    folder = out / ".pyhrf" / "inputs" / NAME
    return {x.name: (x.read_bytes(), x.stat().st_mtime_ns) for x in folder.iterdir()}


def test_bids__what_is_refused_leaves_the_input_of_results(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start = func(dataset, "01") / f"sub-01_task-sim_run-1_{SPACE}_desc-preproc_bold.json"
    change_json(start, StartTime=1.0)
    words = (dataset, out, "participant", "-x", "serial", "--participant-label", "01")
    assert run_bids(capfd, *words, "--parcellation", 30).code == 0
    before = made_for(out)
    change_json(start, StartTime=0.5)
    ended = run_bids(capfd, *words, "--parcellation", 8)
    assert ended.code == 1
    assert "results of another study" in ended.err
    assert before.items() <= made_for(out).items()
    study = json.loads((native(out) / "run.json").read_text())["study"]["data"]
    used = {Path(study["parcellation"]).name, Path(study["runs"][0]["paradigm"]).name}
    assert used <= before.keys()


def test_bids__what_is_refused_does_not_disturb_a_run(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (made_set, out, "participant", "--participant-label", "01")
    again = [sys.executable, "-c", "from pyhrf.commands.main import run; run()", "bids"]
    others: list[subprocess.CompletedProcess[str]] = []

    def other_call(*_: object) -> None:
        call = [*again, *map(str, words), "-x", "serial", "--parcellation", "8"]
        others.append(subprocess.run(call, capture_output=True, text=True, check=False))

    # Once the first call holds its folders.
    monkeypatch.setattr("pyhrf.analysis.pool.compile_here", other_call)
    ended = run_bids(capfd, *words, "-x", "serial", "--parcellation", 30)
    assert [other.returncode for other in others] == [1]
    assert "is in use by another run" in others[0].stderr
    assert ended.code == 0, ended.err
