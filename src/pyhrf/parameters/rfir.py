"""The parameters of regularised finite impulse responses."""

from __future__ import annotations

from dataclasses import dataclass

from pyhrf.parameters.common import smallest_parcel
from pyhrf.parameters.declare import EstimatorSettings, Option, parameter


@dataclass(frozen=True, kw_only=True)
class RfirSettings(EstimatorSettings):
    """Regularised finite impulse responses (RFIR)."""

    n_iterations: int = parameter(
        100,
        ge=1,
        description="Largest number of iterations",
        allowed="a whole number of at least 1",
        option=Option("-n", "Iterations at most", metavar="N", default="none"),
    )
    tolerance: float = parameter(
        1e-5,
        gt=0,
        lt=1,
        description="The iterations of a voxel end when one adds less than this to the log "
        "likelihood per scan",
        allowed="> 0 and < 1",
    )
    min_positions: int = smallest_parcel(1)
    ppm_threshold: float = parameter(
        0.0,
        description="Response level that the posterior probability maps (PPM) ask to be exceeded; "
        "one below 0, to be fallen below (unit of the BOLD data)",
        allowed="a number",
    )
