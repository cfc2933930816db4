"""The machines of a LAN give the bytes of ``-x serial``, however they are named."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from bed_parts import Process
from lan_bed import LAB, Bed
from lan_client import (
    configure,
    program,
    remote_folder,
    share_kernels,
    ssh_config,
)
from runs import results_of

import pyhrf

pytestmark = pytest.mark.timeout(200)


def estim(
    bed: Bed, home: Path, engine: str, folder: str, *, group: str = "jde"
) -> subprocess.CompletedProcess[str]:
    done = program(bed, home, group, "estim", "-x", engine, "-u", home / folder, timeout=150)
    assert done.returncode == 0, done.stderr
    share_kernels(bed)
    return done


class Observer(threading.Thread):
    """Notes the processes of the hosts while something runs."""

    def __init__(self, bed: Bed) -> None:
        super().__init__()
        self.bed, self.seen = bed, set[Process]()
        self._end = threading.Event()

    def __enter__(self) -> Observer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        while not self._end.wait(0.3):
            self.seen.update(self.bed.processes())


def test_simulation__same_bytes_at_the_niceness_asked_for(bed: Bed, home: Path):
    configure(bed, home)
    assert program(bed, home, "jde", "buildcfg", "-t", "default").returncode == 0
    estim(bed, home, "serial", "serial")
    with Observer(bed) as observer:
        done = estim(bed, home, "LAN", "lan")
    assert results_of(home / "serial") == results_of(home / "lan")
    # Neither the trial of the host nor the login's shell, which is there until it becomes nice.
    pythons = [p for p in observer.seen if p.command.startswith(sys.executable)]
    working = [p for p in pythons if "spawn_main" in p.command or "pyhrf" in p.command]
    assert len({p.pid for p in working}) > 6
    assert {p.nice for p in working} == {10}
    assert "dashboard" in done.stderr
    provenance = pyhrf.Results(home / "lan").provenance
    assert provenance["engine"] == {"name": "LAN", "n_workers": 6}
    assert {batch["host"] for batch in provenance["batches"]} <= set(bed.hosts)
    assert list(remote_folder(bed, home).rglob("*")) == []
    assert list((home / "lan").glob("*.log")) == []
    shown = program(bed, home, "monitor", home / "lan")
    assert shown.stdout.endswith("ended\n")


@pytest.mark.parametrize(
    ("group", "options"),
    [
        pytest.param("jde", ["--mcmc", "-n", 150], id="mcmc"),
        pytest.param("glm", ["--model", "fir"], id="fir"),
    ],
)
def test_other_estimators__same_bytes(bed: Bed, home: Path, group: str, options: list[object]):
    configure(bed, home, hosts="h1,h2")
    done = program(bed, home, group, "buildcfg", "-t", "small", *options)
    assert done.returncode == 0, done.stderr
    estim(bed, home, "serial", "serial", group=group)
    estim(bed, home, "LAN", "lan", group=group)
    assert results_of(home / "serial") == results_of(home / "lan")
    provenance = pyhrf.Results(home / "lan").provenance
    assert provenance["engine"] == {"name": "LAN", "n_workers": 2}
    assert {batch["host"] for batch in provenance["batches"]} <= {"h1", "h2"}


@pytest.mark.parametrize(
    "source", ["simulated", pytest.param("real", marks=pytest.mark.shared_data)]
)
def test_hosts_in_a_file__same_bytes(
    bed: Bed, home: Path, source: str, study_options: Callable[..., list[object]]
):
    options = study_options(source, home, example="default")
    (home / "hosts").write_text("station, h1  # an alias\nh1\n")
    ssh_config(bed, home, f"Host station\n  HostName h2\n  User {LAB}\n  HostKeyAlias h2\n")
    configure(bed, home, hosts=home / "hosts")
    assert program(bed, home, "jde", "buildcfg", *options).returncode == 0
    estim(bed, home, "serial", "serial")
    estim(bed, home, "LAN", "lan")
    assert results_of(home / "serial") == results_of(home / "lan")
    provenance = pyhrf.Results(home / "lan").provenance
    assert provenance["engine"]["n_workers"] == 3
    assert {batch["host"] for batch in provenance["batches"]} == {"station", "h1"}


def test_self_test__runs_on_the_configured_hosts(bed: Bed, home: Path):
    configure(bed, home, hosts="h1,h2", enable_unit_test=1)
    tests = ("test_default_treatment_parallel_LAN", "test_remote_dir_writable")
    names = [f"pyhrf.test.test_treatment.TreatmentTest.{test}" for test in tests]
    done = program(bed, home, "maketests", *names, timeout=150)
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr
    assert "skipped" not in done.stderr


def test_self_test__fails_where_the_folder_cannot_be_written(bed: Bed, home: Path):
    configure(bed, home, hosts="h1", enable_unit_test=1, remote_path=bed.folder / "forbidden")
    name = "pyhrf.test.test_treatment.TreatmentTest.test_remote_dir_writable"
    done = program(bed, home, "maketests", name)
    assert done.returncode == 1
    assert "h1: " in done.stderr
    assert "cannot be written there" in done.stderr
