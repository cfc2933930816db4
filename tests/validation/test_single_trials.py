"""Scores, rivals and artificial data of single trials, on cases whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel
from nilearn.glm.first_level.hemodynamic_models import spm_hrf
from validation.glm import HIGH_PASS
from validation.trial_data import SCENARIOS, TrialData, simulate_trials
from validation.trial_methods import METHODS, run_method
from validation.trial_real import decodings, responding
from validation.trial_rivals import cut_in_two, fit_lsa, fit_lss, free_scans
from validation.trial_scores import (
    contiguous_folds,
    correlation,
    decode,
    pattern_correlation,
    slope,
    split_half,
    standard_error,
)
from validation.trial_tables import Row, compared, everything

from pyhrf.data import Events, Experiment, Parcel, Run

TINY = replace(SCENARIOS["conditions-20"], n_parcels=1, n_runs=2, run_seconds=160.0)


def events_of(onsets: list[float], durations: list[float]) -> Events:
    return Events(np.array(onsets), np.array(durations), np.ones(len(onsets)))


def data_of(bold: np.ndarray, events: dict[str, Events], tr: float = 2.0) -> TrialData:
    run = Run(len(bold), tr, events)
    no_edges = np.zeros((0, 2), np.int32)
    parcel = Parcel(1, bold.astype(np.float32), no_edges, np.arange(bold.shape[1]))
    return TrialData(Experiment(tuple(events), (run,)), [parcel])


# --- rivals


@pytest.fixture(scope="module")
def few() -> TrialData:
    """Noise of four voxels, seven events of two conditions between scans, some of them long."""
    rng = np.random.default_rng(5)
    events = {
        "a": events_of([3.1, 30.7, 51.2, 90.0], [0.0, 0.0, 0.0, 0.0]),
        "b": events_of([11.4, 41.9, 70.3], [2.5, 1.0, 4.0]),
    }
    return data_of(100 + rng.standard_normal((70, 4)).cumsum(axis=0), events)


def nilearn_levels(data: TrialData, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Coefficient and its sd of the event called "trial", with the others called as given."""
    bold = data.parcels[0].bold
    image = nib.Nifti1Image(bold.T.reshape(4, 1, 1, -1), np.eye(4))
    mask = nib.Nifti1Image(np.ones((4, 1, 1), np.uint8), np.eye(4))
    table = pd.DataFrame(
        {
            "onset": [t.onset for t in data.trials],
            "duration": [t.duration for t in data.trials],
            "trial_type": names,
        }
    )
    model = FirstLevelModel(
        t_r=2.0,
        hrf_model="spm",
        high_pass=HIGH_PASS,
        mask_img=mask,
        noise_model="ols",
        signal_scaling=False,
    ).fit(image, events=table)
    maps = model.compute_contrast("trial", output_type="all")
    effect = np.asarray(maps["effect_size"].dataobj).ravel()
    return effect, np.sqrt(np.asarray(maps["effect_variance"].dataobj).ravel())


@pytest.mark.filterwarnings("ignore")  # of nilearn: what it says of events without duration
@pytest.mark.parametrize(("method", "apart"), [("LSS", False), ("LSA", True)])
def test_least_squares__is_that_of_nilearn_for_each_trial(
    few: TrialData, method: str, apart: bool
) -> None:
    level, sd = {"LSS": fit_lss, "LSA": fit_lsa}[method](few)[method]
    impulse = spm_hrf(2.0, 50).max()
    for place, trial in enumerate(few.trials):
        others = [f"other{i}" if apart else "others" for i in range(len(few.trials))]
        others[place] = "trial"
        effect, error = nilearn_levels(few, others)
        height = impulse if trial.duration == 0 else impulse * 50 / 2.0
        np.testing.assert_allclose(level[place], height * effect, rtol=1e-4)
        np.testing.assert_allclose(sd[place], height * error, rtol=1e-4)


