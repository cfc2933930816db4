import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pyhrf.estimators import kernel_cache

REPORT = "from pyhrf.estimators.kernel_cache import cache_folder; print(cache_folder())"


def folder_with(**environment: str) -> Path:
    """Where a fresh interpreter keeps its kernels."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())


def test_cache_folder__lies_where_the_user_says(tmp_path):
    chosen = folder_with(NUMBA_CACHE_DIR=str(tmp_path / "a"), XDG_CACHE_HOME=str(tmp_path / "b"))
    assert chosen.parent == tmp_path / "a" / "pyhrf"
    assert folder_with(XDG_CACHE_HOME=str(tmp_path / "b")).parent == tmp_path / "b" / "pyhrf"
    assert folder_with(HOME=str(tmp_path)).parent == tmp_path / ".cache" / "pyhrf"


def test_cache_folder__is_another_for_other_kernels(tmp_path, monkeypatch):
    before = kernel_cache.cache_folder()
    assert kernel_cache.cache_folder() == before
    (tmp_path / "kernel_cache.py").write_text("options = 1")
    (tmp_path / "vem_state.py").write_text("fields = 1")
    (tmp_path / "some_kernels.py").write_text("kernel = 1")
    monkeypatch.setattr(kernel_cache, "__file__", str(tmp_path / "kernel_cache.py"))
    other = kernel_cache.cache_folder()
    assert other != before
    (tmp_path / "some_kernels.py").write_text("kernel = 2")
    assert kernel_cache.cache_folder() not in (before, other)


def test_cache_folder__without_a_home_is_private(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "nowhere"))
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path))
    mine = kernel_cache.cache_folder().parent
    assert mine.parent == tmp_path
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700
    assert kernel_cache.cache_folder().parent == mine
    # compiled code is loaded from there: a folder that others may write is not used
    mine.chmod(0o777)
    assert kernel_cache.cache_folder().parent != mine


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_cache_folder__does_not_follow_a_link(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "nowhere"))
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / f"pyhrf-{os.getuid()}").symlink_to(elsewhere)
    assert elsewhere not in kernel_cache.cache_folder().parents


def test_kernels__keep_their_code_there(tmp_path):
    program = """
import numpy as np
from pyhrf.estimators.vem_kernels import contract_design
contract_design(np.ones((1, 1, 4)), np.eye(2), np.ones(1, dtype=bool), 1)
"""
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.glob("pyhrf/kernels-*/**/*.nbi"))


KERNEL = """
import numpy as np
from pyhrf.estimators import cache_problem
from pyhrf.estimators.vem_kernels import contract_design
contract_design(np.ones((1, 1, 4)), np.eye(2), np.ones(1, dtype=bool), 1)
print(cache_problem())
"""


def said_with(cache: Path, before: str = "") -> str:
    """Tell what is said of the cache after a kernel has done its work."""
    done = subprocess.run(
        [sys.executable, "-c", before + KERNEL],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.strip()


def test_kernels__work_where_their_code_finds_no_room(tmp_path):
    # a file of more than 1,000 bytes is refused, as by a quota
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    )
    said = said_with(tmp_path, limit)
    assert str(tmp_path) in said
    assert "costs time only" in said
    assert not list(tmp_path.rglob("*.nbc"))
    assert said_with(tmp_path) == ""  # what the first left behind does not disturb
    assert list(tmp_path.rglob("*.nbc"))


def test_kernels__work_where_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").write_text("no folder")
    said = said_with(tmp_path / "file")
    assert str(tmp_path / "file") in said
    assert "NUMBA_CACHE_DIR" in said
