"""How commands end: what a user did is told apart from faults of PyHRF."""

from __future__ import annotations

import subprocess
import sys
import tempfile

import click
import pytest

from pyhrf.commands.exits import run_command
from pyhrf.errors import InputError


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
    assert said.startswith("pyhrf: an error in PyHRF stopped the run (EOFError: the stream ended)")
    assert str(log) in said
    assert "raise raises\nEOFError: the stream ended" in log.read_text()


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), click.Abort()])
def test_run_command__takes_an_abort_for_an_interruption(ended, cause):
    expected = "pyhrf: interrupted: run the same command again to continue"
    assert ended(cause) == (130, expected, [])


def test_interrupted__while_modules_are_loaded_is_one_sentence():
    # What is loaded first of all sends the signal, at the place where most of the time goes.
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['pyhrf', '--help']\n"
        "from pyhrf.commands.main import run; run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "pyhrf: interrupted: run the same command again to continue\n"


def test_interrupt__that_the_parent_has_switched_off_stays_so():
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import pyhrf.commands.main; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_errors__steer_no_terminal(capfd):
    @click.command()
    def command():
        raise InputError("bad\x1b[2J\x9b31m name\u202e, " + "9" * 5000 + " 'é' \udce9")

    with pytest.raises(SystemExit):
        run_command(command, "program", [])
    said = capfd.readouterr().err
    assert said == f"program: bad\\x1b[2J\\x9b31m name\\u202e, {'9' * 60}… 'é' \\udce9\n"


def test_memory__that_is_not_enough_is_a_sentence(capfd):
    @click.command()
    def command():
        raise MemoryError

    with pytest.raises(SystemExit) as caught:
        run_command(command, "program", [])
    assert caught.value.code == 1
    assert "there is not enough memory" in capfd.readouterr().err


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_streams__that_are_closed_hurt_nothing(tmp_path, closed):
    code = (
        "import click, sys; from pyhrf.commands.exits import run_command\n"
        "from pyhrf.errors import InputError\n"
        "@click.command()\n"
        "def command():\n"
        f"    file = open({str(tmp_path / 'table.tsv')!r}, 'w')\n"
        "    click.echo('out'); click.echo('err', err=True); print('x', file=sys.stderr)\n"
        "    file.write('table'); file.close()\n"
        "    raise InputError('a sentence')\n"
        "run_command(command, 'program', [])\n"
    )
    (tmp_path / "code.py").write_text(code)
    command = f"{sys.executable} {tmp_path / 'code.py'} {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (tmp_path / "table.tsv").read_text() == "table"
    assert "Traceback" not in done.stderr
