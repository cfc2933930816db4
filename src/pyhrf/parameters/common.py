"""What several estimators have in common."""

from __future__ import annotations

from typing import Any

from pyhrf.parameters.declare import Option, parameter
from pyhrf.parameters.kinds import Program

JDE = Program(
    name="jde",
    study_file="detectestim.xml",
    title="Joint detection-estimation",
    about=": a response per parcel, activation maps per condition",
)

JDE_REFERENCES = (
    "Makni S. et al. (2008). A fully Bayesian approach to the parcel-based "
    "detection-estimation of brain activity in fMRI. NeuroImage 41(3):941–969.",
    "Vincent T., Risser L., Ciuciu P. (2010). Spatially adaptive mixture modeling for analysis "
    "of fMRI time series. IEEE Transactions on Medical Imaging 29(4):1059–1074.",
)


def most_iterations() -> Any:
    """Declare ``n_iterations`` of an estimator that iterates until it settles."""
    return parameter(
        100,
        ge=1,
        description="Largest number of iterations",
        allowed="a whole number of at least 1",
        option=Option("-n", "Largest number of iterations", metavar="N", default="none"),
    )


def smallest_parcel(default: int) -> Any:
    """Declare ``min_positions``."""
    return parameter(
        default,
        ge=1,
        description="Smallest number of voxels with which a parcel is estimated",
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
        empty="the level where the densities of active and inactive voxels cross",
    )
