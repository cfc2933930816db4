"""The key of a study: whatever the results depend on, and nothing else."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat

from pyhrf.analysis.prepare import prepare
from pyhrf.config.data_sections import RunFiles
from pyhrf.config.study import Study
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
    assert key(folder, "aab")["events of run 3"] != (key(folder, "aab")["events of run 1"])


def test_key__knows_all_that_is_read_of_events(folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    header = "onset\tduration\ttrial_type\tamplitude\tcomment\n"

    def key_of(*events):
        rows = "".join("\t".join(event) + "\n" for event in events)
        (moved / "events-a.tsv").write_text(header + rows)
        return key(moved, "a")

    one, two = ("10", "0", "cond1", "1", "x"), ("40", "1", "cond2", "1", "x")
    usual = key_of(one, two)
    assert key_of(two, one) == usual
    assert key_of((*one[:4], "other"), two) == usual
    for column, other in enumerate(["11", "2", "cond9", "3"]):
        changed = (*one[:column], other, *one[column + 1 :])
        assert key_of(changed, two)["events of run 1"] != usual["events of run 1"]


def test_key__does_not_know_where_files_lie(folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert key(moved, "aab", confounds="aba") == key(folder, "aab", confounds="aba")


def write_spm(path, onsets, *, n_scans, tr):
    """Write a design of one session and one condition as SPM does."""

    def cell(value):
        array = np.empty((1, 1), dtype=object)
        array[0, 0] = value
        return array

    def struct(**fields):
        array = np.empty((1, 1), dtype=[(name, object) for name in fields])
        array[0, 0] = tuple(fields.values())
        return array

    nothing = np.empty((0, 0))
    condition = struct(
        name=cell("cond1"),
        ons=np.array(onsets)[:, None],
        dur=np.zeros((len(onsets), 1)),
        P={"name": "none", "P": nothing},
    )
    spm = {
        "xY": {"RT": tr},
        "nscan": float(n_scans),
        "xBF": {"UNITS": "secs", "T": 16, "T0": 1},
        "Sess": struct(U=condition, C={"C": nothing, "name": nothing}),
    }
    savemat(path, {"SPM": spm})


@pytest.mark.parametrize("paradigm", ["events-a.tsv", "SPM.mat"])
def test_key__knows_when_scans_begin(folder, paradigm):
    n_scans = nib.load(folder / "bold1.nii.gz").shape[3]
    write_spm(folder / "SPM.mat", [10.0, 40.0, 90.0], n_scans=n_scans, tr=1.0)

    def key_of(start):
        files = {"bold": folder / "bold1.nii.gz", "paradigm": folder / paradigm}
        study = Study.build(
            data={
                "kind": "volume",
                "runs": [RunFiles(**files, start_time=start)],
                "parcellation": folder / "parcellation.nii.gz",
                "tr": 1.0,
            },
            output=folder / "out",
        )
        with study_data(study, fresh=False, tell=print) as data:
            return dict(prepare(study, data).key)

    assert key_of(0.5) == key_of(0.5)
    assert key_of(0.5) != key_of(0.0)
