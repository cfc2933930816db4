"""What the reader of a message calls what can be given: an option, a keyword, an element of a file.

A message is made far below the command, the BIDS App or the Python call that it is read from, and
each of them calls the same thing by another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

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
    "condition_file": f"give such a file for each condition, by its name; {IN_OWN_COLUMNS}",
}
_words: Mapping[str, str] = _PYTHON


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
    word = _words.get(thing, thing)
    return word.format(**values) if values else word


@contextmanager
def speaking(words: Mapping[str, str]) -> Iterator[None]:
    """Call things by other names for a while: in all threads, for a program has one reader.

    Parameters
    ----------
    words : mapping of str to str
        Names of things; the others keep their present ones.
    """
    global _words
    before = _words
    _words = {**before, **words}
    try:
        yield
    finally:
        _words = before
