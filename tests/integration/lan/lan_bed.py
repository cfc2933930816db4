"""A LAN of real ssh servers on one machine: network namespaces on a bridge, an sshd in each.

It needs root, iproute2 and openssh-server. Nothing of it is seen outside: the users are in files
that only the namespaces see, every name holds the id of the process that made it, and `Bed.down`
takes all of it away.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CLIENT, LAB = "pyhrfcli", "pyhrflab"
_UIDS = {CLIENT: 61077, LAB: 61078}
_NET = "10.77.0."
_SSHD = "/usr/sbin/sshd"
_NAMES = {"gone": 99}
"""Names of machines that are not there, and their numbers."""


class NoBedError(Exception):
    """The bed cannot be made here; the text says why."""


@dataclass(frozen=True)
class Process:
    """A process on a host."""

    pid: int
    command: str
    nice: int

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def may_install() -> bool:
    """Tell whether tests may install programs: in a container that is made for tests.

    Where systemd runs, the packages would start their servers, now and at each boot.
    """
    wanted = os.environ.get("CI") or os.environ.get("PYHRF_REQUIRE_INTEGRATION", "0") != "0"
    return bool(wanted) and not Path("/run/systemd/system").exists()


def provide_programs() -> None:
    """Install what the bed needs, by apt, if it is not there and `may_install`.

    Raises
    ------
    NoBedError
        If it cannot be installed.
    """
    if os.geteuid() != 0:
        raise NoBedError("only root can make network namespaces")
    missing = {
        "iproute2": shutil.which("ip"),
        "openssh-server": Path(_SSHD).exists() or None,
        "openssh-client": shutil.which("ssh-keygen"),
        "util-linux": shutil.which("setpriv"),
    }
    packages = [package for package, path in missing.items() if path is None]
    if not packages:
        return
    if shutil.which("apt-get") is None or not may_install():
        raise NoBedError(f"{' and '.join(packages)} are not installed")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-o", "DPkg::Lock::Timeout=120"]
    install = ["install", "-q", "-y", "--no-install-recommends", *packages]
    for arguments in (["update", "-q"], install):
        done = _run(["apt-get", *wait, *arguments], env=environment, check=False)
    if done.returncode != 0:
        raise NoBedError(f"apt-get cannot install {' '.join(packages)}: {done.stderr.strip()}")


class Bed:
    """Three hosts h1, h2 and h3, and a client that reaches them; `up` makes it, `down` ends it.

    Attributes
    ----------
    folder : Path
        All its files; below ``shared`` what every host sees as one folder, while ``private`` is
        another folder on each machine.
    hosts : tuple of str
        Names of the hosts.
    """

    def __init__(self, *, n_hosts: int = 3) -> None:
        self.hosts = tuple(f"h{i}" for i in range(1, n_hosts + 1))
        self.folder = Path(tempfile.mkdtemp(prefix="pyhrf-lan-"))
        self._numbers = {"client": 1, **{host: 10 + int(host[1:]) for host in self.hosts}}
        self._switch = f"pyhrf-{os.getpid()}-switch"
        self._servers: list[subprocess.Popen[bytes]] = []

    # --- up and down

    def up(self) -> None:
        """Make it.

        Raises
        ------
        NoBedError
            If this machine does not allow it; nothing is left behind then.
        """
        try:
            self._make_files()
            self._make_network()
            for host in self.hosts:
                self._start_server(host)
            self._wait_for_servers()
            self._check_python()
        except subprocess.CalledProcessError as error:
            self.down()
            said = (error.stderr or "").strip()
            raise NoBedError(f"{shlex.join(map(str, error.cmd))} failed: {said}") from error
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Take all of it away."""
        spaces = [self._space(name) for name in self._numbers]
        for space in spaces:
            for pid in _pids(space):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for server in self._servers:
            server.wait(10)
        for space in [*spaces, self._switch]:
            _run(["ip", "netns", "del", space], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _space(self, name: str) -> str:
        return f"pyhrf-{os.getpid()}-{name}"

    def _make_files(self) -> None:
        self.folder.chmod(0o755)
        self._folder("shared", mode=0o1777)
        self._folder("private", mode=0o755)
        self._folder("lab", user=LAB)
        self._folder("client", user=CLIENT)
        self._folder("client_cache", user=CLIENT)
        self._folder("forbidden", mode=0o755)
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)  # sshd wants it, empty
        for name in ("client", "stranger"):
            self._keygen(self.folder / f"key_{name}", name)
        for host in self.hosts:
            self._folder(f"disk_{host}", user=LAB)
            self._folder(f"sshd_{host}")
            self._keygen(self.folder / f"sshd_{host}" / "key", host)
        self._folder("disk_client", user=CLIENT)
        self._write_etc()
        self._write_enter()

    def _folder(self, name: str, *, user: str = "", mode: int = 0o755) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if user:
            os.chown(path, _UIDS[user], _UIDS[user])
        return path

    @staticmethod
    def _keygen(path: Path, comment: str) -> None:
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])

    def _make_network(self) -> None:
        _run(["ip", "netns", "add", self._switch])
        for words in ("set lo up", "add br0 type bridge", "set br0 up"):
            _run(["ip", "-n", self._switch, "link", *words.split()])
        for name, number in self._numbers.items():
            space = self._space(name)
            _run(["ip", "netns", "add", space])
            link = ["ip", "-n", self._switch, "link"]
            _run(
                [*link, "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", space]
            )
            _run([*link, "set", f"to-{name}", "master", "br0", "up"])
            _run(["ip", "-n", space, "link", "set", "lo", "up"])
            _run(["ip", "-n", space, "addr", "add", f"{_NET}{number}/24", "dev", "eth0"])
            _run(["ip", "-n", space, "link", "set", "eth0", "up"])

    def _write_etc(self) -> None:
        """Write the files that a machine sees in ``/etc``: names of machines, and the users."""
        etc = self._folder("etc")
        names = {**self._numbers, **_NAMES}
        lines = [f"{_NET}{number} {name}\n" for name, number in names.items()]
        (etc / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        homes = {CLIENT: "client", LAB: "lab"}
        # Before the users of the machine: the first entry of a name counts.
        users = [f"{u}:*:{i}:{i}::{self.folder / homes[u]}:/bin/bash\n" for u, i in _UIDS.items()]
        (etc / "passwd").write_text("".join(users) + Path("/etc/passwd").read_text())
        groups = [f"{user}:x:{number}:\n" for user, number in _UIDS.items()]
        (etc / "group").write_text("".join(groups) + Path("/etc/group").read_text())

    def _write_enter(self) -> None:
        """Write the script in which a machine starts a program: its name, what it sees of the disk.

        The Python of the tests and the checkout may lie in a home that is closed to others; in
        the namespaces the way to them, and nothing else of that home, is open.
        """
        needed = sorted({ROOT, Path(sys.prefix), Path(sys.base_prefix)})
        needed = [path for path in needed if not any(other in path.parents for other in needed)]
        closed = {path: _closed_parent(path) for path in needed}
        lines = ["#!/bin/bash", "set -e", "name=$1; shift", 'hostname "$name"']
        lines.append(f'mount --bind "{self.folder}/disk_$name" "{self.folder}/private"')
        lines += [
            f'[ ! -e /etc/{path.name} ] || mount --bind "{path}" /etc/{path.name}'
            for path in sorted((self.folder / "etc").iterdir())
        ]
        for i, (path, parent) in enumerate(closed.items()):
            if parent is not None:
                self._folder(f"see/{i}")
                lines.append(f'mount --rbind "{path}" "{self.folder}/see/{i}"')
        parents = sorted({parent for parent in closed.values() if parent is not None})
        lines += [f'mount -t tmpfs -o mode=755 tmpfs "{parent}"' for parent in parents]
        for i, (path, parent) in enumerate(closed.items()):
            if parent is not None:
                lines.append(f'mkdir -p "{path}"; mount --rbind "{self.folder}/see/{i}" "{path}"')
        lines.append('exec "$@"')
        enter = self.folder / "enter"
        enter.write_text("\n".join(lines) + "\n")
        enter.chmod(0o755)

    def _enter(self, name: str) -> list[str]:
        return [
            *("ip", "netns", "exec", self._space(name)),
            *("unshare", "--uts", str(self.folder / "enter"), name),
        ]

    def _start_server(self, host: str) -> None:
        folder = self.folder / f"sshd_{host}"
        keys = folder / "authorized_keys"
        shutil.copy(self.folder / "key_client.pub", keys)
        keys.chmod(0o644)
        (folder / "conf").write_text(
            f"ListenAddress {self.address(host)}\n"
            f"HostKey {folder / 'key'}\n"
            "PidFile none\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "PermitRootLogin no\n"
            "UsePAM no\n"
            "StrictModes no\n"  # the folder for temporary files is open to all
            f"AuthorizedKeysFile {keys}\n"
            f"SetEnv PYTHONPATH={Path(__file__).parent}\n"  # of what `lan_scenario` estimates by
            "Subsystem sftp internal-sftp\n"
            "MaxStartups 30:30:100\n"
        )
        command = [*self._enter(host), _SSHD, "-D", "-f", folder / "conf", "-E", folder / "log"]
        self._servers.append(subprocess.Popen(list(map(str, command))))

    def _wait_for_servers(self) -> None:
        code = (
            "import socket, sys, time\n"
            "for host in sys.argv[1:]:\n"
            "    for _ in range(200):\n"
            "        try: socket.create_connection((host, 22), 1).close(); break\n"
            "        except OSError: time.sleep(0.05)\n"
            "    else: sys.exit(f'{host} does not answer')\n"
        )
        command = [*self._enter("client"), sys.executable, "-c", code, *self.hosts]
        _run(command)

    def _check_python(self) -> None:
        done = self.run_client(["-c", "import pyhrf.data, asyncssh, distributed"], check=False)
        if done.returncode != 0:
            raise NoBedError(f"another user cannot run this Python: {done.stderr.strip()[-300:]}")

    # --- machines

    def address(self, name: str) -> str:
        """Return the address of a machine."""
        return f"{_NET}{ {**self._numbers, **_NAMES}[name] }"

    def processes(self, *names: str) -> list[Process]:
        """Return what runs on hosts (by default on all), but for sshd and its sessions."""
        found = []
        for name in names or self.hosts:
            for pid in _pids(self._space(name)):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    process = _process(pid)
                    if process is not None:
                        found.append(process)
        return found

    def sessions(self, host: str) -> list[Process]:
        """Return the processes of sshd that serve a connection of the lab's user."""
        found = []
        for pid in _pids(self._space(host)):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = _command(pid)
                if command.startswith((f"sshd: {LAB}", "sshd-session:")):
                    found.append(Process(pid, command, 0))
        return found

    def give_small_disk(self, host: str, path: Path, *, full: bool = True) -> None:
        """Put a disk of 8 MB over a folder, for one host alone; see `take_disk` and `fill_disk`."""
        uid = _UIDS[LAB]
        options = f"size=8M,mode=700,uid={uid},gid={uid}"
        self._beside(host, ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path])
        if full:
            self.fill_disk(host, path)

    def fill_disk(self, host: str, path: Path) -> None:
        """Leave no room on a small disk."""
        self._beside(host, ["dd", "if=/dev/zero", f"of={path}/filler", "bs=4k"], check=False)

    def close_disk(self, host: str, path: Path) -> None:
        """Let nobody write on a small disk any more."""
        self._beside(host, ["mount", "-o", "remount,ro", path])

    def take_disk(self, host: str, path: Path) -> None:
        """Take a small disk away, with what is on it."""
        self._beside(host, ["umount", "--lazy", path])

    def _beside(self, host: str, command: Sequence[object], *, check: bool = True) -> None:
        """Run a program as root that sees the disks as the ssh server of a host does."""
        server = self._servers[self.hosts.index(host)]
        _run(["nsenter", "--mount", f"--target={server.pid}", *command], check=check)

    def cut(self, host: str) -> None:
        """Pull the plug of a host."""
        _run(["ip", "-n", self._switch, "link", "set", f"to-{host}", "down"])

    def mend(self, host: str) -> None:
        """Put the plug back."""
        _run(["ip", "-n", self._switch, "link", "set", f"to-{host}", "up"])

    def listening(self, name: str) -> set[tuple[str, int]]:
        """Return address and port of everything that listens for TCP on a machine."""
        code = (
            "import socket, struct\n"
            "for file, family in (('tcp', socket.AF_INET), ('tcp6', socket.AF_INET6)):\n"
            "    for line in open(f'/proc/net/{file}').readlines()[1:]:\n"
            "        local, state = line.split()[1], line.split()[3]\n"
            "        address, port = local.split(':')\n"
            "        raw = bytes.fromhex(address)\n"
            "        raw = b''.join(raw[i:i+4][::-1] for i in range(0, len(raw), 4))\n"
            "        if state == '0A': print(socket.inet_ntop(family, raw), int(port, 16))\n"
        )
        done = _run([*self._enter(name), sys.executable, "-c", code])
        lines = [line.split() for line in done.stdout.splitlines()]
        return {(address, int(port)) for address, port in lines}

    def run_on(self, name: str, command: Sequence[object], **options: object) -> str:
        """Run a program as root on a machine; return what it says."""
        return _run([*self._enter(name), *map(str, command)], **options).stdout

    # --- the client

    def client_command(self, arguments: Sequence[object], *, home: Path | None = None) -> list[str]:
        """Return the command that runs this Python as the client's user on the client."""
        home = home or self.folder / "client"
        environment = {
            "HOME": home,
            "USER": CLIENT,
            "LOGNAME": CLIENT,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "XDG_CACHE_HOME": self.folder / "client_cache",
            "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
        }
        uid = str(_UIDS[CLIENT])
        return [
            *self._enter("client"),
            *("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "env", "-i"),
            *(f"{name}={value}" for name, value in environment.items()),
            *map(str, (sys.executable, *arguments)),
        ]

    def run_client(
        self,
        arguments: Sequence[object],
        *,
        home: Path | None = None,
        timeout: float = 120,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run this Python on the client and wait for its end."""
        command = self.client_command(arguments, home=home)
        return _run(command, timeout=timeout, check=check, cwd=home or self.folder)

    def start_client(
        self, arguments: Sequence[object], *, home: Path, stdout: Path, stderr: Path
    ) -> subprocess.Popen[bytes]:
        """Start this Python on the client; its id is that of the process itself."""
        command = self.client_command(arguments, home=home)
        with stdout.open("wb") as out, stderr.open("wb") as err:
            return subprocess.Popen(
                command, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    def make_home(self, name: str) -> Path:
        """Make a home of the client's user, with a key that the hosts accept and their keys."""
        home = self._folder(f"homes/{name}", user=CLIENT)
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".pyhrf").mkdir()
        for suffix in ("", ".pub"):
            shutil.copy(self.folder / f"key_client{suffix}", home / ".ssh" / f"id_ed25519{suffix}")
        lines = [self.known_host(host) for host in self.hosts]
        (home / ".ssh" / "known_hosts").write_text("".join(lines))
        self.give(home)
        return home

    def known_host(self, host: str, *, key_of: str | None = None) -> str:
        """Return the line of ``known_hosts`` for a host, on demand with the key of another."""
        key = (self.folder / f"sshd_{key_of or host}" / "key.pub").read_text()
        return f"{host},{self.address(host)} {' '.join(key.split()[:2])}\n"

    def give(self, path: Path, user: str = CLIENT) -> None:
        """Make a user the owner of a file or of a folder with all in it."""
        for one in [path, *path.rglob("*")]:
            os.chown(one, _UIDS[user], _UIDS[user], follow_symlinks=False)


def _run(command: Sequence[object], **options: object) -> subprocess.CompletedProcess[str]:
    words = list(map(str, command))
    settings = {"check": True, "capture_output": True, "text": True, "timeout": 120, **options}
    return subprocess.run(words, stdin=subprocess.DEVNULL, **settings)  # type: ignore[call-overload]


def _pids(space: str) -> list[int]:
    done = _run(["ip", "netns", "pids", space], check=False)
    return [int(pid) for pid in done.stdout.split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def _process(pid: int) -> Process | None:
    command = _command(pid)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if not command or fields[0] == "Z" or command.startswith(("sshd", _SSHD)):
        return None
    return Process(pid, command, int(fields[16]))


def _closed_parent(path: Path) -> Path | None:
    """Return the highest folder above a path that other users may not enter."""
    for parent in reversed(path.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            return parent
    return None


def wait_until(condition: object, *, seconds: float, what: str) -> float:
    """Wait until a function returns something true; return the seconds that it took."""
    assert callable(condition)
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - start
