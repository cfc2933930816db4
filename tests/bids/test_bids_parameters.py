"""What the options make of the study of each participant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyhrf import ConfigError
from pyhrf.bids.options import BidsOptions
from pyhrf.config.study import Study
from pyhrf.config.study_xml import write_study
from pyhrf.inputs.paradigm import EventColumns

RUN = {"bold": Path("b.nii"), "paradigm": Path("e.tsv"), "confounds": Path("c.tsv")}
DATA = {"kind": "volume", "runs": [RUN], "parcellation": Path("p.nii")}


def options(**values: Any) -> BidsOptions:
    """Options; parameters of a section are given as ``in_SECTION``."""
    sections = {key: values.pop(key) for key in list(values) if key.startswith("in_")}
    values["parameters"] = {key.removeprefix("in_"): given for key, given in sections.items()}
    return BidsOptions(bids_dir=Path("ds"), out_dir=Path("out"), **values)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    study = Study.build(
        estimator="jde-mcmc",
        hrf={"dt": 0.5, "duration": 20},
        drift={"kind": "polynomial", "order": 2},
        mcmc={"n_chains": 2},
        data={**DATA, "scaling": "percent", "meshes": ()},
        confounds={"columns": "motion24", "fd_threshold": 0.9},
        contrasts=[{"name": "a", "expression": "b - c"}],
        seed=3,
    )
    write_study(study, tmp_path / "study.xml")
    return tmp_path / "study.xml"


def test_study__defaults_are_those_of_a_study() -> None:
    assert options().study(data=DATA) == Study.build(data=DATA)


def test_study__takes_all_parameters_of_a_file_but_its_data(study_file: Path) -> None:
    study = options(study_file=study_file).study(data=DATA, output=Path("here"))
    assert (study.estimator, study.seed, study.output) == ("jde-mcmc", 3, Path("here"))
    assert (study.hrf.dt, study.hrf.duration, study.mcmc.n_chains) == (0.5, 20, 2)
    assert study.drift.kind == "polynomial"
    assert study.data.runs[0].bold == Path("b.nii")
    assert study.data.scaling == "percent"
    assert (study.confounds.columns, study.confounds.fd_threshold) == ("motion24", 0.9)
    assert [contrast.name for contrast in study.contrasts] == ["a"]


def test_columns__are_those_of_the_options_or_else_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.xml"
    data = {**DATA, "event_column": "stimulus", "amplitude_column": "loudness"}
    write_study(Study.build(data=data), path)
    assert options().columns == EventColumns()
    assert options(study_file=path).columns == EventColumns("stimulus", "loudness")
    of_events = {"event_column": "trial_type", "amplitude_column": "height"}
    given = options(study_file=path, in_data=of_events)
    assert given.columns == EventColumns("trial_type", "height")


def test_study__options_win(study_file: Path) -> None:
    given = options(
        study_file=study_file,
        estimator="vem",
        contrasts=("d = e",),
        in_own={"n_iterations": 33},
        in_confounds={"columns": "motion6", "fd_threshold": 0.2},
    )
    study = given.study(data=DATA)
    assert (study.estimator, study.vem.n_iterations) == ("jde-vem", 33)
    assert [contrast.name for contrast in study.contrasts] == ["d"]
    assert (study.confounds.columns, study.confounds.fd_threshold) == ("motion6", 0.2)


def test_study__sweeps_of_mcmc_have_their_burn_in() -> None:
    study = options(estimator="mcmc", in_own={"n_iterations": 300}).study(data=DATA)
    assert (study.mcmc.n_iterations, study.mcmc.n_burn_in) == (300, 100)


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ({}, True),
        ({"columns": "none"}, False),
        ({"columns": "none", "fd_threshold": 1.0}, True),
        ({"columns": "motion24"}, True),
    ],
)
def test_needs_confounds(values: dict[str, Any], needed: bool) -> None:
    assert options(in_confounds=values).needs_confounds is needed


def test_study__without_confounds() -> None:
    runs = [{"bold": Path("b.nii"), "paradigm": Path("e.tsv")}]
    study = options(in_confounds={"columns": "none"}).study(data={**DATA, "runs": runs})
    assert study == Study.build(data={**DATA, "runs": runs})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"estimator": "glm", "in_own": {"n_iterations": 3}},
            "^-n .*the GLM has none",
        ),
        ({"in_own": {"n_iterations": 0}}, "^-n: 0 is not allowed: .* at least 1$"),
        (
            {"in_own": {"n_iterations": -5}, "estimator": "mcmc"},
            "^-n: -5 is not allowed: .* at least 100$",
        ),
        (
            {"in_confounds": {"fd_threshold": -1.0}},
            "^--fd-threshold: -1.0 is not allowed",
        ),
        ({"in_confounds": {"columns": ""}}, "^--confound-columns: '' is not allowed"),
        ({"contrasts": ("a",)}, "NAME=EXPRESSION"),
        ({"contrasts": ("a=b", "a=c")}, "^-C: a is not allowed: another contrast"),
        ({"study_file": Path("nowhere.xml")}, "nowhere.xml"),
    ],
)
def test_check_values(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        options(**values).check_values()
