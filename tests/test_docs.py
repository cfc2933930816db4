"""What the pages say can be tried: every parameter is there, every example works, links lead on."""

from __future__ import annotations

import importlib
import re
import shlex
import unittest
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import pyhrf as package
from pyhrf import errors
from pyhrf.commands.main import pyhrf
from pyhrf.config.settings import (
    ClusterSettings,
    LanSettings,
    QueueSettings,
    Settings,
    load_settings,
)
from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study, study_to_xml
from pyhrf.execution.queues.schedulers import SCHEDULERS
from pyhrf.outputs.columns import COLUMNS
from pyhrf.outputs.maps import MAPS
from pyhrf.parameters.estimators import ESTIMATORS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def from_code(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module that makes pages from the code."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    return importlib.import_module("from_code")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_study_page__names_every_element(estimator: str, from_code: ModuleType) -> None:
    assert "<!-- made from the code: study -->" in (ROOT / "docs" / "study-file.md").read_text()
    text = from_code.study()
    shown = study_to_xml(Study.build(estimator=estimator))
    elements = set(re.findall(r"<(\w+)", shown)) - {"study"}
    assert {name for name in elements if f"`<{name}>`" not in text} == set()
    # unit, range and default are said
    assert "Repetition time of all runs (seconds). Allowed: \\> 0 and at most 30." in text
    assert "at most 30. Default: empty, that is taken from the header of the BOLD data." in text


def test_study_page__examples_can_be_read(tmp_path: Path) -> None:
    examples = blocks("study-file.md", "xml")
    assert examples
    for example in examples:
        path = tmp_path / "detectestim.xml"
        path.write_text(example, encoding="utf-8")
        study = read_study(path)
        assert study.data.tr == 2.4
        assert study.data.runs[0].bold == tmp_path / "bold.nii.gz"


def test_settings_page__names_every_section_and_key(from_code: ModuleType) -> None:
    assert "<!-- made from the code: settings -->" in (ROOT / "docs" / "settings.md").read_text()
    text = from_code.settings()
    for name, section in Settings():
        _, _, keys = text.partition(f"`[{name.replace('_', '-')}]`")
        assert keys
        for key in type(section).model_fields:
            assert f"\n`{key}`\n: " in keys.partition("### ")[0], f"[{name}] {key}"


def test_cluster_page__names_every_scheduler(from_code: ModuleType) -> None:
    assert "<!-- made from the code: schedulers -->" in (ROOT / "docs" / "cluster.md").read_text()
    text = from_code.schedulers()
    for name, scheduler in SCHEDULERS.items():
        assert f"| `-x {name}` | {scheduler.title} |" in text


def test_commands_page__names_every_command_and_option(from_code: ModuleType) -> None:
    assert "<!-- made from the code: commands -->" in (ROOT / "docs" / "commands.md").read_text()
    text = from_code.commands()
    for words, command in every_command(("pyhrf",), pyhrf):
        heading = f"# `{' '.join(words)}`\n"
        assert heading in text
        section = text.partition(heading)[2].partition("\n#")[0]
        for option in command.params:
            assert isinstance(option, click.Argument) or option.opts[0] in section, words


def test_python_page__names_what_is_public() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\.\. auto(?:class|function):: pyhrf\.(\w+)$", text, re.MULTILINE))
    assert ".. automodule:: pyhrf.errors\n   :members:\n" in text
    assert named | set(errors.__all__) | {"__version__"} >= set(package.__all__)


def every_command(words: tuple[str, ...], command: click.Command) -> Iterator[tuple]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from every_command((*words, name), command.get_command(context, name))
    else:
        yield words, command


def shown_commands(page: Path) -> list[str]:
    """Return what a page has its reader type: lines of blocks that begin with a program of ours."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    return re.findall(
        r"^(?: {4}|\$ )?(?:~/pyhrf/bin/)?(pyhrf(?:_\w+)*(?: .*)?)$", text, re.MULTILINE
    )


COMMANDS = sorted({line for page in PAGES for line in shown_commands(page)})


def test_pages__show_commands() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("line", [line for line in COMMANDS if "…" not in line])
def test_pages__commands_are_understood(line: str, from_code: ModuleType) -> None:
    line = re.sub(r"\$\w+", "1", line.partition(" &&")[0])  # of an array of jobs
    program, *words = shlex.split(line, comments=True)
    own = {name: words for words, name in from_code.programs().items()}
    words = [*own.get(program, (program,))[1:], *words]
    command: click.Command | None = pyhrf
    while isinstance(command, click.Group) and words and words[0] != "--help":
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    if words != ["--help"]:
        command.make_context(program, words)


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


def test_outputs_page__names_every_map_and_column(from_code: ModuleType) -> None:
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    for table in COLUMNS:
        assert f"<!-- made from the code: {table}_table -->" in page
    assert "<!-- made from the code: maps -->" in page
    text = from_code.maps()
    assert "| `nrl_COND` | Height of the response" in text
    assert "0 to 1 | `jde-vem`, `jde-mcmc`, `rfir` | `stat-ppm` |" in text
    assert text.count("\n| `") == len(MAPS)
    text = from_code.columns("parcels")
    assert "| `fwhm_sd` | Posterior standard deviation of fwhm | s, ≥ 0 | `jde-vem`" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages__links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
