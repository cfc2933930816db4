import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf import InputError
from pyhrf.simulation.examples import reference_spec
from pyhrf.simulation.spec import SimulationSpec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tr": 0}, r"tr \(--tr\) = 0 must be >= 0.05 and <= 30"),
        ({"tr": float("nan")}, "tr .* must be a number"),
        ({"tr": 10**400}, "tr .* must be >= 0.05 and <= 30"),
        ({"event_interval": 10**400}, "event_interval .* must be >= 0.1 and <= 100000"),
        ({"tr": "2"}, "tr .* must be a number"),
        ({"tr": True}, "tr .* must be a number"),
        ({"n_scans": 200.0}, "n_scans .* = 200.0 must be a whole number"),
        ({"n_parcels": 0}, "n_parcels .* must be >= 1"),
        ({"noise_sd": 0}, "noise_sd .* must be > 0"),
        ({"noise_dof": 2}, "noise_dof .* must be > 2"),
        ({"ar1": (0.5, 0.0)}, "ar1 .*: the smaller one comes first"),
        ({"ar1": (0.0, 1.0)}, "ar1 .* must be >= -0.99 and <= 0.99"),
        ({"ar1": 0.5}, "ar1 .* must be 2 numbers"),
        ({"shape": (8, 8)}, "shape .* must be 3 numbers"),
        ({"shape": None}, "region ellipsoid needs a shape"),
        ({"region": "sphere"}, "region .* it is one of box, ellipsoid, grey-matter"),
        ({"region": "grey-matter"}, "leave shape out"),
        ({"region": "grey-matter", "shape": None, "voxel_size": 2.5}, "whole millimetres"),
        ({"dtype": "float64"}, "dtype .* it is one of float32, int16"),
        ({"region": "box", "shape": (2, 2, 2), "n_parcels": 9}, "9 parcels do not fit into 8"),
        ({"n_scans": 10}, "run of 20 s is too short"),
        ({"event_duration": (2.0, 4.0)}, "the event interval must exceed 16 s"),
        ({"onset_step": 5.0}, "cannot lie on a grid of 5 s"),
        ({"active_fraction": 1.1}, "active_fraction .* must be >= 0 and <= 1"),
    ],
)
def test_spec__refuses_and_says_what_is_allowed(change, message):
    with pytest.raises(InputError, match=message):
        replace(SimulationSpec(), **change)


def test_spec__every_field_describes_itself():
    options = [field.metadata["option"] for field in fields(SimulationSpec)]
    assert len(set(options)) == len(options)
    assert all(field.metadata["text"] for field in fields(SimulationSpec))


def test_spec__takes_numpy_numbers_and_lists():
    spec = SimulationSpec(seed=np.int64(3), snr=np.float32(0.5), ar1=[0, 0.5])
    assert spec == SimulationSpec(seed=3, snr=0.5, ar1=(0.0, 0.5))
    assert type(spec.seed) is int
    assert json.loads(spec.to_json())["seed"] == 3


numbers = st.one_of(
    st.integers(), st.floats(), st.none(), st.text(max_size=3), st.booleans(), st.lists(st.floats())
)


@given(st.sampled_from([field.name for field in fields(SimulationSpec)]), numbers)
def test_spec__any_value_is_taken_or_refused_by_name(name, value):
    message = ""
    try:
        spec = replace(SimulationSpec(), **{name: value})
    except InputError as error:
        message, spec = str(error), SimulationSpec()
    assert not message or message.startswith("simulation: ")
    assert SimulationSpec.from_json(spec.to_json()) == spec


@given(
    st.floats(0.8, 3.0), st.integers(1, 12), st.floats(0, 0.6), st.floats(0, 0.9), st.integers(0, 9)
)
def test_from_json__reads_back_what_to_json_wrote(tr, n_conditions, fraction, rho, seed):
    spec = SimulationSpec(
        tr=tr, n_conditions=n_conditions, active_fraction=fraction, ar1=(0, rho), seed=seed
    )
    assert SimulationSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"a.json, line 1: not JSON"),
        ("[1]", "a.json: not a description"),
        ('{"scans": 3}', "a.json: unknown field 'scans'; allowed are active_fraction, "),
        ('{"tr": -1}', "tr .* must be >= 0.05"),
    ],
)
def test_from_json__names_what_is_wrong(text, message):
    with pytest.raises(InputError, match=message):
        SimulationSpec.from_json(text, source="a.json")


def test_reference_spec__is_the_documented_scenario():
    spec = reference_spec(4, 0.25)
    assert (spec.seed, spec.snr, spec.n_parcels, spec.n_scans) == (4, 0.25, 24, 200)
    assert (spec.tr, spec.n_conditions, spec.onset_step) == (2.0, 4, 0.1)
    assert (spec.hrf_peak, spec.ar1) == ((4.2, 7.2), (0.0, 0.5))
