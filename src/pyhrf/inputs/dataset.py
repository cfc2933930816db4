"""A data set: everything checked when opened, values read once, given parcel by parcel."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Experiment, FloatArray, Parcel, Run
from pyhrf.errors import InputError
from pyhrf.files import FileState, regular_file
from pyhrf.inputs.condition_names import name_notes
from pyhrf.inputs.confounds import NuisanceFiles, censored_notes, read_nuisance
from pyhrf.inputs.file_states import refuse_changed, states_of
from pyhrf.inputs.modulations import off_centre
from pyhrf.inputs.paradigm import EventColumns
from pyhrf.inputs.run_events import read_events_of, spelled_once
from pyhrf.inputs.scan_time import (
    check_conditions,
    moved,
    outside_scan_time,
    within_scan_time,
)
from pyhrf.inputs.signals import refuse_centred, refuse_silence
from pyhrf.inputs.spm import is_spm, read_spm
from pyhrf.inputs.timing import repetition_times
from pyhrf.model.durations import in_one_unit
from pyhrf.model.levels import levels_per_run
from pyhrf.notices import Note
from pyhrf.spaces.kinds import open_data
from pyhrf.spaces.space import Opened
from pyhrf.spaces.voxels import percent_change
from pyhrf.wording import named


class RunPaths(Protocol):
    """The files of a run."""

    @property
    def bold(self) -> Path:
        """4D NIfTI, GIFTI or CIFTI."""
        ...

    @property
    def paradigm(self) -> Path | None:
        """CSV, BIDS events TSV, or SPM.mat; None if the conditions have files of their own."""
        ...


class Dataset:
    """BOLD series, parcels and paradigm that fit together; made by `open_dataset`.

    Attributes
    ----------
    experiment : Experiment
        Conditions (in alphabetical order) and runs.
    parcels : dict of int to int
        Number of positions by number of the parcel, in ascending order.
    notes : list of str
        What the user should be told of the data.
    n_not_steady : tuple of int
        How many scans of each run are censored because fMRIPrep marks them as not in steady state.
    n_spm_confounds : tuple of int
        How many confounds each run has from its SPM.mat.
    confound_names : tuple of tuple of str
        Of the confounds of each run, in their order.
    displacement : tuple of array, shape (n_scans,), or None
        Framewise displacement of the head in each run, millimetres, NaN where it lacks; None where
        its table of confounds has none.
    shape : tuple of int
        Of a map: voxels along each axis, or the number of nodes.
    space : Space
        Where values lie: it writes the maps.
    tr : float
        Repetition time, seconds; the shortest if runs have several.
    run_conditions : dict of str to tuple of str
        Conditions of the experiment by their name in the paradigm: itself, or one per run.
    roles : dict of str to Path
        The files that were brought in, by what they are: ``BOLD of run 1``, ``parcellation`` ….
    """

    def __init__(
        self,
        *,
        experiment: Experiment,
        opened: Opened,
        parcellation: Path,
        roles: Mapping[str, Path],
        notes: Sequence[str],
        n_not_steady: Sequence[int],
        n_spm_confounds: Sequence[int],
        confound_names: Sequence[Sequence[str]],
        displacement: Sequence[FloatArray | None],
        states: Mapping[Path, FileState],
        percent: bool = False,
        per_run: bool = False,
    ) -> None:
        self.run_conditions: dict[str, tuple[str, ...]] = {
            name: (name,) for name in experiment.conditions
        }
        if per_run:
            experiment, self.run_conditions = levels_per_run(experiment)
        self.experiment = experiment
        self._parcellation = parcellation
        self._percent = percent
        self.notes = list(notes)
        self.n_not_steady = tuple(n_not_steady)
        self.n_spm_confounds = tuple(n_spm_confounds)
        self.confound_names = tuple(tuple(names) for names in confound_names)
        self.displacement = tuple(displacement)
        self.roles = dict(roles)
        self._states = dict(states)
        self.space = opened.space
        self.shape = opened.space.shape
        self.tr = min(run.tr for run in experiment.runs)
        numbers, sizes = opened.parcels.numbers, np.diff(opened.parcels.bounds)
        self.parcels = {number: int(size) for number, size in zip(numbers, sizes, strict=True)}
        self._places = {number: k for k, number in enumerate(numbers)}
        self._series = opened.series
        self._voxel_parcels = opened.parcels
        self._stored: tuple[NDArray[Any], ...] | None = None
        self._failure = ""
        self._lock = threading.Lock()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that were brought in, each once."""
        return tuple(dict.fromkeys(self.roles.values()))

    def read(self) -> None:
        """Read the values of all parcels, unless that is done.

        Each BOLD file is streamed once. What stays in memory are the parcels' voxels in the type
        of the file (float32 for wider floats).

        Raises
        ------
        InputError
            If a file cannot be read to its end, no position of any parcel has a signal, or a file
            is not the one that was opened, whose checksum the results bear.
        """
        with self._lock:
            if self._failure:
                raise InputError(self._failure)
            if self._stored is not None:
                return
            try:
                refuse_changed(self._states)  # of surfaces, what was read at first is known to fit
                self._stored = tuple(
                    series.stored(self._voxel_parcels.voxels) for series in self._series
                )
                runs = self.experiment.runs
                refuse_silence(runs, self._series, self._stored, self._parcellation)
                if self._percent:
                    refuse_centred(runs, self._series, self._stored)
                refuse_changed(self._states)
            except InputError as error:
                self._stored = None
                self._failure = str(error)
                raise

    def load(self, numbers: Sequence[int]) -> list[Parcel]:
        """Give some parcels; the first call reads the files. Threads may call it at once.

        Parameters
        ----------
        numbers : sequence of int
            Numbers of the parcels.

        Returns
        -------
        list of Parcel
            In the order of ``numbers``.

        Raises
        ------
        InputError
            If there is no such parcel, or a file cannot be read to its end.
        """
        for number in numbers:
            if number not in self._places:
                raise InputError(f"there is no parcel {number} in the parcellation")
        self.read()
        return [self._parcel(number) for number in numbers]

    def checksums(self) -> dict[str, str]:
        """Compute the SHA-256 of each input file, by its path.

        Raises
        ------
        InputError
            If one cannot be read, or is not the one that was opened.
        """
        sums = {}
        for path in self.files:
            try:
                with regular_file(path) as file:
                    sums[str(path)] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        refuse_changed(self._states)
        return sums

    def _parcel(self, number: int) -> Parcel:
        place = self._places[number]
        parcels = self._voxel_parcels
        mine = slice(int(parcels.bounds[place]), int(parcels.bounds[place + 1]))
        bold = np.empty((self.experiment.n_scans, mine.stop - mine.start), np.float32)
        first = 0
        runs = self.experiment.runs
        for run, series, stored in zip(runs, self._series, self._stored or (), strict=True):
            values = series.meant(stored[:, mine])
            if self._percent:
                values = percent_change(values, run.kept)
            bold[first : first + series.n_scans] = values
            first += series.n_scans
        return Parcel(
            number=number,
            bold=bold,
            edges=parcels.edges_of(place),
            positions=parcels.voxels[mine].copy(),
        )


