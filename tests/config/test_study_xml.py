"""The study file: it round-trips exactly and each mistake is named with its place."""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study, study_to_xml, write_study
from pyhrf.errors import ConfigError
from pyhrf.parameters.estimators import ESTIMATORS

TEXT = study_to_xml(
    Study.build(
        data={
            "kind": "volume",
            "tr": 2.4,
            "parcellation": "mask.nii",
            "runs": [
                {"bold": "run1.nii.gz", "paradigm": "p.csv"},
                {"bold": "/data/run2.nii.gz", "paradigm": "p.csv"},
            ],
        },
        contrasts=[{"name": "a-b", "expression": "a - b"}, {"name": "both", "expression": "a+b"}],
    )
)


def line_of(text, part):
    return text[: text.index(part)].count("\n") + 1


def refusal(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_study(path)
    return str(caught.value)


positive = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)
# Letters of several scripts, blanks, signs that XML escapes; what is refused is tested elsewhere.
texts = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="/")
    | st.sampled_from(" '\"<>&-=%"),
    min_size=1,
    max_size=12,
).filter(lambda text: text == text.strip() and "\0" not in text)
paths = st.builds(
    lambda root, parts: Path(root, *parts),
    st.sampled_from(["/", "", "/data", "//net", ".."]),
    st.lists(texts, min_size=1, max_size=3),
)


@st.composite
def studies(draw):
    dt = draw(st.floats(0.01, 4))
    data = {"kind": "simulation", "example": draw(st.sampled_from(["default", "small"]))}
    if draw(st.booleans()):
        run = st.fixed_dictionaries({"bold": paths, "paradigm": paths})
        runs = draw(st.lists(run, min_size=1, max_size=3))
        data = {"kind": "volume", "runs": runs, "parcellation": draw(paths)}
    names = draw(st.lists(texts, unique=True, max_size=3))
    return Study.build(
        estimator=draw(st.sampled_from([*ESTIMATORS])),
        mcmc={
            "n_chains": draw(st.integers(1, 9)),
            "start": draw(st.sampled_from(["vem", "dispersed"])),
        },
        rfir={"ppm_threshold": draw(st.floats(allow_nan=False, allow_infinity=False))},
        glm={"fir_delays": draw(st.none() | st.just("0 1.5 3"))},
        data={**data, "tr": draw(st.none() | st.floats(max(dt, 0.1), 30))},
        hrf={"dt": dt, "duration": dt * draw(st.floats(5.01, min(900, 100 / dt)))},
        drift={
            "kind": draw(st.sampled_from(["cosine", "polynomial", "none"])),
            "cutoff": draw(positive),
            "order": draw(st.integers(0, 20)),
        },
        vem={
            "n_iterations": draw(st.integers(1, 10**6)),
            "tolerance": draw(st.floats(0, 1, exclude_min=True, exclude_max=True)),
            "beta": draw(st.just("estimate") | st.floats(0, 1.2) | st.integers(0, 1)),
            "ppm_threshold": draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        },
        contrasts=[{"name": name, "expression": draw(texts)} for name in names],
        seed=draw(st.integers(0, 2**32 - 1)),
        output=draw(paths),
    )


