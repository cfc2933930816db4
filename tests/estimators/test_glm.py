"""The GLM against nilearn's own way from images to maps, and against signals that are known."""

from __future__ import annotations

import warnings
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import FirstLevelModel, run_glm
from parcel_data import one_condition, small, with_bold

from pyhrf.data import Events, Experiment, Parcel, Run
from pyhrf.errors import InputError
from pyhrf.estimators import glm_fit
from pyhrf.estimators.glm import GLM
from pyhrf.estimators.glm_fit import fit_runs

SHAPE = (6, 6, 5)
HRF_MODELS = {
    "canonical": "spm",
    "derivatives": "spm + derivative + dispersion",
    "fir": "fir",
}
COLUMNS = {
    "canonical": ["{}"],
    "derivatives": ["{}", "{}_derivative", "{}_dispersion"],
    "fir": [f"{{}}_delay_{k}" for k in range(9)],
}


def nilearns_own(simulated, model: str, noise: str = "ar1") -> FirstLevelModel:
    """nilearn's model of whole images of the same data."""
    images, tables, first = [], [], 0
    for run in simulated.experiment.runs:
        part = simulated.bold[first : first + run.n_scans].T.reshape(*SHAPE, -1)
        images.append(nib.Nifti1Image(part.astype(np.float32), np.eye(4)))
        rows = [
            {"onset": o, "duration": d, "trial_type": name, "modulation": a}
            for name, e in run.events.items()
            for o, d, a in zip(e.onsets, e.durations, e.amplitudes, strict=True)
        ]
        tables.append(pd.DataFrame(rows))
        first += run.n_scans
    glm = FirstLevelModel(
        t_r=run.tr,
        hrf_model=HRF_MODELS[model],
        fir_delays=list(range(9)),
        drift_model="cosine",
        high_pass=1 / 128,
        noise_model="ar1" if noise == "ar1" else "ols",
        mask_img=nib.Nifti1Image(np.ones(SHAPE, np.int8), np.eye(4)),
        signal_scaling=False,
        standardize=False,
        minimize_memory=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of events without duration, of modulation
        return glm.fit(images, events=tables)


def nilearns_map(glm, rows, stat: str, kind: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # F of several runs is approximate, it says
        designs = [matrix.columns for matrix in glm.design_matrices_]
        contrasts = [
            np.squeeze([[row.get(column, 0.0) for column in columns] for row in rows])
            for columns in designs
        ]
        image = glm.compute_contrast(contrasts, stat_type=stat, output_type=kind)
    return np.squeeze(image.get_fdata().reshape(180, -1))


@pytest.mark.parametrize("n_runs", [1, 2])
@pytest.mark.parametrize("model", ["canonical", "derivatives", "fir"])
def test_glm__equals_nilearns_own_maps(model, n_runs):
    simulated, parcel = small(n_runs=n_runs, event_duration=(0.1, 1.5))
    estimator = GLM(
        simulated.experiment,
        model=model,
        fir_delays=[2.0 * k for k in range(9)],
        contrasts={"difference": {"cond1": 1.0, "cond2": -1.0}},
    )
    maps = estimator.fit_parcel(parcel).maps
    own = nilearns_own(simulated, model)
    level = np.eye(9)[0] if model != "fir" else estimator._design.level
    for name, prefix, weights in (
        ("cond1", "", {"cond1": 1.0}),
        ("difference", "contrast_", {"cond1": 1.0, "cond2": -1.0}),
    ):
        rows = [{column.format(c): w for c, w in weights.items()} for column in COLUMNS[model]]
        t_row: dict[str, float] = {}
        for row, share in zip(rows, level, strict=False):
            t_row |= {column: share * w for column, w in row.items()}
        for kind, theirs in (
            ("effect", "effect_size"),
            ("effect_variance", "effect_variance"),
            ("t", "stat"),
            ("z", "z_score"),
            ("p", "p_value"),
        ):
            expected = nilearns_map(own, [t_row], "t", theirs)
            np.testing.assert_allclose(
                maps[f"{prefix}{kind}", name], expected, rtol=1e-6, atol=1e-6 * expected.std()
            )
        for kind, theirs in (("F", "stat"), ("F_z", "z_score"), ("F_p", "p_value")):
            expected = nilearns_map(own, rows, "F", theirs)
            np.testing.assert_allclose(
                maps[f"{prefix}{kind}", name], expected, rtol=1e-6, atol=1e-6 * expected.std()
            )


@pytest.mark.parametrize("noise", ["ar1", "white"])
def test_glm__parcels_give_what_the_whole_gives(noise):
    simulated, parcel = small()
    estimator = GLM(simulated.experiment, noise=noise)
    whole = estimator.fit_parcel(parcel).maps
    for columns in (slice(0, 7), slice(7, 100), slice(100, 101), slice(101, 180)):
        part = Parcel(1, parcel.bold[:, columns], parcel.edges[:0], parcel.positions[columns])
        for name, values in estimator.fit_parcel(part).maps.items():
            np.testing.assert_allclose(values, whole[name][columns], rtol=1e-5, err_msg=name)


def experiment_of(onsets, n_scans=200, tr=2.0, duration=0.0) -> Experiment:
    events = Events(onsets, np.full(len(onsets), duration), np.ones(len(onsets)))
    return Experiment(("a",), (Run(n_scans, tr, {"a": events}),))


def noisy(signal: np.ndarray, n: int = 12, sd: float = 1e-3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return signal[:, None] + 100 + sd * rng.standard_normal((len(signal), n))


def spm(t: np.ndarray) -> np.ndarray:
    """SPM's response with a peak of 1, from its formula."""
    from scipy.stats import gamma

    fine = np.arange(0, 32, 0.001)
    shape = lambda u: gamma.pdf(u, 6) - gamma.pdf(u, 16) / 6  # noqa: E731 - a formula
    return np.where((t > 0) & (t < 32), shape(t), 0.0) / shape(fine).max()


@pytest.mark.parametrize("model", ["canonical", "derivatives"])
def test_fit_runs__is_nilearns_run_glm_whatever_was_fitted_before(model):
    simulated, parcel = small(n_runs=2)
    design = GLM(simulated.experiment, model=model)._design
    bold = parcel.bold.astype(np.float64)
    halves = bold[:, :90], bold[:, 90:]
    for part in (*halves, *halves):  # the second time all models are there
        fits = fit_runs(design, part, "ar1")
        for fit, run, signal in zip(fits, design.runs, np.split(part, 2), strict=True):
            labels, results = run_glm(signal, run.matrix, noise_model="ar1")
            np.testing.assert_array_equal(fit.labels, labels.astype(float))
            assert len(fit.results) == len(results) > 5
            for label, expected in results.items():
                found = fit.results[float(label)]
                for name in ("theta", "dispersion", "cov", "whitened_residuals"):
                    np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
                assert found.df_residuals == expected.df_residuals


@pytest.mark.parametrize("noise", ["ar1", "white"])
@pytest.mark.parametrize("n_positions", [1, 40])
def test_test__has_the_bytes_of_nilearns_own(noise, n_positions):
    simulated, parcel = small()
    design = GLM(simulated.experiment, model="derivatives", noise=noise)._design
    (fit,) = fit_runs(design, parcel.bold[:, :n_positions].astype(np.float64), noise)
    rng = np.random.default_rng(3)
    for _ in range(5):
        row = np.zeros((1, fit.design.matrix.shape[1]))
        row[0, rng.choice(row.size, 4, replace=False)] = rng.normal(size=4)
        for kind, given in (("t", row[0]), ("F", row)):
            ours = glm_fit._test_of_run(fit, row, kind)
            nilearns = compute_contrast(fit.labels, fit.results, given, stat_type=kind)
            assert ours.effect.tobytes() == nilearns.effect.tobytes()
            assert ours.variance.tobytes() == nilearns.variance.tobytes()
            np.testing.assert_array_equal(ours.z_score(), nilearns.z_score())
            assert (ours.dim, ours.dof) == (nilearns.dim, nilearns.dof)


def test_fit_runs__keeps_no_more_models_than_it_may(monkeypatch):
    simulated, parcel = small()
    bold = parcel.bold.astype(np.float64)
    many, few = (GLM(simulated.experiment)._design for _ in range(2))
    expected = fit_runs(many, bold, "ar1")[0]
    (run,) = few.runs
    monkeypatch.setattr(glm_fit, "KEPT_BYTES", 10 * run.matrix.nbytes)
    found = fit_runs(few, bold, "ar1")[0]
    assert len(many.runs[0].models) > len(run.models) == 3
    np.testing.assert_array_equal(found.gather("theta"), expected.gather("theta"))


@pytest.mark.parametrize("model", ["canonical", "derivatives", "fir"])
@pytest.mark.parametrize("duration", [0.0, 3.0])
def test_glm__levels_are_heights_of_the_response_to_a_unit_event(model, duration):
    """The same unit as those of the other estimators: of an impulse, or of a second."""
    onsets = np.arange(6.0, 360.0, 14.0)
    times = 2.0 * np.arange(200)
    lags = np.subtract.outer(times, onsets)
    if duration:
        steps = np.arange(0, duration, 0.01) + 0.005
        signal = sum(spm(lags - step).sum(axis=1) * 0.01 for step in steps)
    else:
        signal = spm(lags).sum(axis=1)
    estimate = GLM(experiment_of(onsets, duration=duration), model=model).fit(noisy(5 * signal))
    # a bin of the FIR of an event that lasts mixes neighbouring times
    tolerance = 0.02 if model != "fir" else 0.1
    np.testing.assert_allclose(estimate.maps["nrl", "a"], 5.0, rtol=tolerance)


@pytest.mark.parametrize(("tr", "step"), [(2.0, 2.0), (2.0, 1.3), (0.8, 1.7), (2.4, 3.1)])
def test_glm__fir_gives_the_response_at_any_delays(tr, step):
    rng = np.random.default_rng(1)
    n_scans = 400
    onsets = np.sort(rng.uniform(5, n_scans * tr - 40, 60))
    delays = step * np.arange(int(18 / step))
    lags = np.subtract.outer(tr * np.arange(n_scans), onsets)
    heights = np.sin(np.arange(len(delays)) * 1.1) + 1.5
    bins = np.ceil(lags / step).astype(int)
    inside = (bins >= 0) & (bins < len(delays)) & (lags > -step)
    signal = np.where(inside, heights[np.clip(bins, 0, len(delays) - 1)], 0).sum(axis=1)
    # onsets lie on a grid of a fiftieth of the TR: a scan near the edge may change its bin
    estimate = GLM(experiment_of(onsets, n_scans, tr), model="fir", fir_delays=delays).fit(
        noisy(signal)
    )
    found = estimate.maps["response", "a"].mean(axis=0)
    np.testing.assert_allclose(found, heights, atol=0.25)
    assert np.corrcoef(found, heights)[0, 1] > 0.99
    np.testing.assert_allclose(np.diff(estimate.hrf["time"]), step)
    np.testing.assert_allclose(estimate.hrf["time"], delays - step / 2, atol=0.15 * step)


def test_glm__fir_of_events_that_begin_with_scans_has_its_times():
    onsets = np.arange(4.0, 360.0, 14.0)
    onsets[::3] += 2.0
    delays = np.arange(0, 34, 2.0)
    estimator = GLM(experiment_of(onsets), model="fir", fir_delays=delays)
    signal = spm(np.subtract.outer(2.0 * np.arange(200), onsets)).sum(axis=1)
    hrf = estimator.fit(noisy(signal)).hrf
    np.testing.assert_allclose(hrf["time"], delays, atol=1e-9)
    truth = spm(delays)
    np.testing.assert_allclose(hrf["hrf"], truth / truth.max(), atol=0.02)


def test_glm__uneven_delays_are_bins_that_touch():
    onsets = np.random.default_rng(2).uniform(5, 360, 50)
    delays = [0.0, 1.0, 2.5, 4.5, 7.0, 10.0, 15.0]
    estimate = GLM(experiment_of(onsets), model="fir", fir_delays=delays).fit(
        noisy(spm(np.subtract.outer(2.0 * np.arange(200), onsets)).sum(axis=1))
    )
    time = estimate.hrf["time"]
    assert np.all((time[1:] > delays[:-1]) & (time[1:] <= delays[1:]))
    assert time[np.argmax(estimate.hrf["hrf"])] == pytest.approx(5.5, abs=1.5)
    assert 2.5 < estimate.summary["time_to_peak"] < 7


def test_glm__derivatives_move_the_peak():
    onsets = np.arange(6.0, 360.0, 14.3)
    lags = np.subtract.outer(2.0 * np.arange(200), onsets)
    for delay in (-0.7, 0.0, 0.7):
        estimator = GLM(experiment_of(onsets), model="derivatives")
        estimate = estimator.fit(noisy(spm(lags - delay).sum(axis=1)))
        assert estimate.summary["time_to_peak"] == pytest.approx(5.0 + delay, abs=0.25)


def test_glm__responses_that_go_down_have_a_positive_hrf_and_negative_levels():
    onsets = np.arange(6.0, 360.0, 14.3)
    signal = spm(np.subtract.outer(2.0 * np.arange(200), onsets)).sum(axis=1)
    for model in ("canonical", "derivatives", "fir"):
        estimate = GLM(experiment_of(onsets), model=model).fit(noisy(-3 * signal))
        assert (estimate.maps["nrl", "a"] < -2).all()
        assert estimate.hrf["hrf"].max() == pytest.approx(1.0, abs=0.05)


def test_glm__a_condition_that_a_run_lacks_counts_where_it_is():
    simulated, parcel = small(n_runs=2)
    first, second = simulated.experiment.runs
    lacking = replace(second, events={"cond1": second.events["cond1"]})
    both = Experiment(simulated.experiment.conditions, (first, lacking))
    alone = Experiment(both.conditions, (first,))
    found = GLM(both).fit_parcel(parcel).maps
    expected = GLM(alone).fit_parcel(with_bold(parcel, parcel.bold[: first.n_scans])).maps
    for kind in ("effect", "t", "nrl_sd", "F"):
        np.testing.assert_allclose(found[kind, "cond2"], expected[kind, "cond2"], rtol=1e-5)
    assert not np.allclose(found["t", "cond1"], expected["t", "cond1"])


def test_glm__tells_the_noise_and_what_autocorrelation_is_left():
    rng = np.random.default_rng(0)
    white = rng.standard_normal((2000, 40))
    noise = white.copy()
    for n in range(1, 2000):
        noise[n] += 0.5 * noise[n - 1]
    experiment = one_condition(2000)
    maps = GLM(experiment, drift="none").fit(noise + 10).maps
    assert maps["ar1", ""].mean() == pytest.approx(0.49, abs=0.02)
    assert maps["noise_sd", ""].mean() == pytest.approx(np.sqrt(1 / 0.75), rel=0.03)
    assert abs(maps["residual_ar1", ""].mean()) < 0.02
    plain = GLM(experiment, drift="none", noise="white").fit(noise + 10).maps
    assert not plain["ar1", ""].any()
    assert plain["residual_ar1", ""].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("model", ["canonical", "fir"])
def test_fit_parcel__leaves_useless_positions_out(model):
    simulated, parcel = small()
    bold = parcel.bold.copy()
    bold[:, 3], bold[5, 17], bold[0, 100] = 7.0, np.nan, np.inf
    estimate = GLM(simulated.experiment, model=model).fit_parcel(with_bold(parcel, bold))
    assert estimate.status == "ok"
    assert estimate.summary["n_positions_used"] == 177
    for name, values in estimate.maps.items():
        missing = np.isnan(values) if values.ndim == 1 else np.isnan(values).all(axis=1)
        np.testing.assert_array_equal(np.flatnonzero(missing), [3, 17, 100], err_msg=name)


def test_fit_parcel__too_few_positions_is_a_failed_estimate():
    simulated, parcel = small()
    estimator = GLM(simulated.experiment, min_positions=5)
    four = Parcel(9, parcel.bold[:, :4], parcel.edges[:0], parcel.positions[:4])
    estimate = estimator.fit_parcel(four)
    assert (estimate.parcel, estimate.status) == (9, "failed")
    assert estimate.reason == "4 positions, fewer than the 5 that are needed"
    assert GLM(simulated.experiment).fit_parcel(four).status == "ok"


def test_fit_parcel__a_signal_without_any_noise_is_no_traceback():
    experiment = one_condition()
    flat = np.ones((100, 3))
    flat[0] = 2.0
    estimate = GLM(experiment, drift="none").fit_parcel(
        Parcel(1, flat.astype(np.float32), np.empty((0, 2), np.int32), np.arange(3))
    )
    assert estimate.status in ("ok", "failed")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "gamma"}, "model is 'gamma': it must be canonical, derivatives or fir"),
        ({"fir_delays": [1.0]}, "two or more rising numbers from 0 on, seconds, not 1"),
        ({"fir_delays": [2.0, 1.0]}, "rising numbers"),
        ({"fir_delays": [-1.0, 1.0]}, "rising numbers"),
        ({"fir_delays": [0.0, np.inf]}, "rising numbers"),
        ({"noise": "ar2"}, "noise is 'ar2'"),
        ({"drift": "spline"}, "drift is 'spline'"),
        ({"contrasts": {"c": {"b": 1.0}}}, "contrast c: there is no condition 'b'"),
        (
            {"model": "fir", "fir_delays": np.arange(100) * 1.0},
            r"run 1: the design has 10\d columns .* for 100 scans",
        ),
        ({"drift_cutoff": 4.0}, r"run 1: the design has 1\d\d columns \(1 condition.* 100 scans"),
        ({"model": "fir", "fir_delays": [0, 0.01, 0.02]}, "or no scan lies in the bins"),
        ({"model": "fir", "fir_delays": [0, 0.01, 5.0]}, "no scan lies between"),
    ],
)
def test_glm__refuses_settings_that_are_not_allowed(given, message):
    with pytest.raises(InputError, match=message):
        GLM(one_condition(), **given)


