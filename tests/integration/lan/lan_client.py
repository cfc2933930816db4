"""What the tests do as the user on the client: settings, ssh files, programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bed_parts import wait_until
from lan_bed import LAB, Bed

from pyhrf.execution.watch import Watch

PROGRAM = "import sys; from pyhrf.commands import main; main.{}()"
ALL = "h1,h2,h3,h1,h2,h3"


def configure(bed: Bed, home: Path, **keys: object) -> None:
    """Write ``[parallel-LAN]``: two slots on each host, if nothing else is said."""
    remote_folder(bed, home).mkdir(exist_ok=True)
    bed.give(remote_folder(bed, home), LAB)
    keys = {"hosts": ALL, "user": LAB, "remote_path": remote_folder(bed, home), **keys}
    lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
    path = home / ".pyhrf" / "config.cfg"
    path.write_text("\n".join(["[parallel-LAN]", *lines]) + "\n")
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
    bed: Bed, home: Path, *arguments: object, name: str = "run", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program of PyHRF on the client, by the name of its function."""
    command: Sequence[object] = ["-c", PROGRAM.format(name), *arguments]
    return bed.run_client(command, home=home, timeout=timeout, check=False)


def share_kernels(bed: Bed) -> None:
    """Give the hosts what the client has compiled: few cores stand for those of seven machines."""
    cache = bed.folder / "lab" / ".cache"
    shutil.copytree(bed.folder / "client_cache", cache, dirs_exist_ok=True)
    bed.give(cache, LAB)


class Scenario:
    """A run of `lan_scenario` on the client, in the background.

    Parameters
    ----------
    bed : Bed
    home : Path
        Of the client's user.
    options : object
        Of the script.
    """

    def __init__(self, bed: Bed, home: Path, *options: object, out: str = "out") -> None:
        self.out = home / out
        self._stdout, self._stderr = home / f"{out}.stdout", home / f"{out}.stderr"
        words = [Path(__file__).with_name("lan_scenario.py"), self.out, *options]
        self.process = bed.start_client(words, home=home, stdout=self._stdout, stderr=self._stderr)

    def __enter__(self) -> Scenario:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)

    @property
    def n_done(self) -> int:
        """Batches in the journal."""
        return len(list((self.out / ".journal").glob("batch-*.npz")))

    @property
    def hosts(self) -> set[str]:
        """Hosts of which a batch is in the journal."""
        return set(Watch(self.out).hosts) if self.n_done else set()

    @property
    def said(self) -> str:
        """What it told the user, each line with the second in which it did."""
        return self._stderr.read_text()

    def wait_for(self, n_done: int, *, seconds: float = 30) -> None:
        """Wait until so many batches are in the journal."""
        self._wait(lambda: self.n_done >= n_done, seconds=seconds, what=f"{n_done} batches")

    def wait_for_hosts(self, *names: str, seconds: float = 60) -> None:
        """Wait until each of these hosts has done a batch."""
        self._wait(lambda: self.hosts >= set(names), seconds=seconds, what=f"results of {names}")

    def _wait(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        def met() -> bool:
            if condition():
                return True
            if self.process.poll() is not None:
                raise AssertionError(f"it ended: {self._stdout.read_text()}\n{self.said}")
            return False

        try:
            wait_until(met, seconds=seconds, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said}") from None

    def end(self, *, seconds: float, status: int = 0) -> dict[str, Any]:
        """Wait for the end; return what it found out."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.n_done} done after {seconds:g} s\n{self.said}") from None
        assert code == status, self.said
        text = self._stdout.read_text()
        figures: dict[str, Any] = json.loads(text) if text else {}
        return figures
