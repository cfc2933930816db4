"""Names of hosts, command lines and comparisons of versions; the servers are in integration."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.execution.ssh import host_facts
from pyhrf.execution.ssh.commands import HostName

asyncssh = pytest.importorskip("asyncssh", reason="the extra lan is not installed")
from pyhrf.execution.ssh.connection import connect  # noqa: E402
from pyhrf.execution.ssh.python import Probe, python_command  # noqa: E402
from pyhrf.execution.ssh.refusals import HostError  # noqa: E402


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("h1", ("h1", None, None)),
        ("h1.lab.org:2222", ("h1.lab.org", None, 2222)),
        ("ann@h1", ("h1", "ann", None)),
        ("ann@lab@h1:22", ("h1", "ann@lab", 22)),
        ("10.0.0.1:22", ("10.0.0.1", None, 22)),
        ("fe80::1", ("fe80::1", None, None)),
        ("ann@[fe80::1]:2222", ("fe80::1", "ann", 2222)),
        ("[fe80::1]", ("fe80::1", None, None)),
    ],
)
def test_host_name__takes_user_and_port_apart(text, parts):
    name = HostName.parse(text)
    assert (name.host, name.user, name.port) == parts


@given(st.text(max_size=30))
def test_host_name__never_fails(text):
    assert isinstance(HostName.parse(text).host, str)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_python_command__passes_any_path_as_one_word(path):
    # "~" is asked of the shell on purpose
    words = shlex.split(python_command(f"/{path}", "-m", "a b", niceness=7))
    assert words == ["exec", "nice", "-n", "7", "env", "PYTHONSAFEPATH=1", f"/{path}", "-m", "a b"]


def test_python_command__finds_the_home_there(tmp_path):
    folder = tmp_path / "my env"
    folder.mkdir()
    (folder / "python").write_text("#!/bin/sh\necho ran $PYTHONSAFEPATH $1")
    (folder / "python").chmod(0o755)
    command = python_command("~/my env/python", "-", niceness=0)
    run = subprocess.run(
        ["/bin/sh", "-c", command], env={"HOME": str(tmp_path), "PATH": "/bin:/usr/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "ran 1 -\n"


def facts(**changes: str | None) -> Probe:
    here = host_facts.host_facts()
    return Probe(**{**here, "versions": {**here["versions"], **changes}})


def test_probe__finds_no_difference_to_itself():
    assert facts().differences() == []


def test_probe__names_what_differs_and_both_versions():
    ours = host_facts.host_facts()["versions"]["numpy"]
    assert facts(numpy="1.0", distributed=None).differences() == [
        f"numpy 1.0 (here {ours})",
        f"distributed missing (here {host_facts.host_facts()['versions']['distributed']})",
    ]


def test_probe__names_another_nilearn_on_which_the_glm_depends():
    ours = host_facts.host_facts()["versions"]["nilearn"]
    assert facts(nilearn="0.1").differences() == [f"nilearn 0.1 (here {ours})"]


def test_probe__sees_another_text_of_the_same_version():
    (difference,) = facts(**{"source of pyhrf": "0123"}).differences()
    assert difference.startswith("source of pyhrf 0123 (here ")


def test_host_facts__needs_the_standard_library_alone():
    source = Path(host_facts.__file__).read_text()
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=source, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith('{"pyhrf_host": {"versions": {"python": ')
    assert '"numpy": null' in run.stdout


def test_source_digest__changes_with_any_module(tmp_path, monkeypatch):
    package = tmp_path / "pyhrf"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "sub" / "a.py").write_text("x = 1")
    text = Path(host_facts.__file__).read_text()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{text}"
    code = code.replace("from __future__ import annotations", "")

    def digest() -> str:
        script = code.rpartition("if __name__")[0] + "print(source_digest())"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
        ).stdout

    first = digest()
    assert first == digest()
    (package / "sub" / "a.py").write_text("x = 2")
    assert digest() != first


def test_host_error__says_host_cause_and_cure_in_one_sentence():
    error = HostError("h1", "it is off", "switch it on", kind="network")
    assert str(error) == "host h1: it is off; switch it on"
    assert (error.host, error.cause, error.cure, error.kind) == (
        "h1",
        "it is off",
        "switch it on",
        "network",
    )


async def _login_with(key: Path, mode: int, trusted: str, port_of: Path) -> HostError | None:
    """Log in to a server of our own with a key of that mode."""

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Server, server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(trusted),
    )  # fmt: skip
    port = server.get_port()
    public = host_key.export_public_key().decode()
    (port_of / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    key.chmod(mode)
    try:
        connection = await connect(f"127.0.0.1:{port}", user="ann")
        connection.close()
    except HostError as error:
        return error
    finally:
        server.close()
    return None


def test_connect__does_not_use_a_key_that_others_can_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / ".ssh"
    folder.mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    file = folder / "id_ed25519"
    key.write_private_key(file)
    trusted = key.export_public_key().decode()
    assert asyncio.run(_login_with(file, 0o600, trusted, folder)) is None
    refused = asyncio.run(_login_with(file, 0o644, trusted, folder))
    assert refused is not None
    assert refused.kind == "login"
    assert refused.cure == f"run: chmod 600 {file}"
    subprocess.run(["/bin/sh", "-c", refused.cure.removeprefix("run: ")], check=True)
    assert asyncio.run(_login_with(file, 0o640, trusted, folder)) is not None
    assert asyncio.run(_login_with(file, 0o400, trusted, folder)) is None
