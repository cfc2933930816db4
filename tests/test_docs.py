"""What the pages say can be tried: every parameter is there, every example works, links lead on."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

import pytest

from pyhrf.analysis import analyse
from pyhrf.config.settings import (
    ClusterSettings,
    LanSettings,
    QueueSettings,
    Settings,
    load_settings,
)
from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study, study_to_xml

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


ESTIMATORS = ("jde-vem", "jde-mcmc", "rfir", "glm")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_study_page__names_every_element(estimator: str) -> None:
    text = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
    shown = study_to_xml(Study.build(estimator=estimator))
    elements = set(re.findall(r"<(\w+)", shown)) - {"study"}
    assert {name for name in elements if f"`{name}`" not in text} == set()


def test_study_page__examples_can_be_read(tmp_path: Path) -> None:
    examples = blocks("study-file.md", "xml")
    assert examples
    for example in examples:
        path = tmp_path / "detectestim.xml"
        path.write_text(example, encoding="utf-8")
        study = read_study(path)
        assert study.data.tr == 2.4
        assert study.data.runs[0].bold == tmp_path / "bold.nii.gz"


def test_settings_page__names_every_section_and_key() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, section in Settings():
        assert f"[{name.replace('_', '-')}]" in text
        for key in type(section).model_fields:
            assert re.search(rf"\b{key}\b", text), f"[{name}] {key}"


def test_settings_page__examples_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    path.write_text(*blocks("settings.md", "ini"), encoding="utf-8")
    assert load_settings(path).log.level == 1


def test_lan_page__names_every_key() -> None:
    text = (ROOT / "docs" / "lan.md").read_text(encoding="utf-8")
    assert {key for key in LanSettings.model_fields if f"`{key}`" not in text} == set()


def test_lan_page__set_up_can_be_read(tmp_path: Path) -> None:
    (example,) = blocks("lan.md", "sh")
    path = tmp_path / "config.cfg"
    path.write_text(re.findall("<<END\n(.*?)END", example, re.DOTALL)[0], encoding="utf-8")
    settings = load_settings(path).parallel_LAN
    assert settings.slots() == ("station1", "station1", "station2", "station2")
    assert settings.user == "alice"


def test_lan_page__names_a_self_test() -> None:
    text = (ROOT / "docs" / "lan.md").read_text(encoding="utf-8")
    (name,) = re.findall(r"pyhrf_maketests (\S+\.\S+)", text)
    assert unittest.TestLoader().loadTestsFromName(name).countTestCases() == 1


@pytest.mark.parametrize("settings", [ClusterSettings, QueueSettings])
def test_cluster_page__names_every_key(settings: type[ClusterSettings | QueueSettings]) -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert {key for key in settings.model_fields if f"`{key}`" not in text} == set()


def test_cluster_page__settings_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    (inner,) = re.findall("<<END\n(.*?)END", blocks("cluster.md", "sh")[0], re.DOTALL)
    (outer,) = [b for b in blocks("cluster.md", "ini") if b.startswith("[parallel-cluster]")]
    path.write_text(inner + outer, encoding="utf-8")
    settings = load_settings(path)
    assert settings.parallel_queue.max_jobs == 10
    assert settings.parallel_cluster.server_id == "MYCLUSTER"


def test_cluster_page__files_of_soma_workflow_are_complete(tmp_path: Path) -> None:
    pytest.importorskip("soma_workflow")
    from soma_workflow.configuration import Configuration

    files = [b for b in blocks("cluster.md", "ini") if b.startswith("[MYCLUSTER]")]
    modes = []
    for i, text in enumerate(files):
        path = tmp_path / f"{i}.cfg"
        path.write_text(text, encoding="utf-8")
        config = Configuration.load_from_file("MYCLUSTER", str(path))
        modes.append(config.get_mode())
        assert config.get_cluster_address() == "cluster.lab.org"
    assert modes == ["remote", "remote"]


def test_cluster_page__names_a_self_test() -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (name,) = re.findall(r"pyhrf_maketests (\S+\.\S+)", text)
    assert unittest.TestLoader().loadTestsFromName(name).countTestCases() == 1


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_outputs_page__names_every_file_map_and_column(tmp_path: Path, estimator: str) -> None:
    text = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    study = Study.build(
        estimator=estimator,
        mcmc={"n_iterations": 200, "n_burn_in": 100},
        glm={"model": "fir"},
        data={"example": "small"},
        contrasts=[{"name": "all", "expression": "cond1 + cond2"}],
        output=tmp_path / "out",
    )
    results = analyse(study, engine="serial")
    maps = {re.sub("cond[12]", "COND", name).replace("_all", "_NAME") for name in results.maps()}
    tables = results.hrf, results.parcels, results.conditions
    columns = {column for table in tables for column in table.columns}
    others = {path.name for path in results.directory.iterdir() if path.suffix != ".gz"}
    # The folders stand there with a slash, the columns by which a row is found in no list.
    names = (maps | columns | others) - {"condition"}
    assert {name for name in names if not re.search(rf"`{re.escape(name)}/?`", text)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages__links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
