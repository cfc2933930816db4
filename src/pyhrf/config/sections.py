"""The sections of a study but for the data and the estimators: model, confounds, contrasts."""

from __future__ import annotations

from pydantic import ValidationError

from pyhrf.config.messages import config_error
from pyhrf.config.section import (
    PlainText,
    Section,
    as_declared,
    cross_check_error,
    study_field,
)
from pyhrf.parameters.data import ConfoundSettings
from pyhrf.parameters.model import DriftKind, ModelSettings, NoiseKind

MAX_HRF_STEPS = 1000  # the cost grows with the cube of the number of HRF coefficients


class HrfConfig(Section):
    """The haemodynamic response function (HRF)."""

    dt: float = as_declared(ModelSettings, "dt")
    duration: float = as_declared(ModelSettings, "hrf_duration")


class DriftConfig(Section):
    """Slow drift of the signal, removed from each run together with its mean."""

    kind: DriftKind = as_declared(ModelSettings, "drift")
    cutoff: float = as_declared(ModelSettings, "drift_cutoff")
    order: int = as_declared(ModelSettings, "drift_order")


class NoiseConfig(Section):
    """The noise."""

    kind: NoiseKind = as_declared(ModelSettings, "noise")


class ConfoundsConfig(Section):
    """Confounds and censoring by motion, from the files of confounds that runs name."""

    columns: PlainText = as_declared(ConfoundSettings, "columns")
    fd_threshold: float | None = as_declared(ConfoundSettings, "fd_threshold")


class Contrast(Section):
    """A contrast, its name and a linear expression of conditions."""

    name: PlainText = study_field(
        form="attribute",
        min_length=1,
        description="Name of the contrast, which is part of the names of its maps",
        allowed="a name that is not empty",
    )
    expression: PlainText = study_field(
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
