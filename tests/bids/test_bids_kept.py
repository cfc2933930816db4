"""``pyhrf bids`` with an OUT_DIR that holds results, or in which another call works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bids_sets import SPACE, change_json, derivatives_of, func, run_bids, tree

from pyhrf import InputError
from pyhrf.wording import named

NAME = f"sub-01_task-sim_{SPACE}"
SMALL = ("participant", "-x", "serial", "--parcellation", 30)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def native(out: Path, name: str = NAME) -> Path:
    return out / ".pyhrf" / name


def made_for(out: Path) -> dict[str, tuple[bytes, int]]:
    """The files that are made as input, with their times."""
    folder = out / ".pyhrf" / "inputs" / NAME
    return {x.name: (x.read_bytes(), x.stat().st_mtime_ns) for x in folder.iterdir()}


def test_bids__what_is_refused_leaves_the_input_of_results(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start = func(dataset, "01") / f"sub-01_task-sim_run-1_{SPACE}_desc-preproc_bold.json"
    change_json(start, StartTime=1.0)
    words = (dataset, out, "participant", "-x", "serial", "--participant-label", "01")
    assert run_bids(capfd, *words, "--parcellation", 30).code == 0
    before = made_for(out)
    change_json(start, StartTime=0.5)
    ended = run_bids(capfd, *words, "--parcellation", 8)
    assert ended.code == 1
    assert "results of another study" in ended.err
    assert before.items() <= made_for(out).items()
    study = json.loads((native(out) / "run.json").read_text())["study"]["data"]
    assert Path(study["parcellation"]).name in before


def test_bids__what_is_refused_does_not_disturb_a_run(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (made_set, out, "participant", "--participant-label", "01")
    again = [sys.executable, "-c", "from pyhrf.commands.main import run; run()", "bids"]
    others: list[subprocess.CompletedProcess[str]] = []

    def other_call(*_: object) -> None:
        call = [*again, *map(str, words), "-x", "serial", "--parcellation", "8"]
        others.append(subprocess.run(call, capture_output=True, text=True, check=False))

    # Once the first call holds its folders.
    monkeypatch.setattr("pyhrf.analysis.work.compile_here", other_call)
    ended = run_bids(capfd, *words, "-x", "serial", "--parcellation", 30)
    assert [other.returncode for other in others] == [1]
    assert "is in use by another run" in others[0].stderr
    assert ended.code == 0, ended.err


def test_bids__what_is_refused_leaves_the_description(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("participant", "-x", "serial", "--participant-label", "01", "--parcellation")
    ended = run_bids(capfd, dataset, out, *words, 30, "-C", "cond 1 = cond1")
    assert ended.code == 1
    assert not (out / "dataset_description.json").exists()
    assert run_bids(capfd, dataset, out, *words, 30).code == 0
    before = (out / "dataset_description.json").read_bytes()
    copy = shutil.copytree(dataset / "derivatives" / "fmriprep", dataset / "derivatives" / "other")
    ended = run_bids(capfd, dataset, out, *words, 8, "--derivatives", copy)
    assert ended.code == 1
    assert (out / "dataset_description.json").read_bytes() == before


def test_bids__messages_name_the_folder_as_the_command_does(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(*_: object, **__: object) -> None:
        raise InputError(f"in use: choose another output directory ({named('output')})")

    monkeypatch.setattr("pyhrf.bids.app.analyse_all", in_use)
    ended = run_bids(capfd, made_set, out, "participant", "-x", "serial")
    assert ended.code == 1
    assert "in use: choose another output directory (OUT_DIR)\n" in ended.err


def test_bids__a_reason_of_all_is_said_once(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("participant", "-x", "serial", "-C", "d=cond1-cond7")
    said = run_bids(capfd, made_set, out, *words).err
    assert len([line for line in said.splitlines() if "cond7" in line]) == 1
    for label in ("02", "03"):
        first = NAME.replace("01", label)
        assert f"{first} is left out: for the same reason as {NAME}\n" in said


def test_bids__fresh_says_whose_results_are_older(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (dataset, out, "participant", "-x", "serial", "--parcellation")
    assert run_bids(capfd, *words, 30).code == 0
    folder = out / "sub-02" / "func"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    bold = func(dataset, "02") / f"sub-02_task-sim_run-1_{SPACE}_desc-preproc_bold.nii.gz"
    bold.write_bytes(bold.read_bytes()[:1000])
    (dataset / "sub-03" / "func" / "sub-03_task-sim_run-1_events.tsv").unlink()
    ended = run_bids(capfd, *words, 8, "--fresh")
    assert ended.code == 3
    (note,) = [line for line in ended.err.splitlines() if "is of an earlier run" in line]
    assert [name in note for name in ("sub-01", "sub-02", "sub-03")] == [False, True, True]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_bids__says_that_other_runs_have_results_there(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (made_set, out, "participant", "-x", "serial", "--participant-label", "01")
    first = run_bids(capfd, *words, "--run", 1)
    assert first.code == 0
    assert "another choice" not in first.err
    ended = run_bids(capfd, *words)
    assert ended.code == 0
    (note,) = [line for line in ended.err.splitlines() if "another choice" in line]
    assert f"(sub-01_task-sim_run-1_{SPACE})" in note
    assert (out / f"sub-01_task-sim_run-1_{SPACE}.html").is_file()
    assert (out / f"{NAME}.html").is_file()


@pytest.mark.parametrize("estimator", ["vem", "glm"])
def test_bids__the_unit_of_a_variance_is_squared(
    estimator: str, made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("participant", "-x", "serial", "--participant-label", "01", "--percent")
    assert run_bids(capfd, made_set, out, *words, "--estimator", estimator).code == 0
    units = {
        path.name.partition("_contrast-")[2]: json.loads(path.read_text())["Units"]
        for path in (out / "sub-01" / "func").glob("*_contrast-*.json")
    }
    signal = "percent of the mean"
    assert units["cond1_stat-effect_statmap.json"] == signal
    variances = [name for name in units if "variance_" in name]
    assert len(variances) == (2 if estimator == "vem" else 4)
    assert {units[name] for name in variances} == {f"({signal})^2"}


def test_bids__another_program_s_folder_is_left_alone(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out.mkdir()
    description = {"Name": "x", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "other"}]}
    (out / "dataset_description.json").write_text(json.dumps(description))
    before = tree(out)
    ended = run_bids(capfd, made_set, out, *SMALL)
    assert ended.code == 1
    assert "holds a data set that PyHRF did not make" in ended.err
    assert tree(out) == before


def test_bids__folders_that_are_not_written_to(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tree(made_set)
    prep = made_set / "derivatives" / "fmriprep"
    for folder in (made_set, made_set / "out", made_set / "derivatives", prep, prep / "out"):
        ended = run_bids(capfd, made_set, folder, *SMALL)
        assert ended.code == 1
        assert "lies in the input, which is not written to" in ended.err
    out.write_text("mine")
    ended = run_bids(capfd, made_set, out, *SMALL)
    assert ended.code == 1
    assert "is a file: OUT_DIR is the folder" in ended.err
    out.unlink()
    (out / "sub-01").mkdir(parents=True)
    ended = run_bids(capfd, made_set, out, *SMALL)
    assert ended.code == 1
    assert "holds folders of participants and no dataset_description.json of PyHRF" in ended.err
    assert tree(made_set) == before
    assert tree(out) == {}


def test_bids__two_jobs_of_one_folder_at_the_same_time(made_set: Path, out: Path) -> None:
    program = "from pyhrf.commands.main import run; run()"
    jobs = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", program, "bids", made_set, out, *map(str, SMALL)),
                *("--participant-label", label),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        for label in ("01", "02")
    ]
    for job in jobs:
        _, said = job.communicate(timeout=120)
        assert job.returncode == 0, said
    assert json.loads((out / "dataset_description.json").read_text())["Name"]
    assert sorted(path.name for path in out.glob("sub-*") if path.is_dir()) == ["sub-01", "sub-02"]
    assert not list(out.rglob("*.tmp"))


def test_bids__other_options_need_another_folder_or_fresh(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (made_set, out, *SMALL, "--participant-label", "01")
    assert run_bids(capfd, *words, "-C", "old = cond1").code == 0
    own = out / "sub-01" / "func" / f"{NAME}_desc-mine_table.tsv"
    own.write_text("of the user")
    before = derivatives_of(out)
    ended = run_bids(capfd, *words, "-C", "new = cond2")
    assert ended.code == 1
    assert (
        "choose another output directory (OUT_DIR), or use --fresh, for a few participants with"
        in ended.err
    )
    assert derivatives_of(out) == before
    assert run_bids(capfd, *words, "-C", "new = cond2", "--fresh").code == 0
    names = {name for name in derivatives_of(out) if "contrast-" in name}
    assert not any("contrast-old" in name for name in names)
    assert len([name for name in names if "contrast-new" in name]) == 6
    assert own.read_text() == "of the user"
