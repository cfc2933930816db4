"""Make the virtual environment ``.venv`` and install PyHRF into it, unless all is there already."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = "pyhrf-installed.json"
"""In the environment: what the last installation that was finished depended on."""

NO_NETWORK = re.compile(
    "NewConnectionError|ConnectTimeoutError|ConnectionError|ReadTimeout|Read timed out|ProxyError"
    "|name resolution|Name or service not known|Connection refused|Network is unreachable",
)


class SetupError(Exception):
    """What stops the installation, and the cure, in one sentence."""


def main(groups: list[str]) -> int:
    """Install what is missing; return the exit status."""
    try:
        with _one_at_a_time():
            install(groups)
    except SetupError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: {VENV} cannot be set up: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the same command starts again.", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait for another `make` of the same checkout that is installing just now."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        # Some network file systems have no locks: one goes on without.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def install(groups: list[str]) -> None:
    """Install the project and dependency groups, unless the stamp says that they are there."""
    python, stamp = VENV / "bin" / "python", VENV / STAMP
    there = _read(stamp)
    found, wanted = there.pop("groups", []), _state(python)
    if there == wanted and set(groups) <= set(found):
        return
    stamp.unlink(missing_ok=True)  # until all is in place
    if any(there.get(key) != wanted[key] for key in ("place", "python")):
        found = []
        _make(python)
    groups = sorted({*found, *groups})
    print(f"Installing {' + '.join(['PyHRF', *groups])} and what they need:", flush=True)
    words = [f"--group={ROOT / 'pyproject.toml'}:{group}" for group in groups]
    _pip(python, "install", "--editable", str(ROOT), *words)
    stamp.write_text(json.dumps({**_state(python), "groups": groups}) + "\n")


def _state(python: Path) -> dict[str, str]:
    """Return what an installation depends on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [project.get(key) for key in ("build-system", "project", "dependency-groups")]
    parts.append(project.get("tool", {}).get("hatch"))
    return {
        "place": str(VENV),  # the scripts in it hold this path
        "python": str(python.resolve()) if python.exists() else "",
        "project": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
    }


def _read(stamp: Path) -> dict[str, Any]:
    """Return what a finished installation left, empty if there is none."""
    try:
        there = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return {}
    return there if isinstance(there, dict) else {}


def _make(python: Path) -> None:
    """Make a new environment, in place of an old or unfinished one, whose pip knows groups."""
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        package = "python{}.{}-venv".format(*sys.version_info)
        raise SetupError(
            f"{sys.executable} cannot make virtual environments; on Debian and Ubuntu "
            f"`apt-get install {package}` adds what it lacks."
        )
    if VENV.exists() and not (VENV / "pyvenv.cfg").exists():
        raise SetupError(f"{VENV} is not a virtual environment; move it away or remove it.")
    print("Making .venv (once; a minute or two) ...", flush=True)
    _run(sys.executable, "-m", "venv", "--clear", str(VENV))
    _pip(python, "install", "--upgrade", "pip>=25.1")


def _pip(python: Path, *arguments: str) -> None:
    _run(str(python), "-I", "-m", "pip", "--disable-pip-version-check", *arguments)


def _run(*command: str) -> None:
    """Run a command, show what is large of what it fetches, and say in a sentence why it failed."""
    said = []
    with subprocess.Popen(
        command,
        env={**os.environ, "PIP_USER": "0"},  # not into the home, whatever the settings of pip say
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if large := re.match(r" *(?:Downloading|Using cached) ([\w.]+)-.*\((.* MB)\)", line):
                print("  {} ({})".format(*large.groups()), flush=True)
    if process.returncode == 0:
        return
    text = "".join(said)
    if NO_NETWORK.search(text):
        raise SetupError(
            "the package index could not be reached; connect to the network, or set https_proxy "
            "or PIP_INDEX_URL, and start again."
        )
    print(text[-3000:], file=sys.stderr)
    raise SetupError(f"`{' '.join(command)}` failed; its own words are above.")
