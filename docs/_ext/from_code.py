"""Reference pages made from the code: commands, study file, settings, outputs, schedulers.

A page holds a comment, ``<!-- made from the code: commands -->``, and the text takes its place
when the site is built. Each function gives plain Markdown, so that tests can read it.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pyhrf.commands.main import pyhrf
from pyhrf.config.messages import described, facts_of, section_of, tag_of
from pyhrf.config.settings import Settings
from pyhrf.config.study import Study
from pyhrf.execution.queues.schedulers import SCHEDULERS
from pyhrf.outputs.column import Column
from pyhrf.outputs.columns import COLUMNS, Table
from pyhrf.outputs.map_kind import EVERY, SIGNAL, SIGNAL_SQUARED, MapKind
from pyhrf.outputs.maps import MAPS
from pyhrf.parameters.estimators import ESTIMATORS

if TYPE_CHECKING:
    from sphinx.application import Sphinx  # tests read the pages without it

ROOT = Path(__file__).resolve().parents[2]
_MADE = re.compile(r"<!-- made from the code: (\w+) -->")

# An option within a sentence, and not within what is code already.
_OPTION = re.compile(r"(?<![\w`-])(--?[A-Za-z][\w-]*)(?![\w`-])(?=[^`]*(?:`[^`]*`[^`]*)*$)")
_ORDER = (
    *("buildcfg", "estim", "jde", "rfir", "glm", "bids", "parcellate", "project", "report", "plot"),
    *("compare", "monitor", "check", "simulate", "maketests"),
)


def commands() -> str:
    """Describe every command with its arguments and options."""
    return "\n".join(_command(pyhrf, ("pyhrf",)))


def study() -> str:
    """Describe every element of the study file."""
    return "\n".join(_elements(Study, "study"))


def settings() -> str:
    """Describe every key of the settings file."""
    lines = []
    for name, field in Settings.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        said = _attributes(model)
        lines += [f"### `[{name.replace('_', '-')}]`", ""]
        first = inspect.cleandoc(model.__doc__ or "").split(": ", 1)[1].split("\n")[0]
        lines += [first[0].upper() + first[1:]]
        lines += [""]
        for key, one in model.model_fields.items():
            extra = one.json_schema_extra if isinstance(one.json_schema_extra, dict) else {}
            rule = f" Allowed: {extra['allowed']}." if extra.get("allowed") else ""
            default = "" if one.default in (None, ()) else f" Default: `{_shown(one.default)}`."
            lines += [f"`{key}`", f": {_plain(said[key])}{_plain(rule)}{default}", ""]
    return "\n".join(lines)


def maps() -> str:
    """Describe every map, as a table."""
    names = {"condition": "_COND", "contrast": "_NAME"}
    head = "| map | in every voxel | unit, range | given by | in derivatives |\n" + 5 * "|---" + "|"
    rows = (
        f"| `{kind.name}{names.get(kind.subject, '')}` | {_said(kind)} | {_measure(kind)} "
        f"| {_givers(kind)} | {_stats(kind)} |"
        for kind in MAPS.values()
    )
    return "\n".join([head, *rows])


def columns(table: Table) -> str:
    """Describe every column of a table, as a table."""
    head = "| column | what it holds | unit, range | given by |\n" + 4 * "|---" + "|"
    rows = (
        f"| `{one.name}` | {_said(one)} | {_measure(one)} | {_givers(one)} |"
        for one in COLUMNS[table].values()
    )
    return "\n".join([head, *rows])


def _said(one: Column | MapKind) -> str:
    levels = one.levels if isinstance(one, Column) else {}
    values = "; ".join(f"`{value}`: {text}" for value, text in levels.items())
    return _plain(". ".join(filter(None, (one.text, values, one.note))))


def _measure(one: Column | MapKind) -> str:
    """Give the unit and what bounds the values."""
    low, high = (f"{bound:g}" for bound in one.range)
    bounds = {"inf": f"≥ {low}"}.get(high, f"{low} to {high}")
    units = {SIGNAL: "that of the data", SIGNAL_SQUARED: "that of the data, squared"}
    unit = "" if one.unit == "probability" else units.get(one.unit, one.unit)
    return ", ".join(filter(None, (unit, "" if low == "-inf" else bounds)))


def _givers(one: Column | MapKind) -> str:
    return "all" if one.by == EVERY else ", ".join(f"`{name}`" for name in one.by)


def _stats(kind: MapKind) -> str:
    """Say what becomes of a map among BIDS derivatives, where that of a GLM may be another."""
    label, of_glm = kind.bids.label, kind.stat("glm").label
    text = f"`{kind.bids.entities}`" if label else "`desc-parcels`"
    return text if of_glm == label else f"{text}, of `glm` `stat-{of_glm}`"


def schedulers() -> str:
    """Tell what the users of each batch scheduler have to know."""
    lines = ["| engine | scheduler | to know |", "|---|---|---|"]
    lines += [f"| `-x {one.name}` | {one.title} | {one.advice} |" for one in SCHEDULERS.values()]
    return "\n".join(lines)


_MAKERS = {
    "commands": commands,
    "schedulers": schedulers,
    "study": study,
    "settings": settings,
    "maps": maps,
    **{f"{table}_table": partial(columns, table) for table in COLUMNS},
}


def programs() -> dict[tuple[str, ...], str]:
    """Give the programs that are installed beside ``pyhrf`` by the command that they are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {}
    for name in project["project"]["scripts"]:
        words = tuple(name.split("_"))
        if len(words) > 1 and words[0] == "pyhrf":
            found[words] = name
    return found


