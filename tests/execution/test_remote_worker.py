"""What a worker does with a batch, in this process."""

from __future__ import annotations

import logging
import types

import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, ids, make_parcels, packed

from pyhrf.execution.packing import unpack_estimates
from pyhrf.execution.recipe import to_recipe
from pyhrf.execution.result_files import file_of_batch

pytest.importorskip("distributed", reason="the extra lan is not installed")

from pyhrf.execution.dask import worker as remote_worker
from pyhrf.execution.dask.worker import (
    Job,
    JobPlugin,
    host_of_worker,
    work,
)


class Compiling(FakeEstimator):
    """Says in its results how often it was compiled before."""

    n_compiled = 0

    def compile(self):
        Compiling.n_compiled += 1


class Noting(FakeEstimator):
    """Has something to say of its machine when it is compiled."""

    def compile(self):
        logging.getLogger("pyhrf.estimators").warning("its code is not kept")


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Give a worker its job."""
    worker = types.SimpleNamespace(name="h1#2-0", local_directory=str(tmp_path / "scratch"))
    monkeypatch.setattr(remote_worker, "get_worker", lambda: worker)

    def start_it(estimator, *, folder=None):
        blob = estimator if isinstance(estimator, bytes) else to_recipe(estimator)
        JobPlugin(Job(blob, "the study", folder)).setup(worker)

    return start_it


def test_work__gives_the_estimates_of_serial(start):
    start(FakeEstimator())
    estimates, about = unpack_estimates(work(packed(3, 4)))
    for estimate, parcel in zip(estimates, make_parcels(3, 4), strict=True):
        assert_same_estimate(estimate, FakeEstimator().fit_parcel(parcel))
    assert (about["study"], about["host"]) == ("the study", "h1")
    assert about["seconds"] >= 0
    assert "log" not in about


def test_work__keeps_the_result_before_it_is_told(start, tmp_path):
    start(FakeEstimator(), folder=str(tmp_path))
    told = work(packed(3, 4))
    (kept,) = tmp_path.iterdir()
    assert kept.name == file_of_batch(ids(3, 4))
    assert kept.read_bytes() == told


def test_work__full_disk_costs_the_copy_not_the_result(start, tmp_path):
    start(FakeEstimator(), folder=str(tmp_path / "nowhere"))
    estimates, about = unpack_estimates(work(packed(3)))
    assert estimates[0].status == "ok"
    assert f"{tmp_path / 'nowhere'} cannot be written: No such file" in about["notes"]
    other = unpack_estimates(work(packed(4)))[1]
    assert other["notes"] == about["notes"]  # so that it can be told once


def test_work__full_disk_of_the_scratch_space_is_no_fault(start, tmp_path):
    (tmp_path / "compile.lock").mkdir()  # where no file can be made
    start(Compiling())
    estimates, _ = unpack_estimates(work(packed(3)))
    assert estimates[0].status == "ok"


def test_work__brings_what_is_noted_while_compiling(start):
    start(Noting())
    _, about = unpack_estimates(work(packed(3)))
    assert about["notes"] == "its code is not kept"
    assert "log" not in about
    assert "notes" not in unpack_estimates(work(packed(4)))[1]


def test_work__brings_the_traceback_of_a_fault(start):
    start(FakeEstimator(broken=[4]))
    estimates, about = unpack_estimates(work(packed(3, 4)))
    assert [estimate.status for estimate in estimates] == ["ok", "failed"]
    assert "ZeroDivisionError" in about["log"]
    assert "Traceback" in about["log"]


def test_work__compiles_once_for_each_job(start, monkeypatch):
    monkeypatch.setattr(Compiling, "n_compiled", 0)
    start(Compiling())
    for number in (3, 4):
        work(packed(number))
    assert Compiling.n_compiled == 1


def test_work__estimator_that_cannot_be_made_fails_the_batch_not_the_worker(start):
    start(b"no recipe")
    for _ in range(2):
        with pytest.raises(Exception, match="not the recipe of an estimator"):
            work(packed(3))


def test_work__needs_a_job(monkeypatch):
    monkeypatch.setattr(remote_worker, "_ready", remote_worker._Ready())
    with pytest.raises(RuntimeError, match="was not told"):
        work(packed(3))


@pytest.mark.parametrize("host", ["h1", "ann@h1.lab:22", "h#1"])
def test_host_of_worker__takes_any_name_of_a_host(host):
    assert host_of_worker(f"{host}#12-3") == host


def test_file_of_batch__differs_by_any_parcel():
    names = {file_of_batch(ids(*numbers)) for numbers in ([1], [1, 2], [1, 2, 3], [12, 3], [1, 23])}
    assert len(names) == 5
