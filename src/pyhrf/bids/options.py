"""What is asked of the BIDS App."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pyhrf.config.contrasts import read_contrasts
from pyhrf.config.messages import Mistake, RefusedValuesError
from pyhrf.config.sections import ConfoundsConfig, Contrast
from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study
from pyhrf.errors import ConfigError
from pyhrf.inputs.bids import Selection
from pyhrf.inputs.confounds import NuisanceFiles
from pyhrf.inputs.paradigm import EventColumns
from pyhrf.parameters.estimators import ESTIMATORS, given_options, own_parameters
from pyhrf.parameters.kinds import EstimatorKind


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
    contrasts : tuple of str
        ``NAME=EXPRESSION``.
    contrasts_file : Path, optional
        JSON of contrasts.
    estimator : {"vem", "mcmc", "rfir", "glm"}, optional
        By default that of the study file, or ``vem``.
    parameters : mapping of str to mapping of str to object
        Parameters of the study that options set, by group and name, as
        `pyhrf.parameters.estimators.declared_options` has them. The others are those of the
        study file.
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
    contrasts: tuple[str, ...] = ()
    contrasts_file: Path | None = None
    estimator: str | None = None
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
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
    def data(self) -> Mapping[str, Any]:
        """What options say of the data."""
        return self.parameters.get("data", {})

    @property
    def columns(self) -> EventColumns:
        """Which columns of events files are read: those asked for, or of the study file."""
        data = {**dict(self.base.data), **self.data}
        return EventColumns(data["event_column"], data["amplitude_column"])

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
        return {**dict(self.base.confounds), **self.parameters.get("confounds", {})}

    @property
    def needs_confounds(self) -> bool:
        """Tell whether each run needs its file of confounds."""
        return self._confounds != {**dict(ConfoundsConfig()), "columns": "none"}

    def nuisance_of(self, confounds: Path | None) -> NuisanceFiles:
        """Give what is known of a run by its file of confounds: nothing if that is not asked for.

        Parameters
        ----------
        confounds : Path or None
            The file.
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
        kind = self._kind
        given = dict(self.parameters)
        own = own_parameters(kind, given.pop("own", {}))
        model = Study.of_model(given.pop("model", {}))
        values = {**model, **given, kind.section: own, **values}
        values["confounds"] = self._confounds if self.needs_confounds else ConfoundsConfig()
        values |= {"estimator": kind.name, "contrasts": self.all_contrasts()}
        try:
            return self.base.replaced(**{**values, "data": {"meshes": (), **self.data, **data}})
        except RefusedValuesError as error:
            raise ConfigError(self._by_option(error.mistakes)) from error

    def _by_option(self, mistakes: Sequence[Mistake]) -> str:
        """Name the options where the elements of a study file are named, but nobody gave a file."""
        options: dict[tuple[str | int, ...], str] = {}
        for (group, name), option in given_options(self.parameters).items():
            if group == "own":  # what follows from an option is its mistake
                given = self.parameters[group]
                own = own_parameters(self._kind, given)
                inside = {self._kind.section: [x for x in own if x == name or x not in given]}
            else:
                inside = Study.of_model({name: 0}) if group == "model" else {group: [name]}
            options |= {
                (section, one): option.shown for section, names in inside.items() for one in names
            }
        lines: dict[str, str] = {}  # the first line of each option: it is one mistake
        for mistake in mistakes:
            of_contrast = self.contrasts and mistake.place[:1] == ("contrasts",)
            said = options.get(mistake.place) or ("-C" if of_contrast else mistake.where)
            lines.setdefault(said, str(replace(mistake, where=said)))
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