def open_dataset(
    *,
    runs: Sequence[RunPaths],
    parcellation: Path | str | None,
    meshes: Sequence[Path | str] = (),
    tr: float | None = None,
    hrf_duration: float = 25.0,
    nuisance: Sequence[NuisanceFiles] = (),
    columns: EventColumns | None = None,
    times: Sequence[Mapping[str, Path]] = (),
    starts: Sequence[float] = (),
    percent: bool = False,
    per_run: bool = False,
) -> Dataset:
    """Open the files of a study and check them, before any BOLD value is needed.

    Parameters
    ----------
    runs : sequence of RunPaths
        The files of each run. A paradigm file that several runs name is read as theirs together:
        its sessions are these runs, or its only session serves each of them.
    parcellation : Path or str
        3D NIfTI of whole numbers on the grid of the BOLD files, or GIFTI of one per node of the
        mesh; 0 is background.
    meshes : sequence of Path or str
        GIFTI surfaces on whose nodes the data lie: one for GIFTI data, one for each cortical
        structure of CIFTI data.
    tr : float, optional
        Repetition time of all runs in seconds; without it each run has that of its SPM.mat, or
        else of its header.
    hrf_duration : float
        Length of the response in seconds: an event that ends longer before the first scan, or
        begins after the last, is left out and noted.
    nuisance : sequence of NuisanceFiles
        Confounds and censored scans of each run; none at all if left out.
    columns : EventColumns, optional
        Other columns of conditions and amplitudes in BIDS events files.
    times : sequence of dict of str to Path
        For each run files of one condition, by its name, of a run that has no paradigm: FSL's three
        columns, or AFNI's times.
    starts : sequence of float
        When the first scan of each run was acquired, seconds after the time that its onsets count
        from: these are moved by that. 0 if left out.
    percent : bool
        Turn the signal of each run into per cent of its mean over time.
    per_run : bool
        Give each condition levels of its own in every run; the HRF is shared.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If a file cannot be used, or the files do not fit together.
    """
    if not runs:
        raise InputError(f"no BOLD file is given: give one for each run ({named('bold')})")
    if parcellation is None:
        raise InputError(
            "no parcellation is given: give one on the grid of the BOLD files "
            f"({named('parcellation')})"
        )
    paths = [Path(run.bold).resolve() for run in runs]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"{path}: this BOLD file is given for two runs; each has its own")
    notes: list[str] = []
    times = times or [{}] * len(runs)
    nuisance = nuisance or [NuisanceFiles()] * len(runs)
    roles = _roles(runs, times, nuisance, parcellation, meshes)
    states = states_of(roles.values())
    opened = open_data(
        [Path(run.bold) for run in runs], Path(parcellation), [Path(mesh) for mesh in meshes]
    )
    notes.extend(opened.notes)
    bold = opened.series
    files = spelled_once([run.paradigm for run in runs], times)
    designs = {path: read_spm(path, notes) for path in dict.fromkeys(files) if is_spm(path)}
    trs = repetition_times(bold, files, designs, tr, notes)
    read_events, of_designs = read_events_of(
        files, designs, bold, trs, times=times, columns=columns, notes=notes
    )
    starts = starts or [0.0] * len(runs)
    paradigms = [moved(*each) for each in zip(read_events, starts, strict=True)]
    kept = [
        within_scan_time(
            events,
            duration=volume.n_scans * run_tr,
            hrf_duration=hrf_duration,
            label=Note("{path}, run {number}", path=path, number=number),
            notes=notes,
        )
        for number, (path, events, volume, run_tr) in enumerate(
            zip(files, paradigms, bold, trs, strict=True), start=1
        )
    ]
    kept = in_one_unit(kept, notes)
    read = [
        read_nuisance(each, volume.n_scans, notes)
        for each, volume in zip(nuisance, bold, strict=True)
    ]
    notes.extend(censored_notes(nuisance, read))
    conditions = check_conditions(paradigms, kept, files)
    notes.extend(name_notes(kept))
    notes.extend(off_centre(conditions, kept))
    return Dataset(
        experiment=Experiment(
            conditions=conditions,
            runs=tuple(
                Run(
                    volume.n_scans,
                    run_tr,
                    events,
                    _beside(each.confounds, own),
                    each.censored,
                    outside_scan_time(
                        all_events, duration=volume.n_scans * run_tr, hrf_duration=hrf_duration
                    ),
                )
                for volume, run_tr, events, all_events, each, own in zip(
                    bold, trs, kept, paradigms, read, of_designs, strict=True
                )
            ),
        ),
        n_not_steady=[each.n_not_steady for each in read],
        n_spm_confounds=[0 if own is None else own.shape[1] for own in of_designs],
        confound_names=[
            _confound_names(each.names, own) for each, own in zip(read, of_designs, strict=True)
        ],
        displacement=[each.displacement for each in read],
        opened=opened,
        parcellation=Path(parcellation),
        roles=roles,
        states=states,
        notes=notes,
        percent=percent,
        per_run=per_run,
    )


