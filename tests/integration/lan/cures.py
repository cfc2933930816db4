"""Type what a check says: the command that the message of a host ends with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lan_bed import Bed
from lan_client import program

RUN = "import subprocess, sys; sys.exit(subprocess.run(['bash', '-c', sys.argv[1]]).returncode)"


@contextmanager
def own_home(bed: Bed, home: Path) -> Iterator[None]:
    """Have ssh itself find its files in a home: it looks where the account says, not at HOME."""
    account = bed.folder / "client" / ".ssh"
    account.symlink_to(home / ".ssh")
    try:
        yield
    finally:
        account.unlink()


def cure_of(said: str, host: str) -> str:
    """Take the command out of what ``pyhrf check LAN`` says of a host."""
    lines = said[said.index(f"\n{host}: ") + 1 :].splitlines()
    return lines[1].rpartition("run: ")[2].strip()


def type_on_client(bed: Bed, home: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Type a command into a shell on the client."""
    return bed.run_client(["-c", RUN, command], home=home, check=False, timeout=30)


def check_cured(bed: Bed, home: Path, host: str) -> str:
    """Check, type the cure that is named, check again; return the cure."""
    said = program(bed, home, "check", "LAN")
    assert said.returncode == 1, said.stdout
    cure = cure_of(said.stdout, host)
    with own_home(bed, home):
        typed = type_on_client(bed, home, cure)
    again = program(bed, home, "check", "LAN")
    assert again.returncode == 0, (cure, typed.stderr, again.stdout)
    return cure
