"""``-x slurm`` as a user runs it: the bytes of ``-x serial``, and one clear sentence if not."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest
from cluster_bed import CLUSTER, Bed
from queue_client import configure, pyhrf
from runs import results_of

import pyhrf as package

pytestmark = pytest.mark.timeout(250)


def estim(bed: Bed, engine: str, *options: object) -> subprocess.CompletedProcess[str]:
    return pyhrf(bed, "jde", "estim", "-x", engine, "-u", engine, *options, timeout=200)


def assert_same_bytes(bed: Bed) -> None:
    for engine in ("serial", "slurm"):
        done = estim(bed, engine)
        assert done.returncode == 0, done.stderr
    home = bed.home(CLUSTER)
    assert results_of(home / "serial") == results_of(home / "slurm")
    assert bed.jobs() == {}
    assert not (home / "slurm" / ".journal" / "slurm").exists()


def test_simulation__same_bytes(bed: Bed):
    configure(bed, max_jobs=2)
    assert pyhrf(bed, "jde", "buildcfg", "-t", "default").returncode == 0
    assert_same_bytes(bed)
    provenance = package.Results(bed.home(CLUSTER) / "slurm").provenance
    assert provenance["engine"] == {"name": "slurm", "n_workers": 2}
    assert {batch["host"] for batch in provenance["batches"]} <= set(bed.nodes)


def refused(bed: Bed, **keys: object) -> str:
    """Return the sentence with which a run ends that cannot start."""
    configure(bed, max_jobs=4, **keys)
    assert pyhrf(bed, "jde", "buildcfg", "-t", "small").returncode == 0
    done = estim(bed, "slurm")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert bed.jobs() == {}
    return done.stderr.splitlines()[-1]


def test_queue_that_does_not_exist__is_named_by_slurm(bed: Bed):
    said = refused(bed, queue="nowhere")
    assert "Slurm refuses the job" in said
    assert "invalid partition specified: nowhere" in said
    assert "[parallel-queue]" in said


def test_walltime_that_is_not_allowed__ends_the_run(bed: Bed):
    bed.slurm("scontrol", "update", "PartitionName=main", "MaxTime=10")
    try:
        said = refused(bed, walltime="01:00:00")
    finally:
        bed.slurm("scontrol", "update", "PartitionName=main", "MaxTime=INFINITE")
    assert "would wait for ever: Slurm says PartitionTimeLimit; see walltime" in said


def test_python_that_is_not_there__shows_what_the_job_said(bed: Bed):
    said = refused(bed, python="/nowhere/python")
    assert "4 jobs in a row ended without a result" in said
    assert "/nowhere/python: No such file or directory" in said


def test_other_numpy_on_the_nodes__is_named(bed: Bed):
    about = bed.folder / "shared" / "lib" / "numpy-1.0.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0.0\n")
    python = bed.folder / "shared" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{about.parent}" exec {sys.executable} "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    said = refused(bed, python=python)
    assert "has other versions than the login node: numpy 1.0.0 (here " in said


def test_job_script__is_shown_on_demand(bed: Bed):
    configure(bed, queue="main", extra_directives="--nice=7\n  --comment=ours")
    assert pyhrf(bed, "jde", "buildcfg", "-t", "small").returncode == 0
    done = estim(bed, "slurm", "-v", 2)
    assert done.returncode == 0, done.stderr
    for line in ("#SBATCH -p main", "#SBATCH --nice=7", "#SBATCH -t 00:10:00"):
        assert line in done.stderr
