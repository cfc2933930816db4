"""What the reader of a message calls what can be given: an option, a keyword, an element of a file.

A message is made far below the command, the BIDS App or the Python call that it is read from, and
each of them calls the same thing by another name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath

IN_OWN_COLUMNS = (
    "in PyHRF's own columns (session, condition, onset, duration, amplitude) put the conditions in "
    "quotes"
)
"""What else to do with a file that has the times of one condition alone."""
_PYTHON = {
    "again": "make the same call again",
    "cancel": "pyhrf.execution.engines.cancel",
    "command": "call",
    "engine": 'engine="{name}"',
    "fresh": "fresh=True",
    "mesh": "meshes",
    "paradigm": "paradigms",
    "pool_simultaneous": 'simultaneous="pooled"',
    "start_time": "<start_time> in the study file",
    "condition_file": f"give such a file for each condition, by its name; {IN_OWN_COLUMNS}",
}
# Whoever speaks puts his own here and takes it away again: threads do so in any order.
_layers: list[tuple[object, Mapping[str, str]]] = [(None, _PYTHON)]
_tables: list[PurePath] = []


def named(thing: str, **values: str) -> str:
    """Tell what the reader calls a thing.

    Parameters
    ----------
    thing : str
        Its name among the fields of a study or the arguments of a function.
    **values
        What is given with it, as its word has them in braces.

    Examples
    --------
    >>> named("output")
    'output'
    >>> with speaking({"output": "-u"}):
    ...     named("output")
    '-u'
    >>> named("engine", name="cluster")
    'engine="cluster"'
    """
    word = next((words[thing] for _, words in reversed(_layers[:]) if thing in words), thing)
    return word.format(**values) if values else word


def line_of(path: object, number: int) -> str:
    """Name a line of a file, or the row of the table in memory that it was made of.

    Parameters
    ----------
    path : Path or str
    number : int
        The first line is 1, the header of a table.

    Examples
    --------
    >>> line_of("events.tsv", 4)
    'events.tsv, line 4'
    """
    if number < 2 or PurePath(str(path)).parent not in _tables:
        return f"{path}, line {number}"
    return f"{path}, row {number - 2} (the first is 0)"


def lines_of(path: object, numbers: Sequence[int]) -> str:
    """Name the first of some lines of a file, or rows as `line_of`, without the file.

    Examples
    --------
    >>> lines_of("events.tsv", [4, 7, 8, 9, 11, 12])
    'line 4, 7, 8, 9, 11, ...'
    """
    of_table = PurePath(str(path)).parent in _tables
    shown = ", ".join(str(number - 2 if of_table else number) for number in numbers[:5])
    shown += ", ..." if len(numbers) > 5 else ""
    return f"row {shown}; the first is 0" if of_table else f"line {shown}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give the known names that are near to ``name``, or else all, as the end of a sentence."""
    known = list(known)
    by_fold = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(by_fold[fold] for fold in near)}?"
    return f"known are {', '.join(known)}"


@contextmanager
def tables_in(folder: PurePath) -> Iterator[None]:
    """Take the files of a folder for tables in memory for a while: people know their rows."""
    _tables.append(folder)
    try:
        yield
    finally:
        _tables.remove(folder)


@contextmanager
def speaking(words: Mapping[str, str]) -> Iterator[None]:
    """Call things by other names for a while: in all threads, for a program has one reader.

    Parameters
    ----------
    words : mapping of str to str
        Names of things; the others keep their present ones.
    """
    mine = (object(), words)
    _layers.append(mine)
    try:
        yield
    finally:
        _layers.remove(mine)
