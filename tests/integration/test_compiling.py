"""Results must not depend on which kernels came from the cache and which were just compiled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_PROGRAM = """
import hashlib
import numpy as np
from pyhrf.estimators import JDEVEM, RFIR
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

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


def digest(cache: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def just_compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What comes out where no code can be kept."""
    file = tmp_path_factory.mktemp("none") / "file"
    file.write_text("no folder")
    return digest(file)


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, give_kernels: Callable[[Path], None]
) -> tuple[Path, str]:
    """Code of other processes, whatever they compiled first, and what comes out with it."""
    folder = tmp_path_factory.mktemp("kept")
    give_kernels(folder)
    return folder, digest(folder)


def test_kernels__give_the_same_bytes_from_the_cache(just_compiled: str, kept: tuple[Path, str]):
    assert kept[1] == just_compiled


@pytest.mark.parametrize("half", [0, 1])
def test_kernels__give_the_same_bytes_half_of_them_from_the_cache(
    just_compiled: str, kept: tuple[Path, str], tmp_path: Path, half: int
):
    shutil.copytree(kept[0], tmp_path, dirs_exist_ok=True)
    code = sorted(tmp_path.rglob("*.nbi"))
    assert len(code) > 5
    for path in code[half::2]:
        path.unlink()
    assert digest(tmp_path) == just_compiled
