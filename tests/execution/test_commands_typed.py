"""Commands that messages give are typed through a shell, and do what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.execution.ssh import host_folder
from pyhrf.execution.ssh.commands import (
    HostName,
    folder_cure,
    on_host,
    quoted_path,
    ssh_login,
)

# As ssh does: the words are joined, and go through the shell of another machine, another home.
SSH = """#!/bin/bash
port=22
[ "$1" = -p ] && { port=$2; shift 2; }
echo "$1 $port" >> "$SSH_LOG"; shift
[ $# = 0 ] && exit
cd "$SSH_HOME" && HOME="$SSH_HOME" exec sh -c "$*"
"""
PATHS = ["~/results", "~/my results", "results", "~/it's $HOME", '~/a "b" `c`', "~/-é;&|\\n"]


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home on another machine, which a program named ssh reaches."""
    for name in ("bin", "home", "far home"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "ssh").write_text(SSH)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSH_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("SSH_HOME", str(tmp_path / "far home"))
    return tmp_path / "far home"


def type_it(cure: str, shell: str = "bash") -> None:
    """Type the command that a message ends with."""
    subprocess.run([shell, "-c", cure.rpartition(": ")[2]], check=True)


def write(far: Path, folder: str) -> tuple[str, str]:
    """Have the other machine write into a folder: why it cannot, and what helps."""
    done = subprocess.run(
        [sys.executable, "-m", host_folder.MODULE, "write", folder, "note"],
        env={**os.environ, "HOME": str(far)},
        cwd=far, capture_output=True, text=True, check=False,
    )  # fmt: skip
    reason, remedy = json.loads(done.stdout)["pyhrf_folder"]
    assert done.returncode == bool(reason)
    return reason, remedy


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("folder", PATHS)
def test_folder_cure__makes_the_folder_there(far: Path, folder: str, shell: str):
    reason, remedy = write(far, folder)
    assert reason == "No such file or directory"
    cure = folder_cure(folder, remedy, login=ssh_login("h1:2222", "ann"), section="[parallel-LAN]")
    type_it(cure, shell)
    assert write(far, folder) == ("", "")
    assert (far.parent / "log").read_text() == "ann@h1 2222\n"
    assert list((far.parent / "home").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_cure__opens_a_folder_of_ours(far: Path):
    (far / "my closed").mkdir(mode=0o500)
    assert write(far, "~/my closed") == ("Permission denied", "chmod u+rwx")
    type_it(folder_cure("~/my closed", "chmod u+rwx", login="ann@h1", section="[parallel-LAN]"))
    assert write(far, "~/my closed") == ("", "")


def test_remedy__knows_what_a_command_does_not_mend(far: Path):
    (far / "file").write_text("")
    (far / "nowhere").symlink_to("not there")
    for folder in ("~/file", "~/file/below", "~/nowhere", "~nobody-of-that-name/x"):
        reason, remedy = write(far, folder)
        assert reason
        assert remedy == ""
    cure = folder_cure("/proc/x", "", login="ann@h1", section="[parallel-LAN]")
    assert cure == "set another remote_path in [parallel-LAN], a folder of yours"
    assert "make room" in folder_cure("~", "make room", login="ann@h1", section="[parallel-LAN]")


def test_folder_cure__is_for_this_machine_too(far: Path):
    type_it(folder_cure("~/my runs", "mkdir -p", login=None, section="[parallel-cluster]"))
    assert (far.parent / "home" / "my runs").is_dir()


names = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs", "Cc"]), min_size=1
)


@given(names)
def test_quoted_path__is_one_word_below_the_home(name: str):
    said = subprocess.run(
        ["sh", "-c", f"printf %s {quoted_path(f'~/{name}')}"],
        env={"HOME": "/h", "PATH": "/usr/bin:/bin"}, capture_output=True, check=True,
    )  # fmt: skip
    assert said.stdout.decode() == f"/h/{name}"


@given(names)
def test_on_host__goes_through_two_shells(name: str):
    command = on_host("ann@h1", f"printf %s {quoted_path(f'x{name}')}")
    typed = command.replace("ssh ", "sh -c 'shift; exec sh -c \"$*\"' ssh ", 1)
    said = subprocess.run(["sh", "-c", typed], capture_output=True, check=True)
    assert said.stdout.decode() == f"x{name}"


@pytest.mark.parametrize(
    ("host", "user", "words"),
    [
        ("h1", None, ["h1"]),
        ("h1", "ann", ["ann@h1"]),
        ("bob@h1:2222", "ann", ["-p", "2222", "bob@h1"]),
        ("[fe80::1]:22", None, ["-p", "22", "fe80::1"]),
        ("h1", "ann b", ["ann b@h1"]),
    ],
)
def test_ssh_login__is_what_ssh_is_given(host: str, user: str | None, words: list[str]):
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {ssh_login(host, user)}"], capture_output=True, text=True
    )
    assert said.stdout.splitlines() == words
    assert HostName.parse(host).host == words[-1].rpartition("@")[2]
