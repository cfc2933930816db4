"""The study file: a readable, commented XML form of `Study` that round-trips exactly."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pyhrf.config.messages import (
    Place,
    config_error,
    described,
    facts_of,
    rule_of,
    section_of,
    tag_of,
)
from pyhrf.config.study import Study
from pyhrf.errors import ConfigError
from pyhrf.files import read_regular, write_whole
from pyhrf.parameters.estimators import ESTIMATORS, PROGRAMS
from pyhrf.wording import did_you_mean

_WIDTH = 100
_OF_ESTIMATORS = {section_of(Study.model_fields[kind.section])[0] for kind in ESTIMATORS.values()}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_HEADER = (
    "Parameters of a PyHRF analysis, which {program} -c FILE runs. "
    "What is left out takes its default."
)


def read_study(path: Path | str) -> Study:
    """Read a study file.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    Study
        With absolute paths: relative ones start from the folder of the file.

    Raises
    ------
    ConfigError
        If it cannot be read, is not well-formed, or holds an unknown element or a value that is
        not allowed; each with line, element, value and what is allowed.
    """
    given: object = path  # of whatever type a caller gave
    if not isinstance(given, str | Path):
        raise ConfigError(
            f"a study or its file is needed, not a value of the type {type(given).__name__}: "
            "images and tables in memory are for pyhrf.JDE, pyhrf.RFIR and pyhrf.GLM"
        )
    path = Path(path)
    root = _parse(path)
    problems = list(_check_structure(root, Study, ""))
    if problems:
        raise ConfigError("\n".join(f"{path}, line {line}, {text}" for line, text in problems))
    try:
        study = Study.from_xml_tree(root)
    except ValidationError as error:
        raise config_error(
            error, Study, source=str(path), line_of=lambda place: _line_of(root, place)
        ) from error
    return study.with_absolute_paths(_folder_of(path))


def write_study(study: Study, path: Path | str) -> None:
    """Write a study file; a file of that name is replaced.

    Parameters
    ----------
    study : Study
        Its relative paths start from the current directory.
    path : Path or str
        The file. Paths below its folder are written relative to it, so that the folder can move.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    path = Path(path)
    folder = _folder_of(path)
    study = study.with_absolute_paths()
    parcellation = study.data.parcellation
    study = study.replaced(
        data={
            "runs": tuple(
                run.moved(lambda path: _relative(path, folder)) for run in study.data.runs
            ),
            "parcellation": None if parcellation is None else _relative(parcellation, folder),
            "meshes": tuple(_relative(mesh, folder) for mesh in study.data.meshes),
        },
        output=_relative(study.output, folder),
    )
    try:
        # A write that is cut short must not leave half a file in the place of a good one.
        write_whole(path, study_to_xml(study).encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def study_to_xml(study: Study) -> str:
    """Give the text of a study file, with a comment before each element.

    Parameters
    ----------
    study : Study
        Its paths are written as they are.

    Returns
    -------
    str
        UTF-8 is the encoding that it declares.
    """
    root: Any = study.to_xml_tree()
    _drop_other_estimators(root, study)
    _add_comments(root, Study)
    root.insert(0, _comment(_HEADER.format(program=program_of(study, "estim")), 1))
    etree.indent(root)
    for child in root[1:]:
        if child.tag is etree.Comment:
            child.getprevious().tail = f"\n{child.getprevious().tail}"
    return _DECLARATION + etree.tostring(root, encoding="UTF-8").decode() + "\n"


def program_of(study: Study, action: str) -> str:
    """Name the program that makes or runs a study, as ``pyhrf_jde_estim``."""
    return f"pyhrf_{study.kind.program.name}_{action}"


def _drop_other_estimators(root: Any, study: Study) -> None:
    """Leave out what this estimator does not use, unless somebody has set it."""
    for name, kind in ESTIMATORS.items():
        default = Study.model_fields[kind.section].default
        if name != study.estimator and getattr(study, kind.section) == default:
            for element in root.findall(kind.section):
                root.remove(element)


def _parse(path: Path) -> Any:
    """Parse without following anything that the file points to."""
    # Comments are dropped here so that text around one is one text.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root: Any = etree.fromstring(read_regular(path), parser)
    except FileNotFoundError as error:
        first, *others = PROGRAMS
        raise ConfigError(
            f"{path}: no such file; write one with pyhrf_{first}_buildcfg "
            f"(or {', '.join(others)} for {first}), or name another with -c"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except etree.XMLSyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        reason = re.sub(r", line \d+, column \d+$", "", str(error.msg))
        raise ConfigError(f"{path}{line}: not well-formed XML: {reason}") from error
    if root.getroottree().docinfo.doctype:
        raise ConfigError(f"{path}: a document type (<!DOCTYPE ...>) is not allowed: remove it")
    if root.tag != "study":
        raise ConfigError(
            f"{path}, line {root.sourceline}, element <{root.tag}>: not a study file, which starts "
            "with <study>; write a new one with pyhrf_jde_buildcfg"
        )
    return root


def _check_structure(element: Any, model: type[BaseModel], label: str) -> Iterator[tuple[int, str]]:
    """Find what pydantic would overlook or not locate; strip the blanks around each text."""
    elements = _fields(model, "element")
    yield from _check_attributes(element, _fields(model, "attribute"), label or "<study>")
    seen: dict[str, int] = {}
    for child in element:
        child_label = f"{label}<{child.tag}>"
        if child.tag not in elements:
            known = did_you_mean(child.tag, elements) if elements else f"{label} is a text"
            yield child.sourceline, f"element {child_label}: unknown element: {known}"
            continue
        field = elements[child.tag]
        section, several = section_of(field)
        if child.tag in seen and not several:
            earlier = f"it is there already in line {seen[child.tag]}: remove one of them"
            yield child.sourceline, f"element {child_label}: {earlier}"
        elif section is None:
            yield from _check_leaf(child, field, child_label)
        else:
            yield from _check_structure(child, section, child_label)
        seen.setdefault(child.tag, child.sourceline)
    if _fields(model, "text"):
        element.text = (element.text or "").strip()
        return
    for text in (element.text, *(child.tail for child in element)):
        if text and text.strip():
            stray = f"text {text.strip()!r} is not allowed between elements"
            yield element.sourceline, f"element {label or '<study>'}: {stray}"


def _check_attributes(
    element: Any, attributes: dict[str, FieldInfo], label: str
) -> Iterator[tuple[int, str]]:
    for name, value in element.attrib.items():
        if name in attributes:
            element.set(name, value.strip())
        else:
            known = did_you_mean(name, attributes) if attributes else f"{label} has none"
            yield element.sourceline, f"element {label}: unknown attribute {name}: {known}"


def _check_leaf(element: Any, field: FieldInfo, label: str) -> Iterator[tuple[int, str]]:
    yield from _check_attributes(element, {}, label)
    for child in element:
        yield child.sourceline, f"element {label}<{child.tag}>: unknown element: {label} is a value"
    element.text = (element.text or "").strip() or None
    if element.text is None and not facts_of(field)["empty"] and not len(element):
        yield element.sourceline, f"element {label}: it is empty: {rule_of(field)}"


def _fields(model: type[BaseModel], form: str) -> dict[str, FieldInfo]:
    """Give those parameters of a section that have this form, by the name in the file."""
    return {
        tag_of(name, field): field
        for name, field in model.model_fields.items()
        if facts_of(field)["form"] == form
    }


def _line_of(root: Any, place: Place) -> int:
    """Find the line of a place, or of the nearest element around it that is in the file."""
    element = root
    model: type[BaseModel] = Study
    for index, part in enumerate(place):
        if isinstance(part, int):
            continue
        field = model.model_fields[part]
        following = place[index + 1] if index + 1 < len(place) else 0
        children = element.findall(tag_of(part, field))
        position = following if isinstance(following, int) else 0
        if position >= len(children):
            break
        element = children[position]
        model = section_of(field)[0] or model
    return int(element.sourceline)


def _add_comments(element: Any, model: type[BaseModel], depth: int = 1) -> None:
    children: list[Any] = []
    for tag, field in _fields(model, "element").items():
        own = element.findall(tag)
        section, _ = section_of(field)
        if not own and section in _OF_ESTIMATORS:
            continue
        children += [_comment(described(field), depth), *own]
        for child in own:
            if section is None:
                child.text = child.text or None
            elif child is own[0]:
                _add_comments(child, section, depth + 1)
    if children:
        element[:] = children


def _comment(text: str, depth: int) -> Any:
    """Make a comment that is wrapped to stand ``depth`` levels deep."""
    margin = "  " * depth + "     "
    wrapped = textwrap.fill(
        text, _WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
    )
    return etree.Comment(f" {wrapped.strip()} ")


def _folder_of(path: Path) -> Path:
    folder = path.absolute().parent
    # Symbolic links are kept, but a path with .. in it would never be below the folder.
    return folder.resolve() if ".." in folder.parts else folder


def _relative(path: Path, folder: Path) -> Path:
    if not path.is_relative_to(folder):
        return path
    relative = path.relative_to(folder)
    # Blanks at an end of a text are not kept in a file that people edit.
    return relative if str(relative) == str(relative).strip() else path
