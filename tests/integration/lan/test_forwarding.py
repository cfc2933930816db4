"""Servers that forbid to forward ports, and jump hosts that do: named with what is to be set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lan_bed import LAB, Bed
from lan_client import configure, program, ssh_config

pytestmark = pytest.mark.timeout(60)


@contextmanager
def key_options(bed: Bed, **options: str) -> Iterator[None]:
    """Have hosts accept your key with options, which sshd takes as those of its sshd_config."""
    files = {host: bed.folder / f"sshd_{host}" / "authorized_keys" for host in options}
    trusted = {host: file.read_text() for host, file in files.items()}
    try:
        for host, file in files.items():
            file.write_text(f"{options[host]} {trusted[host]}")
        yield
    finally:
        for host, file in files.items():
            file.write_text(trusted[host])


def test_check__says_which_way_is_forbidden_by_which_host(bed: Bed, home: Path):
    configure(bed, home)
    with key_options(
        bed, h1='permitopen="127.0.0.1:22"', h2='permitlisten="127.0.0.1:1"', h3="restrict"
    ):
        done = program(bed, home, "check", "LAN")
    assert done.returncode == 1
    said = {text.partition(":")[0]: text for text in done.stdout.split("\n\n")}
    assert "no ports from here to it, through" in said["h1"]
    assert "the administrator of h1" in said["h1"]
    assert "PermitOpen any" in said["h1"]
    assert "PermitListen" not in said["h1"]
    assert "no ports from it to here, through" in said["h2"]
    assert "PermitListen any" in said["h2"]
    assert "no ports from here to it nor from it to here" in said["h3"]
    assert "DisableForwarding no" in said["h3"]


def test_check__takes_what_it_asks_administrators_for(bed: Bed, home: Path):
    configure(bed, home, hosts="h1")
    local = 'permitopen="127.0.0.1:*",permitlisten="127.0.0.1:*"'
    with key_options(bed, h1=local):
        done = program(bed, home, "check", "LAN")
    assert done.returncode == 0, done.stdout


def test_check__names_the_jump_host_that_is_at_fault(bed: Bed, home: Path):
    jump = f"  User {LAB}\n  ProxyJump {LAB}@h1\n"
    ssh_config(bed, home, f"Host h2 gone\n{jump}")
    configure(bed, home, hosts="gone")
    done = program(bed, home, "check", "LAN")
    assert "the jump host h1 does not reach gone port 22: " in done.stdout
    configure(bed, home, hosts="h2")
    with key_options(bed, h1="no-port-forwarding"):
        done = program(bed, home, "check", "LAN")
    assert "the jump host h1 forbids to forward ports to h2 port 22" in done.stdout
    assert "PermitOpen any (or h2:22)" in done.stdout
