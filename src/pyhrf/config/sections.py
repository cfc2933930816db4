"""The sections of a study but for the data: model, estimator and contrasts.

Each parameter is described once, here; the comments of the study file and the error messages
are made from it.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pyhrf.config.messages import config_error
from pyhrf.config.parameters import (
    PlainText,
    Section,
    cross_check_error,
    not_allowed,
    parameter,
)

MAX_HRF_STEPS = 1000  # the cost grows with the cube of the number of HRF coefficients


class HrfConfig(Section):
    """The haemodynamic response function (HRF)."""

    dt: float = parameter(
        default=1.0,
        gt=0,
        description="Time step of the HRF; it need not divide the repetition time, "
        "of which it may be at most the double",
        allowed="> 0",
        unit="seconds",
    )
    duration: float = parameter(
        default=25.0,
        gt=0,
        le=100,
        description="Length of the HRF, which is zero at its two ends; at least five time steps, "
        "and made up to a whole number of them",
        allowed="> 0 and at most 100",
        unit="seconds",
    )


class DriftConfig(Section):
    """Slow drift of the signal, removed from each run together with its mean."""

    kind: Literal["cosine", "polynomial", "none"] = parameter(
        default="cosine",
        description="Form of the drift; none leaves the mean of each run only",
        allowed="cosine, polynomial or none",
    )
    cutoff: float = parameter(
        default=128.0,
        gt=0,
        description="Shortest period that is removed, used when the kind is cosine",
        allowed="> 0",
        unit="seconds",
    )
    order: int = parameter(
        default=4,
        ge=0,
        le=20,
        description="Order of the polynomial, used when the kind is polynomial",
        allowed="a whole number from 0 to 20",
    )


class ConfoundsConfig(Section):
    """Confounds and censoring by motion, from the files of confounds that runs name."""

    columns: PlainText = parameter(
        default="motion6",
        min_length=1,
        description="Columns that are removed from the signal with the drift: names, patterns such "
        "as a_comp_cor_0*, motion6, motion12 or motion24 (fMRIPrep's motion parameters, with "
        "derivatives, and with squares), outliers (fMRIPrep's columns of single scans, as many as "
        "a run has), all, or none; apart by blanks",
        allowed="names of columns, patterns, motion6, motion12, motion24, outliers, all or none",
    )
    fd_threshold: float | None = parameter(
        default=None,
        gt=0,
        description="Scans whose framewise_displacement exceeds this count as not acquired",
        allowed="a number > 0",
        unit="millimetres",
        empty="no scan is censored by its displacement",
    )


class NoiseConfig(Section):
    """The noise."""

    kind: Literal["ar1", "white"] = parameter(
        default="ar1",
        description="Model of the noise: ar1, with a variance and a lag-1 autocorrelation of its "
        "own in every position, or white, with a variance alone; jde-vem also measures what "
        "positions share, and their common spectrum where that is not of the kind ar1",
        allowed="ar1 or white",
    )


class VemConfig(Section):
    """Joint detection-estimation by variational expectation-maximisation (VEM)."""

    n_iterations: int = parameter(
        default=100,
        ge=1,
        description="Largest number of iterations",
        allowed="a whole number of at least 1",
    )
    tolerance: float = parameter(
        default=1e-4,
        gt=0,
        lt=1,
        description="Iterations end when one adds less than this per response level to the free "
        "energy and changes the HRF by less than ten times this",
        allowed="> 0 and < 1",
    )
    beta: Annotated[float, Field(ge=0, le=1.2)] | Literal["estimate"] = parameter(
        default="estimate",
        description="Strength of the spatial regularisation of the activation labels, "
        "or estimate to have it estimated for every parcel and condition",
        allowed="a number from 0 to 1.2, or estimate",
    )
    shared_noise: Literal["measured", "none"] = parameter(
        default="measured",
        description="Noise that the positions of a parcel share: measured, and modelled where "
        "there is some, or none, as if the noise of every position were its own",
        allowed="measured or none",
    )
    min_positions: int = parameter(
        default=5,
        ge=1,
        description="Smallest number of positions (voxels) with which a parcel is estimated",
        allowed="a whole number of at least 1",
    )
    ppm_threshold: float | None = parameter(
        default=None,
        description="Response level that the posterior probability maps (PPM) ask to be exceeded; "
        "one below 0, to be fallen below",
        allowed="a number",
        unit="unit of the BOLD data",
        empty="the level where the densities of active and inactive positions cross",
    )


class McmcConfig(Section):
    """Joint detection-estimation by Markov chain Monte Carlo (MCMC)."""

    n_iterations: int = parameter(
        default=3000,
        ge=100,
        description="Sweeps of every chain, those of the burn-in included",
        allowed="a whole number of at least 100",
    )
    n_burn_in: int = parameter(
        default=1000,
        ge=0,
        description="Sweeps at the start of every chain that are thrown away",
        allowed="a whole number below n_iterations",
    )
    n_chains: int = parameter(
        default=2,
        ge=1,
        le=64,
        description="Chains of every parcel; two at least are needed to see whether they agree",
        allowed="a whole number from 1 to 64",
    )
    start: Literal["vem", "dispersed"] = parameter(
        default="vem",
        description="Where the chains start: near the solution of VEM, or far from each other",
        allowed="vem or dispersed",
    )
    beta: Annotated[float, Field(ge=0, le=1.2)] | Literal["estimate"] = parameter(
        default="estimate",
        description="Strength of the spatial regularisation of the activation labels, "
        "or estimate to have it sampled for every parcel and condition, close to what VEM chooses",
        allowed="a number from 0 to 1.2, or estimate",
    )
    min_positions: int = parameter(
        default=5,
        ge=1,
        description="Smallest number of positions (voxels) with which a parcel is estimated",
        allowed="a whole number of at least 1",
    )
    ppm_threshold: float | None = parameter(
        default=None,
        description="Response level that the posterior probability maps (PPM) ask to be exceeded; "
        "one below 0, to be fallen below",
        allowed="a number",
        unit="unit of the BOLD data",
        empty="the level where the densities of active and inactive positions cross",
    )

    @model_validator(mode="after")
    def _check_burn_in(self) -> Self:
        if self.n_burn_in > self.n_iterations - 50:
            raise cross_check_error(
                McmcConfig,
                ("n_burn_in",),
                self.n_burn_in,
                f"must leave at least 50 of the {self.n_iterations} iterations",
            )
        return self


class RfirConfig(Section):
    """Regularised finite impulse responses (RFIR): a smooth HRF of each voxel and condition."""

    n_iterations: int = parameter(
        default=100,
        ge=1,
        description="Largest number of iterations",
        allowed="a whole number of at least 1",
    )
    tolerance: float = parameter(
        default=1e-5,
        gt=0,
        lt=1,
        description="The iterations of a voxel end when one adds less than this to the log "
        "likelihood per scan",
        allowed="> 0 and < 1",
    )
    min_positions: int = parameter(
        default=1,
        ge=1,
        description="Smallest number of positions (voxels) with which a parcel is estimated",
        allowed="a whole number of at least 1",
    )
    ppm_threshold: float = parameter(
        default=0.0,
        description="Response level that the posterior probability maps (PPM) ask to be exceeded; "
        "one below 0, to be fallen below (unit of the BOLD data)",
        allowed="a number",
    )


def _check_delays(text: str) -> str:
    """Refuse what is no increasing list of seconds."""
    try:
        delays = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise not_allowed(f"must be {_DELAYS}") from None
    rising = all(low < high for low, high in itertools.pairwise(delays))
    if len(delays) < 2 or delays[0] < 0 or delays[-1] > 100 or not rising:
        raise not_allowed(f"must be {_DELAYS}")
    return text


_DELAYS = "two or more rising numbers from 0 to 100, such as 0 1.5 3 4.5 (seconds)"


class GlmConfig(Section):
    """The general linear model (GLM) of every voxel, by nilearn."""

    model: Literal["canonical", "derivatives", "fir"] = parameter(
        default="canonical",
        description="Responses: SPM's canonical HRF; the same with its time and dispersion "
        "derivatives; or finite impulse responses (FIR)",
        allowed="canonical, derivatives or fir",
    )
    fir_delays: Annotated[PlainText, AfterValidator(_check_delays)] | None = parameter(
        default=None,
        description="Times after an event at which the bins of the FIR end, each of which begins "
        "where the one before it ends; used when the model is fir",
        allowed=_DELAYS,
        empty="0 and every repetition time up to the duration of the HRF",
    )
    min_positions: int = parameter(
        default=1,
        ge=1,
        description="Smallest number of positions (voxels) with which a parcel is estimated",
        allowed="a whole number of at least 1",
    )

    @property
    def delays(self) -> tuple[float, ...] | None:
        """Seconds of `fir_delays`; None for the default."""
        if self.fir_delays is None:
            return None
        return tuple(float(word) for word in self.fir_delays.replace(",", " ").split())


class Contrast(Section):
    """A contrast, its name and a linear expression of conditions."""

    name: PlainText = parameter(
        form="attribute",
        min_length=1,
        description="Name of the contrast, which is part of the names of its maps",
        allowed="a name that is not empty",
    )
    expression: PlainText = parameter(
        form="text",
        min_length=1,
        description="Linear expression of conditions",
        allowed="an expression such as 0.5*a + 0.5*b - c",
    )

    @classmethod
    def from_text(cls, text: str) -> Contrast:
        """Make a contrast of ``name=expression``, as ``audio-video = audio - video``.

        Raises
        ------
        ConfigError
            If there is no name, no ``=`` or no expression.
        """
        name, _, expression = (part.strip() for part in text.partition("="))
        try:
            if not (name and expression):
                raise cross_check_error(
                    cls, (), text, "must be NAME=EXPRESSION, such as audio-video=audio-video"
                )
            return cls(name=name, expression=expression)
        except ValidationError as error:
            raise config_error(error, cls, source="contrast") from error
