"""The study: which data are analysed, how, and where the results go.

A study is frozen: make another with `Study.replaced`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ValidationError, create_model, model_validator

from pyhrf.config.data_sections import DataConfig
from pyhrf.config.messages import config_error, facts_of
from pyhrf.config.section import (
    FilePath,
    Section,
    as_declared,
    cross_check_error,
    section_of_settings,
    study_field,
)
from pyhrf.config.sections import (
    MAX_HRF_STEPS,
    ConfoundsConfig,
    Contrast,
    DriftConfig,
    HrfConfig,
    NoiseConfig,
)
from pyhrf.parameters.declare import EstimatorSettings
from pyhrf.parameters.estimators import ESTIMATORS, enumerated
from pyhrf.parameters.kinds import EstimatorKind
from pyhrf.parameters.model import HeldOutKind, ModelSettings

if TYPE_CHECKING:
    EstimatorName = str  # a type checker would have each name written here
else:
    EstimatorName = Literal[tuple(ESTIMATORS)]


def _own_section(kind: EstimatorKind) -> tuple[type[Section], Any]:
    """Make the section of a study for the parameters that an estimator has for itself."""
    section = section_of_settings(kind.settings, __name__)
    title = f"{kind.method[0].upper()}{kind.method[1:]} ({kind.short})"
    return section, study_field(
        default=section(), description=f"{title}, for the estimator {kind.name}"
    )


class _BeforeEstimators(Section):
    """The beginning of a study, up to the sections of the estimators."""

    estimator: EstimatorName = study_field(
        default=next(iter(ESTIMATORS)),
        description=f"Estimator: {enumerated(lambda kind: f'{kind.method} ({kind.name})')}",
        allowed=f"{', '.join([*ESTIMATORS][:-1])} or {[*ESTIMATORS][-1]}",
    )
    data: DataConfig = study_field(default=DataConfig(), description="The data")
    hrf: HrfConfig = study_field(
        default=HrfConfig(), description="The haemodynamic response function (HRF)"
    )
    drift: DriftConfig = study_field(
        default=DriftConfig(), description="Slow drift, removed from each run with its mean"
    )
    confounds: ConfoundsConfig = study_field(
        default=ConfoundsConfig(),
        description="Confounds and censoring by motion, for runs that name a file of confounds",
    )
    noise: NoiseConfig = study_field(default=NoiseConfig(), description="The noise")


_OWN_SECTIONS = {kind.section: _own_section(kind) for kind in ESTIMATORS.values()}
# Where pickle looks for the class of a section.
globals().update({section.__name__: section for section, _ in _OWN_SECTIONS.values()})

if TYPE_CHECKING:
    _WithEstimators = _BeforeEstimators
else:
    _WithEstimators = create_model(
        "_WithEstimators",
        __base__=_BeforeEstimators,
        **_OWN_SECTIONS,
    )


class Study(_WithEstimators, tag="study"):
    """All that defines an analysis; the content of ``detectestim.xml``.

    Examples
    --------
    >>> Study().hrf.dt
    1.0
    >>> Study.build(hrf={"dt": 0.5}).replaced(seed=3).hrf.dt
    0.5
    """

    contrasts: tuple[Contrast, ...] = study_field(
        default=(),
        tag="contrast",
        description="Contrasts, one element each: numbers, + - * / and parentheses; a condition "
        'of an unusual name in quotes, as <contrast name="audio-video">0.5*audio1 + '
        "0.5*audio2 - 'video 1'</contrast>",
    )
    cross_validate: HeldOutKind = as_declared(ModelSettings, "cross_validate")
    seed: int = as_declared(ModelSettings, "seed")
    output: FilePath = study_field(
        default=Path("results"),
        description="Folder of the results; a relative path starts from the folder of this file",
        allowed="the path of a folder",
    )

    @property
    def kind(self) -> EstimatorKind:
        """The estimator."""
        return ESTIMATORS[self.estimator]

    @property
    def own(self) -> EstimatorSettings:
        """The parameters that the estimator has for itself."""
        return self.kind.settings.of(getattr(self, self.kind.section))

    @property
    def model(self) -> ModelSettings:
        """HRF, drift, noise, cross-validation and seed, as estimators take them."""
        return ModelSettings(**{name: value for _, name, value in self._settings()})

    @classmethod
    def of_model(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Put parameters of the model, by their names in `ModelSettings`, in their sections."""
        values: dict[str, Any] = {}
        for place, name, _ in cls()._settings():
            section, _, field = place.rpartition(".")
            if name in given:
                (values.setdefault(section, {}) if section else values)[field] = given[name]
        return values

    def _settings(self) -> Iterator[tuple[str, str, Any]]:
        """Give the parameters that are those of `ModelSettings`: dotted name, name, value."""
        sections = {"hrf.": self.hrf, "drift.": self.drift, "noise.": self.noise, "": self}
        for prefix, section in sections.items():
            for name, field in type(section).model_fields.items():
                if called := facts_of(field)["setting"]:
                    yield f"{prefix}{name}", called, getattr(section, name)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if "dt" not in self.kind.unused:
            self._check_hrf_grid()
        if not any(run.confounds for run in self.data.runs):
            self._check_no_confounds()
        if self.data.levels == "per-run" and getattr(self.own, "has_trials", False):
            raise cross_check_error(
                Study,
                ("data", "levels"),
                self.data.levels,
                "a single trial has a level of its own, whatever its run: let runs share the "
                "levels of conditions, or leave out single_trials",
            )
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
        others = {kind.section for kind in ESTIMATORS.values()} - {self.kind.section}
        unused |= {f"{self.kind.section}.{name}" for name in self.own.ignored()}
        unused |= {place for place, name, _ in self._settings() if name in self.kind.unused}
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
