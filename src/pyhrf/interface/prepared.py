"""The study behind a model, with its files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyhrf.config.messages import RefusedValuesError
from pyhrf.config.study import Study
from pyhrf.errors import ConfigError, InputError
from pyhrf.inputs.beside import times_beside
from pyhrf.inputs.timing import fitting_step
from pyhrf.interface.atlases import atlas_of, check_same_kind, written_parcellation
from pyhrf.interface.changes import States
from pyhrf.interface.given import Given, in_words_of_memory
from pyhrf.interface.images import as_list, is_image, written_meshes
from pyhrf.interface.parameters import in_arguments, only_of_others, study_values
from pyhrf.parameters.kinds import EstimatorKind
from pyhrf.parameters.model import ModelSettings
from pyhrf.spaces.kinds import time_step
from pyhrf.wording import did_you_mean, speaking

if TYPE_CHECKING:
    from pyhrf.interface.model import HrfModel

WORDS = {
    "bold": "run_imgs",
    "mesh": "meshes",
    "paradigm": "events",
    "start_time": "start_time",
    "tr": "t_r",
    "fresh": "another output",
}
"""What a model calls what messages ask for."""


@dataclass(frozen=True)
class Prepared:
    """A study whose files are there.

    Attributes
    ----------
    study : Study
    folder : Path
        Where that of it which is in memory was written.
    notes : tuple of str
        What files beside the images say of their times.
    """

    study: Study
    folder: Path
    notes: tuple[str, ...] = ()


@contextmanager
def prepared(
    model: HrfModel,
    given: Given,
    contrasts: Mapping[str, str],
    *,
    folder: Path | None = None,
) -> Iterator[Prepared]:
    """Make the study of runs, whose files are there as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="pyhrf-") as name, speaking(WORDS):
        home = folder or Path(name)
        with in_words_of_memory(home):
            yield _prepare(model, given, contrasts, home)


def states_of(model: HrfModel, given: Given) -> States:
    """Tell what images and files of a fit are like."""
    values: dict[str, Any] = {"parcellation": None, "mask_img": model.mask_img}
    if model.parcellation is not None:
        values["parcellation"] = atlas_of(model.parcellation)[0]
    for name in ("images", "events", "confounds"):
        for number, one in enumerate(getattr(given, name), start=1):
            argument = "run_imgs" if name == "images" else name
            values[f"{argument} of run {number}"] = one
            if isinstance(one, dict):
                values |= {f"{name} of {c!r} in run {number}": path for c, path in one.items()}
    return States.of(values)


@contextmanager
def prepared_again(model: HrfModel, *, folder: Path | None = None) -> Iterator[Prepared]:
    """Make the study that a model was fitted to.

    Raises
    ------
    InputError
        If an image or a file has changed since.
    """
    model._states.check()
    with prepared(model._as_fitted, model._given, model.contrasts_, folder=folder) as ready:
        yield ready


def kind_of(model: HrfModel) -> EstimatorKind:
    """Give the estimator of a model.

    Raises
    ------
    ConfigError
        If there is no such method, or a parameter is of another one.
    """
    method = getattr(model, "method", next(iter(model._kinds)))
    if method not in model._kinds:
        raise ConfigError(f"method={method!r}: {did_you_mean(str(method), model._kinds)}")
    for name, owners in only_of_others(model.get_params(deep=False), method, model._kinds):
        raise ConfigError(
            f"{name} goes with method={' or '.join(map(repr, owners))}, not with {method!r}: "
            "leave it out"
        )
    return model._kinds[method]


def named_contrasts(contrasts: Any) -> dict[str, str]:
    """Give expressions by their names; those of a list are called as they are written.

    Raises
    ------
    ConfigError
        If they are something else.
    """
    if contrasts is None:
        return {}
    if isinstance(contrasts, str):
        return {contrasts: contrasts}
    if isinstance(contrasts, Mapping):
        return {str(name): str(text) for name, text in contrasts.items()}
    if isinstance(contrasts, list | tuple) and all(isinstance(one, str) for one in contrasts):
        return {text: text for text in contrasts}
    raise ConfigError("contrasts must be a dict of names and expressions, or a list of expressions")


def _prepare(model: HrfModel, given: Given, contrasts: Mapping[str, str], folder: Path) -> Prepared:
    kind = kind_of(model)
    _check_work(model)
    meshes = _meshes(model, given, folder)
    runs = given.written(folder)
    bold = [run["bold"] for run in runs]
    t_r = model.t_r
    notes: tuple[str, ...] = ()
    if model.start_time is None:
        times = times_beside(bold, tr=t_r)
        t_r, notes = times.tr, times.notes
        for run, start in zip(runs, times.starts, strict=True):
            run["start_time"] = start
    check_same_kind(given, {"parcellation": model.parcellation, "mask_img": model.mask_img})
    parcellation = written_parcellation(model.parcellation, model.mask_img, meshes, folder)
    settings, data, confounds, own = study_values(model.get_params(deep=False), kind)
    if "columns" not in confounds and given.has_table_of_confounds:
        confounds["columns"] = "all"
    if "dt" not in settings and "dt" not in kind.unused:
        step = fitting_step(t_r or time_step(bold[0]), ModelSettings().dt)
        settings |= {} if step is None else {"dt": step}
    try:
        study = Study.build(
            **Study.of_model(settings),
            data={
                **data,
                "kind": "surface" if meshes else "volume",
                "tr": t_r,
                "runs": runs,
                "parcellation": parcellation,
                "meshes": meshes,
            },
            confounds=confounds,
            estimator=kind.name,
            contrasts=[{"name": k, "expression": text} for k, text in contrasts.items()],
            output=folder / "results" if model.output is None else Path(model.output).absolute(),
            **{kind.section: own},
        )
    except RefusedValuesError as error:
        raise in_arguments(error) from error
    return Prepared(study, folder, notes)


def _check_work(model: HrfModel) -> None:
    """Refuse what says how to work and is of another type, before it comes to work.

    Raises
    ------
    ConfigError
        Naming the parameter.
    """
    whole = (int, np.integer)
    for name, fits, what in (
        ("engine", isinstance(model.engine, str), "the name of an engine, as 'local'"),
        ("n_jobs", isinstance(model.n_jobs, (*whole, type(None))), "a whole number, or None"),
        ("output", isinstance(model.output, str | Path | None), "the path of a folder, or None"),
        (
            "verbose",
            isinstance(model.verbose, (*whole, type(None))),
            "a whole number, as 0 or 1, or None",
        ),
    ):
        if not fits:
            raise ConfigError(f"{name}={getattr(model, name)!r} is not allowed: must be {what}")


def _meshes(model: HrfModel, given: Given, folder: Path) -> tuple[Path, ...]:
    if given.on_surface:
        return written_meshes(given.images[0], folder)
    if model.meshes is None:
        return ()
    meshes = as_list(model.meshes)
    for mesh in meshes:
        if is_image(mesh) or not isinstance(mesh, str | Path):
            raise InputError("meshes must be paths of GIFTI surfaces")
    return tuple(Path(mesh).absolute() for mesh in meshes)
