"""Disks of the hosts that are full or closed: named with host and path, soon, and by the check."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from lan_bed import Bed
from lan_client import Scenario, configure, program

pytestmark = pytest.mark.timeout(120)
FULL = "No space left on device, disk full"


@contextmanager
def small_disk(bed: Bed, path: Path, *hosts: str, full: bool = True) -> Iterator[Path]:
    """Give hosts small disks of their own, full ones if nothing else is said."""
    with ExitStack() as stack:
        for host in hosts:
            bed.give_small_disk(host, path, full=full)
            stack.callback(bed.take_disk, host, path)
        yield path


@pytest.fixture(scope="module")
def xml(bed: Bed) -> Path:
    """A study whose estimator has little to compile."""
    home = bed.make_home("full_disk_xml")
    done = program(bed, home, "rfir", "buildcfg", "-t", "small")
    assert done.returncode == 0, done.stderr
    return home / "rfir.xml"


def estim(bed: Bed, home: Path, xml: Path, *options: object) -> tuple[int, str]:
    done = program(bed, home, "rfir", "estim", "-c", xml, "-v", 1, *options)
    assert "Traceback" not in done.stderr
    assert "error in PyHRF" not in done.stderr
    assert bed.processes() == []
    return done.returncode, done.stderr


def test_full_remote_path__is_named_soon(bed: Bed, home: Path, xml: Path):
    with small_disk(bed, bed.folder / "private", "h1", "h2") as disk:
        configure(bed, home, hosts="h1,h2", remote_path=disk)
        start = time.monotonic()
        code, said = estim(bed, home, xml, "-x", "LAN", "-u", home / "out")
        assert time.monotonic() - start < 30
    assert code == 1
    for host in ("h1", "h2"):
        (line,) = [line for line in said.splitlines() if f"host {host}: " in line]
        assert f"remote_path cannot be written ({FULL}: {disk}/pyhrf-" in line
        assert "make room there, or set another remote_path in section [parallel-LAN]" in line


def test_check__names_a_full_remote_path(bed: Bed, home: Path):
    with small_disk(bed, bed.folder / "private", "h2") as disk:
        configure(bed, home, remote_path=disk)
        done = program(bed, home, "check", "LAN")
    assert done.returncode == 0, done.stderr
    cure = "make room there, or set another remote_path in section [parallel-LAN]"
    assert f"h2: {disk} cannot be written there: {FULL}\n    {cure}" in done.stdout
    assert done.stdout.endswith("2 of 3 hosts can be used, 4 of 6 slots\n")


def test_closed_remote_path__is_named_by_the_check_and_by_a_run(bed: Bed, home: Path, xml: Path):
    with small_disk(bed, bed.folder / "private", "h1", full=False) as disk:
        bed.close_disk("h1", disk)
        configure(bed, home, hosts="h1", remote_path=disk)
        done = program(bed, home, "check", "LAN")
        code, said = estim(bed, home, xml, "-x", "LAN", "-u", home / "out")
    assert (done.returncode, code) == (1, 1)
    cure = "have it mounted for writing there, or set another remote_path"
    assert f"h1: {disk} cannot be written there: Read-only file system\n    {cure}" in done.stdout
    assert f"host h1: remote_path cannot be written (Read-only file system: {disk}/pyhrf-" in said
    assert cure in said


def test_remote_path_that_fills_up__is_told_once_and_named_when_the_host_is_lost(
    bed: Bed, home: Path
):
    with small_disk(bed, bed.folder / "private", "h2", full=False) as disk:
        configure(bed, home, hosts="h1,h2,h2", remote_path=disk)
        with Scenario(bed, home, "--batches", 120, "--seconds", 0.2) as run:
            run.wait_for_hosts("h1", "h2")
            bed.fill_disk("h2", disk)
            n_before = run.n_done
            run.wait_for(n_before + 20)
            (launcher,) = [p for p in bed.processes("h2") if "lan.launcher" in p.command]
            launcher.kill()
            figures = run.end(seconds=90)
    assert (figures["n_found"], figures["failed"], figures["same"]) == (120, {}, True)
    (note,) = [line for line in run.said.splitlines() if "results are not kept there" in line]
    assert f"host h2: {disk}/pyhrf-" in note
    assert FULL in note
    (named,) = [line for line in run.said.splitlines() if "remote_path cannot be written" in line]
    assert f"host h2: remote_path cannot be written ({FULL}: {disk}/pyhrf-" in named


@pytest.mark.long
@pytest.mark.timeout(240)
def test_full_cache__costs_time_only_and_is_told_once_for_a_host(bed: Bed, home: Path):
    configure(bed, home, hosts="h1,h1", niceness=0)
    cache = bed.folder / "lab" / ".cache"
    cache.mkdir(exist_ok=True)
    with small_disk(bed, cache, "h1"):
        done = program(bed, home, "check", "LAN")
        with Scenario(bed, home, "--batches", 40, "--seconds", 0.3, "--kernel") as run:
            figures = run.end(seconds=150)
    assert (figures["n_found"], figures["failed"], figures["same"]) == (40, {}, True)
    (line,) = [line for line in run.said.splitlines() if "compiled code cannot be kept" in line]
    assert f"host h1: compiled code cannot be kept in {cache}/pyhrf/kernels-" in line
    assert f"{FULL}; make room" in line
    assert "costs time only" in line
    assert done.returncode == 0, done.stdout
    assert f"h1: note: compiled code cannot be kept in {cache}/pyhrf/kernels-" in done.stdout
