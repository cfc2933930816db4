"""What the models have in common: fit, tables, maps, report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pyhrf.config.study import Study
from pyhrf.errors import InputError
from pyhrf.interface.given import Given, one_if_same, without_folder
from pyhrf.interface.images import as_surface_image, untied
from pyhrf.interface.kept import Kept
from pyhrf.interface.page import ReportPage
from pyhrf.interface.prepared import (
    Prepared,
    named_contrasts,
    prepared,
    prepared_again,
    states_of,
)
from pyhrf.parameters.kinds import EstimatorKind
from pyhrf.wording import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pyhrf.results import Results

_FITTED = ("results_", "hrf_", "parcels_", "conditions_", "regions_", "contrasts_")

_log = logging.getLogger(__name__)


class HrfModel(BaseEstimator):  # type: ignore[misc]  # without types
    """Base of the models: parameters as scikit-learn has them, an analysis behind `fit`."""

    _kinds: ClassVar[Mapping[str, EstimatorKind]]

    if not TYPE_CHECKING:  # which would then take any name for one that is there

        def __getattr__(self, name: str) -> Any:
            """Say of what a fit gives that it comes with the fit."""
            if name in _FITTED:
                check_is_fitted(self)
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )

    def fit(
        self,
        run_imgs: Any,
        events: Any = None,
        confounds: Any = None,
        sample_masks: Any = None,
    ) -> Self:
        """Estimate responses and levels.

        Parameters
        ----------
        run_imgs : image, path, or list of them
            BOLD of each run: 4D image, SurfaceImage, GIFTI or CIFTI series, or the path of a file.
        events : DataFrame, path, dict of str to path, or list of them
            Events of each run, with the columns ``onset``, ``duration`` (seconds) and
            ``trial_type``, and perhaps ``modulation`` or ``amplitude``; an SPM.mat; or a file of
            times for each condition. What is no list is that of all runs.
        confounds : DataFrame, array, path, or list of them, optional
            A row for each scan.
        sample_masks : array, or list of arrays, optional
            Numbers of the scans that count, or True for each of them.

        Returns
        -------
        self
            With the attributes ``results_``, ``hrf_``, ``parcels_``, ``conditions_``.

        Raises
        ------
        InputError, ConfigError
            Before any work, naming what is wrong, the value, and what to do.
        EngineError
            If the engine cannot work.
        """
        return self._fit(run_imgs, events, confounds, sample_masks)

    def _fit(
        self, run_imgs: Any, events: Any, confounds: Any, sample_masks: Any, **asked: Any
    ) -> Self:
        """Fit as `fit` does, with other values of some parameters for this time."""
        given = Given.checked(
            run_imgs,
            events,
            confounds,
            sample_masks,
            start_time=self.start_time,
            t_r=self.t_r,
        )
        contrasts = named_contrasts(self.contrasts)
        as_fitted = type(self)(**{**self.get_params(deep=False), **asked})
        with prepared(as_fitted, given, contrasts) as ready:
            states = states_of(self, given)
            results = self._analysed(ready, ready.study.output)
            kept = Kept.of(results) if self.output is None else Kept(results.directory)
        # only now: after a fit that fails, all is that of the one before
        self._given, self._as_fitted, self._states = given, as_fitted, states
        self._extra: dict[str, Kept] = {}
        self._kept, self.contrasts_ = kept, contrasts
        results = self._kept.results
        self.parcels_ = results.parcels
        self.regions_ = results.regions
        self.hrf_ = self._with_names(results.hrf)
        self.conditions_ = self._with_names(results.conditions)
        return self

    @property
    def results_(self) -> Results:
        """Tables and maps, as `pyhrf.analyse` returns them."""
        check_is_fitted(self)
        return self._kept.results

    def map(self, name: str) -> Any:
        """Give a map as an image of the kind of the data.

        Parameters
        ----------
        name : str
            As ``nrl_audio`` or ``time_to_peak``; ``results_.maps()`` lists them.

        Returns
        -------
        image

        Raises
        ------
        InputError
            If there is no such map.
        """
        results = self.results_
        if self._given.on_surface:
            return as_surface_image(results.map_values(name), self._given.images[0])
        return untied(results.load_map(name))

    def compute_contrast(self, contrast_def: str, output_type: str = "effect_size") -> Any:
        """Give a map of a contrast of conditions.

        A contrast that was not declared (`contrasts`) is estimated when an output of it is asked
        for that the maps do not tell; all else stays as it is.

        Parameters
        ----------
        contrast_def : str
            A condition, such as ``"audio"``, an expression, such as ``"audio - 0.5*video"``, or the
            name of a declared contrast.
        output_type : str
            ``"effect_size"``, ``"effect_variance"``; ``"probability"`` that it is above 0 (not of a
            GLM); ``"stat"``, the effect over its standard deviation, of a GLM t; and of a GLM
            ``"z_score"``, ``"p_value"``, ``"F"``.

        Returns
        -------
        image

        Raises
        ------
        InputError, ConfigError
            If there is no such condition or output.
        """
        from pyhrf.interface.contrasts import contrast_image

        check_is_fitted(self)
        return contrast_image(self, contrast_def, output_type)

    def predict(self) -> Any:
        """Give the signal that the model fits: responses, and by least squares all nuisance.

        Returns
        -------
        image, or list of images
            As `fit` was given them; as in maps 0 outside of all parcels, and NaN inside where
            nothing was estimated. A GLM has coefficients of its own in each run.
        """
        return self._fitted().predicted()

    def residuals_(self) -> Any:
        """Give the signal less what `predict` gives; images as of that."""
        return self._fitted().residuals()

    def r_square_(self) -> Any:
        """Give the share of the signal that the responses explain, nuisance taken out of both.

        Returns
        -------
        image
            One value for each voxel, at most 1; it is the map ``r2``.
        """
        return self.map("r2")

    def score(
        self,
        run_imgs: Any,
        events: Any = None,
        confounds: Any = None,
        sample_masks: Any = None,
        *,
        per: str = "all",
    ) -> Any:
        """Tell how well responses predict runs that the model has not seen: R².

        Drift, means and confounds are taken out of data and prediction by least squares.

        Parameters
        ----------
        run_imgs, events, confounds, sample_masks
            As of `fit`.
        per : {"all", "voxel", "parcel"}
            One number for all positions together, an image, or a number for each parcel.

        Returns
        -------
        float, image, or pandas Series
            1 is perfect, 0 is as good as no response, below that it is worse.
        """
        if per not in ("all", "voxel", "parcel"):
            raise InputError(f"per={per!r} is not allowed: must be 'all', 'voxel' or 'parcel'")
        check_is_fitted(self)
        given = Given.checked(
            run_imgs,
            events,
            confounds,
            sample_masks,
            start_time=one_if_same(self._as_fitted.start_time),
            t_r=self._as_fitted.t_r,
        )
        fitted = self._fitted(given)
        if per == "voxel":
            return fitted.r_square_image()
        return fitted.r_square() if per == "all" else fitted.r_square_of_parcels()

    def plot_hrf(self, parcels: int | str | Sequence[int | str] | None = None) -> Figure:
        """Draw the responses of some parcels, or of the first ones, with their errors.

        Parameters
        ----------
        parcels : int, str or list of them, optional
            Numbers of parcels, or names of their regions.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        InputError
            If there is no such parcel, or it was not estimated.
        """
        from pyhrf.results.plots import hrf_figure

        if parcels is None:
            return hrf_figure(self.results_)
        numbers = {name: number for number, name in self.results_.regions.items()}
        some = [parcels] if isinstance(parcels, int | str | np.integer) else parcels
        chosen = [numbers.get(one, one) if isinstance(one, str) else int(one) for one in some]
        for one in chosen:
            if isinstance(one, str):
                raise InputError(
                    f"parcels: no region is called {one!r}: {did_you_mean(one, numbers)}"
                    if numbers
                    else f"parcels: {one!r} is the name of a region, and the regions have none: "
                    "give numbers"
                )
        return hrf_figure(self.results_, [one for one in chosen if isinstance(one, int)])

    def generate_report(self, path: str | Path | None = None) -> ReportPage:
        """Make the report, one HTML page; written to a file if a path is given.

        Returns
        -------
        ReportPage
            The text of the page. A notebook shows it; as nilearn's report it has
            ``open_in_browser()`` and ``save_as_html(file)``.
        """
        from pyhrf.results.report import write_report

        check_is_fitted(self)
        # the mean image of the data is behind the maps
        with prepared(self._as_fitted, self._given, self.contrasts_):
            made = write_report(self._kept.directory)
        page = ReportPage(made.read_text("utf-8"))
        if path is not None:
            page.save_as_html(path)
        return page

    def save(self, directory: str | Path) -> Path:
        """Write tables and maps to a folder that is not there yet, as the commands do.

        Returns
        -------
        Path
            The folder, which `pyhrf.Results` opens.
        """
        check_is_fitted(self)
        return self._kept.copied(Path(directory))

    def to_study(self, directory: str | Path) -> Study:
        """Write the data that are in memory to a folder, with a study that names them.

        Its file ``detectestim.xml`` (``glm.xml``, ``rfir.xml``) is what the commands run, on a
        cluster, too.

        Parameters
        ----------
        directory : path
            A folder that is not there yet, or empty.

        Returns
        -------
        Study
        """
        from pyhrf.config.study_xml import write_study

        check_is_fitted(self)
        folder = Path(directory).absolute()
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} exists and is not empty: give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        with prepared_again(self, folder=folder) as ready:
            study = ready.study.replaced(output=folder / "results")
            write_study(study, folder / study.kind.program.study_file)
        return study

    def _analysed(self, ready: Prepared, output: Path) -> Results:
        from pyhrf.analysis import analyse
        from pyhrf.execution.runner import Interrupted

        def tell(text: str) -> None:
            _log.warning(without_folder(text, ready.folder))

        for note in ready.notes:
            tell(f"note: {note}")
        try:
            return analyse(
                ready.study,
                output=output,
                engine=self.engine,
                n_jobs=self.n_jobs,
                verbosity=self.verbose,
                tell=tell,
            )
        except Interrupted:
            if ready.folder not in output.parents:
                raise
            raise Interrupted(
                "interrupted: what was done is not kept, for which a folder must be named (output)"
            ) from None
        except KeyboardInterrupt:
            raise Interrupted("interrupted before the first parcel was begun") from None

    def _fitted(self, given: Given | None = None) -> Any:
        from pyhrf.interface.fitted import Fitted

        check_is_fitted(self)
        return Fitted(self, self._given if given is None else given)

    def _with_names(self, table: pd.DataFrame) -> pd.DataFrame:
        """Put the names of regions beside their numbers."""
        if not self.regions_:
            return table
        names = table["parcel"].map(self.regions_)
        return table.assign(region=names)[
            ["parcel", "region", *table.columns.difference(["parcel"], sort=False)]
        ]
