"""The study: checks, copies, and what results depend on."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from pyhrf.config.data_sections import DataConfig
from pyhrf.config.sections import Contrast, HrfConfig
from pyhrf.config.study import Study
from pyhrf.errors import ConfigError

RUN = {"bold": "bold.nii.gz", "paradigm": "paradigm.csv"}
VOLUME = {"kind": "volume", "runs": [RUN], "parcellation": "mask.nii.gz"}


def message(**values):
    with pytest.raises(ConfigError) as caught:
        Study.build(**values)
    return str(caught.value)


def test_study__defaults_analyse_the_example_data():
    study = Study()
    assert (study.data.kind, study.data.example, study.estimator) == (
        "simulation",
        "default",
        "jde-vem",
    )
    assert (study.hrf.dt, study.hrf.duration, study.drift.cutoff) == (1.0, 25.0, 128.0)
    assert (study.vem.beta, study.vem.ppm_threshold) == ("estimate", None)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"hrf": {"dt": -1}}, ["<hrf><dt>: -1 is not allowed", "> 0", "seconds"]),
        ({"hrf": {"dt": 0}}, ["<hrf><dt>: 0 is not allowed"]),
        ({"hrf": {"dt": "1,5"}}, ["<hrf><dt>: 1,5 is not allowed", "a number > 0"]),
        ({"hrf": {"dt": float("nan")}}, ["<hrf><dt>: nan is not allowed"]),
        ({"hrf": {"duration": float("inf")}}, ["<hrf><duration>: inf is not allowed"]),
        ({"hrf": {"duration": 4}}, ["<hrf><duration>: 4", "at least 5 time steps", "so 5 "]),
        ({"hrf": {"dt": 1e-9}}, ["<hrf><dt>: 1e-09", "more than 1000 steps"]),
        ({"data": {"tr": 2400}}, ["<data><tr>: 2400", "milliseconds", "did you mean 2.4 s?"]),
        ({"data": {"tr": 0}}, ["<data><tr>: 0 is not allowed", "> 0 and at most 30"]),
        ({"data": {"tr": 31}}, ["<data><tr>: 31 is not allowed", "at most 30"]),
        ({"data": {"tr": 0.4}}, ["<hrf><dt>: 1.0", "twice the repetition time of 0.4", "0.8"]),
        ({"data": {"kind": "volume"}}, ["<data><kind>: volume", "at least one <run>"]),
        ({"data": {**VOLUME, "parcellation": None}}, ["<data><parcellation>: nothing", "need"]),
        ({"data": {**VOLUME, "kind": "simulation"}}, ["<data><kind>: simulation", "write volume"]),
        ({"data": {"kind": "mesh"}}, ["<data><kind>: mesh", "volume, surface or simulation"]),
        ({"data": {"kind": "surface"}}, ["<data><kind>: surface", "at least one <run>"]),
        ({"data": {**VOLUME, "kind": "surface"}}, ["<data><mesh>: ", "need the mesh"]),
        ({"data": {**VOLUME, "meshes": ["m.gii"]}}, ["<data><mesh>: ", "write surface"]),
        ({"data": {"meshes": ["m.gii"]}}, ["<data><kind>: simulation", "<mesh>"]),
        ({"data": {**VOLUME, "runs": [RUN, {"bold": "b.nii"}]}}, ["<run 2><paradigm>", "missing"]),
        ({"data": {**VOLUME, "parcellation": "a\nb"}}, ["<parcellation>: 'a\\nb'", "control"]),
        ({"vem": {"beta": "auto"}}, ["<vem><beta>: auto", "a number from 0 to 1.2, or estimate"]),
        ({"vem": {"n_iterations": 1.5}}, ["<vem><n_iterations>: 1.5", "whole number"]),
        ({"vem": {"n_iter": 1}}, ["<vem>: no parameter is called n_iter", "mean n_iterations?"]),
        ({"noise": {"kind": "ar2"}}, ["<noise><kind>: ar2", "must be ar1 or white"]),
        ({"mcmc": {"n_burn_in": 2980}}, ["<mcmc><n_burn_in>: 2980", "at least 50 of the 3000"]),
        ({"mcmc": {"start": "cold"}}, ["<mcmc><start>: cold", "vem or dispersed"]),
        ({"rfir": {"tolerance": 0}}, ["<rfir><tolerance>: 0", "> 0 and < 1"]),
        ({"glm": {"model": "gamma"}}, ["<glm><model>: gamma", "canonical, derivatives or fir"]),
        ({"glm": {"fir_delays": "0 2 2"}}, ["<fir_delays>: 0 2 2", "rising numbers from 0 to 100"]),
        ({"glm": {"fir_delays": "3"}}, ["<fir_delays>: 3", "two or more"]),
        ({"glm": {"fir_delays": "0 x"}}, ["<fir_delays>: 0 x", "rising numbers"]),
        ({"glm": {"fir_delays": "0 nan"}}, ["<fir_delays>: 0 nan", "rising numbers"]),
        ({"estimator": "vem"}, ["<estimator>: vem", "must be jde-vem, jde-mcmc, rfir"]),
        ({"sede": 1}, ["no parameter is called sede", "did you mean seed?"]),
        ({"hrf": 3}, ["<hrf>: 3 is not allowed"]),
        (
            {"contrasts": [{"name": "x", "expression": "a"}, {"name": "x", "expression": "b"}]},
            ["<contrast 2>, attribute name: x", "another contrast has this name"],
        ),
        ({"contrasts": [{"name": "x", "expression": ""}]}, ["<contrast 1>", "expression such as"]),
    ],
)
def test_study_build__names_element_value_and_what_is_allowed(values, parts):
    text = message(**values)
    assert len(text.splitlines()) == 1
    for part in parts:
        assert part in text


def test_study_build__names_each_mistake():
    assert len(message(hrf={"dt": -1}, vem={"tolerance": 2}, seed=-3).splitlines()) == 3


def test_hrf__accepts_exactly_five_steps_and_twice_the_tr():
    assert Study.build(hrf={"dt": 0.3, "duration": 1.5}).hrf.duration == 1.5
    assert Study.build(hrf={"dt": 0.8, "duration": 20}, data={"tr": 0.4}).hrf.dt == 0.8


def test_study__of_the_glm_has_no_time_step_to_be_wrong():
    wrong = {"hrf": {"dt": 2.5, "duration": 4}, "data": {"tr": 0.4}}
    assert Study.build(estimator="glm", **wrong).hrf.duration == 4
    for estimator in ("jde-vem", "jde-mcmc", "rfir"):
        assert "<hrf><duration>: 4" in message(estimator=estimator, **wrong)


def test_study__is_frozen():
    study = Study()
    with pytest.raises(ValidationError, match="frozen"):
        study.seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        study.hrf.dt = 1.0
    assert hash(study) == hash(Study())


def test_study_replaced__changes_part_of_a_section_and_keeps_the_rest():
    study = Study.build(data=VOLUME, vem={"tolerance": 1e-3})
    other = study.replaced(vem={"n_iterations": 7}, output="out")
    assert (other.vem.n_iterations, other.vem.tolerance) == (7, 1e-3)
    assert (other.output, other.data) == (Path("out"), study.data)
    assert study.vem.n_iterations == 100


def test_study_replaced__checks_again():
    unchecked = HrfConfig().model_copy(update={"dt": -1.0})
    for values in ({"hrf": {"dt": -1}}, {"hrf": unchecked}):
        with pytest.raises(ConfigError, match="<hrf><dt>: -1"):
            Study().replaced(**values)


def test_study_with_absolute_paths__starts_from_the_folder(tmp_path):
    data = {**VOLUME, "runs": [{"bold": "a/b.nii", "paradigm": "/other/p.tsv"}]}
    study = Study.build(data=data).with_absolute_paths(tmp_path)
    assert study.data.runs[0].bold == tmp_path / "a/b.nii"
    assert study.data.runs[0].paradigm == Path("/other/p.tsv")
    assert study.data.parcellation == tmp_path / "mask.nii.gz"
    assert study.output == tmp_path / "results"
    assert study.with_absolute_paths(Path("/elsewhere")) == study


def test_study_numerical_parameters__ignore_where_files_are():
    study = Study.build(data=VOLUME)
    moved = study.with_absolute_paths(Path("/elsewhere")).replaced(output="out")
    assert moved.numerical_parameters() == study.numerical_parameters()


@pytest.mark.parametrize(
    "values",
    [
        {"hrf": {"dt": 0.5}},
        {"hrf": {"duration": 20}},
        {"drift": {"kind": "none"}},
        {"drift": {"cutoff": 100}},
        {"vem": {"n_iterations": 5}},
        {"vem": {"tolerance": 1e-3}},
        {"vem": {"beta": 0.5}},
        {"vem": {"min_positions": 6}},
        {"vem": {"ppm_threshold": 0.0}},
        {"data": {"tr": 2}},
        {"data": {"example": "small"}},
        {"seed": 1},
        {"contrasts": [{"name": "x", "expression": "a"}]},
    ],
)
def test_study_numerical_parameters__tell_what_changes_a_result(values):
    before, after = Study().numerical_parameters(), Study.build(**values).numerical_parameters()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed
    assert all(type(text) is str for text in after.values())


def test_study_numerical_parameters__leave_out_what_is_not_used():
    polynomial = Study.build(drift={"kind": "polynomial"})
    assert (
        polynomial.replaced(drift={"cutoff": 9}).numerical_parameters()
        == polynomial.numerical_parameters()
    )
    assert "drift.order" not in Study().numerical_parameters()
    assert "data.example" not in Study.build(data=VOLUME).numerical_parameters()


SECTIONS = {
    "jde-vem": {"vem": {"tolerance": 1e-3}},
    "jde-mcmc": {"mcmc": {"n_chains": 3}},
    "rfir": {"rfir": {"tolerance": 1e-3}},
    "glm": {"glm": {"model": "fir"}},
}


@pytest.mark.parametrize("estimator", SECTIONS)
def test_study_numerical_parameters__hold_the_section_in_use_only(estimator):
    study = Study.build(estimator=estimator)
    plain = study.numerical_parameters()
    for name, changed in SECTIONS.items():
        same = study.replaced(**changed).numerical_parameters() == plain
        assert same == (name != estimator), name


def test_study_numerical_parameters__hold_what_an_estimator_uses():
    glm = Study.build(estimator="glm")
    for values in (
        {"seed": 5},
        {"hrf": {"dt": 0.5}},
        {"glm": {"fir_delays": "0 1 2"}},
    ):
        assert glm.replaced(**values).numerical_parameters() == glm.numerical_parameters()
    fir = glm.replaced(glm={"model": "fir"})
    other = fir.replaced(glm={"fir_delays": "0 1 2"})
    assert other.numerical_parameters() != fir.numerical_parameters()
    longer = {"hrf": {"duration": 30}}  # by which events before the first scan are kept
    for study in (glm, fir, other):
        assert study.replaced(**longer).numerical_parameters() != study.numerical_parameters()
    mcmc = Study.build(estimator="jde-mcmc")
    assert mcmc.replaced(seed=5).numerical_parameters() != mcmc.numerical_parameters()


def test_glm__reads_delays_with_blanks_or_commas():
    study = Study.build(estimator="glm", glm={"fir_delays": "0, 1.2 2.4"})
    assert study.own.delays == (0.0, 1.2, 2.4)
    assert Study.build(estimator="glm").own.delays is None


def test_contrast_from_text__splits_at_the_first_equals_sign():
    assert Contrast.from_text(" audio-video = a - b ") == Contrast(
        name="audio-video", expression="a - b"
    )


@pytest.mark.parametrize("text", ["a - b", "= a", "x =", ""])
def test_contrast_from_text__says_the_form(text):
    with pytest.raises(ConfigError, match="NAME=EXPRESSION"):
        Contrast.from_text(text)


def test_contrast_from_text__refuses_control_characters():
    with pytest.raises(ConfigError, match="control characters"):
        Contrast.from_text("a\tb = c")


def test_data_config__refuses_a_path_that_xml_cannot_hold():
    for name in ("a\ud800", "a\ufffe", "a\x85b", "a "):
        with pytest.raises(ConfigError, match="<data><parcellation>"):
            Study.build(data={**VOLUME, "parcellation": name})
    assert DataConfig(**VOLUME).parcellation == Path("mask.nii.gz")


def test_import__leaves_the_heavy_packages_alone():
    code = (
        "import sys, pyhrf.config.study, pyhrf.config.study_xml, pyhrf.config.settings, "
        "pyhrf.config.contrasts; "
        "print(*({'numpy', 'scipy', 'pandas', 'nibabel', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
