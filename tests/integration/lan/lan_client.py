"""What the tests do as the user on the client: settings, ssh files, programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from bed_parts import SCENARIOS
from lan_bed import LAB, Bed
from runs import PROGRAM, InBackground, settings

from pyhrf.execution.watch import Watch

ALL = "h1,h2,h3,h1,h2,h3"


def configure(bed: Bed, home: Path, **keys: object) -> None:
    """Write ``[parallel-LAN]``: two slots on each host, if nothing else is said."""
    remote_folder(bed, home).mkdir(exist_ok=True)
    bed.give(remote_folder(bed, home), LAB)
    keys = {"hosts": ALL, "user": LAB, "remote_path": remote_folder(bed, home), **keys}
    (home / ".pyhrf" / "config.cfg").write_text(settings("parallel-LAN", keys))
    bed.give(home)


def remote_folder(bed: Bed, home: Path) -> Path:
    """Return the ``remote_path`` of a test: the same folder on every host."""
    return bed.folder / "shared" / home.name


def ssh_config(bed: Bed, home: Path, text: str) -> None:
    """Write ``~/.ssh/config``."""
    (home / ".ssh" / "config").write_text(text)
    bed.give(home)


def give_wrong_key(bed: Bed, home: Path, *hosts: str) -> None:
    """Have the client offer a key to some hosts that they do not know."""
    for suffix in ("", ".pub"):
        shutil.copy(bed.folder / f"key_stranger{suffix}", home / ".ssh" / f"stranger{suffix}")
    stranger = f"IdentityFile {home}/.ssh/stranger\n  IdentitiesOnly yes\n"
    ssh_config(bed, home, f"Host {' '.join(hosts)}\n  {stranger}")


def forget_key(bed: Bed, home: Path, host: str) -> None:
    """Take the key of a host out of ``known_hosts``."""
    lines = [bed.known_host(other) for other in bed.hosts if other != host]
    (home / ".ssh" / "known_hosts").write_text("".join(lines))
    bed.give(home)


def change_key(bed: Bed, home: Path, host: str) -> None:
    """Have ``known_hosts`` hold another key for a host."""
    forget_key(bed, home, host)
    other = next(name for name in bed.hosts if name != host)
    with (home / ".ssh" / "known_hosts").open("a") as file:
        file.write(bed.known_host(host, key_of=other))


def python_with_other_numpy(bed: Bed) -> Path:
    """Make an interpreter that finds another version of numpy than the client's."""
    folder = bed.folder / "other"
    about = folder / "lib" / "numpy-1.0.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0.0\n")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}/lib" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def program(
    bed: Bed, home: Path, *arguments: object, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run PyHRF on the client."""
    command = [*PROGRAM[1:], *arguments]
    return bed.run_client(command, home=home, timeout=timeout, check=False)


def share_kernels(bed: Bed) -> None:
    """Give the hosts what the client has compiled: few cores stand for those of seven machines."""
    cache = bed.folder / "lab" / ".cache"
    shutil.copytree(bed.folder / "client_cache", cache, dirs_exist_ok=True)
    bed.give(cache, LAB)


class Scenario(InBackground):
    """A run of `lan_scenario` on the client.

    Parameters
    ----------
    bed : Bed
    home : Path
        Of the client's user.
    options : object
        Of the script.
    """

    def __init__(self, bed: Bed, home: Path, *options: object, out: str = "out") -> None:
        stdout, stderr = home / f"{out}.stdout", home / f"{out}.stderr"
        words = [SCENARIOS / "lan_scenario.py", home / out, *options]
        process = bed.start_client(words, home=home, stdout=stdout, stderr=stderr)
        super().__init__(process, home / out, stdout, stderr)

    @property
    def hosts(self) -> set[str]:
        """Hosts of which a batch is in the journal."""
        return set(Watch(self.out).hosts) if self.n_done else set()

    def wait_for_hosts(self, *names: str, seconds: float = 60) -> None:
        """Wait until each of these hosts has done a batch."""
        self.wait(lambda: self.hosts >= set(names), seconds=seconds, what=f"results of {names}")