def test_glm__refuses_conditions_that_cannot_be_told_apart():
    onsets = np.arange(5.0, 180.0, 13.0)
    events = Events(onsets, np.zeros(14), np.ones(14))
    twice = Experiment(("a", "b"), (Run(100, 2.0, {"a": events, "b": events}),))
    with pytest.raises(InputError, match=r"run 1: the .* columns of the design say only"):
        GLM(twice)


def test_glm__refuses_conditions_without_events_that_count():
    late = Events(np.array([1e4]), np.zeros(1), np.ones(1))
    early = one_condition().runs[0].events["a"]
    experiment = Experiment(("a", "late"), (Run(100, 2.0, {"a": early, "late": late}),))
    with pytest.raises(InputError, match="condition 'late' has no event that reaches a scan"):
        GLM(experiment)


def two_kinds(first: float, second: float) -> tuple[Experiment, np.ndarray]:
    """Two conditions of these durations, and their signal: both of a height of 5."""
    rng = np.random.default_rng(3)
    times = 2.0 * np.arange(300)
    onsets = np.arange(6.0, 560.0, 7.0) + rng.uniform(0, 1.5, 80)
    chosen = rng.permutation(80) < 40
    events, signal = {}, np.zeros(300)
    for name, own, duration in (("a", chosen, first), ("b", ~chosen, second)):
        events[name] = Events(onsets[own], np.full(own.sum(), duration), np.ones(own.sum()))
        steps = (np.arange(100) + 0.5) * duration / 100 if duration else np.zeros(1)
        unit = duration / len(steps) if duration else 1.0
        for step in steps:
            signal += 5 * unit * spm(np.subtract.outer(times, onsets[own] + step)).sum(axis=1)
    return Experiment(("a", "b"), (Run(300, 2.0, events),)), signal


