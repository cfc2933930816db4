"""Models and their data from study files and BIDS data sets."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from pyhrf.config.data_sections import RunFiles
from pyhrf.config.messages import RefusedValuesError
from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study
from pyhrf.errors import ConfigError, InputError
from pyhrf.interface.estimators import GLM, JDE, RFIR
from pyhrf.interface.images import as_list, untied
from pyhrf.interface.model import HrfModel
from pyhrf.interface.parameters import in_arguments, study_values, values_of_study
from pyhrf.interface.prepared import kind_of
from pyhrf.spaces.untyped import nib
from pyhrf.wording import speaking

_log = logging.getLogger(__name__)
_MODELS = (JDE, RFIR, GLM)


def model_of_study(study: Study | str | Path) -> tuple[HrfModel, dict[str, list[Any]]]:
    """Make the model that a study describes, and what its `fit` takes.

    Parameters
    ----------
    study : Study or path
        The study, or its file.

    Returns
    -------
    model : JDE, RFIR or GLM
        Not fitted; with ``output=None``.
    data : dict
        ``run_imgs``, ``events``, ``confounds`` and ``sample_masks``, to be given to `fit`.

    Raises
    ------
    ConfigError
        If the file cannot be read, or the study makes its own data.
    InputError
        If a list of censored scans cannot be read.

    Examples
    --------
    >>> model, data = model_of_study("detectestim.xml")  # doctest: +SKIP
    >>> model.fit(**data)  # doctest: +SKIP
    """
    study = study if isinstance(study, Study) else read_study(study)
    study = study.with_absolute_paths()
    if study.data.kind == "simulation":
        raise ConfigError("the study makes its own example data: give one that names files")
    make, method = next(
        (model, method)
        for model in _MODELS
        for method, kind in model._kinds.items()
        if kind.name == study.kind.name
    )
    parameters = values_of_study(study)
    if len(make._kinds) > 1:
        parameters["method"] = method
    data, runs = study.data, study.data.runs
    model = make(
        data.parcellation,
        t_r=data.tr,
        meshes=list(data.meshes) or None,
        start_time=[run.start_time for run in runs],
        contrasts={one.name: one.expression for one in study.contrasts} or None,
        **parameters,
    )
    return model, {
        "run_imgs": [run.bold for run in runs],
        "events": [_events_of(run) for run in runs],
        "confounds": [run.confounds for run in runs],
        "sample_masks": [_kept_scans(run) for run in runs],
    }


def jde_from_bids(
    dataset_path: str | Path,
    task_label: str | None = None,
    *,
    space_label: str | None = None,
    sub_labels: list[str] | None = None,
    img_filters: Sequence[tuple[str, str]] = (),
    derivatives_folder: str | Path | None = None,
    model: HrfModel | None = None,
    validate: bool = True,
) -> tuple[list[HrfModel], list[list[Any]], list[list[Any]], list[list[Any]]]:
    """Make a model for each participant and task of a BIDS data set, with what its `fit` takes.

    The same files, times and parcels as with ``pyhrf bids``.

    Parameters
    ----------
    dataset_path : path
        The data set.
    task_label, space_label : str, optional
        Without ``task-`` and ``space-``; by default every task, and the space that ``pyhrf bids``
        takes.
    sub_labels : list of str, optional
        Participants, without ``sub-``; by default all.
    img_filters : list of (str, str)
        Entities and labels of the BOLD files that are taken, as ``[("ses", "1"), ("run", "2")]``;
        of ``ses``, ``run``, ``acq``, ``ce``, ``rec``, ``dir`` and ``desc``.
    derivatives_folder : path, optional
        Of fMRIPrep; by default that of the data set.
    model : JDE, RFIR or GLM, optional
        Not fitted, whose parameters all models get. Its ``parcellation`` is a path, or the size of
        the parcels that are cut from the brain mask or mesh: 300 if there is none.
    validate : bool
        Whether what is no BIDS data set is refused.

    Returns
    -------
    models, models_run_imgs, models_events, models_confounds : lists
        As nilearn's ``first_level_from_bids`` returns them.

    Raises
    ------
    InputError, ConfigError
        If the data set cannot be used, or there is nothing of what is asked for.

    Examples
    --------
    >>> models, imgs, events, confounds = jde_from_bids("ds", "audio")  # doctest: +SKIP
    >>> models[0].fit(imgs[0], events[0], confounds[0])  # doctest: +SKIP
    """
    from pyhrf.bids.options import BidsOptions
    from pyhrf.bids.plan import make_plan
    from pyhrf.bids.studies import make_study
    from pyhrf.bids.words import ARGUMENTS

    wanted = JDE() if model is None else model
    kind = kind_of(wanted)
    _, of_data, of_confounds, _ = study_values(wanted.get_params(deep=False), kind)
    found: tuple[list[HrfModel], list[list[Any]], list[list[Any]], list[list[Any]]]
    found = ([], [], [], [])
    with tempfile.TemporaryDirectory(prefix="pyhrf-") as name, speaking(ARGUMENTS):
        options = BidsOptions(
            bids_dir=Path(dataset_path),
            out_dir=Path(name),
            derivatives=None if derivatives_folder is None else Path(derivatives_folder),
            participants=tuple(sub_labels or ()),
            selection=_selection(task_label, space_label, img_filters),
            check=validate,
            parcellation=_parcels_of(wanted),
            meshes=tuple(Path(one) for one in as_list(wanted.meshes or [])),
            estimator=kind.section,
            parameters={"data": of_data, "confounds": of_confounds},
        )
        try:
            options.check_values()
        except ConfigError as error:
            if isinstance(error.__cause__, RefusedValuesError):
                raise in_arguments(error.__cause__) from error
            raise
        plan = make_plan(options, tell=_log.warning)
        for lacking in plan.failed.values():
            raise lacking
        for planned in plan.studies.values():
            study, notes = make_study(planned, options, plan.given)
            for note in notes:
                _log.warning("note: %s: %s", planned.name, note)
            data = study.data
            own = clone(wanted).set_params(
                parcellation=_kept_image(data.parcellation, Path(name)),
                meshes=list(data.meshes) or None,
                t_r=data.tr if wanted.t_r is None else wanted.t_r,
                start_time=[run.start_time for run in data.runs],
            )
            found[0].append(own)
            found[1].append([run.bold for run in data.runs])
            found[2].append([_events_of(run) for run in data.runs])
            found[3].append([run.confounds for run in data.runs])
    return found


def _selection(task: str | None, space: str | None, filters: Sequence[tuple[str, str]]) -> Any:
    """Choose runs by their entities.

    Raises
    ------
    ConfigError
        If there is no such entity.
    """
    from pyhrf.inputs.bids import Selection

    fields = {"ses": "sessions", "run": "runs", "desc": "desc"}
    fields |= {entity: entity for entity in ("acq", "ce", "rec", "dir")}
    asked: dict[str, list[str]] = {}
    for one in filters:
        if not (isinstance(one, list | tuple) and len(one) == 2 and one[0] in fields):
            raise ConfigError(
                f"img_filters: {one!r} is not allowed: must be an entity and its label, of the "
                f"entities {', '.join(fields)}; tasks, spaces and participants have arguments of "
                "their own"
            )
        asked.setdefault(fields[one[0]], []).append(str(one[1]))
    values: dict[str, Any] = dict(asked)
    if "desc" in asked:
        if len(asked["desc"]) > 1:
            raise ConfigError("img_filters: desc is given twice: give one version of the data")
        values["desc"] = asked["desc"][0]
    return Selection(tasks=() if task is None else (task,), space=space, **values)


def _parcels_of(model: HrfModel) -> Path | int:
    parcellation = model.parcellation
    if parcellation is None:
        return 300
    if isinstance(parcellation, int):
        return parcellation
    if not isinstance(parcellation, str | Path):
        raise InputError(
            "parcellation of the model must be a path or a size here: an image in memory does not "
            "say in which space it is"
        )
    return Path(parcellation)


def _kept_image(path: Path | None, folder: Path) -> Any:
    """Take a parcellation into memory, if it is in a folder that goes."""
    if path is None or folder not in path.parents:
        return path
    nifti = nib()
    return untied(nifti.load(path))


def _events_of(run: RunFiles) -> Any:
    if run.paradigm is not None:
        return run.paradigm
    return {each.condition: each.file for each in run.times}


def _kept_scans(run: RunFiles) -> Any:
    """Give the scans that a run's list of censored ones leaves."""
    if run.censored is None:
        return None
    from pyhrf.inputs.scan_lists import read_scans
    from pyhrf.spaces.kinds import kind_of_file

    n_scans = kind_of_file(run.bold).timing(run.bold).n_scans[0]
    return np.setdiff1d(np.arange(n_scans), read_scans(run.censored, n_scans))
