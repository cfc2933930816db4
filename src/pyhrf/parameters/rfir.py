"""The parameters of regularised finite impulse responses."""

from __future__ import annotations

from dataclasses import dataclass

from pyhrf.parameters.common import most_iterations, smallest_parcel
from pyhrf.parameters.declare import EstimatorSettings, parameter
from pyhrf.parameters.kinds import EstimatorKind, Program


@dataclass(frozen=True, kw_only=True)
class RfirSettings(EstimatorSettings):
    """Regularised finite impulse responses (RFIR)."""

    n_iterations: int = most_iterations()
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


KIND = EstimatorKind(
    name="rfir",
    settings=RfirSettings,
    section="rfir",
    home="pyhrf.estimators.rfir:RFIR",
    program=Program(
        name="rfir",
        study_file="rfir.xml",
        title="Regularised finite impulse responses",
        about=": a smooth HRF of each voxel and condition",
    ),
    method="regularised finite impulse responses",
    short="RFIR",
    design_copies=3.4,
    normal_levels=True,
    unused=("seed",),
    report_name="regularised FIR",
    report="A smooth response of every {place} and condition was estimated by regularised finite "
    "impulse responses (Ciuciu et al. 2003), whose scale and noise variance were found by "
    "maximum marginal likelihood; each scale was then averaged over what the data leave open "
    "of it.",
    references=(
        "Ciuciu P. et al. (2003). Unsupervised robust nonparametric estimation of the "
        "hemodynamic response function for any fMRI experiment. IEEE Transactions on Medical "
        "Imaging 22(10):1235–1251.",
    ),
)