@pytest.mark.parametrize("fit", [fit_lsa, fit_lss])
@pytest.mark.parametrize("duration", [0.0, 1.0, 3.0])
def test_least_squares__levels_are_heights_of_the_response_to_an_impulse_or_to_one_second(
    fit, duration: float
) -> None:
    step = 0.01
    hrf = spm_hrf(step, 1, time_length=40)
    hrf /= hrf.max()
    fine = np.arange(0, 120, step)
    lasting = hrf if duration == 0 else np.convolve(hrf, np.ones(round(duration / step))) * step
    signal = 7.0 * np.convolve((fine == 20.0).astype(float), lasting)[: len(fine)]
    bold = np.tile(100 + signal[:: round(2.0 / step)], (2, 1)).T
    (level, _), *_ = fit(data_of(bold, {"a": events_of([20.0, 80.0], [duration] * 2)})).values()
    np.testing.assert_allclose(level, [[7.0, 7.0], [0.0, 0.0]], atol=0.25)


def test_free_scans__are_the_nearest_and_no_two_alike() -> None:
    assert free_scans(np.array([0.2, 0.4, 5.6, 9.4, 9.7]), 10) == [0, 1, 6, 8, 9]


def test_cut_in_two__keeps_every_event_and_its_time() -> None:
    Y, names = np.arange(40.0).reshape(20, 2), np.arange(4)
    first, second = cut_in_two(Y, np.array([3.0, 15.0, 18.0, 25.0]), names, 2.0)
    np.testing.assert_array_equal(np.vstack([first[0], second[0]]), Y)
    np.testing.assert_array_equal(first[1], [3.0, 15.0])
    np.testing.assert_array_equal(second[1], [0.0, 5.0])
    np.testing.assert_array_equal(np.concatenate([first[2], second[2]]), names)


# --- data


def test_simulate_trials__levels_are_what_an_estimate_finds_without_noise() -> None:
    clear = replace(TINY, noise_sd=0.02, drift=0.1, durations=(0.5, 3.0))
    data = simulate_trials(clear, 3)
    assert data.levels is not None
    level, _ = METHODS["pyhrf"](data)["PyHRF"]
    active = data.active
    assert level.shape == data.levels.shape
    # the HRF is linear between its coefficients, which leaves an error
    assert correlation(level[:, active], data.levels[:, active]).mean() > 0.97
    assert slope(level[:, active], data.levels[:, active]) == pytest.approx(1, abs=0.05)
    assert np.abs(level[:, ~active]).max() < 0.1


def test_simulate_trials__noise_is_as_large_and_as_shared_as_asked_for() -> None:
    noise = replace(TINY, sd_condition=0.0, sd_trial=0.0, sd_together=0.0, drift=0.0)
    quiet = simulate_trials(replace(noise, noise_sd=0.0), 1).bold
    shared = simulate_trials(replace(noise, shared=1.0, run_seconds=2000.0), 1)
    own = simulate_trials(noise, 1).bold - quiet
    assert own.std() == pytest.approx(2.0, rel=0.1)
    of_factors = shared.bold[-30:] - 100  # after the last response
    assert np.linalg.matrix_rank(of_factors[:, ~shared.active], tol=1e-3) == 4


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios__have_every_condition_about_equally_often(name: str) -> None:
    data = simulate_trials(replace(SCENARIOS[name], n_parcels=1), 0)
    counts = np.bincount(data.conditions)
    assert len(counts) == SCENARIOS[name].n_conditions
    assert np.ptp(counts) <= len(data.experiment.runs)
    assert data.levels is not None
    assert len(data.levels) == len(data.trials) > 200
    on_scans = all(trial.onset % 2 == 0 for trial in data.trials)
    assert on_scans == (name == "on-scans")


def test_decodings__leave_out_runs_or_fifths_of_the_only_one(few: TrialData) -> None:
    made = simulate_trials(TINY, 0)
    (only,) = decodings(made).values()
    assert set(only.folds) == {0, 1}
    found = decodings(few)
    assert list(found) == ["", "modality"]
    assert len(set(found[""].folds)) == 5


def test_responding__takes_the_positions_that_follow_the_events() -> None:
    rng = np.random.default_rng(0)
    onsets = np.arange(10.0, 250.0, 30.0)
    volume = 100 + rng.standard_normal((12, 10, 1, 120))
    volume[:8] += np.sum([_hump(onset) for onset in onsets], axis=0)
    chosen = responding(volume, np.ones((12, 10, 1), np.int64), onsets)
    assert chosen[:8].all()
    assert chosen.sum() == 80


def _hump(onset: float) -> np.ndarray:
    """A response of 5 s after an event, at scans 2.4 s apart."""
    return 6 * np.exp(-((2.4 * np.arange(120) - onset - 5.5) ** 2) / 8)


