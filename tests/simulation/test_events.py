import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhrf import InputError
from pyhrf.simulation.events import draw_experiment
from pyhrf.simulation.spec import SimulationSpec


def timeline(run):
    """Onsets and durations of all conditions in order of time."""
    onsets = np.concatenate([events.onsets for events in run.events.values()])
    durations = np.concatenate([events.durations for events in run.events.values()])
    order = np.argsort(onsets, kind="stable")
    return onsets[order], durations[order]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12),
    st.floats(8.0, 40.0),
    st.floats(0.0, 1.0),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.integers(0, 20),
)
def test_draw_experiment__events_on_the_grid_within_the_scan_time(
    n_conditions, interval, jitter, step, seed
):
    spec = SimulationSpec(
        n_conditions=n_conditions, event_interval=interval, event_jitter=jitter, onset_step=step
    )
    experiment = draw_experiment(spec, np.random.default_rng(seed))
    (run,) = experiment.runs
    assert experiment.conditions == tuple(run.events)
    assert sorted(experiment.conditions) == list(experiment.conditions)
    onsets, _ = timeline(run)
    assert onsets.min() >= 0
    assert onsets.max() < spec.n_scans * spec.tr
    assert np.diff(onsets).min() >= step - 1e-9
    np.testing.assert_allclose(onsets / step, np.rint(onsets / step), atol=1e-4)
    counts = [len(events.onsets) for events in run.events.values()]
    assert max(counts) - min(counts) <= 1
    for events in run.events.values():
        assert len(events.onsets) == len(events.durations) == len(events.amplitudes)
        assert (np.diff(events.onsets) > 0).all()


@pytest.mark.parametrize("jitter", [0.0, 0.6, 1.0])
def test_draw_experiment__keeps_the_mean_interval(jitter):
    spec = SimulationSpec(n_scans=5000, event_jitter=jitter)
    runs = [draw_experiment(spec, np.random.default_rng(seed)).runs[0] for seed in range(5)]
    gaps = np.concatenate([np.diff(timeline(run)[0]) for run in runs])
    assert gaps.mean() == pytest.approx(4.0, rel=0.05)
    assert gaps.std() == pytest.approx(4.0 * jitter, rel=0.05, abs=0.01)


def test_draw_experiment__blocks_do_not_overlap():
    spec = SimulationSpec(
        event_duration=(12.0, 20.0), event_interval=120.0, n_scans=600, event_jitter=1.0
    )
    (run,) = draw_experiment(spec, np.random.default_rng(1)).runs
    onsets, durations = timeline(run)
    assert durations.min() >= 12
    assert durations.max() <= 20
    assert (onsets[1:] - (onsets + durations)[:-1]).min() > 0
    assert np.diff(onsets).mean() == pytest.approx(30.0, rel=0.1)


def test_draw_experiment__each_run_has_events_of_its_own():
    spec = SimulationSpec(n_runs=3)
    runs = draw_experiment(spec, np.random.default_rng(0)).runs
    assert len(runs) == 3
    first = [run.events["cond1"].onsets[0] for run in runs]
    assert len(set(first)) == 3


def test_draw_experiment__refuses_a_condition_without_event():
    spec = SimulationSpec(n_conditions=12, event_interval=10.0, n_scans=10, event_jitter=1.0)

    def draw_many():
        return [draw_experiment(spec, np.random.default_rng(seed)) for seed in range(2000)]

    with pytest.raises(InputError, match="less than one for each of 12 conditions"):
        draw_many()
