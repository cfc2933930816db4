"""How the tutorial's answers are compared with what its commands say."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tutorial(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("tutorial")


@pytest.mark.parametrize(
    ("said", "found", "expected"),
    [
        ("1 of 6 in ... s", "1 of 6 in 3.2 s", True),
        ("1 of 6 in ... s", "2 of 6 in 3.2 s", False),
        ("peak 6.56", "peak 6.57", True),
        ("peak 6.56", "peak 6.9", False),
        ("a\n\n  b", "a b", True),
        ("a", "a b", False),
        ("in .../results", "in /home/me/results", True),
        ("in .../results", "in /home/me/result", False),
        ("", "Traceback", False),
        ("[4.2 6. ]", "[4.2 6. ]", True),
        ("cond1 is higher", "cond2 is higher", False),
    ],
)
def test_same__compares_words_and_rounds_numbers(
    tutorial: ModuleType, said: str, found: str, expected: bool
) -> None:
    assert tutorial.same(said, found) is expected


def test_tutorial__another_answer_is_a_failure(tutorial: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo 5\n6\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="echo 5"):
        tutorial.run(tmp_path, page)
