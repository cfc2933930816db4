"""Analyses with single trials: the same bytes from any engine and after a stop, and what reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyhrf.analysis import analyse
from pyhrf.config.study import Study
from pyhrf.results import Results
from pyhrf.results.comparison import compare_results
from pyhrf.results.report_maps import pack_maps
from pyhrf.simulation.examples import make_example


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("trials")
    make_example("small", folder / "data")
    return Study.build(
        vem={"single_trials": "all"},
        data={
            "kind": "volume",
            "parcellation": folder / "data" / "parcellation.nii.gz",
            "runs": [
                {
                    "bold": folder / "data" / "bold.nii.gz",
                    "paradigm": folder / "data" / "paradigm.tsv",
                }
            ],
        },
        output=folder / "whole",
    )


@pytest.fixture(scope="module")
def whole(study: Study) -> Results:
    return analyse(study, engine="serial")


def content(folder: Path) -> dict[str, bytes]:
    """Tables and maps."""
    found = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".tsv", ".gz")}
    assert {"trials.tsv", "trials.nii.gz", "noise_ceiling.nii.gz"} <= found.keys()
    return found


def test_trials__are_the_same_bytes_from_another_engine(
    study: Study, whole: Results, tmp_path: Path
) -> None:
    analyse(study, output=tmp_path / "out", engine="local", n_jobs=2)
    assert content(tmp_path / "out") == content(whole.directory)


def test_trials__are_the_same_bytes_after_a_run_that_was_killed(
    study: Study, whole: Results, tmp_path: Path
) -> None:
    out, journal = tmp_path / "out", whole.directory / ".journal"
    shutil.copytree(journal, out / ".journal")
    first, *others = sorted((out / ".journal").glob("batch-*"))
    assert others
    first.unlink()  # as if it had not been reached; nothing was written yet
    told: list[str] = []
    analyse(study, output=out, engine="serial", tell=told.append)
    assert "2 of 3 parcels were already done" in told
    assert content(out) == content(whole.directory)


def test_list_of_maps_and_comparison__leave_those_of_trials_unread(
    whole: Results, tmp_path: Path
) -> None:
    """They may be larger than all other maps together."""
    folders = [tmp_path / name for name in ("sound", "broken")]
    for folder in folders:
        shutil.copytree(whole.directory, folder)
    for name in ("trials", "trials_sd"):
        (folders[1] / f"{name}.nii.gz").write_bytes(b"no image")
    sound, broken = (pack_maps(Results(folder)) for folder in folders)
    assert sound is not None
    assert sound == broken
    assert {"trial_mean", "noise_ceiling"} <= {one["name"] for one in sound["maps"]}
    found = compare_results(folders)
    compared = set(found.maps["map"])
    assert {"trial_mean", "trial_sd", "noise_ceiling"} <= compared
    assert not {"trials", "trials_sd"} & compared
