"""Results must not depend on which kernels came from the cache and which were just compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


def test_kernels__give_the_same_bytes_compiled_or_from_the_cache(
    tmp_path: Path, give_kernels: Callable[[Path], None]
):
    (tmp_path / "file").write_text("no folder")
    just_compiled = digest(tmp_path / "file")  # where no code can be kept
    give_kernels(tmp_path)  # of other processes, whatever they compiled first
    assert digest(tmp_path) == just_compiled
    code = sorted(tmp_path.rglob("*.nbi"))
    assert len(code) > 5
    for kept in (0, 1):
        for path in code[kept::2]:
            path.unlink(missing_ok=True)
        assert digest(tmp_path) == just_compiled
