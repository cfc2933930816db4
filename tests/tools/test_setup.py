"""The set-up of a fresh machine: what can be tried without a network."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
CONTENT = b"as if it were pip"


@pytest.fixture
def pip_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("pip_wheel")
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    for name in ("PIP_INDEX_URL", "PIP_PROXY", "PIP_CERT", "REQUESTS_CA_BUNDLE", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    return module


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pip_wheel: ModuleType
) -> ModuleType:
    """The module, working on a checkout in an empty folder, with pip replaced by a note."""
    module = importlib.import_module("environment")
    venv = tmp_path / "checkout" / ".venv"
    venv.parent.mkdir()
    (venv.parent / "pyproject.toml").write_text('[project]\nname = "a"\n')
    paths = {
        "ROOT": venv.parent,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STAMP": venv / "pyhrf-installed.json",
        "UNFINISHED": venv / "pyhrf-unfinished",
        "LOG": venv / "pyhrf-install.log",
    }
    for name, path in paths.items():
        monkeypatch.setattr(module, name, path)
    monkeypatch.setattr(module, "_provide_pip", lambda: None)
    module.calls = []
    monkeypatch.setattr(module, "_run_pip", module.calls.append)
    return module


class _Index(BaseHTTPRequestHandler):
    """A package index; the test sets what it answers."""

    pages: ClassVar[dict[str, bytes]]
    headers_seen: ClassVar[list[str | None]]

    def do_GET(self) -> None:
        self.headers_seen.append(self.headers.get("Authorization"))
        page = self.pages.get(self.path)
        self.send_response(200 if page is not None else 404)
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(_Index, "pages", {}, raising=False)
    monkeypatch.setattr(_Index, "headers_seen", [], raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_bootstrap__is_readable_for_old_pythons() -> None:
    ast.parse((TOOLS / "bootstrap.py").read_text(), feature_version=(3, 4))


def test_bootstrap__old_python_is_told_in_one_sentence(tmp_path: Path) -> None:
    code = (
        "import os, runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); "
        f"os.environ['PATH'] = {str(tmp_path)!r}; "
        f"runpy.run_path({str(TOOLS / 'bootstrap.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, this is 3.9.2" in done.stderr


def test_bootstrap__old_python_hands_over_to_a_newer_one(tmp_path: Path) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text('#!/bin/sh\necho "newer: $@"\n')
    newer.chmod(0o755)
    code = (
        "import os, runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); "
        f"os.environ['PATH'] = {str(tmp_path)!r}; sys.argv[1:] = ['test']; "
        f"runpy.run_path({str(TOOLS / 'bootstrap.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"newer: {TOOLS / 'bootstrap.py'} test\n")


@pytest.mark.parametrize("kind", ["json", "html"])
def test_fetch__takes_the_wheel_from_the_configured_index(
    pip_wheel: ModuleType, index: str, tmp_path: Path, kind: str
) -> None:
    link = f"../../files/{pip_wheel.WHEEL}#sha256=0"
    page = (
        json.dumps({"files": [{"url": "other-1.0.whl"}, {"url": link}]})
        if kind == "json"
        else f'<html><a href="other-1.0.whl">other</a><br><a href="{link}">pip</a></html>'
    )
    _Index.pages = {"/simple/pip/": page.encode(), f"/files/{pip_wheel.WHEEL}": CONTENT}
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = http://me:a%40b@{index}/simple\n")
    assert pip_wheel.fetch(tmp_path).read_bytes() == CONTENT
    # The files lie on the same host here, but a link with a host of its own gets no password.
    assert _Index.headers_seen == ["Basic bWU6YUBi", None]


def test_fetch__refuses_a_file_with_another_fingerprint(
    pip_wheel: ModuleType, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = json.dumps({"files": [{"url": pip_wheel.WHEEL}]}).encode()
    _Index.pages = {"/pip/": page, f"/pip/{pip_wheel.WHEEL}": b"something else"}
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{index}")
    with pytest.raises(pip_wheel.SetupError, match="SHA-256 is wrong"):
        pip_wheel.fetch(tmp_path)
    assert not (tmp_path / pip_wheel.WHEEL).exists()


@pytest.mark.parametrize(
    ("pages", "message"),
    [({}, "answers 404"), ({"/pip/": b'{"files": []}'}, "has no pip-")],
)
def test_fetch__says_what_the_index_lacks(
    pip_wheel: ModuleType,
    index: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pages: dict[str, bytes],
    message: str,
) -> None:
    _Index.pages = pages
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{index}")
    with pytest.raises(pip_wheel.SetupError, match=message) as caught:
        pip_wheel.fetch(tmp_path)
    assert "secret" not in str(caught.value)


def test_fetch__says_that_there_is_no_network(
    pip_wheel: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    with pytest.raises(pip_wheel.SetupError, match=r"could not be reached.*connect to the network"):
        pip_wheel.fetch(tmp_path)


def test_install__second_time_does_nothing(environment: ModuleType) -> None:
    assert environment.main(["test"]) == 0
    assert len(environment.calls) == 1
    assert environment.main(["test"]) == 0
    assert environment.main([]) == 0
    assert len(environment.calls) == 1


def test_install__keeps_what_is_there_when_more_is_asked(environment: ModuleType) -> None:
    environment.main(["test"])
    (environment.VENV / "kept").touch()
    environment.main(["lint"])
    assert [part for part in environment.calls[1] if ":" in part] == [
        f"{environment.ROOT}/pyproject.toml:{group}" for group in ("lint", "test")
    ]
    assert (environment.VENV / "kept").exists()


def test_install__installs_again_when_the_dependencies_change(environment: ModuleType) -> None:
    environment.main([])
    (environment.ROOT / "pyproject.toml").write_text(
        '[project]\nname = "a"\ndependencies = ["b"]\n'
    )
    environment.main([])
    assert len(environment.calls) == 2


def test_install__other_settings_of_the_project_change_nothing(environment: ModuleType) -> None:
    environment.main([])
    with (environment.ROOT / "pyproject.toml").open("a") as file:
        file.write("[tool.ruff]\nline-length = 100\n")
    environment.main([])
    assert len(environment.calls) == 1


def test_install__starts_anew_after_an_interruption(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(arguments: list[str]) -> None:
        (environment.VENV / "half").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "_run_pip", interrupted)
        assert environment.main([]) == 130
    assert environment.main([]) == 0
    assert not (environment.VENV / "half").exists()
    assert (environment.VENV / "pyvenv.cfg").exists()


def test_install__starts_anew_in_a_checkout_that_was_moved(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.main([])
    stamp = json.loads(environment.STAMP.read_text())
    environment.STAMP.write_text(json.dumps({**stamp, "place": "/elsewhere/.venv"}))
    (environment.VENV / "old").touch()
    environment.main([])
    assert not (environment.VENV / "old").exists()


def test_install__does_not_delete_a_folder_that_is_no_environment(
    environment: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.VENV.mkdir()
    (environment.VENV / "mine").touch()
    assert environment.main([]) == 1
    assert "not a virtual environment; move it away" in capsys.readouterr().err
    assert (environment.VENV / "mine").exists()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("... [SSL: CERTIFICATE_VERIFY_FAILED] ...\nERROR: x", "point PIP_CERT"),
        ("WARNING: ... NewConnectionError ...\nERROR: No matching", "connect to the network"),
        ("ERROR: [Errno 28] No space left on device", "no space is left"),
        ("Collecting a\nERROR: No matching distribution found for a\n", "No matching distribution"),
    ],
)
def test_run__says_why_pip_failed(environment: ModuleType, said: str, message: str) -> None:
    environment.VENV.mkdir()
    with pytest.raises(environment.SetupError, match=message) as caught:
        environment._run([sys.executable, "-c", f"print({said!r}); raise SystemExit(1)"])
    assert str(environment.LOG) in str(caught.value)
    assert said in environment.LOG.read_text()
