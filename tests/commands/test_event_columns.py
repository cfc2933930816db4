"""Other columns of events files, from the command line to the study and its key."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyhrf
from pyhrf.analysis.prepare import prepare
from pyhrf.config.study import Study
from pyhrf.study_data import study_data

ROWS = [(4 + 11 * k, 1, "ab"[k % 2]) for k in range(12)]


@pytest.fixture
def usual(study) -> Path:
    """Events in the usual columns."""
    path = study.folder / "usual.tsv"
    rows = "".join(f"{onset}\t{duration}\t{name}\n" for onset, duration, name in ROWS)
    path.write_text("onset\tduration\ttrial_type\n" + rows)
    return path


@pytest.fixture
def renamed(study) -> Path:
    """The same in other columns, with a weight of each event."""
    path = study.folder / "renamed.tsv"
    rows = "".join(
        f"{onset}\t{duration}\t{name}\t{1 + k // 4}\tall\n"
        for k, (onset, duration, name) in enumerate(ROWS)
    )
    path.write_text("onset\tduration\tstimulus\tweight\ttrial_type\n" + rows)
    return path


def with_events(study, path: Path) -> list[str]:
    return [str(path) if one == str(study.events) else one for one in study.arguments()]


def written(run, study, paradigm: Path, *options: str) -> Study:
    ended = run("pyhrf_jde_buildcfg", *with_events(study, paradigm), *options)
    assert ended.code == 0, ended.err
    return pyhrf.load_study(study.xml)


def key(study: Study) -> dict[str, str]:
    with study_data(study, fresh=False, tell=print) as data:
        return dict(prepare(study, data).key)


def test_buildcfg__takes_conditions_of_another_column(run, study, usual, renamed):
    expected = key(written(run, study, usual))
    other = written(run, study, renamed, "--event-column", "stimulus")
    assert "<event_column>stimulus</event_column>" in study.xml.read_text()
    # The same events are the same study, whatever columns they stand in.
    assert key(other) == expected
    weighted = written(
        run, study, renamed, "--event-column", "stimulus", "--amplitude-column", "weight"
    )
    assert key(weighted) != expected
    assert {name for name, x in key(weighted).items() if x != expected[name]} == {"events of run 1"}
    assert key(written(run, study, renamed)) != expected  # one condition: all


def test_buildcfg__an_unknown_column_is_met_by_those_that_are_there(run, study, renamed):
    arguments = with_events(study, renamed)
    for option in ("--event-column", "--amplitude-column"):
        ended = run("pyhrf_jde_buildcfg", *arguments, option, "stim")
        assert ended.code == 1
        expected = "no column stim but onset, duration, stimulus, weight, trial_type; name the one"
        assert f"{renamed}: the header has {expected}" in ended.err
        assert len(ended.err.strip().splitlines()) == 1
    assert not study.xml.exists()


@pytest.mark.parametrize("option", ["--event-column", "--amplitude-column"])
def test_buildcfg__columns_need_an_events_file(run, study, option):
    ended = run("pyhrf_jde_buildcfg", "-o", study.xml, option, "stimulus")
    assert (ended.code, f"{option} goes with BOLD data" in ended.err) == (2, True)
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), option, "stimulus")
    assert (ended.code, "there is no column stimulus" in ended.err) == (1, True)
    at = study.arguments().index("-r")
    without = [*study.arguments()[:at], *study.arguments()[at + 2 :]]
    ended = run("pyhrf_jde_buildcfg", *without, "-s", study.folder / "SPM.mat", option, "stimulus")
    assert (ended.code, "not for -s" in ended.err) == (2, True)


def test_study__columns_of_a_simulation_are_refused():
    with pytest.raises(pyhrf.ConfigError, match="event_column>: stimulus is not allowed"):
        Study.build(data={"kind": "simulation", "event_column": "stimulus"})
    with pytest.raises(pyhrf.ConfigError, match="event_column"):
        Study.build(data={"event_column": ""})


@pytest.mark.parametrize(
    "row", ["{onset} {duration} 1\n", "{onset}:{duration} "], ids=["FSL", "AFNI"]
)
def test_buildcfg__takes_a_file_of_times_for_each_condition(run, study, usual, row):
    expected = key(written(run, study, usual))
    paradigm = [x for x in study.arguments() if x not in ("-r", str(study.events))]
    for name in "ab":
        path = study.folder / f"times of {name}=1.txt"
        mine = [(onset, duration) for onset, duration, each in ROWS if each == name]
        path.write_text("".join(row.format(onset=x, duration=y) for x, y in mine))
        paradigm += ["-r", f"{name}={path}"]
    ended = run("pyhrf_jde_buildcfg", *paradigm)
    assert ended.code == 0, ended.err
    assert '<times condition="a">times of a=1.txt</times>' in study.xml.read_text()
    # Equal events are the same study, whatever files they stand in.
    assert key(pyhrf.load_study(study.xml)) == expected


def test_buildcfg__a_file_may_have_an_equal_sign_in_its_name(run, study, usual):
    path = usual.rename(study.folder / "cond=all.tsv")
    assert written(run, study, path).data.runs[0].paradigm == path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-r", "a=a.txt", "-r", "b.txt"], "-r b.txt names no condition"),
        (["-r", "a=a.txt", "-r", "a=b.txt"], "1 run (-f) needs one file of a (-r a=FILE)"),
        (["-r", "=a.txt"], "must be NAME=FILE"),
    ],
)
def test_buildcfg__refuses_files_of_times_that_do_not_go_together(run, study, options, words):
    others = [x for x in study.arguments() if x not in ("-r", str(study.events))]
    ended = run("pyhrf_jde_buildcfg", *others, *options)
    assert ended.code == 2
    assert words in ended.err
