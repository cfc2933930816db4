"""The models that a user of Python sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
