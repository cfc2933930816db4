"""Confounds and censoring in a study and its file."""

from pathlib import Path

import pytest

from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study, write_study
from pyhrf.errors import ConfigError

RUN = {"bold": Path("bold.nii"), "paradigm": Path("events.tsv")}
WITH = {**RUN, "confounds": Path("confounds.tsv"), "censored": Path("bad.txt")}


def study(*runs, **values):
    data = {"kind": "volume", "parcellation": Path("parcels.nii"), "runs": runs}
    return Study.build(data=data, **values)


def test_study_file__keeps_confounds_and_censoring(tmp_path):
    made = study(WITH, RUN, confounds={"columns": "csf motion24", "fd_threshold": 0.3})
    made = made.with_absolute_paths(tmp_path)
    write_study(made, tmp_path / "detectestim.xml")
    text = (tmp_path / "detectestim.xml").read_text()
    assert "<censored>bad.txt</censored>" in text
    read = read_study(tmp_path / "detectestim.xml")
    assert read == made.replaced(output=tmp_path / "results")
    assert read.data.runs[0].confounds == tmp_path / "confounds.tsv"
    assert read.data.runs[1].confounds is None


@pytest.mark.parametrize("values", [{"columns": "csf"}, {"fd_threshold": 0.5}])
def test_study__refuses_a_choice_of_confounds_that_nothing_has(values):
    with pytest.raises(ConfigError, match=f"<{next(iter(values))}>.*no <run> names a file"):
        study(RUN, confounds=values)


@pytest.mark.parametrize("threshold", [0, -1])
def test_study__refuses_a_threshold_that_is_not_above_0(threshold):
    with pytest.raises(ConfigError, match=r"<fd_threshold>.*a number > 0"):
        study(WITH, confounds={"fd_threshold": threshold})


def test_numerical_parameters__tell_what_the_files_are():
    one, two, three = (
        study({**RUN, name: Path("x.txt")}).numerical_parameters()
        for name in ("confounds", "censored", "confounds")
    )
    assert one != two
    assert one == three
    assert "confounds.columns" in one
    assert "confounds.columns" not in study(RUN).numerical_parameters()
