"""``pyhrf_maketests`` on the cluster of the settings: the same results as on this machine."""

from __future__ import annotations

import sys

import pytest
from cluster_bed import CLIENT, CLUSTER, RESOURCE, Bed
from runs import PROGRAM, settings

pytestmark = pytest.mark.timeout(400)
NAME = "pyhrf.test.test_treatment.TreatmentTest.test_default_treatment_parallel_cluster"


def maketests(bed: Bed, **keys: object) -> tuple[int, str]:
    bed.write(CLIENT, ".pyhrf/config.cfg", settings("parallel-cluster", keys))
    done = bed.run(CLIENT, [*PROGRAM, "maketests", NAME], check=False, timeout=350)
    return done.returncode, done.stderr


def test_self_test__runs_on_the_configured_cluster(bed: Bed) -> None:
    runs = bed.home(CLUSTER) / "runs"
    runs.mkdir()
    bed.give(runs, CLUSTER)
    code, said = maketests(
        bed,
        server_id=RESOURCE,
        server="login",
        user=CLUSTER,
        remote_path=runs,
        python=sys.executable,
        enable_unit_test=1,
    )
    assert code == 0, said
    assert "Ran 1 test" in said
    assert "skipped" not in said
    assert bed.jobs() == {}
    assert list(runs.iterdir()) == []


def test_self_test__runs_on_this_machine_alone(bed: Bed) -> None:
    code, said = maketests(bed, enable_unit_test=1)
    assert code == 0, said
    assert "skipped" not in said


def test_self_test__fails_with_the_cluster(bed: Bed) -> None:
    code, said = maketests(bed, server_id="ELSEWHERE", remote_path="/tmp", enable_unit_test=1)
    assert code == 1
    assert "[ELSEWHERE]" in said
