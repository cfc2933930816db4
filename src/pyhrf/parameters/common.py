"""Parameters that several estimators have."""

from __future__ import annotations

from typing import Any

from pyhrf.parameters.declare import parameter


def smallest_parcel(default: int) -> Any:
    """Declare ``min_positions``."""
    return parameter(
        default,
        ge=1,
        description="Smallest number of positions (voxels) with which a parcel is estimated",
        allowed="a whole number of at least 1",
    )


def ppm_threshold() -> Any:
    """Declare ``ppm_threshold`` of an estimator that knows active and inactive positions."""
    return parameter(
        None,
        description="Response level that the posterior probability maps (PPM) ask to be exceeded; "
        "one below 0, to be fallen below",
        allowed="a number",
        unit="unit of the BOLD data",
        empty="the level where the densities of active and inactive positions cross",
    )
