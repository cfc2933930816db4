"""The set-up of a fresh machine: what can be tried without a network."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module, working on a checkout in an empty folder, with pip replaced by a note."""
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("environment")
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "a"\n')
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(module, "VENV", root / ".venv")
    module.calls = []

    def run(*command: str) -> None:
        if "venv" in command:
            # Without pip, which takes seconds.
            subprocess.run([*command, "--without-pip"], check=True)
        elif "--editable" in command:
            module.calls.append([word for word in command if word.startswith("--group")])

    monkeypatch.setattr(module, "_run", run)
    return module


def bootstrapped_by_an_old_python(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import os, runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); "
        f"os.environ['PATH'] = {str(tmp_path)!r}; sys.argv[1:] = {words!r}; "
        f"runpy.run_path({str(TOOLS / 'bootstrap.py')!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_bootstrap__is_readable_for_old_pythons() -> None:
    ast.parse((TOOLS / "bootstrap.py").read_text(), feature_version=(3, 4))


def test_bootstrap__old_python_is_told_in_one_sentence(tmp_path: Path) -> None:
    done = bootstrapped_by_an_old_python(tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, this is 3.9.2" in done.stderr


def test_bootstrap__old_python_hands_over_to_a_newer_one(tmp_path: Path) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text('#!/bin/sh\necho "newer: $@"\n')
    newer.chmod(0o755)
    done = bootstrapped_by_an_old_python(tmp_path, "test")
    assert (done.returncode, done.stdout) == (0, f"newer: {TOOLS / 'bootstrap.py'} test\n")


def test_install__second_time_does_nothing(environment: ModuleType) -> None:
    for groups in (["test"], ["test"], []):
        assert environment.main(groups) == 0
    assert len(environment.calls) == 1


def test_install__keeps_what_is_there_when_more_is_asked(environment: ModuleType) -> None:
    environment.main(["test"])
    (environment.VENV / "kept").touch()
    environment.main(["lint"])
    assert environment.calls[1] == [
        f"--group={environment.ROOT}/pyproject.toml:{group}" for group in ("lint", "test")
    ]
    assert (environment.VENV / "kept").exists()


@pytest.mark.parametrize(
    ("more", "n_calls"),
    [('dependencies = ["b"]\n', 2), ("[tool.ruff]\nline-length = 100\n", 1)],
)
def test_install__installs_again_when_the_dependencies_change(
    environment: ModuleType, more: str, n_calls: int
) -> None:
    environment.main([])
    with (environment.ROOT / "pyproject.toml").open("a") as file:
        file.write(more)
    environment.main([])
    assert len(environment.calls) == n_calls


@pytest.mark.parametrize("step", ["venv", "--upgrade", "--editable"])
def test_install__starts_anew_after_an_interruption(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    run = environment._run

    def interrupted(*command: str) -> None:
        run(*command)
        if step in command:
            (environment.VENV / "half").mkdir()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "_run", interrupted)
        assert environment.main([]) == 130
    assert environment.main([]) == 0
    assert not (environment.VENV / "half").exists()
    assert (environment.VENV / "pyvenv.cfg").exists()


def test_install__starts_anew_in_a_checkout_that_was_moved(environment: ModuleType) -> None:
    environment.main([])
    stamp = environment.VENV / environment.STAMP
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "place": "/elsewhere/.venv"}))
    (environment.VENV / "old").touch()
    environment.main([])
    assert not (environment.VENV / "old").exists()


def test_install__starts_anew_when_its_python_is_gone(environment: ModuleType) -> None:
    environment.main([])
    python = environment.VENV / "bin" / "python"
    python.unlink()
    environment.main([])
    assert python.exists()


def test_install__does_not_delete_a_folder_that_is_no_environment(
    environment: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.VENV.mkdir()
    (environment.VENV / "mine").touch()
    assert environment.main([]) == 1
    assert "is not a virtual environment; move it away" in capsys.readouterr().err
    assert (environment.VENV / "mine").exists()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_install__says_which_package_python_lacks(
    environment: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert environment.main([]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "`apt-get install python{}.{}-venv`".format(*sys.version_info) in said
    assert not environment.VENV.exists()


@pytest.mark.parametrize(
    ("said", "sentence", "shown"),
    [
        ("... NewConnectionError ...\nERROR: No matching", "connect to the network", False),
        ("ERROR: No matching distribution found for a", "failed; its own words are above", True),
    ],
)
def test_run__says_why_pip_failed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: str,
    sentence: str,
    shown: bool,
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("environment")
    with pytest.raises(module.SetupError, match=sentence):
        module._run(sys.executable, "-c", f"print({said!r}); raise SystemExit(1)")
    assert (said in capsys.readouterr().err) == shown
