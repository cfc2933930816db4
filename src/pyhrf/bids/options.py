"""What is asked of the BIDS App."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyhrf.config.contrasts import read_contrasts
from pyhrf.config.study import SECTION_OF, Contrast, EstimatorName, Study
from pyhrf.errors import ConfigError
from pyhrf.inputs.bids import Selection

__all__ = ["ESTIMATORS", "BidsOptions"]

ESTIMATORS: dict[str, EstimatorName] = {
    "vem": "jde-vem",
    "mcmc": "jde-mcmc",
    "rfir": "rfir",
    "glm": "glm",
}
"""Estimators by the names of ``--estimator``."""


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
    parcellation : Path or int
        An atlas; or the size, in voxels, of parcels that are cut from the brain mask.
    confound_columns : str, optional
    fd_threshold : float, optional
        As in a study.
    percent : bool
        The signal in per cent of its mean.
    contrasts : tuple of str
        ``NAME=EXPRESSION``.
    contrasts_file : Path, optional
        JSON of contrasts.
    estimator : {"vem", "mcmc", "rfir", "glm"}
    n_iterations : int, optional
    """

    bids_dir: Path
    out_dir: Path
    derivatives: Path | None = None
    participants: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    check: bool = True
    parcellation: Path | int = 300
    confound_columns: str | None = None
    fd_threshold: float | None = None
    percent: bool = False
    contrasts: tuple[str, ...] = ()
    contrasts_file: Path | None = None
    estimator: str = "vem"
    n_iterations: int | None = None

    @property
    def needs_confounds(self) -> bool:
        """Tell whether each run needs its file of confounds."""
        return self.confound_columns != "none" or self.fd_threshold is not None

    def check_values(self) -> None:
        """Check all that holds whatever the data are.

        Raises
        ------
        ConfigError
            As `study_values`, or naming a value that is not allowed.
        """
        some = Path("some")
        run = {"bold": some, "paradigm": some, "confounds": some}
        data = {"kind": "volume", "runs": [run], "parcellation": some}
        Study.build(**self.study_values(), data=data)

    def study_values(self) -> dict[str, Any]:
        """Give the values that the studies of all participants share.

        Raises
        ------
        ConfigError
            If a contrast cannot be read, or the estimator has no iterations.
        """
        estimator = ESTIMATORS[self.estimator]
        contrasts = [Contrast.from_text(text) for text in self.contrasts]
        if self.contrasts_file is not None:
            contrasts.extend(read_contrasts(self.contrasts_file))
        values: dict[str, Any] = {"estimator": estimator, "contrasts": contrasts}
        if self.n_iterations is not None:
            if estimator == "glm":
                raise ConfigError("-n is the number of iterations, and the GLM has none")
            section: dict[str, Any] = {"n_iterations": self.n_iterations}
            if estimator == "jde-mcmc":
                section["n_burn_in"] = self.n_iterations // 3
            values[SECTION_OF[estimator]] = section
        if self.needs_confounds:
            given = {"columns": self.confound_columns, "fd_threshold": self.fd_threshold}
            values["confounds"] = {key: x for key, x in given.items() if x is not None}
        return values
