"""What ``pyhrf check LAN`` says is typed through a shell, and helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from cures import check_cured
from lan_bed import LAB, Bed
from lan_client import configure, program, remote_folder

pytestmark = pytest.mark.timeout(60)


def test_cure__makes_the_folder_in_the_home_there(bed: Bed, home: Path):
    lab = bed.folder / "lab"
    configure(bed, home, hosts="h1", remote_path="~/my results")
    cure = check_cured(bed, home, "h1")
    assert cure == f"ssh {LAB}@h1 'mkdir -p ~/my\\ results'"
    (lab / "my results").chmod(0o500)
    cure = check_cured(bed, home, "h1")
    assert "chmod u+rwx" in cure
    (lab / "my results").rmdir()


def test_cure__makes_an_ordinary_folder(bed: Bed, home: Path):
    folder = remote_folder(bed, home) / "new"
    configure(bed, home, hosts="h1", remote_path=folder)
    assert check_cured(bed, home, "h1") == f"ssh {LAB}@h1 mkdir -p {folder}"
    bed.give(folder, LAB)
    folder.rmdir()


def test_cure__of_a_folder_of_another_is_another_folder(bed: Bed, home: Path):
    configure(bed, home, hosts="h1", remote_path=bed.folder / "forbidden")
    said = program(bed, home, "check", "LAN").stdout
    assert "\n    set another remote_path in section [parallel-LAN], of yours" in said
