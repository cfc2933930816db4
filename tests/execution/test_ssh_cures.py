"""What is said when a login fails is typed through a shell; then the login works."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

asyncssh = pytest.importorskip("asyncssh", reason="the extra lan is not installed")
from pyhrf.execution.ssh.connection import connect  # noqa: E402
from pyhrf.execution.ssh.refusals import HostError  # noqa: E402

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("ssh-keyscan", "ssh-keygen", "ssh-copy-id", "ssh-agent"))),
    reason="openssh-client is not installed",
)
# For ssh-copy-id, which asks whether the key is there, and sends it where an other way leads in.
SSH = """#!/bin/bash
case "$*" in *PreferredAuthentications=publickey*) echo "Permission denied" >&2; exit 255;; esac
case "$*" in *"-p $SSH_PORT "*|*"-p $SSH_PORT"|*"-p '$SSH_PORT'"*) ;; *) exit 3;; esac
cd "$SSH_HOME" && HOME="$SSH_HOME" exec sh -c "${*: -1}"
"""
PASSPHRASE = "open sesame"


class Lab:
    """A home here, and a server that lets in whom its ``authorized_keys`` name."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.far, programs = (folder / name for name in ("my home", "far", "bin"))
        for each in (self.home, self.far / ".ssh", programs):
            each.mkdir(parents=True)
        self.ssh = self.home / ".ssh"
        self.trusted = self.far / ".ssh" / "authorized_keys"
        self.trusted.touch(mode=0o600)
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self._env = monkeypatch
        self.put(programs / "ssh", SSH).chmod(0o755)
        self.put(programs / "ask", f"#!/bin/sh\necho {PASSPHRASE}\n").chmod(0o755)
        for name, value in {
            "HOME": self.home, "SSH_HOME": self.far, "PATH": f"{programs}:{os.environ['PATH']}",
            "SSH_ASKPASS": programs / "ask", "SSH_ASKPASS_REQUIRE": "force",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, str(value))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    @staticmethod
    def put(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def key(self, path: Path, *, trusted: bool, passphrase: str = "") -> Path:
        """Make a key of ours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f", path]
        subprocess.run(make, check=True)
        path.chmod(0o600)
        if trusted:
            self.trusted.write_text(path.with_name(f"{path.name}.pub").read_text())
        return path

    def known(self, key: asyncssh.SSHKey | None = None, *, mark: str = "") -> str:
        """Return a line of known_hosts."""
        key = key or self.host_key
        return f"{mark}[127.0.0.1]:{self.port} {key.export_public_key().decode()}"

    async def _serve(self, work: Callable[[], object]) -> None:
        trusted = self.trusted

        class Server(asyncssh.SSHServer):
            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return key.export_public_key().split()[1].decode() in trusted.read_text()

        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Server, server_host_keys=[self.host_key]
        )
        try:
            self.port = server.get_port()
            self._env.setenv("SSH_PORT", str(self.port))
            await asyncio.to_thread(work)
        finally:
            server.close()

    def serve(self, work: Callable[[], object]) -> None:
        """Do something while the server is there."""
        asyncio.run(self._serve(work))

    def log_in(self) -> HostError | None:
        """Log in as a check does."""

        async def try_it() -> None:
            (await connect(f"127.0.0.1:{self.port}", user="ann")).close()

        try:
            asyncio.run(try_it())
        except HostError as error:
            return error
        return None

    def assert_cured(self, *, cause: str, cure: str) -> None:
        """Log in, type what is said, log in."""
        error = self.log_in()
        assert error is not None
        assert cause in error.cause
        assert cure in error.cure
        command = error.cure.rpartition(": ")[2]
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, (command, done.stderr)
        again = self.log_in()
        assert again is None, (command, str(again))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("config", "file"),
    [
        (None, ".ssh/known_hosts"),
        ('UserKnownHostsFile "~/my keys/known" ~/other', "my keys/known"),
        ("UserKnownHostsFile %d/keys/known", "keys/known"),
        ("UserKnownHostsFile /dev/null", ".ssh/known_hosts"),
    ],
)
def test_cure__learns_a_host_key_where_it_is_looked_for(lab: Lab, config: str | None, file: str):
    lab.key(lab.home / "key", trusted=True)
    lab.put(lab.ssh / "config", f'IdentityFile "~/key"\n{config or ""}\n')
    lab.serve(lambda: lab.assert_cured(cause="is not known here", cure="ssh-keyscan -p"))
    assert "ssh-ed25519" in (lab.home / file).read_text()


def test_cure__leaves_other_lines_whole(lab: Lab):
    lab.key(lab.ssh / "id_ed25519", trusted=True)
    other = "other " + asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    lab.put(lab.ssh / "known_hosts", other.strip())
    lab.serve(lambda: lab.assert_cured(cause="is not known here", cure="ssh-keyscan -p"))
    assert other in (lab.ssh / "known_hosts").read_text()


@pytest.mark.parametrize("hashed", [False, True])
def test_cure__replaces_a_key_that_has_changed(lab: Lab, hashed: bool):
    """In a file that ssh-keygen is told: the usual one it looks for where the account has it."""
    lab.key(lab.ssh / "id_ed25519", trusted=True)
    lab.put(lab.ssh / "config", 'UserKnownHostsFile "~/.ssh/my known"\n')

    def work() -> None:
        old = asyncssh.generate_private_key("ssh-ed25519")
        path = lab.put(lab.ssh / "my known", lab.known(old))
        if hashed:
            subprocess.run(["ssh-keygen", "-H", "-f", path], check=True, capture_output=True)
        lab.assert_cured(cause="is not the one that", cure="ssh-keygen")

    lab.serve(work)


def test_revoked_host_key__has_no_command(lab: Lab):
    lab.key(lab.ssh / "id_ed25519", trusted=True)

    def work() -> None:
        other = asyncssh.generate_private_key("ssh-ed25519")
        lab.put(lab.ssh / "known_hosts", lab.known(other) + lab.known(mark="@revoked "))
        error = lab.log_in()
        assert error is not None
        assert "is marked as revoked" in error.cause
        assert "run:" not in error.cure

    lab.serve(work)


def at_home(lab: Lab) -> None:
    lab.put(lab.ssh / "known_hosts", lab.known())


def test_cure__makes_a_first_key(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SSH_ASKPASS_REQUIRE")

    def work() -> None:
        at_home(lab)
        lab.assert_cured(cause="you have no key", cure="ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519")

    lab.serve(work)


@pytest.mark.parametrize("with_public", [True, False])
@pytest.mark.parametrize("path", [".ssh/id_ed25519", ".ssh/my lab key"])
def test_cure__takes_the_key_that_is_used_to_the_host(lab: Lab, path: str, with_public: bool):
    lab.key(lab.home / path, trusted=False)
    if path != ".ssh/id_ed25519":
        lab.put(lab.ssh / "config", f'IdentityFile "~/{path}"\n')
        lab.key(lab.ssh / "id_rsa", trusted=False)  # which ssh-copy-id would take by itself
    if not with_public:
        (lab.home / f"{path}.pub").unlink()

    def work() -> None:
        at_home(lab)
        lab.assert_cured(cause="your key is refused for ann", cure=f"-p {lab.port} ann@127.0.0.1")

    lab.serve(work)


CODE = """
import asyncio, sys
from pyhrf.execution.ssh.connection import connect
async def go():
    (await connect(sys.argv[1], user="ann")).close()
asyncio.run(go())
"""


@pytest.mark.parametrize("config", [None, 'IdentityFile "~/my key"\n', "IdentitiesOnly yes\n"])
def test_cure__has_an_agent_hold_a_key_with_a_passphrase(lab: Lab, config: str | None):
    named = "my key" if config and "File" in config else ".ssh/id_ed25519"
    lab.key(lab.home / named, trusted=True, passphrase=PASSPHRASE)
    if config:
        lab.put(lab.ssh / "config", config)

    def work() -> None:
        at_home(lab)
        error = lab.log_in()
        assert error is not None
        assert "has a passphrase, and no ssh-agent holds it" in error.cause
        command = error.cure.rpartition(": ")[2]
        assert command.startswith('eval "$(ssh-agent)" && ssh-add ~/')
        code = [sys.executable, "-c", CODE, f"127.0.0.1:{lab.port}"]
        # in one shell, as its user would
        script = f"{command} && {shlex.join(code)}; s=$?; ssh-agent -k >/dev/null; exit $s"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    lab.serve(work)


def test_cure__is_shorter_where_an_agent_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    lab.key(lab.ssh / "id_ed25519", trusted=True, passphrase=PASSPHRASE)
    socket = lab.home / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        while not socket.exists():
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))

        def work() -> None:
            at_home(lab)
            lab.assert_cured(cause="no ssh-agent holds it", cure="started: ssh-add ~/.ssh/")

        try:
            lab.serve(work)
        finally:
            agent.terminate()


def test_key_with_a_passphrase__that_an_agent_holds_is_told_as_refused(lab: Lab):
    lab.key(lab.ssh / "id_ed25519", trusted=False, passphrase=PASSPHRASE)

    def work() -> None:
        at_home(lab)
        typed = shlex.join([sys.executable, "-c", CODE, f"127.0.0.1:{lab.port}"])
        add = 'eval "$(ssh-agent)" && ssh-add ~/.ssh/id_ed25519'
        script = f"{add} && {typed}; ssh-agent -k >/dev/null"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert "your key is refused for ann; run: ssh-copy-id -p" in done.stderr

    lab.serve(work)
