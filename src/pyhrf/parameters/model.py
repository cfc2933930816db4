"""The parameters of the model, which all estimators share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyhrf.parameters.declare import Option, parameter

DriftKind = Literal["cosine", "polynomial", "none"]
NoiseKind = Literal["ar1", "white"]
HeldOutKind = Literal["none", "runs", "blocks"]


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """HRF, drift, noise, cross-validation and seed: what every estimator is made with.

    A study file has them in sections, `pyhrf.config.sections`.
    """

    dt: float = parameter(
        1.0,
        gt=0,
        description="Time step of the HRF; it need not divide the repetition time, "
        "of which it may be at most the double",
        allowed="> 0",
        unit="seconds",
    )
    hrf_duration: float = parameter(
        25.0,
        gt=0,
        le=100,
        description="Length of the HRF, which is zero at its two ends; at least five time steps, "
        "and made up to a whole number of them",
        allowed="> 0 and at most 100",
        unit="seconds",
    )
    drift: DriftKind = parameter(
        "cosine",
        description="Form of the drift; none leaves the mean of each run only",
        allowed="cosine, polynomial or none",
    )
    drift_cutoff: float = parameter(
        128.0,
        gt=0,
        description="Shortest period that is removed, used when the kind is cosine",
        allowed="> 0",
        unit="seconds",
    )
    drift_order: int = parameter(
        4,
        ge=0,
        le=20,
        description="Order of the polynomial, used when the kind is polynomial",
        allowed="a whole number from 0 to 20",
    )
    noise: NoiseKind = parameter(
        "ar1",
        description="Model of the noise: ar1, with a variance and a lag-1 autocorrelation of its "
        "own in every voxel, or white, with a variance alone; jde-vem also measures what "
        "voxels share, and their common spectrum where that is not of the kind ar1",
        allowed="ar1 or white",
    )
    cross_validate: HeldOutKind = parameter(
        "none",
        description="What is held out in turn, to tell how well the model predicts scans that it "
        "was not fitted to: runs, four blocks of the scans, or none; each parcel is then fitted "
        "as often again, by jde-vem also with the canonical HRF",
        allowed="none, runs or blocks",
        option=Option(
            "--cross-validate",
            "Hold out runs or blocks of the scans in turn and tell how well the others predict "
            "them, and, for jde-vem, whether the canonical HRF would do",
        ),
    )
    seed: int = parameter(
        0,
        ge=0,
        lt=2**32,
        description="Seed of every random number",
        allowed="a whole number from 0 to 4294967295",
    )
