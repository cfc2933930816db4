"""How commands end: what a user did is told apart from faults of PyHRF."""

from __future__ import annotations

import tempfile

import click
import pytest

from pyhrf.commands.exits import run_command


@pytest.fixture
def ended(capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run_it(raises: BaseException):
        @click.command()
        def program():
            raise raises

        with pytest.raises(SystemExit) as caught:
            run_command(program, "pyhrf", [])
        return caught.value.code, capfd.readouterr().err.strip(), list(tmp_path.iterdir())

    return run_it


def test_run_command__takes_the_end_of_a_file_for_a_fault(ended):
    """Of click both the end of a file and Ctrl-C are an Abort."""
    code, said, (log,) = ended(EOFError("the stream ended"))
    assert code == 1
    assert said.startswith("pyhrf: a fault of PyHRF stopped the run (EOFError: the stream ended)")
    assert str(log) in said
    assert "raise raises\nEOFError: the stream ended" in log.read_text()


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), click.Abort()])
def test_run_command__takes_an_abort_for_an_interruption(ended, cause):
    expected = "pyhrf: interrupted: run the same command again to go on"
    assert ended(cause) == (130, expected, [])