def _roles(
    runs: Sequence[RunPaths],
    times: Sequence[Mapping[str, Path]],
    nuisance: Sequence[NuisanceFiles],
    parcellation: Path | str,
    meshes: Sequence[Path | str],
) -> dict[str, Path]:
    """Name each file by what it is."""
    roles = {f"BOLD of run {number}": Path(run.bold) for number, run in enumerate(runs, start=1)}
    of_runs = zip(runs, times, nuisance, strict=True)
    for number, (run, own_times, each) in enumerate(of_runs, start=1):
        if run.paradigm is not None:
            roles[f"paradigm of run {number}"] = Path(run.paradigm)
        for condition, path in own_times.items():
            roles[f"paradigm of run {number}, {condition}"] = path
        if each.confounds is not None:
            roles[f"confounds of run {number}"] = each.confounds
        if each.censored is not None:
            roles[f"censored scans of run {number}"] = each.censored
    roles["parcellation"] = Path(parcellation)
    return roles | {f"mesh {number}": Path(mesh) for number, mesh in enumerate(meshes, start=1)}


def _beside(confounds: FloatArray | None, more: FloatArray | None) -> FloatArray | None:
    given = [each for each in (confounds, more) if each is not None]
    return np.hstack(given) if given else None


def _confound_names(names: Sequence[str], more: FloatArray | None) -> list[str]:
    n_more = 0 if more is None else more.shape[1]
    return [*names, *(f"SPM {k}" for k in range(1, n_more + 1))]
