"""Compile every kernel once, before the tests start: each of their processes would compile all.

Two processes do it, as there are two groups of kernels that take about as long as each other.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))


def _experiment() -> object:
    from pyhrf.simulation.simulate import simulate
    from pyhrf.simulation.spec import SimulationSpec

    return simulate(SimulationSpec(region="box", shape=(4, 4, 2), n_scans=60)).experiment


def variational() -> None:
    """The kernels of the variational EM, which the sampler starts from."""
    from pyhrf.estimators import JDEVEM

    JDEVEM(_experiment()).compile()


def others() -> None:
    """Those of the regularised FIR model, and the chain of the sampler alone."""
    from validation.sampler import calibration

    from pyhrf.estimators import RFIR

    RFIR(_experiment()).compile()
    calibration(2, seed=1)


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        for job in [pool.submit(variational), pool.submit(others)]:
            job.result()
