"""The models that a user of Python sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pyhrf.interface.model import HrfModel
from pyhrf.interface.parameters import with_parameters

if TYPE_CHECKING:
    from pyhrf.results.trials import Trials


@with_parameters("jde-vem", "jde-mcmc")
class JDE(HrfModel):
    """Joint detection-estimation: a response for each parcel, a level for each voxel.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    hrf_ : DataFrame
        Responses: parcel, time (seconds), hrf (largest excursion 1), sd.
    parcels_ : DataFrame
        A row for each parcel: time to peak, width, quality, …
    conditions_ : DataFrame
        A row for each parcel and condition.
    results_ : Results
        Tables and maps.
    regions_ : dict of int to str
        Names of the parcels, of an atlas that has them.

    Examples
    --------
    >>> model = JDE(atlas, t_r=2.0).fit(bold, events=events)  # doctest: +SKIP
    >>> model.compute_contrast("audio - video", "stat")  # doctest: +SKIP
    """

    def fit(
        self,
        run_imgs: Any,
        events: Any = None,
        confounds: Any = None,
        sample_masks: Any = None,
        *,
        single_trials: Sequence[str] | str | bool | None = None,
    ) -> Self:
        """Estimate responses and levels, and perhaps the levels of single events.

        Parameters
        ----------
        run_imgs, events, confounds, sample_masks
            Images, events, confounds and scans that count of each run, as of `GLM.fit`.
        single_trials : sequence of str, str or bool, optional
            Conditions of which each event has a level of its own, or True for all, or False for
            none: it stands for the parameter of this name, for this fit. Default: None, that is
            the parameter's value.

        Returns
        -------
        self

        Raises
        ------
        InputError, ConfigError, EngineError
            As of `GLM.fit`.
        """
        asked = {} if single_trials is None else {"single_trials": single_trials}
        return self._fit(run_imgs, events, confounds, sample_masks, **asked)

    def trials(self, condition: str | Sequence[str] | None = None) -> Trials:
        """Give the levels of single trials, where they were asked for (``single_trials``).

        Parameters
        ----------
        condition : str or sequence of str, optional
            Only the trials of this condition or of these; all if not given.

        Returns
        -------
        Trials
            ``levels, table = model.trials()`` gives an array, a row for each trial and a column
            for each position, and a table with a row for each trial; see `pyhrf.Results.trials`.

        Raises
        ------
        InputError
            If there are no single trials, or none of such a condition.
        """
        return self.results_.trials(condition)


@with_parameters("rfir")
class RFIR(HrfModel):
    """Regularised finite impulse responses: a smooth response for each voxel and condition.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    hrf_, parcels_, conditions_, results_, regions_
        As of `JDE`.
    """


@with_parameters("glm")
class GLM(HrfModel):
    """The general linear model of nilearn, with the tables, maps and report of the other models.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    hrf_, parcels_, conditions_, results_, regions_
        As of `JDE`.
    """