@pytest.mark.parametrize("durations", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (2.0, 1.0)])
def test_glm__conditions_of_equal_height_do_not_differ_whatever_their_durations(durations):
    experiment, signal = two_kinds(*durations)
    contrasts = {"difference": {"a": 1.0, "b": -1.0}, "both": {"a": 0.5, "b": 0.5}}
    maps = GLM(experiment, contrasts=contrasts).fit(noisy(signal, n=100, sd=1.0)).maps
    np.testing.assert_allclose(maps["contrast", "both"].mean(), 5.0, rtol=0.05)
    assert abs(maps["contrast_t", "difference"].mean()) < 0.5
    assert np.mean(maps["contrast_F_p", "difference"] < 0.05) < 0.15
    assert maps["contrast_t", "both"].min() > 10
    # of one unit only where the columns are
    assert (("contrast_effect", "difference") in maps) == (
        0.0 not in durations or sum(durations) == 0
    )
    assert ("effect", "a") in maps


def test_glm__runs_of_other_durations_are_averaged_at_their_heights():
    (impulses, first), (lasting, second) = two_kinds(0.0, 0.0), two_kinds(1.0, 1.0)
    experiment = Experiment(("a", "b"), (*impulses.runs, *lasting.runs))
    half = 1.5 * first  # heights of 7.5 and of 5: their mean is 6.25
    maps = GLM(experiment).fit(noisy(np.concatenate([half, second]), n=50, sd=1.0)).maps
    np.testing.assert_allclose(maps["nrl", "a"].mean(), 6.25, rtol=0.05)
    np.testing.assert_allclose(maps["t", "a"], maps["nrl", "a"] / maps["nrl_sd", "a"], rtol=1e-4)
    assert ("effect", "a") not in maps


