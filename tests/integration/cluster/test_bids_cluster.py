"""A BIDS data set on a cluster: all participants are one pool of jobs, with the same bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cluster_bed import CLIENT, CLUSTER, Bed
from queue_client import configure as configure_queue
from queue_client import pyhrf
from runs import PROGRAM, derivatives_of
from soma_user import assert_nothing_left, configure

from pyhrf.simulation.bids import write_bids
from pyhrf.simulation.spec import SimulationSpec

pytestmark = pytest.mark.timeout(250)

SPEC = SimulationSpec(
    region="box", shape=(8, 6, 5), n_parcels=3, n_runs=2, n_scans=60, n_conditions=2, snr=1, seed=5
)


def n_batches(out: Path) -> int:
    return len(list((out / ".pyhrf").glob("*/.journal/batch-*.npz")))


def test_bids__slurm_gives_the_bytes_of_serial(bed: Bed):
    configure_queue(bed, max_jobs=2)
    home = bed.home(CLUSTER)
    write_bids(SPEC, 2, home / "ds")
    bed.give(home / "ds", CLUSTER)
    for engine in ("serial", "slurm"):
        words = ("bids", home / "ds", home / engine, "participant", "--parcellation", 60)
        done = pyhrf(bed, *words, "-x", engine, timeout=200)
        assert done.returncode == 0, done.stderr
    assert derivatives_of(home / "serial") == derivatives_of(home / "slurm")
    assert bed.jobs() == {}
    assert list((home / "slurm" / ".journal").glob("run-*/slurm")) == []


def test_bids__soma_workflow_gives_the_bytes_of_serial(bed: Bed):
    configure(bed)
    home = bed.home(CLIENT)
    write_bids(SPEC, 2, home / "ds")
    bed.give(home / "ds", CLIENT)

    def bids(out: str, engine: str, *options: object) -> subprocess.CompletedProcess[str]:
        words = ["bids", home / "ds", home / out, "participant", "--parcellation", 60]
        command = [*PROGRAM, *words, "-x", engine, *options]
        return bed.run(CLIENT, command, timeout=200, check=False)

    assert bids("serial", "serial").returncode == 0
    done = bids("soma", "cluster")
    assert done.returncode == 0, done.stderr
    assert derivatives_of(home / "serial") == derivatives_of(home / "soma")
    assert n_batches(home / "soma") > 1
    assert list((home / "soma" / ".journal").glob("run-*/cluster")) == []
    again = bids("soma", "cluster")
    assert again.returncode == 0
    assert "workflow" not in again.stderr
    cancelled = bids("soma", "cluster", "--cancel")
    assert cancelled.returncode == 0
    assert "nothing to cancel" in cancelled.stderr
    assert_nothing_left(bed, "soma")
