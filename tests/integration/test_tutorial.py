"""The tutorial keeps its promises: every command in it runs, and answers what the page says."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tutorial(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("tutorial")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_tutorial__answers_what_it_says(tutorial: ModuleType, tmp_path: Path) -> None:
    assert tutorial.run(tmp_path) > 20
    text = tutorial.PAGE.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\(tutorial/([\w-]+\.svg)\)", text)
    assert pictures
    for name in pictures:
        # The shown picture is of the same size as the one that the command draws.
        shown, drawn = (
            re.search(r'viewBox="([^"]+)"', path.read_text(encoding="utf-8"))
            for path in (tutorial.PAGE.parent / "tutorial" / name, tmp_path / name)
        )
        assert shown is not None
        assert drawn is not None
        assert shown[1] == drawn[1]
