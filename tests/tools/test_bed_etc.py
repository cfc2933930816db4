"""The test bed of the cluster writes into its own folder only, whatever links ``/etc`` has."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest

BEDS = Path(__file__).resolve().parents[1] / "integration"
HOMES = {"somebody": (61077, Path("/nowhere/home"))}
FILES = ["passwd", "group", "hosts", "nsswitch.conf", "munge/munge.key", "slurm/slurm.conf"]


@pytest.fixture
def bed_etc(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BEDS))
    return importlib.import_module("bed_etc")


def state_of(folder: Path) -> dict[str, tuple[int, int, int, int, bytes]]:
    """Return owner, mode, time of change and content of all in a folder, and of itself."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        it = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (it.st_uid, it.st_mode, it.st_mtime_ns, it.st_ctime_ns, content)
    return found


def furnish(bed_etc: ModuleType, etc: Path) -> None:
    bed_etc.furnish_etc(etc, homes=HOMES, hosts=["10.0.0.1 desk\n"], slurm_conf="ClusterName=bed\n")
    for name in FILES:
        path = etc / name
        assert path.is_file()
        assert path.resolve() == etc.resolve() / name  # no link on the way
    assert (etc / "slurm" / "slurm.conf").read_text() == "ClusterName=bed\n"
    assert (etc / "passwd").read_text().startswith("somebody:*:61077:61077::/nowhere/home:")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder outside of the bed that has all the files."""
    site = tmp_path / "site"
    for name in FILES:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"the site's {name}\n")
    (site / "slurm").chmod(0o750)
    return site


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("links", [FILES, ["passwd", "munge", "slurm"]])
def test_furnish_etc__replaces_links_and_changes_nothing_behind_them(
    bed_etc: ModuleType, tmp_path: Path, site: Path, links: list[str], relative: bool
) -> None:
    etc = tmp_path / "etc"
    for name in links:
        path = etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(site / name, path.parent) if relative else site / name)
    before = state_of(site)
    furnish(bed_etc, etc)
    assert state_of(site) == before


def test_furnish_etc__makes_no_file_behind_a_link_to_nothing(
    bed_etc: ModuleType, tmp_path: Path
) -> None:
    etc, site = tmp_path / "etc", tmp_path / "site"
    etc.mkdir()
    site.mkdir()
    for name in ("hosts", "munge", "slurm"):
        (etc / name).symlink_to(site / name)
    furnish(bed_etc, etc)
    assert list(site.iterdir()) == []


def test_furnish_etc__files_are_readable_for_all_but_the_key(
    bed_etc: ModuleType, tmp_path: Path, site: Path
) -> None:
    mask = os.umask(0o077)
    try:
        furnish(bed_etc, site)
    finally:
        os.umask(mask)
    modes = {name: (site / name).stat().st_mode & 0o777 for name in FILES}
    assert modes.pop("munge/munge.key") == 0o400
    assert set(modes.values()) == {0o644}
    assert (site / "slurm").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "hard link"])
def test_write_file__leaves_what_else_has_the_content(
    bed_etc: ModuleType, tmp_path: Path, kind: str
) -> None:
    other, path = tmp_path / "other", tmp_path / "path"
    if kind != "link to nothing":
        other.write_text("old")
    if kind == "hard link":
        path.hardlink_to(other)
    else:
        path.symlink_to(other)
    bed_etc.write_file(path, "new")
    assert not path.is_symlink()
    assert path.read_text() == "new"
    assert kind == "link to nothing" or other.read_text() == "old"
    assert other.exists() == (kind != "link to nothing")
