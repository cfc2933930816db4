"""What the test beds of LAN and cluster have in common: programs, keys, users, and waiting."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = Path(__file__).resolve().parent / "scenarios"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoBedError(Exception):
    """The bed cannot be made here; the text says why."""


@dataclass(frozen=True)
class Process:
    """A process of a bed."""

    pid: int
    command: str
    user: int = 0
    nice: int = 0

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def may_install() -> bool:
    """Tell whether tests may install programs: in a container that is made for tests.

    Where systemd runs, the packages would start their servers, now and at each boot.
    """
    wanted = os.environ.get("CI") or os.environ.get("PYHRF_REQUIRE_INTEGRATION", "0") != "0"
    return bool(wanted) and not Path("/run/systemd/system").exists()


def provide_programs(programs: Mapping[str, str]) -> None:
    """Install what a bed needs, by apt, if it is not there and `may_install`.

    Parameters
    ----------
    programs : mapping
        The package of each program.

    Raises
    ------
    NoBedError
        If it cannot be installed.
    """
    if os.geteuid() != 0:
        raise NoBedError("only root can make namespaces")
    missing = {package for name, package in programs.items() if not shutil.which(name, path=PATH)}
    if not missing:
        return
    packages = sorted(missing)
    if shutil.which("apt-get") is None or not may_install():
        raise NoBedError(f"{' and '.join(packages)} are not installed")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    install = ["install", "-q", "-y", "--no-install-recommends", *packages]
    for arguments in (["update", "-q"], install):
        done = run(["apt-get", *wait, *arguments], env=environment, check=False, timeout=600)
    if done.returncode != 0:
        raise NoBedError(f"apt-get cannot install {' '.join(packages)}: {done.stderr.strip()}")


def run(command: Sequence[object], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program; that it fails is an error, unless told otherwise."""
    words = list(map(str, command))
    settings = {"check": True, "capture_output": True, "text": True, "timeout": 120, **options}
    return subprocess.run(words, stdin=subprocess.DEVNULL, **settings)  # type: ignore[call-overload]


def cause_of(error: subprocess.CalledProcessError) -> NoBedError:
    """Say of a command that failed what it said."""
    said = f"{error.stderr or ''}{error.stdout or ''}".strip()
    return NoBedError(f"{shlex.join(map(str, error.cmd))} failed: {said}")


def as_user(user: str, uid: int, home: Path, environment: Mapping[str, object]) -> list[str]:
    """Begin a command that runs as a user of a bed, with nothing of our environment."""
    variables = {
        "HOME": home,
        "USER": user,
        "LOGNAME": user,
        "LANG": "C.UTF-8",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
        **environment,
    }
    return [
        *("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "env", "-i"),
        *(f"{name}={value}" for name, value in variables.items()),
    ]


def start(
    command: Sequence[object], stdout: Path, stderr: Path, *, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a program whose words go into files."""
    with stdout.open("wb") as out, stderr.open("wb") as err:
        return subprocess.Popen(
            list(map(str, command)), cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )


def keygen(path: Path, comment: str, *kind: str) -> None:
    """Make a pair of keys without a passphrase."""
    run(["ssh-keygen", "-q", "-t", *(kind or ["ed25519"]), "-N", "", "-C", comment, "-f", path])


def public_key(path: Path) -> str:
    """Return the kind and the public half of a pair of keys."""
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


def give(path: Path, uid: int) -> None:
    """Make a user the owner of a file or of a folder with all in it."""
    for one in [path, *path.rglob("*")]:
        os.chown(one, uid, uid, follow_symlinks=False)


def sshd_conf(address: str, host_key: Path, *lines: str) -> str:
    """Write the configuration of an ssh server that takes keys only."""
    return "".join(
        f"{line}\n"
        for line in (
            f"ListenAddress {address}",
            f"HostKey {host_key}",
            "PidFile none",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin no",
            "UsePAM no",
            "StrictModes no",  # the folder for temporary files is open to all
            "Subsystem sftp internal-sftp",
            *lines,
        )
    )


def ways_in(folder: Path) -> list[str]:
    """Give the lines of a script that let other users in to the Python of the tests.

    It and the checkout may lie in a home that is closed to others; in the namespaces the way to
    them, and nothing else of that home, is open.
    """
    needed = sorted({ROOT, Path(sys.prefix), Path(sys.base_prefix)})
    needed = [path for path in needed if not any(other in path.parents for other in needed)]
    closed = {path: parent for path in needed if (parent := _closed_parent(path)) is not None}
    see = [folder / "see" / str(i) for i in range(len(closed))]
    lines = []
    for path, seen in zip(closed, see, strict=True):
        lines += [f'mkdir -p "{seen}"', f'mount --rbind "{path}" "{seen}"']
    lines += [f'mount -t tmpfs -o mode=755 tmpfs "{one}"' for one in sorted(set(closed.values()))]
    for path, seen in zip(closed, see, strict=True):
        lines += [f'mkdir -p "{path}"', f'mount --rbind "{seen}" "{path}"']
    return lines


def _closed_parent(path: Path) -> Path | None:
    """Return the highest folder above a path that other users may not enter."""
    for parent in reversed(path.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            return parent
    return None


def command_of(pid: int) -> str:
    """Return the words of a process, empty if it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeError):
        return ""


def is_of_ssh(command: str) -> bool:
    """Tell whether a process is an ssh server or one of its sessions."""
    return command.startswith(("sshd", "/usr/sbin/sshd"))


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> float:
    """Wait until a function returns something true; return the seconds that it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - begin
