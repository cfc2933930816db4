import importlib
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_kernel

from pyhrf.estimators import kernel_cache


def test_cache_folder__lies_where_the_user_says(tmp_path, monkeypatch):
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    assert kernel_cache.cache_folder().parent == tmp_path / "NUMBA_CACHE_DIR" / "pyhrf"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert kernel_cache.cache_folder().parent == tmp_path / "XDG_CACHE_HOME" / "pyhrf"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert kernel_cache.cache_folder().parent == tmp_path / "HOME" / ".cache" / "pyhrf"


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


Work = Callable[[Path], tuple[str, str]]


@pytest.fixture
def work(monkeypatch, caplog) -> Work:
    """Use a kernel as a fresh process does; give what `cache_problem` says, and what is warned."""

    def use(cache: Path) -> tuple[str, str]:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
        monkeypatch.setattr(kernel_cache, "_told", set())
        caplog.clear()
        kernel = importlib.reload(tiny_kernel).twice_the_first
        for columns in (2, 3):
            kernel(np.ones((4, columns)))
            kernel(np.ones((columns, 4)).T)
        return kernel_cache.cache_problem(), "\n".join(caplog.messages)

    return use


def test_kernels__keep_their_code_there(tmp_path, work):
    assert work(tmp_path) == ("", "")
    assert list(tmp_path.glob("pyhrf/kernels-*/**/*.nbi"))


def test_kernels__without_room_for_their_code_warn_once(tmp_path, work):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # files of more than 4,000 bytes are refused, as over quota: the index of a kernel fits
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        problem, warned = work(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert warned == problem
    assert f"cannot be kept in {tmp_path}" in problem
    assert "File too large; make room, or set NUMBA_CACHE_DIR" in problem
    assert "costs time only" in problem
    assert list(tmp_path.rglob("*.nbi"))
    assert not list(tmp_path.rglob("*.nbc"))
    assert work(tmp_path) == ("", "")  # what the first left does not disturb
    assert list(tmp_path.rglob("*.nbc"))


def test_kernels__without_a_folder_for_their_code_warn_once(tmp_path, work):
    (tmp_path / "file").write_text("no folder")
    problem, warned = work(tmp_path / "file")
    assert warned == problem
    assert f"cannot be kept in {tmp_path / 'file'}" in problem


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_kernels__are_compiled_anew_where_a_file_is_damaged(tmp_path, work, suffix):
    work(tmp_path)
    for content in (b"", b"\x80\x05cut off"):
        whole = list(tmp_path.rglob(f"*.{suffix}"))
        assert whole
        for path in whole:
            path.write_bytes(content)
        assert work(tmp_path) == ("", "")
        assert all(path.read_bytes() != content for path in whole)


PROGRAM = """
import numpy as np
from pyhrf.estimators.kernel_cache import cache_problem
from pyhrf.estimators.vem_kernels import contract_design
contract_design(np.ones((1, 2, 4)), np.eye(2), np.ones(1, dtype=bool), 1)
print(cache_problem())
"""


def test_kernels__are_kept_in_our_folder_whatever_numba_is_told(tmp_path):
    told = {"NUMBA_CACHE_LOCATOR_CLASSES": "InTreeCacheLocator", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
    assert list(tmp_path.glob("pyhrf/kernels-*/**/*.nbc"))


def test_cache_folder__is_named_even_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "nowhere"))
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path / "home"))
    assert kernel_cache.cache_folder().parent == tmp_path / "home" / "nowhere" / "pyhrf"
    assert "Not a directory" in kernel_cache.cache_problem()
