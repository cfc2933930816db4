"""Hosts that cannot be used are named with cause and cure; the run goes on with the others."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from lan_bed import LAB, Bed
from lan_client import (
    Scenario,
    change_key,
    configure,
    forget_key,
    give_wrong_key,
    program,
    python_with_other_numpy,
)

pytestmark = pytest.mark.timeout(90)
SHORT = ["--batches", 12, "--seconds", 0.05]


@pytest.fixture(scope="module")
def xml(bed: Bed) -> Path:
    """The study of a small example."""
    home = bed.make_home("xml")
    done = program(bed, home, "jde", "buildcfg", "-t", "small")
    assert done.returncode == 0, done.stderr
    return home / "detectestim.xml"


def refused(bed: Bed, home: Path, xml: Path) -> str:
    """Start a run that cannot start; return what it says."""
    done = program(bed, home, "jde", "estim", "-c", xml, "-x", "LAN", "-u", home / "out")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "an error in PyHRF" not in done.stderr
    assert bed.processes() == []
    return done.stderr


def line_of(said: str, host: str) -> str:
    (line,) = [line for line in said.splitlines() if f"host {host}: " in line]
    return line


def test_bad_hosts__are_named_and_left_out(bed: Bed, home: Path):
    give_wrong_key(bed, home, "h2")
    forget_key(bed, home, "h3")
    configure(bed, home, hosts="h1,h2,h3,gone,nowhere,h1")
    with Scenario(bed, home, *SHORT, "--seconds", 1) as run:
        figures = run.end(seconds=60)
    assert figures["hosts"] == {"h1": 12}
    assert figures["same"]
    expected = {
        "h2": ["your key is refused", f"ssh-copy-id -i ~/.ssh/stranger.pub {LAB}@h2"],
        "h3": ["host key", "is not known", "ssh-keyscan -p 22 h3 >> ~/.ssh/known_hosts"],
        "gone": ["port 22", f"ssh {LAB}@gone"],
        "nowhere": ["the name nowhere cannot be resolved", "hosts"],
    }
    for host, words in expected.items():
        for word in words:
            assert word in line_of(run.said, host)


def test_changed_host_key__is_told_from_an_unknown_one(bed: Bed, home: Path):
    change_key(bed, home, "h2")
    configure(bed, home, hosts="h1,h2")
    with Scenario(bed, home, *SHORT) as run:
        figures = run.end(seconds=60)
    assert figures["hosts"] == {"h1": 12}
    line = line_of(run.said, "h2")
    assert "is not the one that" in line
    assert "ssh-keygen -R h2" in line


def test_all_hosts_bad__ends_with_status_1(bed: Bed, home: Path, xml: Path):
    give_wrong_key(bed, home, "h1")
    forget_key(bed, home, "h2")
    configure(bed, home, hosts="h1,h2,gone")
    said = refused(bed, home, xml)
    assert "your key is refused" in said
    assert "is not known here" in said
    assert f"ssh {LAB}@gone" in said


def test_missing_python__is_named(bed: Bed, home: Path, xml: Path):
    configure(bed, home, python="/nowhere/python")
    said = refused(bed, home, xml)
    for host in bed.hosts:
        assert f"host {host}: /nowhere/python cannot be run" in said
    assert "set python in section [parallel-LAN]" in said


def test_other_numpy__is_named(bed: Bed, home: Path, xml: Path):
    configure(bed, home, python=python_with_other_numpy(bed))
    said = refused(bed, home, xml)
    assert "numpy 1.0.0 (here " in said
    assert "install the same" in said


def test_folder_that_cannot_be_written__is_named(bed: Bed, home: Path, xml: Path):
    configure(bed, home, remote_path=bed.folder / "forbidden")
    said = refused(bed, home, xml)
    assert "host h3: remote_path cannot be written (Permission denied" in said
    assert str(bed.folder / "forbidden") in said


def test_folder_of_one_host_that_cannot_be_written__leaves_that_host_out(bed: Bed, home: Path):
    configure(bed, home, remote_path=bed.folder / "private")
    disk = bed.folder / "disk_h2"
    before = disk.stat()
    try:
        os.chown(disk, 0, 0)
        # More than one host does while another may still be starting; ended when both have worked.
        with Scenario(bed, home, "--batches", 400, "--seconds", 0.5) as run:
            run.wait_for_hosts("h1", "h3")
            run.process.send_signal(signal.SIGINT)
            run.end(seconds=20, status=130)
    finally:
        os.chown(disk, before.st_uid, before.st_gid)
    assert run.hosts == {"h1", "h3"}
    assert "remote_path cannot be written" in line_of(run.said, "h2")
    assert "the run continues without it" in line_of(run.said, "h2")
    assert "h2 is" not in run.said.replace(line_of(run.said, "h2"), "")


def test_server_that_forwards_no_ports__is_named(bed: Bed, home: Path, xml: Path):
    keys = bed.folder / "sshd_h1" / "authorized_keys"
    before = keys.read_text()
    configure(bed, home, hosts="h1")
    try:
        keys.write_text(f"no-port-forwarding {before}")
        said = refused(bed, home, xml)
        checked = program(bed, home, "check", "LAN")
    finally:
        keys.write_text(before)
    assert "host h1: its ssh server forwards no ports" in said
    assert "AllowTcpForwarding yes" in said
    assert checked.returncode == 1
    assert "h1: its ssh server forwards no ports" in checked.stdout


@pytest.mark.parametrize("content", [None, "", "# none\n,\n"])
def test_no_hosts__says_where_to_write_them(bed: Bed, home: Path, xml: Path, content: str | None):
    if content is not None:
        (home / ".pyhrf" / "hosts_LAN").write_text(content)
    configure(bed, home, hosts="")
    said = refused(bed, home, xml)
    assert str(home / ".pyhrf" / "hosts_LAN") in said
    assert "host" in said
