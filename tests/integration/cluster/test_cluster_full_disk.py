"""A ``remote_path`` that is full or closed: named with host, path and cure, by check and run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster_bed import CLIENT, CLUSTER, Bed
from runs import PROGRAM
from soma_user import command, configure, remote_path, scenario, wait_for_jobs

pytestmark = pytest.mark.timeout(200)
FULL = "No space left on device, disk full"


@contextmanager
def small_disk(bed: Bed) -> Iterator[Path]:
    """Put a disk of 8 MB over ``remote_path``."""
    configure(bed)
    path = remote_path(bed)
    bed.run_root("login", ["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", path])
    try:
        bed.run_root("login", ["chown", "--reference", bed.home(CLUSTER), path])
        yield path
    finally:
        bed.run_root("login", ["umount", "--lazy", path])


def fill(bed: Bed, path: Path) -> None:
    bed.run_root("login", ["dd", "if=/dev/zero", f"of={path}/filler", "bs=4k"], check=False)


def refused(bed: Bed, *arguments: object) -> str:
    """Run a program that cannot do its work; return all that it says."""
    done = bed.run(CLIENT, list(arguments), check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert bed.jobs() == {}
    return done.stdout + done.stderr


def test_full_remote_path__is_named_by_check_and_run(bed: Bed):
    with small_disk(bed) as path:
        fill(bed, path)
        checked = refused(bed, *PROGRAM, "check", "cluster")
        said = refused(bed, *command(bed))
    cure = "make room there, or set another remote_path in section [parallel-cluster]"
    assert f"remote_path {path} cannot be written there: {FULL}\n    {cure}" in checked
    assert f"login: remote_path {path}/pyhrf-" in said
    assert f"cannot be written ({FULL}): make room, or set another remote_path" in said


def test_closed_remote_path__is_named_by_check_and_run(bed: Bed):
    with small_disk(bed) as path:
        bed.run_root("login", ["mount", "-o", "remount,ro", path])
        checked = refused(bed, *PROGRAM, "check", "cluster")
        said = refused(bed, *command(bed))
    assert f"remote_path {path} cannot be written there: Read-only file system" in checked
    assert "have it mounted for writing there, or set another remote_path" in checked
    assert f"remote_path {path} cannot be written (Read-only file system): have it mounted" in said


def test_remote_path_that_fills_up__ends_the_run_and_the_same_command_goes_on(bed: Bed):
    with small_disk(bed) as path:
        with bed.started(CLIENT, command(bed, "--seconds", 0.5)) as process:
            wait_for_jobs(bed, running=4)
            fill(bed, path)
            assert process.wait(120) == 1
        said = (bed.home(CLIENT) / "stderr").read_text()
        assert f"cannot be written ({FULL}): make room" in said
        assert "given up" not in said
        bed.run_root("login", ["rm", path / "filler"])
        figures = scenario(bed, "--seconds", 0.1)
    assert (figures["n_found"], figures["failed"], figures["same"]) == (24, {}, True)
