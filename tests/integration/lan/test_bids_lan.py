"""A BIDS data set of three participants, one of them broken: ``-x local`` and ``-x LAN``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from lan_bed import Bed
from lan_client import configure, program, share_kernels
from runs import derivatives_of

from pyhrf.simulation.bids import write_bids
from pyhrf.simulation.spec import SimulationSpec

SPEC = SimulationSpec(
    region="box", shape=(8, 6, 5), n_parcels=3, n_runs=2, n_scans=80, n_conditions=2, snr=1, seed=4
)
NAME = "sub-{}_task-sim_space-MNI152NLin2009cAsym"
OPTIONS = ("--parcellation", 60, "-C", "one-two=cond1-cond2", "--fd-threshold", 0.5)


def bids(bed: Bed, home: Path, out: str, engine: str) -> subprocess.CompletedProcess[str]:
    words = ("bids", home / "ds", home / out, "participant", *OPTIONS, "-x", engine)
    return program(bed, home, *words, timeout=150)


def batches_of(out: Path, label: str) -> list[dict[str, object]]:
    run = json.loads((out / ".pyhrf" / NAME.format(label) / "run.json").read_text())
    found: list[dict[str, object]] = run["batches"]
    return found


def test_bids__same_bytes_and_the_missing_participant_later(bed: Bed, home: Path) -> None:
    configure(bed, home)
    write_bids(SPEC, 3, home / "ds")
    events = home / "ds" / "sub-02" / "func" / "sub-02_task-sim_run-1_events.tsv"
    sound = events.read_text()
    events.write_text(sound.replace("cond1", "", 1))
    bed.give(home)

    for out, engine in (("local", "local"), ("lan", "LAN")):
        done = bids(bed, home, out, engine)
        share_kernels(bed)
        assert done.returncode == 3, done.stderr
        said = [line for line in done.stderr.splitlines() if "is left out" in line]
        assert len(said) == 1
        assert f"{NAME.format('02')} is left out: {events}, line " in said[0]
        assert "2 of 3 participants and tasks" in done.stdout
    assert derivatives_of(home / "local") == derivatives_of(home / "lan")
    assert len(derivatives_of(home / "lan")) > 40
    assert not (home / "lan" / "sub-02").exists()

    first = {label: batches_of(home / "lan", label) for label in ("01", "03")}
    hosts = {batch["host"] for batches in first.values() for batch in batches}
    assert hosts <= set(bed.hosts)
    before = {p: p.stat().st_mtime_ns for p in (home / "lan").glob("sub-*/func/*")}

    events.write_text(sound)
    bed.give(home)
    for out, engine in (("local", "local"), ("lan", "LAN")):
        done = bids(bed, home, out, engine)
        assert done.returncode == 0, done.stderr
    assert derivatives_of(home / "local") == derivatives_of(home / "lan")
    assert {label: batches_of(home / "lan", label) for label in first} == first
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {batch["host"] for batch in batches_of(home / "lan", "02")} <= set(bed.hosts)
