"""Start-up files of a login on real servers: bash reads ~/.bashrc before what sshd gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cures import own_home, type_on_client
from lan_bed import LAB, Bed
from lan_client import Scenario, configure, program

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def startup(bed: Bed) -> Iterator[Path]:
    """The ~/.bashrc of the login on the hosts."""
    path = bed.folder / "lab" / ".bashrc"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write(path: Path, **first: str) -> None:
    """Have each host begin with something of its own."""
    cases = "\n".join(f"{host}) {command};;" for host, command in first.items())
    path.write_text(f"case $(hostname) in\n{cases}\nesac\n")


def causes(said: str) -> dict[str, str]:
    """Take cause and cure of each host out of what a check says."""
    found = {}
    for paragraph in said.split("\n\n"):
        host, colon, rest = paragraph.partition(": ")
        if colon and host in ("h1", "h2", "h3"):
            found[host] = rest
    return found


def test_check__reads_past_what_start_up_files_print(bed: Bed, home: Path, startup: Path):
    write(
        startup,
        h1="printf '\\033]0;title\\007'",
        h2="echo welcome; printf '\\351t\\351'",
        h3="echo noise >&2",
    )
    configure(bed, home, remote_host="h2")
    done = program(bed, home, "check", "LAN")
    assert done.returncode == 0, done.stdout
    assert "3 of 3 hosts can be used" in done.stdout
    assert "remote_host h2 sees the folder of every host" in done.stdout


def test_check__names_the_start_up_files_that_are_in_the_way(bed: Bed, home: Path, startup: Path):
    write(startup, h1="exit", h2="exec sh", h3="read answer")
    configure(bed, home)
    done = program(bed, home, "check", "LAN")
    assert done.returncode == 1
    assert "python" not in done.stdout[done.stdout.index("\n\n") :]
    found = causes(done.stdout)
    for text in found.values():
        assert "~/.bashrc" in text
    assert "ended with status 0" in found["h1"]
    assert "took what was sent" in found["h2"]
    assert "read what is sent" in found["h3"]
    typed = [text.rpartition("at once: ")[2].strip() for text in found.values()]
    assert typed == [f"ssh {LAB}@{host} echo hello" for host in found]
    startup.unlink()  # as the cures say, or nearly
    with own_home(bed, home):
        assert type_on_client(bed, home, " && ".join(typed)).stdout == "hello\n" * 3


def test_check__names_a_forced_command_and_what_prints_for_ever(
    bed: Bed, home: Path, startup: Path
):
    keys = bed.folder / "sshd_h1" / "authorized_keys"
    trusted = keys.read_text()
    write(startup, h2="yes", h3="(sleep 50; echo late) &")  # the last does not matter
    keys.write_text(f'command="echo backups only" {trusted}')
    configure(bed, home, remote_path=None)
    try:
        done = program(bed, home, "check", "LAN")
    finally:
        keys.write_text(trusted)
    found = causes(done.stdout)
    assert set(found) == {"h1", "h2"}, done.stdout
    assert "it said: backups only" in found["h1"]
    assert "ForceCommand" in found["h1"]
    assert "~/.bashrc" in found["h2"]
    assert not [process for process in bed.processes("h2") if "yes" in process.command]


def test_run__hears_its_launcher_amid_what_start_up_files_print(
    bed: Bed, home: Path, startup: Path
):
    write(startup, h1="printf '\\033]0;title\\007'")
    configure(bed, home, hosts="h1")
    with Scenario(bed, home, "--batches", 6, "--seconds", 0.3) as run:
        run.end(seconds=40)
    assert run.n_done == 6
