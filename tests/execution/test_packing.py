"""Estimates survive the way into bytes and back; damaged bytes are refused, never executed."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, ids, make_parcels, packed
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhrf.data import Parcel, ParcelEstimate, ParcelId
from pyhrf.execution.packing import (
    pack_estimates,
    pack_parcels,
    unpack_estimates,
    unpack_parcels,
)
from pyhrf.outputs.columns import COLUMNS
from pyhrf.outputs.maps import MAPS

floats = st.floats(width=32)
arrays = st.sampled_from(["f4", "f8", "i4", "i8", "u1", "bool"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0))
)
columns = {table: st.sampled_from(list(known)) for table, known in COLUMNS.items()}
map_names = st.tuples(st.sampled_from(list(MAPS)), st.text(max_size=8))
estimates = st.builds(
    ParcelEstimate,
    parcel=st.integers(1, 2**31),
    status=st.sampled_from(["ok", "failed", "skipped"]),
    reason=st.text(max_size=20),
    positions=hnp.arrays(np.int64, st.integers(0, 5)),
    summary=st.dictionaries(columns["parcels"], st.floats(), max_size=4),
    conditions=st.dictionaries(columns["conditions"], arrays, max_size=4),
    hrf=st.dictionaries(columns["hrf"], arrays, max_size=4),
    maps=st.dictionaries(map_names, arrays, max_size=4),
    courses=st.dictionaries(columns["courses"], arrays, max_size=2),
    trials=st.dictionaries(columns["trials"], arrays, max_size=2),
    trace=hnp.arrays(np.float64, st.integers(0, 5)),
)
PACKED = pack_estimates(
    [FakeEstimator().fit_parcel(p) for p in make_parcels(3, 4)], about={"host": "x"}
)


@given(st.lists(estimates, max_size=4), st.dictionaries(st.text(), st.text() | st.integers()))
def test_pack_estimates__comes_back_bit_by_bit(batch, about):
    back, said = unpack_estimates(pack_estimates(batch, about=about))
    assert said == about
    assert len(back) == len(batch)
    for one, other in zip(batch, back, strict=True):
        assert_same_estimate(one, other)


def test_pack_estimates__same_bytes_each_time():
    batch = [FakeEstimator().fit_parcel(parcel) for parcel in make_parcels(3, 4)]
    assert pack_estimates(batch, about={"host": "x"}) == PACKED


def test_pack_estimates__is_a_plain_npz_without_pickle():
    with np.load(io.BytesIO(PACKED), allow_pickle=False) as archive:
        index = json.loads(archive["index"].tobytes())
        assert [entry["parcel"] for entry in index["estimates"]] == [3, 4]
        assert archive["float64"].dtype == np.float64


@pytest.mark.parametrize("values", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_pack_estimates__refuses_what_is_no_number(values):
    estimate = ParcelEstimate(1, "ok", "", np.arange(1), maps={("ar1", ""): values})
    with pytest.raises(TypeError, match="an estimate holds"):
        pack_estimates([estimate])


@given(st.integers(0, len(PACKED) - 1))
def test_unpack_estimates__refuses_truncated_bytes(length):
    with pytest.raises(ValueError, match="not a whole file of estimates"):
        unpack_estimates(PACKED[:length])


@settings(max_examples=300)
@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_unpack_estimates__flipped_byte_is_refused_or_without_effect(position, flip):
    damaged = bytearray(PACKED)
    damaged[position] ^= flip
    try:
        back, about = unpack_estimates(bytes(damaged))
    except ValueError:
        return
    # Some bytes of a zip file mean nothing (dates, attributes): then nothing may change.
    assert pack_estimates(back, about=about) == PACKED


@given(st.binary(max_size=200))
def test_unpack_estimates__refuses_any_other_bytes(blob):
    with pytest.raises(ValueError, match="not a whole file"):
        unpack_estimates(blob)


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_unpack_estimates__never_executes_a_pickle():
    stream = io.BytesIO()
    np.save(stream, np.array([_Bomb()], dtype=object), allow_pickle=True)
    single = stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("index.npy", single)
    for blob in (single, stream.getvalue(), pickle.dumps(_Bomb())):
        with pytest.raises(ValueError, match="not a whole file"):
            unpack_estimates(blob)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format": 2', '"format": 9'),
        ('"status": "ok"', '"status": "no"'),
        ('"trace": ["float64", [3]]', '"trace": ["float64", [2]]'),
        ('"trace": ["float64", [3]]', '"trace": ["float32", [3]]'),
        ('"trace": ["float64", [3]]', '"trace": ["float64", [-1]]'),
        ('"parcel": 3', '"parcel": "x"'),
    ],
)
def test_unpack_estimates__refuses_index_that_does_not_fit(old, new):
    with np.load(io.BytesIO(PACKED)) as archive:
        members = dict(archive)
    text = members["index"].tobytes().decode()
    assert old in text
    members["index"] = np.frombuffer(text.replace(old, new, 1).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **members)
    with pytest.raises(ValueError, match="not a whole file"):
        unpack_estimates(stream.getvalue())


orders = st.sampled_from(["C", "F", "slice"])
bolds = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6))


def in_order(bold, order):
    """The same values, in another order in memory."""
    if order == "slice":
        wide = np.zeros((len(bold), 2 * bold.shape[1]), bold.dtype)
        wide[:, ::2] = bold
        return wide[:, ::2]
    return np.array(bold, order=order)


@given(st.lists(st.tuples(bolds, orders), max_size=3))
def test_pack_parcels__comes_back_bit_by_bit(wanted):
    parcels = [
        Parcel(
            7 + i,
            in_order(bold, order),
            np.arange(4, dtype=np.int32).reshape(2, 2),
            np.arange(bold.shape[1]),
        )
        for i, (bold, order) in enumerate(wanted)
    ]
    sent = {ParcelId(parcel.number % 2, parcel.number): parcel for parcel in parcels}
    back = unpack_parcels(pack_parcels(sent))
    assert list(back) == list(sent)
    assert [parcel.number for parcel in back.values()] == [parcel.number for parcel in parcels]
    for one, other, (_, order) in zip(parcels, back.values(), wanted, strict=True):
        for name in ("bold", "edges", "positions"):
            ours, theirs = getattr(one, name), getattr(other, name)
            assert ours.dtype == theirs.dtype
            assert ours.shape == theirs.shape
            assert ours.tobytes() == theirs.tobytes()
        if order == "F":
            assert other.bold.flags.f_contiguous


def test_unpack_parcels__of_an_older_version_are_of_one_study():
    with np.load(io.BytesIO(packed(3, 4))) as archive:
        members = {name: archive[name] for name in archive.files if name != "studies"}
    stream = io.BytesIO()
    np.savez(stream, **members)
    assert tuple(unpack_parcels(stream.getvalue())) == ids(3, 4)


@given(st.binary(max_size=100))
def test_unpack_parcels__refuses_other_bytes(blob):
    with pytest.raises(ValueError, match="not a whole file of parcels"):
        unpack_parcels(blob)


def test_unpack_parcels__refuses_truncated_bytes():
    blob = packed(3, 4)
    for length in range(0, len(blob), 97):
        with pytest.raises(ValueError, match="not a whole file of parcels"):
            unpack_parcels(blob[:length])


def test_unpack_parcels__never_executes_a_pickle():
    stream = io.BytesIO()
    np.savez(stream, numbers=np.array([_Bomb()], dtype=object))
    with pytest.raises(ValueError, match="not a whole file of parcels"):
        unpack_parcels(stream.getvalue())
