"""Results must not depend on which kernels came from the cache and which were just compiled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

_PROGRAM = """
import hashlib
import sys
import numpy as np
from pyhrf.commands.main import run
from pyhrf.estimators import JDEVEM, RFIR
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

if sys.argv[1:]:
    try:
        run()
    except SystemExit as end:
        assert not end.code
spec = SimulationSpec(region="box", shape=(9, 8, 7), n_parcels=2, n_scans=100, n_conditions=3)
simulated = simulate(spec)
content = hashlib.sha256()
for estimator in (
    JDEVEM(simulated.experiment),
    JDEVEM(simulated.experiment, noise="white"),
    RFIR(simulated.experiment),
):
    for parcel in simulated.parcels():
        estimate = estimator.fit_parcel(parcel)
        for array in (*estimate.maps.values(), *estimate.hrf.values(), estimate.trace):
            content.update(np.ascontiguousarray(array).tobytes())
print(content.hexdigest())
"""


def work(cache: Path, *command: object) -> tuple[str, str]:
    """Run a command of PyHRF and estimate, in one process; give the digest and what is warned."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, command)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1], done.stderr


@dataclass(frozen=True)
class Ended:
    """What a process gave that found some of its code in a folder, or none."""

    cache: Path
    digest: str
    said: str
    results: Path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of a small example."""
    path = tmp_path_factory.mktemp("study") / "study.xml"
    command = [Path(sys.executable).with_name("pyhrf"), "rfir", "buildcfg", "-t", "small"]
    subprocess.run([*command, "-o", path], capture_output=True, check=True)
    return path


@pytest.fixture(scope="module")
def just_compiled(tmp_path_factory: pytest.TempPathFactory, study: Path) -> Ended:
    """Where no code can be kept."""
    folder = tmp_path_factory.mktemp("none")
    (folder / "file").write_text("no folder")
    estim = ("rfir", "estim", "-c", study, "-x", "local", "-v1", "-u", folder / "out")
    return Ended(folder / "file", *work(folder / "file", *estim), folder / "out")


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, give_kernels: Callable[[Path], None], study: Path
) -> Ended:
    """With code of other processes, whatever they compiled first."""
    folder = tmp_path_factory.mktemp("kept")
    give_kernels(folder / "cache")
    estim = ("rfir", "estim", "-c", study, "-x", "serial", "-u", folder / "out")
    return Ended(folder / "cache", *work(folder / "cache", *estim), folder / "out")


def test_kernels__give_the_same_bytes_from_the_cache(just_compiled: Ended, kept: Ended):
    assert kept.digest == just_compiled.digest
    for name in ("hrf.tsv", "conditions.tsv", "parcels.tsv"):
        assert (kept.results / name).read_bytes() == (just_compiled.results / name).read_bytes()


def test_estim__says_once_that_compiled_code_cannot_be_kept(just_compiled: Ended):
    said = f"note: compiled code cannot be kept in {just_compiled.cache}"
    # The estimators that work after the command tell it of their own.
    assert just_compiled.said.count(said) == 1
    log = (just_compiled.results / "pyhrf.log").read_text()
    assert log.count("cannot be kept") == 1


@pytest.mark.parametrize("half", [0, 1])
def test_kernels__give_the_same_bytes_half_of_them_from_the_cache(
    just_compiled: Ended, kept: Ended, tmp_path: Path, half: int
):
    shutil.copytree(kept.cache, tmp_path, dirs_exist_ok=True)
    code = sorted(tmp_path.rglob("*.nbi"))
    assert len(code) > 5
    for path in code[half::2]:
        path.unlink()
    assert work(tmp_path)[0] == just_compiled.digest