# --- scores


def test_correlation__of_columns_and_of_constant_ones() -> None:
    a = np.array([[0.0, 1.0, 5.0], [1.0, 0.0, 5.0], [2.0, -1.0, 5.0]])
    b = np.array([[0.0, 0.0, 1.0], [2.0, 2.0, 2.0], [4.0, 4.0, 3.0]])
    np.testing.assert_allclose(correlation(a, b), [1.0, -1.0, 0.0])


def test_pattern_correlation__knows_nothing_of_what_all_trials_share() -> None:
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((30, 40))
    parcel_of = np.repeat([1, 2], 20)
    mean = 100 * rng.standard_normal(40)
    assert pattern_correlation(3 * truth + mean, truth, parcel_of) == pytest.approx(1)
    noisy = truth + rng.standard_normal((30, 40)) + mean
    assert pattern_correlation(noisy, truth, parcel_of) == pytest.approx(np.sqrt(0.5), abs=0.05)


def test_slope__is_what_an_estimate_is_to_be_multiplied_by() -> None:
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((400, 50))
    assert slope(4 * truth + 9, truth) == pytest.approx(0.25)
    noisy = truth + rng.standard_normal(truth.shape)
    assert slope(noisy, truth) == pytest.approx(0.5, abs=0.02)
    assert np.isnan(slope(np.ones_like(truth), truth))


def test_split_half__is_the_reliability_of_means_of_half_the_trials() -> None:
    rng = np.random.default_rng(2)
    conditions = np.repeat(np.arange(40), 6)
    level = rng.standard_normal((40, 60))[conditions] + rng.standard_normal((240, 60))
    assert split_half(level, conditions) == pytest.approx(1 / (1 + 1 / 3), abs=0.02)
    assert abs(split_half(rng.standard_normal((240, 60)), conditions)) < 0.03


def test_contiguous_folds__are_parts_in_order() -> None:
    np.testing.assert_array_equal(contiguous_folds(7, 3), [0, 0, 0, 1, 1, 2, 2])


def test_decode__tells_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    classes = np.tile(np.arange(4), 30)
    folds = np.repeat(np.arange(3), 40)
    means = 5 * rng.standard_normal((4, 8))
    level = rng.standard_normal((120, 16))
    level[:, :8] += means[classes]
    parcel_of = np.repeat([1, 2], 8)
    right = decode(level, classes, folds, parcel_of)
    assert right[:, 0].mean() > 0.98
    assert right[:, 1].mean() == pytest.approx(0.25, abs=0.12)  # three standard errors


def test_standard_error__of_what_is_right_or_wrong_is_binomial() -> None:
    right = np.array([1.0] * 30 + [0.0] * 10)
    assert standard_error(right) == pytest.approx(np.sqrt(0.75 * 0.25 / 40))


# --- programs and tables


def test_run_method__gives_the_levels_of_a_program_of_its_own_and_what_it_took() -> None:
    data = simulate_trials(TINY, 0)
    (outcome,) = run_method("lsa", data).values()
    expected = fit_lsa(data)["LSA"]
    np.testing.assert_allclose(outcome.estimate.level, expected.level, atol=1e-6)
    assert outcome.seconds > 0
    assert outcome.peak > 20e6


def test_tables__take_the_better_of_two_ways_and_the_best_rival() -> None:
    def row(method: str, correlation: float, right: list[float]) -> Row:
        figures = {"correlation": correlation, "seconds": 1.0}
        return Row("weak", 0, method, figures, {"decode": np.array(right)})

    rows = [
        row("PyHRF", 0.5, [1, 1, 0, 0]),
        row("GLMsingle D", 0.3, [1, 0, 0, 0]),
        row("GLMsingle D, 0.5 s", 0.4, [1, 0, 0, 1]),
        row("LSS", 0.2, [1, 1, 1, 0]),
    ]
    text = compared(rows)
    assert "| correlation over trials | **0.500** | 0.400 GLMsingle D, 0.5 s | 0.100 |" in text
    assert "| decoding | 0.500 | 0.750 LSS | -0.250 ± 0.217 |" in text
    shown = everything(rows)
    assert "GLMsingle D, 0.5 s" in shown
    assert "| GLMsingle D |" not in shown
    assert "| weak | PyHRF | 0.500 | 0.500 ± 0.250 | 1.0 |" in shown