def test_glm__refuses_impulses_among_events_that_last():
    onsets = np.arange(5.0, 180.0, 13.0)
    durations = np.where(np.arange(14) < 3, 0.0, 1.0)
    run = Run(100, 2.0, {"a": Events(onsets, durations, np.ones(14))})
    message = "run 1: condition 'a' has both events of 0 s .3. and events that last .11.,"
    with pytest.raises(InputError, match=message):
        GLM(Experiment(("a",), (run,)))


@pytest.mark.parametrize("model", ["canonical", "derivatives", "fir"])
@pytest.mark.parametrize("onsets", [[], [1e4], [-60.0]])
def test_glm__a_run_whose_events_count_nowhere_is_as_without_them(model, onsets):
    full = one_condition().runs[0]
    empty = Events(np.array(onsets), np.zeros(len(onsets)), np.ones(len(onsets)))
    bold = np.random.default_rng(0).normal(size=(200, 10))
    found = [
        GLM(Experiment(("a",), (full, Run(100, 2.0, events))), model=model).fit(bold).maps
        for events in ({"a": empty}, {})
    ]
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name])


def test_glm__late_events_that_fill_some_bins_only_are_named():
    late = Events(np.array([194.0]), np.zeros(1), np.ones(1))
    experiment = Experiment(("a",), (*one_condition().runs, Run(100, 2.0, {"a": late})))
    message = r"run 2: .* 'a'.* or leave the events that this condition has in this run out"
    with pytest.raises(InputError, match=message):
        GLM(experiment, model="fir")


def test_glm__refuses_a_run_of_one_scan():
    experiment = Experiment(("a",), (*one_condition().runs, Run(1, 2.0, {})))
    with pytest.raises(InputError, match="run 2 has 1 scan: "):
        GLM(experiment)
    here = Events(np.zeros(1), np.zeros(1), np.ones(1))
    with pytest.raises(InputError, match="run 1 has 1 scan: "):
        GLM(Experiment(("a",), (Run(1, 2.0, {"a": here}),)), model="derivatives")


def test_glm__a_short_hrf_matters_to_the_default_fir_alone():
    assert GLM(one_condition(), hrf_duration=1.0).hrf_duration == 1.0
    with pytest.raises(InputError, match=r"hrf_duration is 1 s: .* repetition time of 2 s"):
        GLM(one_condition(), model="fir", hrf_duration=1.0)
    GLM(one_condition(), model="fir", hrf_duration=1.0, fir_delays=[0.0, 4.0])
