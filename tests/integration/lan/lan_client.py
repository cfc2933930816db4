"""What the tests do as the user on the client: settings, ssh files, programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lan_bed import LAB, Bed

PROGRAM = "import sys; from pyhrf.commands import main; main.{}()"
ALL = "h1,h2,h3,h1,h2,h3"


def configure(bed: Bed, home: Path, **keys: object) -> None:
    """Write ``[parallel-LAN]``: two slots on each host, if nothing else is said."""
    keys = {"hosts": ALL, "user": LAB, "remote_path": bed.folder / "shared", **keys}
    lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
    path = home / ".pyhrf" / "config.cfg"
    path.write_text("\n".join(["[parallel-LAN]", *lines]) + "\n")
    bed.give(home)


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
    bed: Bed, home: Path, *arguments: object, name: str = "run", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program of PyHRF on the client, by the name of its function."""
    command: Sequence[object] = ["-c", PROGRAM.format(name), *arguments]
    return bed.run_client(command, home=home, timeout=timeout, check=False)
