"""The options of ``pyhrf bids``, which are those of BIDS Apps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pyhrf import __version__
from pyhrf.bids.options import BidsOptions
from pyhrf.commands.bids import bids
from pyhrf.errors import ConfigError
from pyhrf.inputs.bids import Selection


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asks for."""
    seen: dict[str, Any] = {}

    def analyse_bids(options: BidsOptions, **values: Any) -> dict[str, Any]:
        seen.update(values, options=options)
        return {}

    monkeypatch.setattr("pyhrf.bids.app.analyse_bids", analyse_bids)
    return seen


def run(*words: str) -> Result:
    return CliRunner().invoke(bids, words, catch_exceptions=False)


@pytest.mark.parametrize(
    "words",
    [
        ["in", "out", "participant", "--participant-label", "01", "sub-02", "--task", "x"],
        ["in", "out", "participant", "--participant_label", "01,02", "--task-id", "task-x"],
        ["--participant-label", "01 02", "--task", "x", "in", "out", "participant"],
        [
            *("--participant-label", "01", "--participant-label", "sub-02"),
            *("in", "out", "participant", "--task", "x"),
        ],
    ],
)
def test_bids__labels_as_bids_apps_take_them(words: list[str], asked: dict[str, Any]) -> None:
    run(*words)
    options = asked["options"]
    assert (options.bids_dir, options.out_dir) == (Path("in"), Path("out"))
    assert options.participants == ("01", "02")
    assert options.selection == Selection(tasks=("x",))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--single-trials", "in", "out", "participant"], "all"),
        (["in", "out", "participant", "--single-trials", "--task", "x"], "all"),
        (["in", "out", "participant", "--single-trials", "audio", "video"], "audio, video"),
        (["--single-trials=audio,video", "in", "out", "participant"], "audio, video"),
    ],
)
def test_bids__single_trials_take_no_argument_for_a_condition(
    words: list[str], expected: str, asked: dict[str, Any]
) -> None:
    run(*words)
    options = asked["options"]
    assert (options.bids_dir, options.out_dir) == (Path("in"), Path("out"))
    options.check_values()
    assert options.study(data={}).vem.single_trials == expected


def test_bids__names_the_option_of_trials_where_there_are_none(asked: dict[str, Any]) -> None:
    run("in", "out", "participant", "--trial-hyper", "run")
    with pytest.raises(ConfigError, match=r"^--trial-hyper: run is not allowed: .*single_trials"):
        asked["options"].check_values()


def test_bids__defaults(asked: dict[str, Any]) -> None:
    run("in", "out", "participant")
    assert asked["options"] == BidsOptions(bids_dir=Path("in"), out_dir=Path("out"))
    assert (asked["engine"], asked["n_jobs"], asked["fresh"]) == ("local", None, False)


def test_bids__all_options_count(asked: dict[str, Any]) -> None:
    words = (
        "--session-label a ses-b --run 1 2 --acq mb sb --rec rec-norm "
        "--ce none --dir LR --space T1w --derivatives prep --parcellation 50 "
        "--confound-columns none --fd-threshold 0.5 --percent -C d=a-b --contrasts-file c.json "
        "--estimator rfir -n 7 -c study.xml --n-cpus 3 --fresh --skip-bids-validation"
    )
    run("in", "out", "participant", *words.split())
    assert asked["options"] == BidsOptions(
        bids_dir=Path("in"),
        out_dir=Path("out"),
        derivatives=Path("prep"),
        selection=Selection(
            sessions=("a", "b"),
            runs=("1", "2"),
            acq=("mb", "sb"),
            rec=("norm",),
            ce=("none",),
            dir=("LR",),
            space="T1w",
        ),
        check=False,
        parcellation=50,
        contrasts=("d=a-b",),
        contrasts_file=Path("c.json"),
        estimator="rfir",
        parameters={
            "confounds": {"columns": "none", "fd_threshold": 0.5},
            "data": {"scaling": "percent"},
            "own": {"n_iterations": 7},
        },
        study_file=Path("study.xml"),
    )
    assert (asked["n_jobs"], asked["fresh"]) == (3, True)


def test_bids__an_atlas(asked: dict[str, Any]) -> None:
    run("in", "out", "participant", "--parcellation", "atlas.nii.gz")
    assert asked["options"].parcellation == Path("atlas.nii.gz")


def test_bids__files_of_both_hemispheres(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (Path("lh.label.gii"), Path("rh.label.gii"))
    meshes = ("-g", "lh.surf.gii", "--mesh", "rh.surf.gii")
    for words in (
        ("--parcellation", "lh.label.gii", "--parcellation", "rh.label.gii"),
        ("--parcellation", "lh.label.gii,rh.label.gii"),
    ):
        run("in", "out", "participant", *words, *meshes)
        assert asked["options"].parcellation == both
        assert asked["options"].meshes == (Path("lh.surf.gii"), Path("rh.surf.gii"))
    # A file is taken by its name, whatever that holds.
    monkeypatch.chdir(tmp_path)
    Path("a,b.nii.gz").touch()
    run("in", "out", "participant", "--parcellation", "a,b.nii.gz")
    assert asked["options"].parcellation == Path("a,b.nii.gz")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["in", "out", "group"], "there is no analysis at the group level"),
        (["in", "out"], "Missing argument 'participant'"),
        (["in", "out", "participant", "-x", "LAN", "-j", "2"], "number of job slots of -x local"),
        (["in", "out", "participant", "--parcellation", "0"], "at least 1 voxel"),
        (["in", "out", "participant", "--parcellation", "-5"], "-5 is neither a file nor a size"),
        (["in", "out", "participant", "--parcellation", "2.5"], "a whole number of voxels, 1 or"),
        (["in", "out", "participant", "--parcellation", "9,lh.gii"], "one number, or files"),
        (["in", "out", "participant", "--parcellation", "lh.gii,"], "one number, or files"),
        (["in", "out", "participant", "--space"], "requires an argument"),
        (["in", "out", "participant", "--cancel"], "is running on the cluster and starts nothing"),
    ],
)
def test_bids__usage(words: list[str], said: str, asked: dict[str, Any]) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.output
    assert not asked


def test_bids__version() -> None:
    assert run("--version").output == f"pyhrf bids, version {__version__}\n"


def test_bids__cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def cancel_all(studies: Any, **values: Any) -> bool:
        seen.update(values, studies=studies)
        return True

    def prepare(options: BidsOptions, _tell: object) -> SimpleNamespace:
        return SimpleNamespace(studies={"sub-01": str(options.bids_dir)})

    monkeypatch.setattr("pyhrf.bids.app.cancel_all", cancel_all)
    monkeypatch.setattr("pyhrf.bids.app._prepare", prepare)
    done = run("in", "out", "participant", "-x", "cluster", "--cancel")
    assert done.exit_code == 0
    assert "stopped and cleared up" in done.output
    assert (seen["studies"], seen["directory"]) == ({"sub-01": "in"}, Path("out"))
    assert seen["engine"] == "cluster"