@settings(deadline=None)
@given(study=studies())
def test_study_file__gives_back_what_was_written(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "detectestim.xml"
    write_study(study, path)
    read = read_study(path)
    assert read == study.with_absolute_paths()
    written = path.read_bytes()
    write_study(read, path)
    assert path.read_bytes() == written


@settings(deadline=None)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda t: f"<study>{t}".encode()))
def test_read_study__never_fails_in_another_way(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "x.xml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_study(path)
    assert str(path) in str(caught.value)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_read_study__reads_or_refuses_any_edit(data, tmp_path_factory):
    position = data.draw(st.integers(0, len(TEXT)))
    length = data.draw(st.integers(0, 30))
    added = data.draw(st.text("<>/&;\"' -.e" + string.ascii_letters + string.digits, max_size=8))
    path = tmp_path_factory.mktemp("study") / "x.xml"
    path.write_text(TEXT[:position] + added + TEXT[position + length :], encoding="utf-8")
    try:
        read = read_study(path)
    except ConfigError:
        return
    write_study(read, path)
    assert read_study(path) == read


def test_study_to_xml__has_a_comment_before_each_element():
    root = etree.fromstring(TEXT.encode())
    for element in root.iter(etree.Element):
        previous = element.getprevious()
        repeated = previous is not None and previous.tag == element.tag
        inside_repeated = element.getparent() is not None and (
            element.getparent().tag == "run" and element.getparent().getprevious().tag == "run"
        )
        if element is not root and not repeated and not inside_repeated:
            assert previous.tag is etree.Comment, element.tag
    (comment,) = [c.text for c in root.iter(etree.Comment) if "Shortest period" in c.text]
    assert " ".join(comment.split()) == (
        "Shortest period that is removed, used when the kind is cosine (seconds). "
        "Allowed: > 0. Default: 128.0."
    )
    assert max(len(line) for line in TEXT.splitlines()) <= 105


def test_read_study__takes_defaults_for_what_is_left_out(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text("<study><vem><beta> 0.5\n</beta></vem></study>")
    assert read_study(path) == Study.build(vem={"beta": 0.5}, output=tmp_path / "results")
    path.write_text("<study/>")
    assert read_study(path) == Study(output=tmp_path / "results")


def test_read_study__accepts_any_order_comments_and_encodings(tmp_path):
    path = tmp_path / "x.xml"
    text = (
        '<?xml version="1.0" encoding="UTF-16"?><study><seed>1<!-- a --></seed><?pi?>'
        "<contrast name='é'>é</contrast><hrf><duration>20</duration><dt>2</dt></hrf>"
        "<contrast name='b'>b</contrast></study>"
    )
    path.write_bytes(text.encode("utf-16"))
    study = read_study(path)
    assert (study.seed, study.hrf.dt, study.hrf.duration) == (1, 2, 20)
    assert [contrast.name for contrast in study.contrasts] == ["é", "b"]


def test_write_study__keeps_paths_below_its_folder_relative(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    study = Study.build(
        data={
            "kind": "volume",
            "parcellation": "sub/mask.nii",
            "runs": [{"bold": "bold.nii", "paradigm": tmp_path / "sub/p.csv"}],
        },
        output="sub/out",
    )
    write_study(study, Path("sub/x.xml"))
    text = (tmp_path / "sub/x.xml").read_text()
    assert "<parcellation>mask.nii</parcellation>" in text
    assert f"<bold>{tmp_path}/bold.nii</bold>" in text
    assert "<paradigm>p.csv</paradigm>" in text
    assert "<output>out</output>" in text
    monkeypatch.chdir("/")
    assert read_study(tmp_path / "sub/x.xml") == study.with_absolute_paths(tmp_path)
    monkeypatch.chdir(tmp_path / "sub")
    assert read_study("../sub/x.xml") == study.with_absolute_paths(tmp_path)


def test_write_study__replaces_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text("old")
    write_study(Study(), path)
    assert read_study(path).seed == 0
    assert [file.name for file in tmp_path.iterdir()] == ["x.xml"]


def test_write_study__names_the_file_that_cannot_be_written(tmp_path):
    path = tmp_path / "absent" / "x.xml"
    with pytest.raises(ConfigError, match=r"absent/x\.xml: cannot be written: No such file"):
        write_study(Study(), path)
    (tmp_path / "x.xml").mkdir()
    with pytest.raises(ConfigError, match=r"x\.xml: cannot be written"):
        write_study(Study(), tmp_path / "x.xml")
    assert [file.name for file in tmp_path.iterdir()] == ["x.xml"]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("<dt>1.0", "<dt>-1", ["element <hrf><dt>: -1 is not allowed: must be > 0 (seconds)"]),
        ("<dt>1.0", "<dt>1,5", ["<hrf><dt>: 1,5 is not allowed: must be a number > 0 (seconds)"]),
        ("<dt>1.0</dt>", "<dt/>", ["element <hrf><dt>: it is empty: must be > 0 (seconds)"]),
        ("<dt>1.0</dt>", "<dT>1</dT>", ["element <hrf><dT>: unknown element: did you mean dt?"]),
        ("<dt>1.0", "<dt><v>1</v>", ["element <hrf><dt><v>: unknown element"]),
        ("<dt>1.0", "<dt unit='s'>1", ["element <hrf><dt>: unknown attribute unit"]),
        ("<seed>0", "<seed>0.5", ["<seed>: 0.5 is not allowed: must be a whole number from 0"]),
        ("<tr>2.4", "<tr>2400", ["<data><tr>: 2400", "milliseconds: did you mean 2.4 s?"]),
        ("<kind>volume", "<kind>mesh", ["<data><kind>: mesh", "volume, surface or simulation"]),
        (
            "<beta>estimate",
            "<beta>x",
            ["<vem><beta>: x", "must be a number from 0 to 1.2, or estimate"],
        ),
        ('name="both"', 'name="a-b"', ["<contrast 2>, attribute name: a-b", "another contrast"]),
        ('name="both"', 'nam="both"', ["<contrast>: unknown attribute nam: did you mean name?"]),
        ('<contrast name="both">', "<contrast>", ["<contrast 2>, attribute name: it is missing"]),
        (">a+b<", "> <", ["<contrast 2>: it is empty: must be an expression"]),
        ("<order>4", "<cutoff>4</cutoff><order>4", ["<drift><cutoff>: it is there already"]),
    ],
)
def test_read_study__names_file_line_element_value_and_rule(tmp_path, old, new, parts):
    path = tmp_path / "detectestim.xml"
    text = refusal(path, TEXT.replace(old, new, 1))
    assert text.startswith(f"{path}, line {line_of(TEXT, old)}, element ")
    assert len(text.splitlines()) == 1
    for part in parts:
        assert part in text


def test_read_study__names_the_line_of_what_is_left_out(tmp_path):
    path = tmp_path / "x.xml"
    start, end = TEXT.rindex("<paradigm>"), TEXT.rindex("</paradigm>") + len("</paradigm>")
    text = refusal(path, TEXT[:start] + TEXT[end:])
    line = TEXT[: TEXT.rindex("<run>")].count("\n") + 1
    assert text == f"{path}, line {line}, element <data><run 2><paradigm>: it is missing"
    # The default of dt is what does not fit: the nearest element that is there is named.
    text = refusal(path, "<study>\n<hrf>\n<dt>9</dt></hrf></study>")
    assert text == (
        f"{path}, line 2, element <hrf><duration>: 25.0 is not allowed: "
        "must be at least 5 time steps of 9, so 45 (seconds)"
    )
    text = refusal(path, "<study>\n<data>\n<tr>0.4</tr></data></study>")
    assert f"{path}, line 1, element <hrf><dt>: 1.0 is not allowed: must be at most twice" in text


def test_read_study__names_all_unknown_elements(tmp_path):
    text = refusal(tmp_path / "x.xml", "<study>\n<hfr/>\n<vem>\n<bet>1</bet></vem></study>")
    lines = text.splitlines()
    assert lines[0].endswith("line 2, element <hfr>: unknown element: did you mean hrf?")
    assert lines[1].endswith("line 4, element <vem><bet>: unknown element: did you mean beta?")


def test_read_study__refuses_text_between_elements(tmp_path):
    text = refusal(tmp_path / "x.xml", "<study>\n<hrf><dt>1</dt> 2</hrf></study>")
    assert text.endswith("line 2, element <hrf>: text '2' is not allowed between elements")


def test_read_study__names_the_line_of_malformed_xml(tmp_path):
    path = tmp_path / "x.xml"
    text = refusal(path, "<study>\n<hrf>\n</study>")
    assert text.startswith(f"{path}, line 3: not well-formed XML: Opening and ending tag mismatch")
    assert "not well-formed" in refusal(path, "")
    assert "not well-formed" in refusal(path, "<study>&unknown;</study>")


def test_read_study__refuses_another_kind_of_file(tmp_path):
    text = refusal(tmp_path / "x.xml", "<root><a/></root>")
    assert "element <root>: not a study file" in text
    assert "pyhrf_jde_buildcfg" in text
    assert "not a study file" in refusal(tmp_path / "x.xml", "<study xmlns='urn:a'/>")


def test_read_study__opens_nothing_that_the_file_names(tmp_path):
    (tmp_path / "secret").write_text("7")
    entity = f'<!DOCTYPE study [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    text = refusal(tmp_path / "x.xml", f"{entity}<study><seed>&e;</seed></study>")
    assert "<!DOCTYPE ...>) is not allowed" in text
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "x"}">' for i in range(12))
    text = refusal(tmp_path / "x.xml", f"<!DOCTYPE study [{bomb}]><study><seed a='&e11;'/></study>")
    assert "x.xml" in text


def test_read_study__says_how_to_make_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.xml: no such file; .*pyhrf_jde_buildcfg"):
        read_study(tmp_path / "none.xml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("estimator", "section", "program"),
    [
        ("jde-vem", "vem", "pyhrf_jde_estim"),
        ("jde-mcmc", "mcmc", "pyhrf_jde_estim"),
        ("rfir", "rfir", "pyhrf_rfir_estim"),
        ("glm", "glm", "pyhrf_glm_estim"),
    ],
)
def test_study_to_xml__shows_the_section_in_use_and_the_program(estimator, section, program):
    text = study_to_xml(Study.build(estimator=estimator))
    for kind in ESTIMATORS.values():
        assert (f"<{kind.section}>" in text) == (kind.section == section)
    assert f"{program} -c FILE" in text
    assert text.count("for the estimator") == 1


def test_study_to_xml__keeps_what_was_set_for_another_estimator(tmp_path):
    study = Study.build(glm={"model": "fir"}).with_absolute_paths(tmp_path)
    write_study(study, tmp_path / "study.xml")
    assert read_study(tmp_path / "study.xml") == study
