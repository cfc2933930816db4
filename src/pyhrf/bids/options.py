"""What is asked of the BIDS App."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pyhrf.config.contrasts import read_contrasts
from pyhrf.config.study import ConfoundsConfig, Contrast, Study
from pyhrf.config.study_xml import read_study
from pyhrf.errors import ConfigError
from pyhrf.inputs.bids import Selection
from pyhrf.inputs.confounds import NuisanceFiles
from pyhrf.inputs.paradigm import EventColumns
from pyhrf.parameters.estimators import ESTIMATORS, EstimatorKind

_CONTRAST = re.compile("element <contrast( [0-9]+)?>, attribute name")


@dataclass(frozen=True, kw_only=True)
class BidsOptions:
    """What is asked of the BIDS App.

    Attributes
    ----------
    bids_dir, out_dir : Path
        The data set, and the folder of what comes out.
    derivatives : Path, optional
        Folder of fMRIPrep; by default the one of the data set.
    participants : tuple of str
        Labels; all by default.
    selection : Selection
        Which runs.
    check : bool
        Refuse what is no BIDS data set.
    parcellation : Path, tuple of Path or int
        An atlas, or that of each hemisphere; or the size, in voxels or nodes, of parcels that are
        cut from the brain mask or on the mesh.
    meshes : tuple of Path
        Meshes of surface data, one for each hemisphere; those that are not given are looked for.
    event_column, amplitude_column : str, optional
        Columns of the events files, as `pyhrf.inputs.paradigm.EventColumns` has them; by default
        those of the study file.
    confound_columns : str, optional
    fd_threshold : float, optional
        As in a study.
    percent : bool
        The signal in per cent of its mean.
    contrasts : tuple of str
        ``NAME=EXPRESSION``.
    contrasts_file : Path, optional
        JSON of contrasts.
    estimator : {"vem", "mcmc", "rfir", "glm"}, optional
        By default that of the study file, or ``vem``.
    n_iterations : int, optional
    study_file : Path, optional
        A study whose parameters are taken, but for its output and the files of its data.
    """

    bids_dir: Path
    out_dir: Path
    derivatives: Path | None = None
    participants: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    check: bool = True
    parcellation: Path | tuple[Path, ...] | int = 300
    meshes: tuple[Path, ...] = ()
    event_column: str | None = None
    amplitude_column: str | None = None
    confound_columns: str | None = None
    fd_threshold: float | None = None
    percent: bool = False
    contrasts: tuple[str, ...] = ()
    contrasts_file: Path | None = None
    estimator: str | None = None
    n_iterations: int | None = None
    study_file: Path | None = None

    @cached_property
    def base(self) -> Study:
        """The study of the file, or one of all defaults.

        Raises
        ------
        ConfigError
            If the file cannot be read.
        """
        return Study() if self.study_file is None else read_study(self.study_file)

    @property
    def atlases(self) -> tuple[Path, ...]:
        """Files of the parcellation; none if it is a number."""
        if isinstance(self.parcellation, int):
            return ()
        return (self.parcellation,) if isinstance(self.parcellation, Path) else self.parcellation

    @property
    def size(self) -> int | None:
        """How large parcels are that are cut; None if they are given."""
        return self.parcellation if isinstance(self.parcellation, int) else None

    @property
    def columns(self) -> EventColumns:
        """Which columns of events files are read: those asked for, or of the study file."""
        data = self.base.data
        return EventColumns(
            data.event_column if self.event_column is None else self.event_column,
            data.amplitude_column if self.amplitude_column is None else self.amplitude_column,
        )

    @property
    def smallest(self) -> int:
        """How many positions the estimator needs in a parcel."""
        return int(getattr(self.base, self._kind.section).min_positions)

    @property
    def _kind(self) -> EstimatorKind:
        asked = [kind for kind in ESTIMATORS.values() if kind.section == self.estimator]
        return asked[0] if asked else self.base.kind

    @property
    def _confounds(self) -> dict[str, Any]:
        given = {"columns": self.confound_columns, "fd_threshold": self.fd_threshold}
        there = self.base.confounds
        return {key: getattr(there, key) if x is None else x for key, x in given.items()}

    @property
    def needs_confounds(self) -> bool:
        """Tell whether each run needs its file of confounds."""
        return self._confounds != {"columns": "none", "fd_threshold": None}

    def nuisance_of(self, confounds: Path | None) -> NuisanceFiles:
        """Give what is known of a run by its file of confounds: nothing if that is not asked for.

        Parameters
        ----------
        confounds : Path or None
            The file.

        Returns
        -------
        NuisanceFiles
        """
        if not self.needs_confounds:
            return NuisanceFiles()
        return NuisanceFiles(confounds=confounds, **self._confounds)

    def check_values(self) -> None:
        """Check all that holds whatever the data are.

        Raises
        ------
        ConfigError
            As `study`.
        """
        some = Path("some")
        run = {"bold": some, "paradigm": some, "confounds": some}
        data = {"kind": "volume", "runs": [run], "parcellation": some}
        self.study(data=data)

    def study(self, *, data: Mapping[str, Any], **values: Any) -> Study:
        """Make the study of a participant.

        Parameters
        ----------
        data : mapping
            Its section of the data.
        **values
            Of other fields.

        Raises
        ------
        ConfigError
            If an option cannot be used, or a value is not allowed.
        """
        if self.needs_confounds:
            values["confounds"] = self._confounds
        else:
            values["confounds"] = ConfoundsConfig()
        kind = self._kind
        values |= {"estimator": kind.name, "contrasts": self.all_contrasts()}
        if self.n_iterations is not None:
            if kind.name == "glm":
                raise ConfigError("-n is the number of iterations, and the GLM has none")
            values[kind.section] = kind.settings.of_options({"n_iterations": self.n_iterations})
        if self.percent:
            data = {**data, "scaling": "percent"}
        try:
            return self.base.replaced(**values, data={"meshes": (), **data})
        except ConfigError as error:
            raise ConfigError(self._by_option(str(error), kind.section)) from error

    def _by_option(self, text: str, section: str) -> str:
        """Name the options where the elements of a study file are named, but nobody gave a file."""
        options = {
            f"element <{section}><n_iterations>": ("-n", self.n_iterations),
            f"element <{section}><n_burn_in>": ("-n", self.n_iterations),
            "element <confounds><columns>": ("--confound-columns", self.confound_columns),
            "element <confounds><fd_threshold>": ("--fd-threshold", self.fd_threshold),
        }
        lines: dict[str, str] = {}  # the first line of each option: it is one mistake
        for line in text.splitlines():
            place, _, rest = line.partition(":")
            option, given = options.get(place, (place, None))
            if given is None:
                option = _CONTRAST.sub("-C", place) if self.contrasts else place
            lines.setdefault(option, f"{option}:{rest}")
        return "\n".join(lines.values())

    def all_contrasts(self) -> tuple[Contrast, ...]:
        """Give the contrasts: those that are asked for, or else those of the study file.

        Raises
        ------
        ConfigError
            If one cannot be read.
        """
        contrasts = [Contrast.from_text(text) for text in self.contrasts]
        if self.contrasts_file is not None:
            contrasts.extend(read_contrasts(self.contrasts_file))
        return tuple(contrasts) or self.base.contrasts