def _command(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    name = " ".join(words)
    context = click.Context(command, info_name=name)
    own_program = programs().get(words)
    if len(words) > 1:
        yield f"{'#' * min(len(words), 4)} `{name}`\n"
        if own_program:
            yield f"Also a program of its own: `{own_program}`.\n"
    if isinstance(command, click.Group):
        if len(words) > 1:
            yield f"{_help(command)}\n"
        yield from _commands_of(command, context, words)
        return
    yield f"{_help(command)}\n"
    usage = " ".join([own_program or name, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    for options, text in _records(command, context):
        yield f"`{options}`\n: {_plain(_sentence(text))}\n"


def _commands_of(
    group: click.Group, context: click.Context, words: tuple[str, ...]
) -> Iterator[str]:
    """Describe the commands of a group; of those that say the same, the first one in full."""
    told: dict[tuple[object, ...], str] = {}
    for name in sorted(group.list_commands(context), key=_place):
        command = group.get_command(context, name)
        assert command is not None
        first, _, rest = _help(command).partition("\n\n")
        content = (rest, *_records(command, click.Context(command)))
        if rest and content in told:
            yield f"{'#' * min(len(words) + 1, 4)} `{' '.join((*words, name))}`\n"
            yield f"{first} All else is as of `{told[content]}`.\n"
            continue
        told[content] = " ".join((*words, name))
        yield from _command(command, (*words, name))


def _place(name: str) -> tuple[int, str]:
    """Give a place in the order in which commands are met; new ones come last."""
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _records(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Give options and what is said of them; --help is everywhere."""
    options = [one for one in command.params if "--help" not in one.opts]
    records = [record for one in options if (record := one.get_help_record(context))]
    return [record for record in records if record[1]]


def _help(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or command.short_help or "")
    return _plain(text.replace("\b\n", ""))


def _elements(model: type[BaseModel], path: str, depth: int = 3) -> Iterator[str]:
    """Describe the elements that are values, then the sections among them."""
    for name, field in model.model_fields.items():
        if section_of(field)[0] is None:
            yield from _element(name, field)
    for name, field in model.model_fields.items():
        section, several = section_of(field)
        if section is None:
            continue
        tag = tag_of(name, field)
        yield f"{'#' * depth} `<{tag}>`\n"
        many = " Any number of them." if several else ""
        yield f"{_plain(field.description or '')}.{many}{_only_for(tag)}\n"
        yield from _elements(section, f"{path}/{tag}", min(depth + 1, 4))


def _only_for(tag: str) -> str:
    named = [kind.name for kind in ESTIMATORS.values() if kind.section == tag]
    return f" Read for `<estimator>{named[0]}</estimator>` alone." if named else ""


def _element(name: str, field: FieldInfo) -> Iterator[str]:
    facts, tag = facts_of(field), tag_of(name, field)
    shown = {
        "attribute": f'`{tag}="…"`, an attribute',
        "text": "the text of the element",
    }.get(facts["form"], f"`<{tag}>`")
    yield f"{shown}\n: {_plain(described(field))}\n"


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """Read what the docstring of a class says of its attributes."""
    text = inspect.cleandoc(model.__doc__ or "").split("Attributes\n----------\n")[1]
    said: dict[str, str] = {}
    for names, body in re.findall(r"^(\S.*?) : .*\n((?:[ ]+.*\n?)+)", text, re.MULTILINE):
        sentence = " ".join(textwrap.dedent(body).split())
        said |= dict.fromkeys(names.split(", "), sentence)
    return said


def _sentence(text: str) -> str:
    return text if text.endswith((".", "]", ":")) else f"{text}."


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _plain(text: str) -> str:
    """Keep what Markdown would take for a sign of its own."""
    text = _OPTION.sub(r"`\1`", text.replace("``", "`"))
    pieces = re.split(r"(`[^`]*`)", text)
    escaped = [
        piece if piece.startswith("`") else re.sub(r"([*_<>\[\]|$])", r"\\\1", piece)
        for piece in pieces
    ]
    return "".join(escaped)


def _read(_app: Sphinx, page: str, source: list[str]) -> None:
    def made(place: re.Match[str]) -> str:
        if place[1] not in _MAKERS:
            raise ValueError(f"{page}: nothing is made of {place[1]!r}")
        return _MAKERS[place[1]]()

    source[0] = _MADE.sub(made, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen when a page is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
