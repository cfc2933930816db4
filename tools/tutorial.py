"""Do what ``docs/tutorial.md`` tells its reader to do, and compare what comes out.

    .venv/bin/python tools/tutorial.py

also renews the tutorial's pictures, ``docs/tutorial/*.svg``: they are what its commands draw.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
# The last digit of a figure may differ between processors.
RELATIVE, ABSOLUTE = 0.01, 0.0101
_BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")


def run(folder: Path, page: Path = PAGE) -> int:
    """Run all commands and lines of Python of a page in a folder.

    Parameters
    ----------
    folder : Path
        Empty; what is made stays in it.
    page : Path
        Its blocks ``console`` and ``pycon`` are run, in order.

    Returns
    -------
    int
        How many commands and lines there were.

    Raises
    ------
    AssertionError
        Where something else comes out than the page says.
    """
    n_done = 0
    names: dict[str, object] = {}
    with contextlib.chdir(folder):
        for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            n_done += _console(text) if kind == "console" else _python(text, names)
    return n_done


def same(said: str, found: str) -> bool:
    """Tell whether a text is as announced: ``...`` is anything, numbers are so but for rounding."""
    numbers: list[float] = []

    def pattern_of(text: str) -> str:
        parts, last = [], 0
        for match in _NUMBER.finditer(text):
            parts += [re.escape(text[last : match.start()]), r"(-?\d+(?:\.\d+)?)"]
            numbers.append(float(match[0]))
            last = match.end()
        return "".join([*parts, re.escape(text[last:])])

    words = [pattern_of(word).replace(re.escape("..."), r"\S+") for word in said.split()]
    match = re.fullmatch(r"\s+".join(words), found.strip())
    return match is not None and all(
        abs(float(one) - number) <= ABSOLUTE + RELATIVE * abs(number)
        if "." in one
        else float(one) == number
        for one, number in zip(match.groups(), numbers, strict=True)
    )


def _console(text: str) -> int:
    joined = re.sub(r"\\\n\s*", "", text)
    steps = re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]
    programs = Path(sys.executable).parent
    variables = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
        "SOURCE_DATE_EPOCH": "0",  # no picture holds the time of its making
    }
    for step in steps:
        command, _, said = step.partition("\n")
        done = subprocess.run(
            ["bash", "-c", command], env=variables, capture_output=True, encoding="utf-8"
        )
        found = done.stdout or done.stderr
        _compare(command, said, found)
    return len(steps)


def _python(text: str, names: dict[str, object]) -> int:
    examples = doctest.DocTestParser().get_examples(text)
    for example in examples:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(example.source, "<tutorial>", "single"), names)
        _compare(example.source, example.want, output.getvalue())
    return len(examples)


def _compare(what: str, said: str, found: str) -> None:
    if not same(said, found):
        raise AssertionError(f"{what.strip()}\nsays\n{found}\nand not, as the page does,\n{said}")


def main() -> None:
    """Run the tutorial in a folder of its own and keep the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        n_done = run(Path(folder))
        pictures = re.findall(r"\]\((tutorial/([\w-]+\.svg))\)", PAGE.read_text(encoding="utf-8"))
        for target, name in pictures:
            shutil.copyfile(Path(folder) / name, PAGE.parent / target)
    print(f"{n_done} commands and lines of Python did what the page says; {len(pictures)} pictures")


if __name__ == "__main__":
    main()
