"""Bring the virtual environment ``.venv`` to the wanted state, from whatever state it is in."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pip_wheel
from pip_wheel import SetupError

OLDEST = (3, 11)
OLDEST_PIP = (25, 1)  # the first that knows --group

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "pyhrf-installed.json"
UNFINISHED = VENV / "pyhrf-unfinished"
LOG = VENV / "pyhrf-install.log"

NO_NETWORK = re.compile(
    "NewConnectionError|ConnectTimeoutError|ConnectionError|ReadTimeout|Read timed out|ProxyError"
    "|name resolution|Name or service not known|Connection refused|Network is unreachable"
    "|connection timed out",
    re.IGNORECASE,
)


def main(groups: list[str]) -> int:
    """Install what is missing; return the exit status."""
    try:
        with _one_at_a_time():
            _install(groups)
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
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Waiting for another installation in this checkout ...", flush=True)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install(groups: list[str]) -> None:
    """Install the project and the dependency groups, unless the stamp says that they are there."""
    stamp = _read_stamp()
    state = _state()
    there = set(stamp.pop("groups", []))
    if stamp == state and there >= set(groups):
        return
    started = time.monotonic()
    if not _can_be_kept(stamp, state):
        _make_environment()
        there = set()
    UNFINISHED.touch()
    STAMP.unlink(missing_ok=True)
    LOG.write_text("")
    _provide_pip()
    wanted = sorted(there.union(groups))
    print(f"Installing {' + '.join(['PyHRF', *wanted])} and what they need:", flush=True)
    command = ["install", "--editable", str(ROOT)]
    for group in wanted:
        command += ["--group", f"{ROOT / 'pyproject.toml'}:{group}"]
    _run_pip(command)
    temporary = STAMP.with_suffix(".new")
    temporary.write_text(json.dumps({**_state(), "groups": wanted}, indent=1) + "\n")
    temporary.replace(STAMP)
    UNFINISHED.unlink()
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


def _state() -> dict[str, str]:
    """Return what an installation depends on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [project.get(key) for key in ("build-system", "project", "dependency-groups")]
    parts.append(project.get("tool", {}).get("hatch"))
    return {
        "place": str(VENV),  # the scripts in it hold this path
        "python": str(PYTHON.resolve()),
        "project": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
    }


def _read_stamp() -> dict[str, Any]:
    """Return the state that the last finished installation left, empty if there is none."""
    if UNFINISHED.exists():
        return {}
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _can_be_kept(stamp: dict[str, Any], state: dict[str, str]) -> bool:
    """Tell whether the environment that is there can be installed into."""
    if UNFINISHED.exists() or not PYTHON.exists():
        return False
    if stamp:
        return all(stamp.get(key) == state[key] for key in ("place", "python"))
    # Somebody made it by hand.
    return _ask("import sys; print(*sys.version_info[:2])") >= OLDEST


def _ask(code: str) -> tuple[int, ...]:
    """Return the first two numbers that a line of Python prints in the environment."""
    command = [str(PYTHON), "-c", code]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", answer.stdout)[:2])


def _make_environment() -> None:
    """Make a virtual environment without pip, in place of an old or unfinished one."""
    if importlib.util.find_spec("venv") is None:
        raise SetupError(
            "this Python lacks the module venv; `apt-get install python3-venv` brings it."
        )
    import venv

    if VENV.is_symlink() or (VENV.exists() and not VENV.is_dir()):
        raise SetupError(f"{VENV} is not a folder; move it away.")
    if VENV.exists():
        _remove_environment()
    print(
        f"Making .venv with Python {platform.python_version()} (once; a minute or two) ...",
        flush=True,
    )
    venv.EnvBuilder(symlinks=True, with_pip=False).create(VENV)


def _remove_environment() -> None:
    """Empty ``.venv``; the file that marks it as one goes last, in case of an interruption."""
    mark = VENV / "pyvenv.cfg"
    children = [child for child in VENV.iterdir() if child != mark]
    if children and not mark.exists():
        raise SetupError(f"{VENV} is there but is not a virtual environment; move it away.")
    for child in children:
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    mark.unlink(missing_ok=True)


def _provide_pip() -> None:
    """Put a pip that knows dependency groups into the environment."""
    version = _ask("import pip; print(pip.__version__)")
    if version >= OLDEST_PIP:
        return
    if not version:
        if not importlib.util.find_spec("ensurepip"):  # Debian has it in python3-venv
            with tempfile.TemporaryDirectory(dir=VENV) as folder:
                wheel = pip_wheel.fetch(Path(folder))
                # A wheel is a zip file: pip runs from within and installs itself.
                _run([str(PYTHON), str(wheel / "pip"), "install", "--no-index", str(wheel)])
            return
        _run([str(PYTHON), "-m", "ensurepip", "--default-pip"])
    _run_pip(["install", "--upgrade", "pip>={}.{}".format(*OLDEST_PIP)])


def _run_pip(arguments: list[str]) -> None:
    """Run the environment's pip."""
    _run([str(PYTHON), "-m", "pip", *arguments])


def _run(command: list[str]) -> None:
    """Run a command of pip's, show its larger steps and keep all its words in the log."""
    # A setting that sends what is installed elsewhere would leave the environment empty.
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH"}
    variables = {name: value for name, value in os.environ.items() if name not in elsewhere}
    variables |= {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    said = []
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            said.append(line)
            _show_step(line)
    if process.returncode != 0:
        raise SetupError(_why("".join(said)))


def _show_step(line: str) -> None:
    """Show a step of pip's that takes its time."""
    step = re.match(r" *(?:Downloading|Using cached) ([\w.]+)-([^-]+)-.*\((.* MB)\)", line)
    if step:
        print("  {} {} ({})".format(*step.groups()), flush=True)
    elif line.startswith("Installing collected packages"):
        print("  putting it all in place", flush=True)


def _why(said: str) -> str:
    """Return in one sentence why pip failed."""
    log = f"(pip's own words are in {LOG})"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            "the certificate of the package index could not be verified; point PIP_CERT to the "
            f"certificates of your network, or install ca-certificates {log}."
        )
    if NO_NETWORK.search(said):
        return (
            "the package index could not be reached; connect to the network, or set "
            f"https_proxy or PIP_INDEX_URL, and start again {log}."
        )
    if "No space left" in said or "Disk quota exceeded" in said:
        return f"no space is left for {VENV} or for temporary files {log}."
    errors = [line[6:].strip(" .\n") for line in said.splitlines() if line.startswith("ERROR:")]
    return f"pip failed: {(errors or ['no reason given'])[-1]} {log}."
