"""What the check of a cluster says is typed through a shell, and helps."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyhrf.errors import EngineError
from pyhrf.execution.extras import EXTRAS, install_command
from pyhrf.execution.soma.resource import (
    check_key,
    cure_of_sacct,
    install_soma,
    start_database,
)
from pyhrf.execution.soma.way_back import check_way_back
from pyhrf.execution.ssh.shells import AS_SOMA, LocalShell, Reply

pytest.importorskip("soma_workflow")


def type_it(cure: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Type the command that a message ends with."""
    command = cure.rpartition("run: " if "run: " in cure else "run there: ")[2]
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True,
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "my home"
    (made / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(made))
    for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return made


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("extra", EXTRAS)
def test_install_command__is_for_this_python(extra: str):
    # What is installed is found to be there, without network.
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PATH": "/usr/bin:/bin"}
    said = type_it(f"run: {install_command(extra)}", env=environment)
    assert "Requirement already satisfied: pyhrf" in said.stdout


def test_install_soma__is_of_the_version_here():
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    said = type_it(f"run there: {install_soma(sys.executable)}", env=environment)
    assert "Requirement already satisfied: soma-workflow" in said.stdout


@pytest.mark.parametrize("python", ["env/bin/python", "~/my env/bin/python"])
@pytest.mark.parametrize("before", ["", "a link that leads nowhere"])
def test_cure_of_sacct__puts_the_stand_in_first(home: Path, python: str, before: str):
    folder = home / python.removeprefix("~/")
    program(folder.with_name("pyhrf-sacct"), "#!/bin/sh\necho stand-in\n")
    (home / ".profile").write_text("export FIRST=1")  # whose last line has no end
    if before:
        (home / "bin").mkdir()
        (home / "bin" / "sacct").symlink_to(home / "gone")
    given = python if python.startswith("~") else str(folder)
    type_it(f"run there: {cure_of_sacct(given)}")
    said = asyncio.run(LocalShell().run(f"{AS_SOMA}sacct --version; echo $FIRST"))
    assert said.out == "stand-in\n1\n"


def test_cure_of_sacct__finds_it_by_its_name(home: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in = program(home / "somewhere" / "pyhrf-sacct", "#!/bin/sh\necho stand-in\n")
    monkeypatch.setenv("PATH", f"{stand_in.parent}:/usr/bin:/bin")
    type_it(f"run there: {cure_of_sacct('python3')}")
    assert (home / "bin" / "sacct").resolve() == stand_in


def key_fault() -> EngineError | None:
    try:
        check_key("-p 2222 ann@login")
    except EngineError as fault:
        return fault
    return None


SSH = """#!/bin/bash
case "$*" in *PreferredAuthentications=publickey*) echo "Permission denied" >&2; exit 255;; esac
echo "$*" > "$HOME/asked"
case "$*" in *" true") exit 0;; *) cat > "$HOME/sent";; esac
"""


def test_check_key__cures_work(home: Path, monkeypatch: pytest.MonkeyPatch):
    program(home / "programs" / "ssh", SSH)
    fast_keygen(home / "programs")
    monkeypatch.setenv("PATH", f"{home / 'programs'}:{os.environ['PATH']}")
    fault = key_fault()
    assert fault is not None
    type_it(fault.cure)
    assert key_fault() is None
    assert "ssh-rsa" in (home / "sent").read_text()
    assert "2222" in (home / "asked").read_text()
    assert "ann@login" in (home / "asked").read_text()


def test_check_key__takes_a_passphrase_out(home: Path, monkeypatch: pytest.MonkeyPatch):
    key = home / ".ssh" / "id_rsa"
    make = ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "open sesame", "-f", str(key)]
    subprocess.run(make, check=True)
    fault = key_fault()
    assert fault is not None
    assert "ssh-keygen -p -m PEM" in fault.cure
    ask = program(home / "ask", "#!/bin/sh\necho open sesame\n")
    monkeypatch.setenv("SSH_ASKPASS", str(ask))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    type_it(fault.cure)
    assert key_fault() is None


def fast_keygen(folder: Path) -> None:
    """Put a program of that name there that makes shorter keys, which take no time to find."""
    real = shutil.which("ssh-keygen")
    program(folder / "ssh-keygen", f'#!/bin/bash\nexec {real} "${{@/#4096/2048}}"\n')


class Account:
    """The shell of an account, which finds programs of ours first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, command: str, *, text: str = "", seconds: float = 20) -> Reply:
        command = f"PATH={self._folder}:$PATH; {command}"
        return await LocalShell().run(command, text=text, seconds=seconds)


def way_back(programs: Path) -> EngineError | None:
    try:
        asyncio.run(check_way_back(Account(programs), "ann@desk"))
    except EngineError as fault:
        return fault
    return None


def test_check_way_back__makes_a_key_and_takes_it_here(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    programs, trusted = tmp_path / "programs", tmp_path / "trusted"
    fast_keygen(programs)
    program(
        programs / "ssh",
        f"""#!/bin/bash
case "$*" in
*BatchMode*) [ -s {trusted} ] || {{ echo "Permission denied (publickey)." >&2; exit 255; }}
    exec bash -c "${{*: -1}}";;
*PreferredAuthentications=publickey*) echo "Permission denied" >&2; exit 255;;
*) cat > {trusted};;
esac
""",
    )
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    fault = way_back(programs)
    assert fault is not None
    assert "leave client_host out" in fault.cure
    type_it(fault.cure)
    assert way_back(programs) is None
    trusted.unlink()  # now there is a key
    fault = way_back(programs)
    assert fault is not None
    type_it(fault.cure)
    assert way_back(programs) is None


def test_check_way_back__learns_the_key_of_this_machine(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    programs = tmp_path / "programs"
    known = home / ".ssh" / "known_hosts"
    program(
        programs / "ssh",
        f"#!/bin/bash\nif [ ! -s '{known}' ]; then\n"
        "echo 'Host key verification failed.' >&2; exit 255; fi\n"
        'exec bash -c "${*: -1}"\n',
    )
    program(programs / "ssh-keyscan", "#!/bin/sh\necho $1 ssh-ed25519 AAAA\n")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    fault = way_back(programs)
    assert fault is not None
    type_it(fault.cure)
    assert way_back(programs) is None
    assert known.read_text() == "desk ssh-ed25519 AAAA\n"


def test_check_way_back__sees_a_login_that_runs_nothing(home: Path, tmp_path: Path):
    program(tmp_path / "programs" / "ssh", "#!/bin/sh\nexit 0\n")
    fault = way_back(tmp_path / "programs")
    assert fault is not None
    assert "~/.bashrc of ann@desk" in fault.cure


def test_start_database__cure_ends_the_server_that_does_not_answer(home: Path):
    python = program(home / "python", f'#!/bin/sh\necho "$@" > {home.parent}/started\n')
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as old:
        start = start_database(
            LocalShell(), f"'{python}'", "MY CLUSTER", was="no answer", pid=old.pid
        )
        with pytest.raises(EngineError) as caught:
            asyncio.run(start)
        type_it(f"{caught.value.cure} wait")
        assert old.wait(10) < 0
    started = (home.parent / "started").read_text()
    assert started == "-m soma_workflow.start_database_server MY CLUSTER\n"
