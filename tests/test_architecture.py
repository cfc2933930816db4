"""The rules of the house that a person would otherwise have to watch over."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_MODULE = 440  # lines; "about 400"
IMPORT_SECONDS = 0.3
HEAVY = ("lxml", "nibabel", "nilearn", "numba", "pandas", "pydantic", "scipy", "sklearn")

# Written so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile("|".join("/" + name + "/" for name in ("work", "root", "home/u")))
TEXT = {".cfg", ".css", ".html", ".md", ".py", ".rst", ".svg", ".toml", ".txt", ".yaml", ".yml", ""}


def test_architecture__rooms_import_only_what_lies_below() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.skip("import-linter is not installed (dependency group lint)")
    done = subprocess.run(
        [str(program), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_architecture__modules_stay_short(path: Path) -> None:
    n_lines = path.read_text(encoding="utf-8").count("\n")
    assert n_lines <= LONGEST_MODULE


def test_import__takes_no_time_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time; started = time.perf_counter(); import pyhrf; "
        "print(time.perf_counter() - started); print(*sys.modules)"
    )
    seconds = []
    for _ in range(5):  # the best of some: another process may take the processor for a moment
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        first, loaded = done.stdout.splitlines()
        assert sorted(set(HEAVY) & set(loaded.split())) == []
        seconds.append(float(first))
    assert min(seconds) < IMPORT_SECONDS


def test_import__of_an_estimator_loads_no_statistics_that_only_the_sampler_needs() -> None:
    code = "import sys; from pyhrf.estimators import JDEVEM; print('scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("jde", "estim", "--help"), ("jde", "buildcfg", "--help")]
)
def test_help__loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = "from pyhrf.commands.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert sorted({"nibabel", "numba", "pandas", "scipy"} & loaded) == []


def test_files__name_no_path_of_a_machine() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the list of the project's files comes from git")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    found = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix not in TEXT or not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [
            f"{name}:{n}: {line}" for n, line in enumerate(lines, 1) if MACHINE_PATHS.search(line)
        ]
    assert found == []


def test_architecture__no_two_files_of_tests_have_one_name() -> None:
    # pytest imports them by their names alone, and tells of it only when both are collected
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert [name for name, n in names.items() if n > 1 and name != "conftest.py"] == []
