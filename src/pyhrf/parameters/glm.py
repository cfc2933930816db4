"""The parameters of the general linear model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyhrf.errors import ConfigError
from pyhrf.parameters.common import smallest_parcel
from pyhrf.parameters.declare import EstimatorSettings, Option, parameter
from pyhrf.parameters.kinds import EstimatorKind, Program

GLMModel = Literal["canonical", "derivatives", "fir"]

_SPM = (
    "Friston K. J. et al. (1998). Event-related fMRI: characterizing differential responses. "
    "NeuroImage 7(1):30–40."
)
_DELAYS = "two or more rising numbers from 0 to 100, such as 0 1.5 3 4.5 (seconds)"


@dataclass(frozen=True, kw_only=True)
class GlmSettings(EstimatorSettings):
    """The general linear model (GLM)."""

    model: GLMModel = parameter(
        "canonical",
        description="Responses: SPM's canonical HRF; the same with its time and dispersion "
        "derivatives; or finite impulse responses (FIR)",
        allowed="canonical, derivatives or fir",
        option=Option(
            "-m --model", "Responses: SPM's HRF, with its derivatives, or FIR", in_bids=False
        ),
    )
    fir_delays: Sequence[float] | str | None = parameter(
        None,
        description="Times after an event at which the bins of the FIR end, each of which begins "
        "where the one before it ends; used when the model is fir",
        allowed=_DELAYS,
        empty="0 and every repetition time up to the duration of the HRF",
        as_text=True,
        option=Option(
            "--fir-delays",
            'Where the bins of the FIR end, as "0 1.5 3 4.5"',
            metavar="SECONDS",
            default="0, TR, 2 TR ...",
            in_bids=False,
        ),
    )
    min_positions: int = smallest_parcel(1)

    @property
    def delays(self) -> tuple[float, ...] | None:
        """Seconds of `fir_delays`, which may be a text; None for the default."""
        given = self.fir_delays
        if isinstance(given, str):
            given = [float(word) for word in given.replace(",", " ").split()]
        return None if given is None else tuple(map(float, given))

    def ignored(self) -> tuple[str, ...]:
        """Pass over the delays where there is no FIR."""
        return () if self.model == "fir" else ("fir_delays",)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Tell whether the delays are no rising numbers of seconds."""
        try:
            delays = self.delays
        except ValueError:
            yield "fir_delays", f"must be {_DELAYS}"
            return
        if delays is None:
            return
        rising = all(low < high for low, high in itertools.pairwise(delays))
        if len(delays) < 2 or delays[0] < 0 or delays[-1] > 100 or not rising:
            yield "fir_delays", f"must be {_DELAYS}"

    @classmethod
    def of_options(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the delays for a choice of the model, which they are of."""
        if "fir_delays" not in given:
            return given
        model = given.get("model", "fir")
        if model != "fir":
            raise ConfigError(f"--fir-delays goes with --model fir, not {model}")
        return {**given, "model": "fir"}


KIND = EstimatorKind(
    name="glm",
    settings=GlmSettings,
    section="glm",
    home="pyhrf.estimators.glm:GLM",
    program=Program(
        name="glm",
        study_file="glm.xml",
        title="General linear model",
        about=", by nilearn: tests of every voxel, with an HRF that is given or free",
    ),
    method="the general linear model",
    short="GLM",
    unused=("dt", "seed"),  # its responses have no time step of ours, and nothing is drawn
    own_design=True,
    responses={
        "canonical": "SPM's canonical response (Friston et al. 1998)",
        "derivatives": "SPM's canonical response with its time and dispersion derivatives (Friston "
        "et al. 1998)",
        "fir": "a finite impulse response (Dale 1999)",
    },
    assumed=("canonical",),
    packages=("nilearn",),
    report_name="GLM",
    report="A general linear model (Friston et al. 1994) was fitted to every {place} with nilearn "
    "(Abraham et al. 2014).",
    references=(
        "Friston K. J. et al. (1994). Statistical parametric maps in functional imaging: a general "
        "linear approach. Human Brain Mapping 2(4):189–210.",
        "Abraham A. et al. (2014). Machine learning for neuroimaging with scikit-learn. Frontiers "
        "in Neuroinformatics 8:14. Nilearn: https://doi.org/10.5281/zenodo.8397156",
    ),
    more_references={
        "canonical": _SPM,
        "derivatives": _SPM,
        "fir": "Dale A. M. (1999). Optimal experimental design for event-related fMRI. Human Brain "
        "Mapping 8(2–3):109–114.",
        "ar1": "Worsley K. J. et al. (2002). A general statistical analysis for fMRI data. "
        "NeuroImage 15(1):1–15.",
    },
)
