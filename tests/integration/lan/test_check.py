"""``pyhrf check LAN`` on real servers: every fault is named with its host and its cure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lan_bed import LAB, Bed
from lan_client import (
    change_key,
    configure,
    forget_key,
    give_wrong_key,
    program,
    python_with_other_numpy,
    remote_folder,
    ssh_config,
)

pytestmark = pytest.mark.timeout(60)
N_CORES = len(os.sched_getaffinity(0))
STEPS = ["name", "ssh", "key", "login", "python", "versions", "folder"]
COLUMNS = ["host", "slots", *STEPS, "nice", "cores", "memory"]


def rows(said: str) -> dict[str, dict[str, str]]:
    """Read the table of a check."""
    lines = said[: said.index("\n\n")].splitlines()
    assert lines[0].replace("host key", "key").split() == COLUMNS
    found = {}
    for line in lines[1:]:
        values = dict(zip(COLUMNS, line.replace(" GB", "GB").split(), strict=True))
        found[values["host"]] = values
    return found


def check(bed: Bed, home: Path) -> tuple[int, str]:
    done = program(bed, home, "check", "LAN")
    assert done.stderr == ""
    assert not list(remote_folder(bed, home).iterdir())
    assert not list(bed.folder.glob("disk_*/*"))
    return done.returncode, done.stdout


def test_check__finds_nothing_amiss(bed: Bed, home: Path):
    configure(bed, home, niceness=7, remote_host="h2")
    code, said = check(bed, home)
    assert code == 0, said
    found = rows(said)
    assert list(found) == list(bed.hosts)
    for row in found.values():
        assert [row[step] for step in STEPS] == ["yes"] * 7
        assert (row["slots"], row["nice"], row["cores"]) == ("2", "7", str(N_CORES))
        assert float(row["memory"].removesuffix("GB")) > 0
    assert f"remote_path {remote_folder(bed, home)} is the same folder on every host" in said
    assert "remote_host h2 sees the folder of every host" in said
    assert said.endswith("3 of 3 hosts can be used, 6 of 6 slots\n")


def test_check__names_each_fault_with_its_cure(bed: Bed, home: Path):
    give_wrong_key(bed, home, "h2")
    forget_key(bed, home, "h3")
    configure(bed, home, hosts="h1,h2,h3,gone,nowhere,nowhere")
    code, said = check(bed, home)
    assert code == 0
    found = rows(said)
    steps = {name: [row[step] for step in STEPS] for name, row in found.items()}
    assert steps["h1"] == ["yes"] * 7
    assert steps["nowhere"] == ["NO", *["–"] * 6]
    assert steps["gone"] == ["yes", "NO", *["–"] * 5]
    assert steps["h3"] == ["yes", "yes", "NO", *["–"] * 4]
    assert steps["h2"] == ["yes", "yes", "yes", "NO", *["–"] * 3]
    copy = f"ssh-copy-id -i ~/.ssh/stranger.pub {LAB}@h2"
    assert f"h2: your key is refused for {LAB}\n    run: {copy}\n" in said
    assert "is not known here\n    run: ssh-keyscan -p 22 h3 >> ~/.ssh/known_hosts" in said
    assert "nowhere: the name nowhere cannot be resolved\n" in said
    assert f"gone: {'gone'} port 22 cannot be reached" in said or "gone: no answer" in said
    assert said.endswith("1 of 5 hosts can be used, 1 of 6 slots\n")


def test_check__tells_a_changed_host_key_from_an_unknown_one(bed: Bed, home: Path):
    change_key(bed, home, "h1")
    configure(bed, home, hosts="h1")
    code, said = check(bed, home)
    assert code == 1
    assert "is not the one that" in said
    assert "ssh-keygen -R h1 && ssh-keyscan" in said
    assert said.endswith("0 of 1 hosts can be used, 0 of 1 slots\n")


def test_check__tries_the_interpreter(bed: Bed, home: Path):
    configure(bed, home, hosts="h1", python="/nowhere/python")
    code, said = check(bed, home)
    assert code == 1
    assert [rows(said)["h1"][step] for step in ("login", "python", "versions")] == [
        "yes",
        "NO",
        "–",
    ]
    assert "/nowhere/python cannot be run" in said
    assert "set python in section [parallel-LAN]" in said


def test_check__compares_versions(bed: Bed, home: Path):
    configure(bed, home, hosts="h1", python=python_with_other_numpy(bed))
    code, said = check(bed, home)
    assert code == 1
    assert rows(said)["h1"]["versions"] == "NO"
    assert "numpy 1.0.0 (here " in said


def test_check__tells_whether_the_folder_is_one(bed: Bed, home: Path):
    configure(bed, home, remote_path=bed.folder / "private", remote_host="h1")
    code, said = check(bed, home)
    assert code == 0
    assert "is not the same folder on every host: that is allowed" in said
    assert "remote_host h1 does not see what h2, h3 wrote" in said


def test_check__names_a_folder_that_cannot_be_written(bed: Bed, home: Path):
    folder = bed.folder / "forbidden"
    configure(bed, home, remote_path=folder)
    code, said = check(bed, home)
    assert code == 1
    assert rows(said)["h3"]["folder"] == "NO"
    assert f"h1: {folder} cannot be written there: Permission denied\n" in said
    # it is another's: no command opens it
    assert "\n    set another remote_path in section [parallel-LAN], a folder of yours\n" in said


def test_check__warns_of_more_slots_than_cores(bed: Bed, home: Path):
    n_slots = N_CORES + 1
    configure(bed, home, hosts=",".join(["h1"] * n_slots), remote_path=None)
    code, said = check(bed, home)
    assert code == 0
    assert f"h1: note: {n_slots} slots, but only {N_CORES} cores" in said


def test_check__uses_the_configuration_of_ssh(bed: Bed, home: Path):
    station = (
        f"Host station\n  HostName h2\n  User {LAB}\n  HostKeyAlias h2\n  ProxyJump {LAB}@h1\n"
    )
    keys = "  IdentityFile ~/.ssh/was_here_once\n  IdentityFile ~/.ssh/id_ed25519\n"
    ssh_config(bed, home, station + keys)
    configure(bed, home, hosts="station", user=None)
    code, said = check(bed, home)
    assert code == 0, said
    assert rows(said)["station"]["folder"] == "yes"


def test_check__needs_a_list_of_hosts(bed: Bed, home: Path):
    (home / "hosts").write_text("# none yet\n")
    configure(bed, home, hosts=home / "hosts")
    done = program(bed, home, "check", "LAN")
    assert done.returncode == 1
    assert f"{home / 'hosts'}: holds no host" in done.stderr
