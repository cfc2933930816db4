"""What the data say of each position: statistics of a GLM, by which positions are clustered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, FloatArray
from pyhrf.estimators.checks import usable_positions
from pyhrf.estimators.glm_design import make_designs
from pyhrf.estimators.glm_fit import fit_runs, t_test
from pyhrf.parameters.model import ModelSettings

_AT_A_TIME = 5000  # positions whose signal is in memory in double precision


def glm_features(
    experiment: Experiment, bold: NDArray[np.float32]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Test SPM's canonical response and its derivatives in every condition and position.

    The canonical part tells how strong a response is, the derivatives in time and dispersion how
    its form differs. The t values are on one scale, that of noise with a standard deviation of 1;
    the GLM is nilearn's, with AR(1) noise, cosine drifts and the confounds of the experiment.

    Parameters
    ----------
    experiment : Experiment
    bold : float32 array, shape (n_scans, n_positions)
        Runs one after the other.

    Returns
    -------
    features : array, shape (n_usable, 3 * n_conditions)
        t values: of a condition the canonical response, its time and dispersion derivative.
    usable : bool array, shape (n_positions,)
        Positions that are finite, constant in no run, and can be tested.

    Raises
    ------
    InputError
        As `pyhrf.estimators.GLM`.
    """
    kept = experiment.kept
    usable = usable_positions(bold[kept], [int(run.kept.sum()) for run in experiment.runs])
    places = np.flatnonzero(usable)
    n_conditions = len(experiment.conditions)
    with threadpool_limits(1, user_api="blas"):
        design = make_designs(experiment, ModelSettings(), model="derivatives", delays=())
        features = np.empty((len(places), n_conditions * design.n_basis))
        for first in range(0, len(places), _AT_A_TIME):
            some = slice(first, first + _AT_A_TIME)
            fits = fit_runs(design, bold[np.ix_(kept, places[some])].astype(np.float64), "ar1")
            for column in range(features.shape[1]):
                condition, part = divmod(column, design.n_basis)
                weights = np.eye(n_conditions)[condition]
                test = t_test(fits, weights, np.eye(design.n_basis)[part])
                features[some, column] = test.stat()
    known = np.isfinite(features).all(axis=1)
    usable[places[~known]] = False
    return features[known], usable
