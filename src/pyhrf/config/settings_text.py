"""The text of a settings file: sections, keys and values, without comments."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from pyhrf.errors import ConfigError

# A comment behind a value; in what may hold a # or ; itself, only one that stands alone.
_COMMENT = re.compile(r"(?:^|[ \t]+)[#;].*", re.MULTILINE)
_LONE_COMMENT = re.compile(r"(?:^|[ \t]+)[#;](?:[ \t].*)?$", re.MULTILINE)
# A value in quotes is all that is between them; a comment may follow.
_QUOTED = re.compile(r"""(["'])(?P<inside>.*?)\1[ \t]*(?:[#;].*)?""")
_FREE_TEXT = {"remote_path", "python", "log_to_file", "server_id", "account"}
_UNTOUCHED = {"extra_directives"}
_SECTION_LINE = re.compile(r"\[(.+)\]")
_KEY_LINE = re.compile(r"([^\s=:#;][^=:]*?)\s*[=:]")


def values_of_text(text: str, file: Path) -> dict[str, dict[str, str]]:
    """Split a settings file in sections and keys; a value that is empty or ``None`` is not set.

    Parameters
    ----------
    text : str
    file : Path
        Where it is from, for messages.

    Raises
    ------
    ConfigError
        If it is not made of sections with keys, each of them once; with the line.
    """
    # No section passes its values on to the others, not even one that is called DEFAULT.
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are written
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise ConfigError(
            f"{file}, line {error.lineno}: {error.line.strip()!r} is in no section: "
            "write [parallel-local] or another section before it"
        ) from error
    except configparser.DuplicateSectionError as error:
        raise ConfigError(
            f"{file}, line {error.lineno}, section [{error.section}]: it is there twice: join them"
        ) from error
    except configparser.DuplicateOptionError as error:
        raise ConfigError(
            f"{file}, line {error.lineno}, section [{error.section}], key {error.option}: "
            "it is there twice: remove one of them"
        ) from error
    except configparser.ParsingError as error:
        line = error.errors[0][0]
        content = text.split("\n")[line - 1].strip()
        raise ConfigError(f"{file}, line {line}: {content!r} is not KEY = VALUE") from error
    found = {
        section: {key: _without_comment(key, value) for key, value in parser.items(section)}
        for section in parser.sections()
    }
    return {
        section: {k: value for k, value in keys.items() if value.casefold() not in {"", "none"}}
        for section, keys in found.items()
    }


def _without_comment(key: str, value: str) -> str:
    if key in _UNTOUCHED:
        return value
    if quoted := _QUOTED.fullmatch(value.strip()):
        return quoted["inside"]
    short = _COMMENT.sub("", value)
    if key in _FREE_TEXT or (key == "hosts" and "/" in short):
        return _LONE_COMMENT.sub("", value).strip()
    return short.strip()


def line_numbers(text: str) -> dict[tuple[str, str], int]:
    """Find the line of each section (with an empty key) and key, which configparser forgets."""
    lines: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if found := _SECTION_LINE.match(line.strip()):
            section = found.group(1)
            lines.setdefault((section, ""), number)
        elif found := _KEY_LINE.match(line.strip()):
            lines.setdefault((section, found.group(1)), number)
    return lines
