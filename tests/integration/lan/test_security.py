"""Nobody else gets a word out of the ports of a run, and its keys are nowhere to be found."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed_parts import wait_until
from distributed.security import Security
from lan_bed import Bed
from lan_client import Scenario, configure

pytestmark = pytest.mark.timeout(90)

# Tries ports in three ways and prints what came back, or why nothing did.
_STRANGER = """
import json, socket, ssl, sys

certificate, key, *targets = sys.argv[1:]

def attempt(address, port, kind):
    try:
        plain = socket.create_connection((address, int(port)), 3)
    except OSError as error:
        return "no connection"
    plain.settimeout(2)
    try:
        stream = plain
        if kind != "tcp":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if kind == "foreign":
                context.load_cert_chain(certificate, key)
            stream = context.wrap_socket(plain)
        stream.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        said = stream.recv(100)
        return "answer " + repr(said) if said else "closed"
    except (OSError, ssl.SSLError) as error:
        return "refused " + type(error).__name__
    finally:
        plain.close()

found = {}
for target in targets:
    address, _, port = target.rpartition(":")
    for kind in ("tcp", "tls", "foreign"):
        found[f"{target} {kind}"] = attempt(address, port, kind)
print(json.dumps(found))
"""


def ask(bed: Bed, name: str, targets: list[str], certificate: Path, key: Path) -> dict[str, str]:
    command = [sys.executable, "-c", _STRANGER, certificate, key, *targets]
    found: dict[str, str] = json.loads(bed.run_on(name, command))
    return found


@pytest.fixture
def foreign(bed: Bed, tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key that are sound, but of another run."""
    security = Security.temporary()
    paths = bed.folder / "foreign-certificate", bed.folder / "foreign-key"
    paths[0].write_text(str(security.tls_client_cert))
    paths[1].write_text(str(security.tls_client_key))
    return paths


def test_ports__answer_nobody_else(bed: Bed, home: Path, foreign: tuple[Path, Path]):
    before = {name: bed.listening(name) for name in ("client", *bed.hosts)}
    configure(bed, home)
    with Scenario(bed, home, "--batches", 400) as run:
        run.wait_for(12)
        wait_until(lambda: "dashboard" in run.said, seconds=10, what="its address")
        (dashboard,) = re.findall(r"http://127\.0\.0\.1:(\d+)", run.said)
        page = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
        address = f"http://127.0.0.1:{dashboard}/status"
        assert "bokeh" in bed.run_on("client", [sys.executable, "-c", page, address])
        opened = {name: bed.listening(name) - before[name] for name in before}
        assert all(len(opened[name]) >= 3 for name in bed.hosts)  # two workers and a tunnel
        assert len(opened["client"]) >= 2 + 6  # scheduler, dashboard, and a tunnel to each worker
        for name, ports in opened.items():
            # From another host there is nothing to talk to.
            assert {address for address, _ in ports} <= {"127.0.0.1"}, name
            other = "h1" if name != "h1" else "h2"
            targets = [f"{bed.address(name)}:{port}" for _, port in ports]
            said = ask(bed, other, targets, *foreign)
            assert set(said.values()) == {"no connection"}, said
            # From the same one there is, but nothing is said to a stranger.
            targets = [f"127.0.0.1:{port}" for _, port in ports if str(port) != dashboard]
            said = ask(bed, name, targets, *foreign)
            assert len(said) == 3 * len(targets)
            assert not {k: v for k, v in said.items() if v.startswith("answer")}, name
            assert not {k: v for k, v in said.items() if v == "no connection"}, name
        assert run.process.poll() is None
        run.wait_for(run.n_done + 12)  # the strangers have not disturbed it


def test_keys__are_on_no_command_line_and_in_no_file(bed: Bed, home: Path):
    secret = re.compile(rb"PRIVATE KEY|BEGIN CERTIFICATE")
    configure(bed, home)
    with Scenario(bed, home, "--batches", 100) as run:
        run.wait_for(12)
        processes = bed.processes("client", *bed.hosts)
        assert len(processes) > 6
        for process in processes:
            for file in ("cmdline", "environ"):
                path = Path(f"/proc/{process.pid}/{file}")
                assert not secret.search(path.read_bytes()), process.command
        uids = {bed.folder.joinpath(name).stat().st_uid for name in ("client", "lab")}
        read = 0
        for path in files_of(uids):
            if ".ssh" not in path.parts:
                with contextlib.suppress(FileNotFoundError):
                    assert not secret.search(path.read_bytes()), path
                    read += 1
        assert read > 6  # the journal at least
    wait_until(lambda: not bed.processes(), seconds=10, what="an end on all hosts")


def files_of(uids: set[int]) -> Iterator[Path]:
    """Find the files of users where files can be written; others come and go there meanwhile."""
    for folder, _, names in os.walk(tempfile.gettempdir()):
        for path in (Path(folder) / name for name in names):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode) and path.stat().st_uid in uids:
                    yield path
