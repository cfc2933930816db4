"""Which scans are held out, to see how well what is estimated from the others predicts them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Experiment, FloatArray
from pyhrf.errors import InputError
from pyhrf.model.nuisance import independent_columns
from pyhrf.parameters.model import HeldOutKind

# Blocks: so many folds, and pieces of each run in each of them, so that no condition whose events
# lie together in time is held out whole.
N_FOLDS = 4
N_PIECES = 2
# Scans less nuisance regressors that have to be left in a fold to compare with.
LEAST_FREE = 10


class Fold(NamedTuple):
    """One way to hold scans out.

    Attributes
    ----------
    text : str
        What is held out.
    held : bool array, shape (n_scans,)
        Scans that are held out, of those that count.
    rows : bool array, shape (n_scans,)
        Scans of the runs of `training`.
    training : Experiment
        The other runs and scans: those that are held out count as not acquired.
    places : int array, shape (n_held,)
        Of the scans that are held out, in numbers of scans; between runs a number is left out.
    seconds : float
        That they take together.
    """

    text: str
    held: NDArray[np.bool_]
    rows: NDArray[np.bool_]
    training: Experiment
    places: NDArray[np.intp]
    seconds: float


def folds_of(experiment: Experiment, kind: HeldOutKind) -> list[Fold]:
    """Hold out each run, or blocks of all runs, in turn.

    Parameters
    ----------
    experiment : Experiment
    kind : {"none", "runs", "blocks"}
        Blocks are `N_FOLDS` folds of `N_PIECES` pieces of each run.

    Returns
    -------
    list of Fold
        In which each scan that counts is held out once; none for ``none``.
    """
    lengths = [run.n_scans for run in experiment.runs]
    run_of = np.repeat(np.arange(len(lengths)), lengths)
    if kind == "none":
        return []
    if kind == "runs":
        places = run_of
        texts = [f"run {number}" for number in range(1, len(lengths) + 1)]
    else:
        n_all = N_FOLDS * N_PIECES
        places = np.concatenate([np.arange(n) * n_all // n % N_FOLDS for n in lengths])
        texts = [f"block {number}" for number in range(1, N_FOLDS + 1)]
    return [
        _fold(experiment, run_of, experiment.kept & (places == place), text)
        for place, text in enumerate(texts)
    ]


def _fold(
    experiment: Experiment, run_of: NDArray[np.intp], held: NDArray[np.bool_], text: str
) -> Fold:
    counts = experiment.kept & ~held
    runs = {
        place: replace(run, censored=~counts[run_of == place])
        for place, run in enumerate(experiment.runs)
        if counts[run_of == place].any()
    }
    training = Experiment(experiment.conditions, tuple(runs.values()))
    trs = np.array([run.tr for run in experiment.runs])
    return Fold(
        text,
        held,
        np.isin(run_of, list(runs)),
        training,
        (np.arange(len(held)) + run_of)[held],
        float(trs[run_of][held].sum()),
    )


def held_out_nuisance(P: FloatArray, fold: Fold) -> FloatArray:
    """Give an orthonormal basis of the nuisance in the scans that are held out.

    Parameters
    ----------
    P : array, shape (n_scans, n_nuisance)
        Of all scans.
    fold : Fold

    Returns
    -------
    array, shape (n_held, n_columns)
    """
    return independent_columns(P[fold.held])


def check_folds(experiment: Experiment, kind: HeldOutKind, X: FloatArray, P: FloatArray) -> None:
    """Refuse to hold out what the rest tells nothing of.

    Parameters
    ----------
    experiment : Experiment
    kind : {"none", "runs", "blocks"}
    X : array, shape (n_scans, n_conditions, n_hrf)
        Design.
    P : array, shape (n_scans, n_nuisance)
        Nuisance.

    Raises
    ------
    InputError
        If there is a single run to hold out, a condition is in no other scans, or too few scans
        are left on one side.
    """
    if kind == "runs" and len(experiment.runs) < 2:
        raise InputError("cross_validate is runs, and there is one run only: take blocks")
    for fold in folds_of(experiment, kind):
        counts = experiment.kept & ~fold.held
        where = f"cross_validate is {kind}: without {fold.text}"
        n_held = int(fold.held.sum()) - held_out_nuisance(P, fold).shape[1]
        n_left = int(counts.sum()) - independent_columns(P[counts]).shape[1]
        if n_held < LEAST_FREE or n_left < len(experiment.conditions) + 2:
            raise InputError(
                f"{where} there are {n_left} scans more than nuisance regressors, and in it "
                f"{n_held}, which is too few: take none, fewer confounds or a longer drift_cutoff"
            )
        for condition, block in zip(experiment.conditions, X.transpose(1, 0, 2), strict=True):
            if not block[counts].any():
                raise InputError(
                    f"{where} the condition {condition!r} has no event that reaches a scan: "
                    f"take {'blocks' if kind == 'runs' else 'none'}"
                )
