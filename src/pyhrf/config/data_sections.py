"""The sections of a study that say which data are analysed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from pyhrf.config.section import (
    FilePath,
    PlainText,
    Section,
    as_declared,
    cross_check_error,
    not_allowed,
    study_field,
)
from pyhrf.parameters.data import MAX_TR, DataKind, DataSettings, ExampleName, LevelsKind, Scaling


def _check_tr(tr: float) -> float:
    """Refuse a repetition time that is not one, with a hint if it looks like milliseconds."""
    if not 0 < tr <= MAX_TR:
        hint = f"; it looks like milliseconds: did you mean {tr / 1000:g} s?" if tr > 100 else ""
        raise not_allowed(f"must be > 0 and at most {MAX_TR:g} (seconds){hint}")
    return tr


def _check_start(start: float) -> float:
    if abs(start) > MAX_TR:
        raise not_allowed(f"must be within {MAX_TR:g} seconds, which is more than a scan takes")
    return start


class ConditionTimes(Section):
    """The times of one condition, in a file of their own."""

    condition: PlainText = study_field(
        form="attribute",
        min_length=1,
        description="Name of the condition",
        allowed="a name that is not empty",
    )
    file: FilePath = study_field(
        form="text",
        description="FSL's three columns, onset, duration and weight; or AFNI's onsets, a row for "
        "each run that names the file",
        allowed="the path of a file",
    )


class RunFiles(Section):
    """Files of one run."""

    bold: FilePath = study_field(
        description="BOLD data: 4D NIfTI, or of a surface GIFTI or CIFTI time series",
        allowed="the path of a file (.nii, .nii.gz, .gii)",
    )
    paradigm: FilePath | None = study_field(
        default=None,
        description="Paradigm: CSV of five columns session, condition, onset, duration, "
        "amplitude; or BIDS events TSV; or the SPM.mat of SPM5, SPM8 or SPM12",
        allowed="the path of a file (.csv, .tsv, .mat, .mat.gz)",
        empty="the times of each condition are in a file of their own",
    )
    times: tuple[ConditionTimes, ...] = study_field(
        default=(),
        description="Times of one condition, in the place of a paradigm; one such element for each",
    )
    start_time: Annotated[float, AfterValidator(_check_start)] = study_field(
        default=0.0,
        description="When the first scan was acquired, after the time that onsets count from, as "
        "the StartTime of BIDS: after slice timing correction to the middle of a scan half the "
        "repetition time; onsets are moved by that",
        allowed=f"-{MAX_TR:g} to {MAX_TR:g}",
        unit="seconds",
    )
    confounds: FilePath | None = study_field(
        default=None,
        description="Confounds: TSV or CSV of a row per scan below the names of the columns, such "
        "as those of fMRIPrep; <confounds><columns> says which columns count; scans that "
        "fMRIPrep marks as not in steady state are censored",
        allowed="the path of a file (.tsv, .csv, .txt)",
        empty="no confounds",
    )
    censored: FilePath | None = study_field(
        default=None,
        description="Censored scans, which count as not acquired: text of their numbers, such as "
        "0 1 17-20, where the first scan is 0",
        allowed="the path of a file (.txt)",
        empty="no list of censored scans",
    )

    @model_validator(mode="after")
    def _check_paradigm(self) -> Self:
        names = [each.condition for each in self.times]
        for name in names:
            if names.count(name) > 1:
                raise cross_check_error(
                    RunFiles, ("times",), name, "another element <times> has this condition too"
                )
        if self.paradigm is None and not names:
            missing = InitErrorDetails(type="missing", loc=("paradigm",), input={})
            raise ValidationError.from_exception_data("RunFiles", [missing])
        if self.paradigm is not None and names:
            rule = "a run has either <paradigm> or <times>, a file for each condition"
            raise cross_check_error(RunFiles, ("paradigm",), self.paradigm, rule)
        return self

    def moved(self, move: Callable[[Path], Path]) -> RunFiles:
        """Make a copy with other paths."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        paths = {name: move(path) for name, path in given.items() if isinstance(path, Path)}
        times = tuple(
            ConditionTimes(condition=each.condition, file=move(each.file)) for each in self.times
        )
        return RunFiles(**{**given, **paths, "times": times})


class DataConfig(Section):
    """The data."""

    kind: DataKind = as_declared(DataSettings, "kind")
    example: ExampleName = as_declared(DataSettings, "example")
    tr: Annotated[float, AfterValidator(_check_tr)] | None = as_declared(DataSettings, "tr")
    runs: tuple[RunFiles, ...] = study_field(
        default=(),
        tag="run",
        description="Files of a run, one such element per run; relative paths start from the "
        "folder of this file",
    )
    event_column: PlainText = as_declared(DataSettings, "event_column")
    amplitude_column: PlainText | None = as_declared(DataSettings, "amplitude_column")
    parcellation: FilePath | None = study_field(
        default=None,
        description="Parcellation: 3D NIfTI of integers on the grid of the BOLD data, or GIFTI "
        "or CIFTI of one integer per node; 0 is background",
        allowed="the path of a file (.nii, .nii.gz, .gii)",
        empty="none, as for simulation",
    )
    meshes: tuple[FilePath, ...] = study_field(
        default=(),
        tag="mesh",
        description="Mesh on whose nodes surface data lie, GIFTI, one for each cortical structure "
        "of CIFTI; nodes that an edge joins are neighbours",
        allowed="the path of a file (.gii)",
    )
    scaling: Scaling = as_declared(DataSettings, "scaling")
    levels: LevelsKind = as_declared(DataSettings, "levels")

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind != "simulation":
            if not self.runs:
                raise self._error(
                    "kind", f"{self.kind} data need at least one <run> with <bold> and <paradigm>"
                )
            if self.parcellation is None:
                raise self._error("parcellation", f"{self.kind} data need a parcellation")
            if self.kind == "surface" and not self.meshes:
                raise self._error("meshes", "surface data need the mesh on which they lie")
            if self.kind == "volume" and self.meshes:
                raise self._error("meshes", "volume data have no mesh: write surface as the kind")
            return self
        if self.runs or self.parcellation is not None or self.meshes:
            raise self._error(
                "kind",
                "a simulation makes its own data, but files are given: write volume or surface to "
                "analyse them, or remove <run>, <parcellation> and <mesh>",
            )
        for name in ("event_column", "amplitude_column"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise self._error(name, "a simulation makes its own events: leave this out")
        return self

    def _error(self, field: str, rule: str) -> ValidationError:
        return cross_check_error(DataConfig, (field,), getattr(self, field), rule)
