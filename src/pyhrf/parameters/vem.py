"""The parameters of joint detection-estimation by variational EM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyhrf.parameters.common import (
    JDE,
    JDE_REFERENCES,
    most_iterations,
    ppm_threshold,
    smallest_parcel,
)
from pyhrf.parameters.declare import parameter
from pyhrf.parameters.kinds import EstimatorKind
from pyhrf.parameters.trials import TrialSettings

SharedNoiseKind = Literal["measured", "none"]


@dataclass(frozen=True, kw_only=True)
class VemSettings(TrialSettings):
    """Variational expectation-maximisation (VEM)."""

    n_iterations: int = most_iterations()
    tolerance: float = parameter(
        1e-4,
        gt=0,
        lt=1,
        description="Iterations end when one adds less than this per response level to the free "
        "energy and changes the HRF by less than ten times this",
        allowed="> 0 and < 1",
    )
    beta: float | Literal["estimate"] = parameter(
        "estimate",
        ge=0,
        le=1.2,
        description="Strength of the spatial regularisation of the activation labels, "
        "or estimate to have it estimated for every parcel and condition",
        allowed="a number from 0 to 1.2, or estimate",
    )
    shared_noise: SharedNoiseKind = parameter(
        "measured",
        description="Noise that the voxels of a parcel share: measured, and modelled where "
        "there is some, or none, as if the noise of every voxel were its own",
        allowed="measured or none",
    )
    min_positions: int = smallest_parcel(5)
    ppm_threshold: float | None = ppm_threshold()


KIND = EstimatorKind(
    name="jde-vem",
    settings=VemSettings,
    section="vem",
    home="pyhrf.estimators.vem:JDEVEM",
    program=JDE,
    method="variational expectation-maximisation",
    short="VEM",
    criterion="free energy",
    normal_levels=True,
    report_name="JDE, variational EM",
    report="Haemodynamic responses and response levels were estimated together by joint "
    "detection-estimation (Makni et al. 2008; Vincent et al. 2010), with variational "
    "expectation-maximisation (Chaari et al. 2013): all {place}s of a parcel share one "
    "response, the levels of each condition follow a mixture of an active and an inactive "
    "class, and an Ising field favours equal classes in neighbouring {place}s.",
    references=(
        *JDE_REFERENCES,
        "Chaari L. et al. (2013). Fast joint detection-estimation of evoked brain activity in "
        "event-related fMRI using a variational approach. IEEE Transactions on Medical Imaging "
        "32(5):821–837.",
    ),
)
