"""The key of a study: whatever the results depend on, and nothing else."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from pyhrf.analysis.prepare import prepare
from pyhrf.config.study import RunFiles, Study
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.examples import example_spec
from pyhrf.simulation.simulate import simulate
from pyhrf.study_data import study_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three runs, and two files of each kind to deal out to them."""
    folder = tmp_path_factory.mktemp("runs")
    paths = write_dataset(simulate(example_spec("small")), folder / "data")
    for number in "123":
        shutil.copy(paths.bold[0], folder / f"bold{number}.nii.gz")
    shutil.copy(paths.parcellation, folder / "parcellation.nii.gz")
    events = paths.paradigm[0].read_text()
    (folder / "events-a.tsv").write_text(events)
    (folder / "events-b.tsv").write_text(events.replace("cond1", "cond3"))
    for name in "ab":
        table = np.random.default_rng(ord(name)).normal(size=(100, 2))
        np.savetxt(
            folder / f"confounds-{name}.tsv", table, header="x\ty", comments="", delimiter="\t"
        )
    (folder / "censored-a.txt").write_text("1")
    (folder / "censored-b.txt").write_text("2")
    return folder


def key(folder, events: str, **of_runs: str) -> dict[str, str]:
    """Give the key of a study in which the files are dealt out as the letters say."""
    endings = {"confounds": "tsv", "censored": "txt"}
    runs = tuple(
        RunFiles(
            bold=folder / f"bold{i + 1}.nii.gz",
            paradigm=folder / f"events-{letter}.tsv",
            **{
                kind: folder / f"{kind}-{letters[i]}.{endings[kind]}"
                for kind, letters in of_runs.items()
            },
        )
        for i, letter in enumerate(events)
    )
    study = Study.build(
        data={"kind": "volume", "runs": runs, "parcellation": folder / "parcellation.nii.gz"},
        confounds={"columns": "all"} if "confounds" in of_runs else {},
        output=folder / "out",
    )
    with study_data(study, fresh=False, tell=print) as data:
        return dict(prepare(study, data).key)


def test_key__says_which_run_has_which_file(folder):
    assert key(folder, "aab") != key(folder, "abb")
    for kind in ("confounds", "censored"):
        assert key(folder, "aaa", **{kind: "aab"}) != key(folder, "aaa", **{kind: "abb"})
    assert (
        key(folder, "aab")["content of paradigm of run 3"]
        != (key(folder, "aab")["content of paradigm of run 1"])
    )


def test_key__does_not_know_where_files_lie(folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert key(moved, "aab", confounds="aba") == key(folder, "aab", confounds="aba")
