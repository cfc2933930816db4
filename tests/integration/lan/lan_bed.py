"""A LAN of real ssh servers on one machine: network namespaces on a bridge, an sshd in each.

It needs root, iproute2 and openssh-server. Nothing of it is seen outside: the users are in files
that only the namespaces see, every name holds the id of the process that made it, and `Bed.down`
takes all of it away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bed_etc import write_names
from bed_parts import (
    SCENARIOS,
    NoBedError,
    Process,
    as_user,
    cause_of,
    command_of,
    give,
    is_of_ssh,
    keygen,
    public_key,
    run,
    sshd_conf,
    start,
    ways_in,
)

CLIENT, LAB = "pyhrfcli", "pyhrflab"
_UIDS = {CLIENT: 61077, LAB: 61078}
_NET = "10.77.0."
_SSHD = "/usr/sbin/sshd"
_NAMES = {"gone": 99}
"""Names of machines that are not there, and their numbers."""


PROGRAMS = {
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "setpriv": "util-linux",
}
"""Of which packages."""


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
            raise cause_of(error) from error
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
            run(["ip", "netns", "del", space], check=False)
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
            keygen(self.folder / f"key_{name}", name)
        for host in self.hosts:
            self._folder(f"disk_{host}", user=LAB)
            self._folder(f"sshd_{host}")
            keygen(self.folder / f"sshd_{host}" / "key", host)
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

    def _make_network(self) -> None:
        run(["ip", "netns", "add", self._switch])
        for words in ("set lo up", "add br0 type bridge", "set br0 up"):
            run(["ip", "-n", self._switch, "link", *words.split()])
        for name, number in self._numbers.items():
            space = self._space(name)
            run(["ip", "netns", "add", space])
            link = ["ip", "-n", self._switch, "link"]
            run(
                [*link, "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", space]
            )
            run([*link, "set", f"to-{name}", "master", "br0", "up"])
            run(["ip", "-n", space, "link", "set", "lo", "up"])
            run(["ip", "-n", space, "addr", "add", f"{_NET}{number}/24", "dev", "eth0"])
            run(["ip", "-n", space, "link", "set", "eth0", "up"])

    def _write_etc(self) -> None:
        """Write the files that a machine sees in ``/etc``: names of machines, and the users."""
        names = {**self._numbers, **_NAMES}
        write_names(
            self._folder("etc"),
            homes={CLIENT: (_UIDS[CLIENT], self.folder / "client")}
            | {LAB: (_UIDS[LAB], self.folder / "lab")},
            hosts=[f"{_NET}{number} {name}\n" for name, number in names.items()],
        )

    def _write_enter(self) -> None:
        """Write the script in which a machine starts a program: its name, its view of the disk."""
        lines = ["#!/bin/bash", "set -e", "name=$1; shift", 'hostname "$name"']
        lines.append(f'mount --bind "{self.folder}/disk_$name" "{self.folder}/private"')
        lines += [
            f'[ ! -e /etc/{path.name} ] || mount --bind "{path}" /etc/{path.name}'
            for path in sorted((self.folder / "etc").iterdir())
        ]
        lines += ways_in(self.folder)
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
        trust = f"AuthorizedKeysFile {keys}"
        # for the estimator of the scenario, which the workers import
        path = f"SetEnv PYTHONPATH={SCENARIOS}"
        conf = sshd_conf(self.address(host), folder / "key", trust, path, "MaxStartups 30:30:100")
        (folder / "conf").write_text(conf)
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
        run(command)

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
                command = command_of(pid)
                if command.startswith((f"sshd: {LAB}", "sshd-session:")):
                    found.append(Process(pid, command))
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
        run(["nsenter", "--mount", f"--target={server.pid}", *command], check=check)

    def cut(self, host: str) -> None:
        """Pull the plug of a host."""
        run(["ip", "-n", self._switch, "link", "set", f"to-{host}", "down"])

    def mend(self, host: str) -> None:
        """Put the plug back."""
        run(["ip", "-n", self._switch, "link", "set", f"to-{host}", "up"])

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
        done = run([*self._enter(name), sys.executable, "-c", code])
        lines = [line.split() for line in done.stdout.splitlines()]
        return {(address, int(port)) for address, port in lines}

    def run_on(self, name: str, command: Sequence[object], **options: object) -> str:
        """Run a program as root on a machine; return what it says."""
        return run([*self._enter(name), *map(str, command)], **options).stdout

    # --- the client

    def client_command(self, arguments: Sequence[object], *, home: Path | None = None) -> list[str]:
        """Return the command that runs this Python as the client's user on the client."""
        home = home or self.folder / "client"
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "XDG_CACHE_HOME": self.folder / "client_cache",
        }
        return [
            *self._enter("client"),
            *as_user(CLIENT, _UIDS[CLIENT], home, environment),
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
        return run(command, timeout=timeout, check=check, cwd=home or self.folder)

    def start_client(
        self, arguments: Sequence[object], *, home: Path, stdout: Path, stderr: Path
    ) -> subprocess.Popen[bytes]:
        """Start this Python on the client; its id is that of the process itself."""
        return start(self.client_command(arguments, home=home), stdout, stderr, cwd=home)

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
        key = public_key(self.folder / f"sshd_{key_of or host}" / "key")
        return f"{host},{self.address(host)} {key}\n"

    def give(self, path: Path, user: str = CLIENT) -> None:
        """Make a user the owner of a file or of a folder with all in it."""
        give(path, _UIDS[user])


def _pids(space: str) -> list[int]:
    done = run(["ip", "netns", "pids", space], check=False)
    return [int(pid) for pid in done.stdout.split()]


def _process(pid: int) -> Process | None:
    command = command_of(pid)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if not command or fields[0] == "Z" or is_of_ssh(command):
        return None
    return Process(pid, command, nice=int(fields[16]))
