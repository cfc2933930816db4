"""The study: which data are analysed, how, and where the results go.

A study is frozen: make another with `Study.replaced`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from pyhrf.config.data_sections import DataConfig, RunFiles
from pyhrf.config.messages import config_error
from pyhrf.config.parameters import FilePath, Section, cross_check_error, parameter
from pyhrf.config.sections import (
    MAX_HRF_STEPS,
    ConfoundsConfig,
    Contrast,
    DriftConfig,
    GlmConfig,
    HrfConfig,
    McmcConfig,
    NoiseConfig,
    RfirConfig,
    VemConfig,
)

__all__ = [
    "SECTION_OF",
    "ConfoundsConfig",
    "Contrast",
    "DataConfig",
    "DriftConfig",
    "EstimatorName",
    "GlmConfig",
    "HrfConfig",
    "McmcConfig",
    "NoiseConfig",
    "RfirConfig",
    "RunFiles",
    "Study",
    "VemConfig",
]

EstimatorName = Literal["jde-vem", "jde-mcmc", "rfir", "glm"]

SECTION_OF: dict[str, str] = {"jde-vem": "vem", "jde-mcmc": "mcmc", "rfir": "rfir", "glm": "glm"}
"""Section of a study that holds the parameters of each estimator."""


class Study(Section, tag="study"):
    """All that defines an analysis; the content of ``detectestim.xml``.

    Examples
    --------
    >>> Study().hrf.dt
    1.0
    >>> Study.build(hrf={"dt": 0.5}).replaced(seed=3).hrf.dt
    0.5
    """

    estimator: EstimatorName = parameter(
        default="jde-vem",
        description="Estimator: joint detection-estimation by variational "
        "expectation-maximisation (jde-vem) or by Markov chain Monte Carlo (jde-mcmc), "
        "regularised finite impulse responses (rfir), or the general linear model (glm)",
        allowed="jde-vem, jde-mcmc, rfir or glm",
    )
    data: DataConfig = parameter(default=DataConfig(), description="The data")
    hrf: HrfConfig = parameter(
        default=HrfConfig(), description="The haemodynamic response function (HRF)"
    )
    drift: DriftConfig = parameter(
        default=DriftConfig(), description="Slow drift, removed from each run with its mean"
    )
    confounds: ConfoundsConfig = parameter(
        default=ConfoundsConfig(),
        description="Confounds and censoring by motion, for runs that name a file of confounds",
    )
    noise: NoiseConfig = parameter(default=NoiseConfig(), description="The noise")
    vem: VemConfig = parameter(
        default=VemConfig(),
        description="Variational expectation-maximisation (VEM), for the estimator jde-vem",
    )
    mcmc: McmcConfig = parameter(
        default=McmcConfig(),
        description="Markov chain Monte Carlo (MCMC), for the estimator jde-mcmc",
    )
    rfir: RfirConfig = parameter(
        default=RfirConfig(),
        description="Regularised finite impulse responses (RFIR), for the estimator rfir",
    )
    glm: GlmConfig = parameter(
        default=GlmConfig(),
        description="The general linear model (GLM), for the estimator glm",
    )
    contrasts: tuple[Contrast, ...] = parameter(
        default=(),
        tag="contrast",
        description="Contrasts, one element each: numbers, + - * / and parentheses; a condition "
        'of an unusual name in quotes, as <contrast name="audio-video">0.5*audio1 + '
        "0.5*audio2 - 'video 1'</contrast>",
    )
    seed: int = parameter(
        default=0,
        ge=0,
        lt=2**32,
        description="Seed of every random number",
        allowed="a whole number from 0 to 4294967295",
    )
    output: FilePath = parameter(
        default=Path("results"),
        description="Folder of the results; a relative path starts from the folder of this file",
        allowed="the path of a folder",
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.estimator != "glm":  # its responses have no time step of ours
            self._check_hrf_grid()
        if not any(run.confounds for run in self.data.runs):
            self._check_no_confounds()
        names = [contrast.name for contrast in self.contrasts]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise cross_check_error(
                    Study,
                    ("contrasts", index, "name"),
                    name,
                    "another contrast has this name too",
                )
        return self

    def _check_no_confounds(self) -> None:
        """Refuse a choice of confounds where no run has any."""
        for name, field in ConfoundsConfig.model_fields.items():
            value = getattr(self.confounds, name)
            if value != field.default:
                raise cross_check_error(
                    Study,
                    ("confounds", name),
                    value,
                    "no <run> names a file of <confounds>: name one in each, or leave this out",
                )

    def _check_hrf_grid(self) -> None:
        """Refuse an HRF of too few or too many steps, or of steps too long for the scans."""
        tr, dt, duration = self.data.tr, self.hrf.dt, self.hrf.duration
        # 25.000000001 against 5 * 5: a length that is meant to be five steps is five steps.
        if duration / dt < 5 * (1 - 1e-9):
            raise cross_check_error(
                Study,
                ("hrf", "duration"),
                duration,
                f"must be at least 5 time steps of {dt:g}, so {5 * dt:g} (seconds)",
            )
        if duration / dt > MAX_HRF_STEPS:
            raise cross_check_error(
                Study,
                ("hrf", "dt"),
                dt,
                f"an HRF of {duration:g} seconds would have more than {MAX_HRF_STEPS} steps",
            )
        if tr is not None and dt > 2 * tr:
            raise cross_check_error(
                Study,
                ("hrf", "dt"),
                dt,
                f"must be at most twice the repetition time of {tr:g}, so {2 * tr:g} (seconds)",
            )

    @classmethod
    def build(cls, **values: Any) -> Study:
        """Make a study of values that a user gave.

        Parameters
        ----------
        **values
            Values of the fields; sections may be given as dictionaries.

        Returns
        -------
        Study

        Raises
        ------
        ConfigError
            Naming each element with its value and what is allowed.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise config_error(error, cls) from error

    def replaced(self, **values: Any) -> Study:
        """Make a copy with other values, checked; a dictionary changes a part of a section.

        Parameters
        ----------
        **values
            As for `build`, for instance ``output=Path("out"), vem={"n_iterations": 20}``.

        Returns
        -------
        Study

        Raises
        ------
        ConfigError
            As for `build`.
        """
        merged = {name: getattr(self, name) for name in type(self).model_fields}
        for name, value in values.items():
            old = merged.get(name)
            if isinstance(value, Mapping) and isinstance(old, Section):
                kept = {field: getattr(old, field) for field in type(old).model_fields}
                merged[name] = {**kept, **value}
            else:
                merged[name] = value
        return self.build(**merged)

    def with_absolute_paths(self, folder: Path | None = None) -> Study:
        """Make a copy in which relative paths start from ``folder`` (default: the current one).

        Parameters
        ----------
        folder : Path, optional
            Itself absolute or relative to the current directory.

        Returns
        -------
        Study
        """
        base = (folder or Path()).absolute()
        runs = tuple(run.moved(base.joinpath) for run in self.data.runs)
        parcellation = self.data.parcellation
        return self.replaced(
            data={
                "runs": runs,
                "parcellation": None if parcellation is None else base / parcellation,
                "meshes": tuple(base / mesh for mesh in self.data.meshes),
            },
            output=base / self.output,
        )

    def numerical_parameters(self) -> dict[str, str]:
        """Give all parameters on which the results depend, as text by dotted name.

        Two studies with the same input files give the same results if these are equal. Paths
        are not part of it: what the files hold counts, by their checksums.

        Returns
        -------
        dict of str to str
            For instance ``{"hrf.dt": "1.0", "drift.kind": "cosine", ...}``.
        """
        unused = {"output", "data.runs", "data.parcellation", "data.meshes", "contrasts"}
        unused |= {"data.event_column", "data.amplitude_column"}  # what is read of them counts
        others = set(SECTION_OF.values()) - {SECTION_OF[self.estimator]}
        if self.estimator == "glm":
            # its responses have no time step of ours
            unused.add("hrf.dt")
            if self.glm.model != "fir":
                unused.add("glm.fir_delays")
        if self.estimator in ("glm", "rfir"):
            unused.add("seed")  # nothing in them is drawn
        if self.data.kind != "simulation":
            unused.add("data.example")
        if not any(run.confounds for run in self.data.runs):
            unused |= {"confounds.columns", "confounds.fd_threshold"}
        if self.drift.kind != "cosine":
            unused.add("drift.cutoff")
        if self.drift.kind != "polynomial":
            unused.add("drift.order")
        values = {
            name: text
            for name, text in _flat(self, "")
            if name not in unused and name.partition(".")[0] not in others
        }
        values |= {f"contrasts.{c.name}": c.expression for c in self.contrasts}
        return values


def _flat(section: Section, prefix: str) -> Iterator[tuple[str, str]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
