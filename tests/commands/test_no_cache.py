"""Commands where compiled code cannot be kept: the same results, and one sentence about it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = "from pyhrf.commands.main import run; run()"


# It compiles all kernels, as `tests/integration/test_compiling.py` does for the engine local.
@pytest.mark.integration
@pytest.mark.long
def test_estim__says_once_that_compiled_code_cannot_be_kept(run, study):
    engine, verbosity = "serial", 2
    assert run("pyhrf_rfir_buildcfg", *study.arguments()).code == 0
    assert run("pyhrf_rfir_estim", "-c", study.xml, "-x", engine).code == 0
    (study.folder / "file").write_text("no folder")
    other = study.folder / "other"
    options = ["-c", study.xml, "-x", engine, "-v", verbosity, "-u", other]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "rfir", "estim", *map(str, options)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(study.folder / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = f"note: compiled code cannot be kept in {study.folder / 'file'}"
    assert done.stderr.count(said) == done.stderr.count("cannot be kept") == 1
    assert (other / "pyhrf.log").read_text().count("cannot be kept") == 1
    for name in ("hrf.tsv", "conditions.tsv", "parcels.tsv"):
        assert (other / name).read_bytes() == (study.output / name).read_bytes()


def test_maketests__says_that_compiled_code_cannot_be_kept(tmp_path):
    (tmp_path / "file").write_text("no folder")
    test = "pyhrf.test.test_treatment.TreatmentTest.test_remote_dir_writable"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "maketests", test],
        env={**os.environ, "HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"note: compiled code cannot be kept in {tmp_path / 'file'}") == 1
