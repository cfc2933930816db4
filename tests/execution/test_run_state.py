"""What a run says of itself, which anyone may have changed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import pytest

from pyhrf.execution.run_state import RUNNING, STATE_FILE, RunState, read_state, write_state


def test_read_state__gives_what_was_written(tmp_path):
    write_state(tmp_path, RunState("local", 2, 3, 0, news=("host h2 was lost",)))
    state = read_state(tmp_path)
    assert (state.engine, state.state, state.pid) == ("local", RUNNING, os.getpid())
    assert state.says_running
    assert not state.was_killed()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("pid", pid) for pid in (0, -1, 1 << 40, "1", None, True, 2.5)),
        *(("started", when) for when in (float("nan"), 1e300, -1, "now", None)),
        *(("n_parcels", number) for number in (-1, 1 << 40, 2.5, "3")),
        *(("news", news) for news in ("text", [1], None)),
        *(("state", state) for state in ("\x1b[2J", 1, [])),
        *(("engine", 3), ("host", None), ("alive", "now"), ("more", 1)),
    ],
)
def test_read_state__does_not_believe_what_cannot_have_been_written(tmp_path, name, value):
    content = asdict(RunState("local", 2, 3, 0)) | {name: value}
    (tmp_path / STATE_FILE).write_text(json.dumps(content))
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "3", "[" * 100_000, "9" * 5000, "\xff"])
def test_read_state__of_another_kind_of_file(tmp_path, text):
    (tmp_path / STATE_FILE).write_bytes(text.encode("latin-1"))
    assert read_state(tmp_path) is None


def test_read_state__does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / STATE_FILE)
    assert read_state(tmp_path) is None
