"""Scans that are held out: each once, and nothing of them in the other part."""

from __future__ import annotations

import numpy as np
import pytest

from pyhrf.data import Events, Experiment, FloatArray, Run
from pyhrf.errors import InputError
from pyhrf.model.checks import checked_design
from pyhrf.model.folds import N_FOLDS, folds_of, held_out_nuisance
from pyhrf.parameters.model import HeldOutKind, ModelSettings


def _events(*onsets: float) -> Events:
    return Events(np.array(onsets), np.zeros(len(onsets)), np.ones(len(onsets)))


def _run(n_scans: int, *onsets: float, censored: tuple[int, ...] = ()) -> Run:
    is_censored = np.isin(np.arange(n_scans), censored)
    return Run(n_scans, 2.0, {"a": _events(*onsets)}, censored=is_censored)


EVERYWHERE = tuple(np.arange(4.0, 240.0, 14.0))


@pytest.mark.parametrize("kind", ["runs", "blocks"])
def test_folds__hold_each_scan_that_counts_out_once(kind: HeldOutKind) -> None:
    runs = (_run(120, *EVERYWHERE, censored=(0, 1, 60)), _run(90, *EVERYWHERE))
    experiment = Experiment(("a",), runs)
    folds = folds_of(experiment, kind)
    held = np.sum([fold.held for fold in folds], axis=0)
    np.testing.assert_array_equal(held, experiment.kept.astype(int))
    for fold in folds:
        counts = np.zeros(210, np.bool_)
        counts[fold.rows] = fold.training.kept
        np.testing.assert_array_equal(counts, experiment.kept & ~fold.held)


def test_folds__of_runs_leave_a_whole_run_out() -> None:
    experiment = Experiment(("a",), (_run(30, 4.0), _run(20, 4.0), _run(25, 4.0)))
    folds = folds_of(experiment, "runs")
    assert [run.n_scans for run in folds[1].training.runs] == [30, 25]
    assert np.flatnonzero(folds[1].held).tolist() == list(range(30, 50))
    np.testing.assert_array_equal(folds[1].rows, ~folds[1].held)


def test_folds__of_blocks_lie_in_two_pieces_of_each_run() -> None:
    experiment = Experiment(("a",), (_run(80, 4.0), _run(160, 4.0)))
    for place, fold in enumerate(folds_of(experiment, "blocks")):
        assert np.flatnonzero(np.diff(fold.held.astype(int)) == 1).size + fold.held[0] == 4
        assert fold.held[:80].sum() == 80 // N_FOLDS
        assert fold.held[80:].sum() == 160 // N_FOLDS
        assert fold.held[10 * place]


def test_no_folds__where_nothing_is_held_out() -> None:
    assert folds_of(Experiment(("a",), (_run(80, 4.0),)), "none") == []


def test_held_out_nuisance__spans_what_the_nuisance_is_in_these_scans() -> None:
    rng = np.random.default_rng(3)
    experiment = Experiment(("a",), (_run(80, 4.0),))
    P: FloatArray = rng.standard_normal((80, 5))
    (fold, *_) = folds_of(experiment, "blocks")
    Q = held_out_nuisance(P, fold)
    np.testing.assert_allclose(Q.T @ Q, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(Q @ (Q.T @ P[fold.held]), P[fold.held], atol=1e-12)


def _refused(experiment: Experiment, kind: HeldOutKind) -> str:
    with pytest.raises(InputError) as error:
        checked_design(experiment, ModelSettings(cross_validate=kind))
    return str(error.value)


def test_a_single_run__cannot_be_held_out() -> None:
    text = _refused(Experiment(("a",), (_run(120, *EVERYWHERE),)), "runs")
    assert text == "cross_validate is runs, and there is one run only: take blocks"


def test_a_condition_of_one_run__cannot_be_predicted_from_others() -> None:
    runs = (_run(120, *EVERYWHERE), Run(120, 2.0, {"b": _events(*EVERYWHERE)}))
    text = _refused(Experiment(("a", "b"), runs), "runs")
    assert "without run 1 the condition 'a' has no event that reaches a scan: take blocks" in text
    checked_design(Experiment(("a", "b"), runs), ModelSettings(cross_validate="blocks"))


def test_a_condition_of_one_block__cannot_be_predicted_from_others() -> None:
    run = Run(240, 2.0, {"a": _events(*EVERYWHERE), "b": _events(70.0)})
    text = _refused(Experiment(("a", "b"), (run,)), "blocks")
    assert "without block 2 the condition 'b'" in text
    assert text.endswith("take none")


def test_too_few_scans__are_told_before_any_work() -> None:
    rng = np.random.default_rng(3)
    run = Run(64, 2.0, {"a": _events(*EVERYWHERE[:8])}, confounds=rng.standard_normal((64, 12)))
    text = _refused(Experiment(("a",), (run,)), "blocks")
    assert "too few" in text
    assert "fewer confounds" in text
