"""The study: which data are analysed, how, and where the results go.

Each parameter is described once, here; the comments of the study file and the error messages
are made from it. A study is frozen: make another with `Study.replaced`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pyhrf.config.messages import config_error
from pyhrf.config.parameters import (
    FilePath,
    PlainText,
    Section,
    cross_check_error,
    not_allowed,
    parameter,
)

__all__ = [
    "MAX_TR",
    "Contrast",
    "DataConfig",
    "DriftConfig",
    "HrfConfig",
    "NoiseConfig",
    "RunFiles",
    "Study",
    "VemConfig",
]

MAX_TR = 30.0  # seconds; no scanner is that slow, so that a larger value is a mistake
_MAX_HRF_STEPS = 1000  # the cost grows with the cube of the number of HRF coefficients


def _check_tr(tr: float) -> float:
    """Refuse a repetition time that is not one, with a hint if it looks like milliseconds."""
    if not 0 < tr <= MAX_TR:
        hint = f"; it looks like milliseconds: did you mean {tr / 1000:g} s?" if tr > 100 else ""
        raise not_allowed(f"must be > 0 and at most {MAX_TR:g} (seconds){hint}")
    return tr


class RunFiles(Section):
    """Files of one run."""

    bold: FilePath = parameter(
        description="BOLD data, 4D NIfTI", allowed="the path of a file (.nii, .nii.gz)"
    )
    paradigm: FilePath = parameter(
        description="Paradigm: CSV of five columns session, condition, onset, duration, "
        "amplitude; or BIDS events TSV",
        allowed="the path of a file (.csv, .tsv)",
    )


class DataConfig(Section):
    """The data."""

    kind: Literal["volume", "simulation"] = parameter(
        default="simulation",
        description="Kind of data: your own volumes, or an example data set that is made for you",
        allowed="volume or simulation",
    )
    example: Literal["default", "small", "realistic"] = parameter(
        default="default",
        description="Example data set, used when the kind is simulation",
        allowed="default, small or realistic",
    )
    tr: Annotated[float, AfterValidator(_check_tr)] | None = parameter(
        default=None,
        description="Repetition time of all runs",
        allowed=f"> 0 and at most {MAX_TR:g}",
        unit="seconds",
        empty="taken from the header of the BOLD data",
    )
    runs: tuple[RunFiles, ...] = parameter(
        default=(),
        tag="run",
        description="Files of a run, one such element per run; relative paths start from the "
        "folder of this file",
    )
    parcellation: FilePath | None = parameter(
        default=None,
        description="Parcellation: 3D NIfTI of integers on the grid of the BOLD data, "
        "0 is background",
        allowed="the path of a file (.nii, .nii.gz)",
        empty="none, as for simulation",
    )

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind == "volume":
            if not self.runs:
                raise self._error(
                    "kind", "volume data need at least one <run> with <bold> and <paradigm>"
                )
            if self.parcellation is None:
                raise self._error("parcellation", "volume data need a parcellation")
        elif self.runs or self.parcellation is not None:
            raise self._error(
                "kind",
                "a simulation makes its own data, but files are given: write volume to analyse "
                "them, or remove <run> and <parcellation>",
            )
        return self

    def _error(self, field: str, rule: str) -> ValidationError:
        return cross_check_error(DataConfig, (field,), getattr(self, field), rule)


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
        description="Length of the HRF, which is zero at its two ends; at least five time steps",
        allowed="> 0",
        unit="seconds",
    )

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        steps = self.duration / self.dt
        # 25.000000001 against 5 * 5: a length that is meant to be five steps is five steps.
        if steps < 5 * (1 - 1e-9):
            raise cross_check_error(
                HrfConfig,
                ("duration",),
                self.duration,
                f"must be at least 5 time steps of {self.dt:g}, so {5 * self.dt:g} (seconds)",
            )
        if steps > _MAX_HRF_STEPS:
            raise cross_check_error(
                HrfConfig,
                ("dt",),
                self.dt,
                f"an HRF of {self.duration:g} seconds would have more than {_MAX_HRF_STEPS} steps",
            )
        return self


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


class NoiseConfig(Section):
    """The noise."""

    kind: Literal["white"] = parameter(
        default="white",
        description="Model of the noise: white, with a variance of its own at every position",
        allowed="white",
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
        description="Relative change of the free energy and of the parameters below which the "
        "iterations end",
        allowed="> 0 and < 1",
    )
    beta: Annotated[float, Field(ge=0)] | Literal["estimate"] = parameter(
        default="estimate",
        description="Strength of the spatial regularisation of the activation labels, "
        "or estimate to have it estimated for every parcel and condition",
        allowed="a number >= 0, or estimate",
    )
    min_positions: int = parameter(
        default=5,
        ge=1,
        description="Smallest number of positions (voxels) with which a parcel is estimated",
        allowed="a whole number of at least 1",
    )
    ppm_threshold: float | None = parameter(
        default=None,
        description="Response level that the posterior probability maps (PPM) ask to be exceeded",
        allowed="a number",
        unit="unit of the BOLD data",
        empty="the level where the densities of active and inactive positions cross",
    )


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


class Study(Section, tag="study"):
    """All that defines an analysis; the content of ``detectestim.xml``.

    Examples
    --------
    >>> Study().hrf.dt
    1.0
    >>> Study.build(hrf={"dt": 0.5}).replaced(seed=3).hrf.dt
    0.5
    """

    estimator: Literal["jde-vem"] = parameter(
        default="jde-vem",
        description="Estimator: joint detection-estimation by variational expectation-maximisation",
        allowed="jde-vem",
    )
    data: DataConfig = parameter(default=DataConfig(), description="The data")
    hrf: HrfConfig = parameter(
        default=HrfConfig(), description="The haemodynamic response function (HRF)"
    )
    drift: DriftConfig = parameter(
        default=DriftConfig(), description="Slow drift, removed from each run with its mean"
    )
    noise: NoiseConfig = parameter(default=NoiseConfig(), description="The noise")
    vem: VemConfig = parameter(
        default=VemConfig(), description="Variational expectation-maximisation (VEM)"
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
        tr, dt = self.data.tr, self.hrf.dt
        if tr is not None and dt > 2 * tr:
            raise cross_check_error(
                Study,
                ("hrf", "dt"),
                dt,
                f"must be at most twice the repetition time of {tr:g}, so {2 * tr:g} (seconds)",
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
        runs = tuple(
            RunFiles(bold=base / run.bold, paradigm=base / run.paradigm) for run in self.data.runs
        )
        parcellation = self.data.parcellation
        return self.replaced(
            data={
                "runs": runs,
                "parcellation": None if parcellation is None else base / parcellation,
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
        unused = {"output", "data.runs", "data.parcellation", "contrasts"}
        if self.data.kind != "simulation":
            unused.add("data.example")
        if self.drift.kind != "cosine":
            unused.add("drift.cutoff")
        if self.drift.kind != "polynomial":
            unused.add("drift.order")
        values = {name: text for name, text in _flat(self, "") if name not in unused}
        values |= {f"contrasts.{c.name}": c.expression for c in self.contrasts}
        return values


def _flat(section: Section, prefix: str) -> Iterator[tuple[str, str]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
