"""Progress says what is done, failed and left, and keeps quiet when asked to."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest
from execution_fakes import ids

from pyhrf.execution import progress as module
from pyhrf.execution.engine import Batch
from pyhrf.execution.progress import LineProgress, Tally, make_progress

BATCHES = [Batch(0, ids(1), 6.0), Batch(1, ids(2, 3), 3.0), Batch(2, ids(4), 1.0)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_tally__counts_rate_and_time_left_by_cost(clock):
    tally = Tally(BATCHES, n_before=6)
    assert tally.text() == "6/10 parcels"
    clock[0] += 12
    tally.count(BATCHES[0], n_failed=0)
    assert tally.text() == "7/10 parcels, 0.0833 parcels/s, 0:08 left"
    clock[0] += 6
    tally.count(BATCHES[1], n_failed=1)
    assert tally.text() == "9/10 parcels, 1 failed, 0.167 parcels/s, 0:02 left"
    clock[0] += 3600
    tally.count(BATCHES[2], n_failed=1)
    assert tally.text() == "10/10 parcels, 2 failed, 0.00111 parcels/s, 1:00:18"


def test_line_progress__prints_now_and_then_and_at_the_end(clock):
    stream = io.StringIO()
    with LineProgress(Tally(BATCHES), stream, seconds=5) as progress:
        clock[0] += 4
        progress.advance(BATCHES[0], n_failed=0)
        assert stream.getvalue() == ""
        clock[0] += 4
        progress.advance(BATCHES[1], n_failed=2)
        assert stream.getvalue() == "3/4 parcels, 2 failed, 0.375 parcels/s, 0:01 left\n"
        progress.advance(BATCHES[2], n_failed=0)
    assert len(stream.getvalue().splitlines()) == 2
    assert stream.getvalue().splitlines()[1].startswith("4/4 parcels, 2 failed")


def test_make_progress__bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with make_progress(BATCHES, n_before=6, stream=stream) as progress:
        for batch in BATCHES:
            progress.advance(batch, n_failed=1)
    assert "10/10 parcels, 3 failed" in stream.getvalue()
    assert "\x1b[?25h" in stream.getvalue(), "the cursor is shown again"


def test_make_progress__bar_leaves_the_terminal_in_order_after_an_error(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), make_progress(BATCHES, stream=stream):
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\x1b[?25h")


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_make_progress__silent_at_level_0(stream):
    with make_progress(BATCHES, verbosity=0, stream=stream) as progress:
        progress.advance(BATCHES[0], n_failed=1)
    assert stream.getvalue() == ""


def test_make_progress__lines_on_standard_error_elsewhere(capsys):
    with make_progress(BATCHES) as progress:
        progress.advance(BATCHES[0], n_failed=0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("1/4 parcels")


def test_execution__imports_neither_rich_nor_numba():
    code = (
        "import sys, pyhrf.execution.runner, pyhrf.execution.local, pyhrf.execution.serial\n"
        "print([m for m in ('rich', 'numba', 'threadpoolctl', 'nibabel') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


class Cell:
    """IPython's display: keeps each state of what is shown."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def __call__(self, shown: object, *, display_id: bool) -> Cell:
        assert display_id
        self.update(shown)
        return self

    def update(self, shown: object) -> None:
        self.states.append(shown._repr_html_())


@pytest.fixture
def cell(monkeypatch):
    """A notebook, as IPython's kernel makes it."""
    shown = Cell()
    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=shown))
    return shown


def test_make_progress__one_bar_below_the_cell_of_a_notebook(cell, clock, capfd):
    with make_progress(BATCHES, n_before=6, verbosity=None) as progress:
        for batch, seconds in zip(BATCHES, (12, 0.1, 6), strict=True):
            clock[0] += seconds
            progress.advance(batch, n_failed=0)
    assert len(cell.states) == 4, "the first, two that are late enough, and the last"
    assert '<progress max="10" value="6"' in cell.states[0]
    assert cell.states[1].endswith("7/10 parcels, 0.0833 parcels/s, 0:08 left")
    assert 'value="10"' in cell.states[3]
    assert capfd.readouterr() == ("", "")


def test_make_progress__a_notebook_says_that_it_was_stopped(cell):
    with pytest.raises(KeyboardInterrupt), make_progress(BATCHES):
        raise KeyboardInterrupt
    assert cell.states[-1].endswith("0/4 parcels, stopped")


def test_make_progress__nothing_in_a_notebook_at_level_0(cell):
    with make_progress(BATCHES, verbosity=0):
        pass
    assert cell.states == []


def test_make_progress__without_a_level_bars_alone(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with make_progress(BATCHES, verbosity=None, stream=stream):
            pass
    assert "0/4 parcels" in terminal.getvalue()
    assert pipe.getvalue() == ""
