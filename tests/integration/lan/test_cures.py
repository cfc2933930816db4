"""What ``pyhrf check LAN`` says is typed through a shell, and helps."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from cures import check_cured, cure_of, type_on_client
from lan_bed import LAB, Bed
from lan_client import (
    change_key,
    configure,
    forget_key,
    program,
    remote_folder,
    ssh_config,
)
from runs import PROGRAM

pytestmark = pytest.mark.timeout(60)


def test_cure__makes_the_folder_in_the_home_there(bed: Bed, home: Path):
    lab = bed.folder / "lab"
    configure(bed, home, hosts="h1", remote_path="~/my results")
    cure = check_cured(bed, home, "h1")
    assert cure == f"ssh {LAB}@h1 'mkdir -p ~/my\\ results'"
    (lab / "my results").chmod(0o500)
    cure = check_cured(bed, home, "h1")
    assert "chmod u+rwx" in cure
    (lab / "my results").rmdir()


def test_cure__makes_an_ordinary_folder(bed: Bed, home: Path):
    folder = remote_folder(bed, home) / "new"
    configure(bed, home, hosts="h1", remote_path=folder)
    assert check_cured(bed, home, "h1") == f"ssh {LAB}@h1 mkdir -p {folder}"
    bed.give(folder, LAB)
    folder.rmdir()


def test_cure__of_a_folder_of_another_is_another_folder(bed: Bed, home: Path):
    configure(bed, home, hosts="h1", remote_path=bed.folder / "forbidden")
    said = program(bed, home, "check", "LAN").stdout
    assert "\n    set another remote_path in section [parallel-LAN], a folder of yours" in said


def test_cure__learns_a_host_key(bed: Bed, home: Path):
    forget_key(bed, home, "h3")
    configure(bed, home, hosts="h3", remote_path=None)
    assert check_cured(bed, home, "h3") == "ssh-keyscan -p 22 h3 >> ~/.ssh/known_hosts"
    change_key(bed, home, "h3")
    assert check_cured(bed, home, "h3").startswith("ssh-keygen -R h3 && ssh-keyscan -p 22 h3")


def test_cure__learns_the_key_of_a_host_behind_another(bed: Bed, home: Path):
    station = f"Host station\n  HostName h2\n  User {LAB}\n  ProxyJump {LAB}@h1\n"
    known = '  HostKeyAlias the-station\n  UserKnownHostsFile "~/.ssh/my stations"\n'
    ssh_config(bed, home, station + known)
    configure(bed, home, hosts="station", user=None, remote_path=None)
    cure = check_cured(bed, home, "station")
    assert cure == "ssh -o StrictHostKeyChecking=accept-new station true"
    assert "ssh-ed25519" in (home / ".ssh" / "my stations").read_text()


def test_cure__has_an_agent_hold_a_key_with_a_passphrase(bed: Bed, home: Path):
    key = home / ".ssh" / "id_ed25519"
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(key)]
    subprocess.run(change, check=True)
    ask = home / "ask"
    ask.write_text("#!/bin/sh\necho open sesame\n")
    ask.chmod(0o755)
    bed.give(home)
    configure(bed, home, hosts="h1", remote_path=None)
    said = program(bed, home, "check", "LAN")
    assert "your key is refused" not in said.stdout
    command = cure_of(said.stdout, "h1").rpartition("started: ")[2]
    assert command == 'eval "$(ssh-agent)" && ssh-add ~/.ssh/id_ed25519'
    # in one shell, as its user would
    again = shlex.join([*PROGRAM, "check", "LAN"])
    asked = f"export SSH_ASKPASS={shlex.quote(str(ask))} SSH_ASKPASS_REQUIRE=force; "
    script = f"{asked}{command} && {again}; s=$?; ssh-agent -k >/dev/null; exit $s"
    done = type_on_client(bed, home, script)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "1 of 1 hosts can be used" in done.stdout
