"""Lines of event files, cut into fields; what a mistake in one of them is called."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.inputs.text import read_text
from pyhrf.wording import line_of

_WORDS = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>\S+))(?P<end>\s+|$)')


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file, cut into fields.

    Attributes
    ----------
    path : Path
        The file.
    number : int
        The first line is 1.
    fields : tuple of str
        Without the quotes around them.
    quoted : tuple of bool
        Which of them stood in quotes.
    """

    path: Path
    number: int
    fields: tuple[str, ...]
    quoted: tuple[bool, ...]

    def error(self, column: str, text: str) -> InputError:
        """Make an error that names the file, the line and the column."""
        return InputError(f"{line_of(self.path, self.number)}, column {column}: {text}")

    def text_in(self, index: int) -> str:
        """Give the text of a field.

        Raises
        ------
        InputError
            If a quote in it is not closed. In a column that nobody reads it may be: there is text.
        """
        text = self.fields[index]
        if text.startswith('"') and not self.quoted[index]:
            raise InputError(
                f'{line_of(self.path, self.number)}: a quote (") is not closed or not opened'
            )
        return text

    def number_in(self, index: int, column: str) -> float:
        """Read a finite number.

        Raises
        ------
        InputError
            If the field holds none.
        """
        text = self.text_in(index)
        if not is_number(text):
            cure = "; write the decimals with a point" if re.fullmatch(r"-?\d+,\d+", text) else ""
            raise self.error(column, f'"{text}" is not a finite number{cure}')
        return float(text)


def is_number(text: str) -> bool:
    """Tell if a text is a finite number."""
    try:
        # Python allows _ inside of a number
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


def read_lines(path: Path) -> tuple[list[Line], list[Line]]:
    """Read the lines of a file that are not blank.

    Parameters
    ----------
    path : Path
        A text in UTF-8.

    Returns
    -------
    lines : list of Line
        At least one.
    comments : list of Line
        Those that begin with ``#``; the fields include that.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no line.
    """
    text = read_text(path, what="a paradigm file")
    numbered = [
        (number, line)
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1)
        if line.strip()
    ]
    is_comment = [line.lstrip().startswith("#") for _, line in numbered]
    if all(is_comment):
        raise InputError(f"{path}: the file is empty; events are needed")
    separator = _find_separator(numbered[is_comment.index(False)][1])
    lines = [Line(path, number, *_split(line, separator)) for number, line in numbered]
    sorted_out: tuple[list[Line], list[Line]] = ([], [])
    for line, aside in zip(lines, is_comment, strict=True):
        sorted_out[aside].append(line)
    return sorted_out


def _find_separator(line: str) -> str | None:
    """Tell how a line is separated; None stands for any white space."""
    bare = re.sub(r'"[^"]*"', "", line)
    # Semicolons go first, for a comma may then be a decimal one.
    for separator in (";", "\t", ","):
        if separator in bare.strip():
            return separator
    return None


def _split(line: str, separator: str | None) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    """Cut a line into fields, and tell which stood in quotes.

    Double quotes protect separators, and a double one is a quote. A field that begins with a quote
    and does not end with one is taken as it is.
    """
    if separator is None:
        line, pattern = line.strip(), _WORDS
    else:
        pattern = _fields_between(separator)
    fields: list[tuple[str, bool]] = []
    place, more = 0, True
    while more:
        match = pattern.match(line, place)
        assert match is not None  # a field may hold anything
        quoted = match["quoted"]
        text = match["plain"] if quoted is None else quoted.replace('""', '"')
        fields.append((text.strip(), quoted is not None))
        place, more = match.end(), bool(match["end"])
    while len(fields) > 1 and not fields[-1][0] and separator != "\t":
        fields.pop()  # spreadsheets end lines with separators
    texts, in_quotes = zip(*fields, strict=True)
    return texts, in_quotes


@cache
def _fields_between(separator: str) -> re.Pattern[str]:
    """Make the pattern of a field and the separator after it."""
    blank = " *" if separator == "\t" else r"\s*"  # a tab is white space itself
    return re.compile(
        rf'{blank}(?:"(?P<quoted>(?:[^"]|"")*)"{blank}(?=[{separator}]|$)|(?P<plain>[^{separator}]*))'
        rf"(?P<end>{separator}|$)"
    )
