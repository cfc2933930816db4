"""Contrasts: linear expressions of conditions, parsed and never evaluated as code."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pyhrf.config.sections import Contrast
from pyhrf.config.study import Study
from pyhrf.errors import ConfigError
from pyhrf.files import read_regular
from pyhrf.wording import did_you_mean

_MAX_PARENTHESES = 100
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])")
_QUOTED = re.compile(r"""'((?:[^']|'')+)'|"((?:[^"]|"")+)\"""")
_BLANKS = re.compile(r"\s*")
# What stands between operators, to name it if no condition is called so.
_WORD = re.compile(rf"{_QUOTED.pattern}|[^\s()+*/'\"-]+")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["number", "name", "operator"]
    text: str


@dataclass(slots=True)
class _Form:
    """A linear form: a weight for each condition, and a constant."""

    weights: dict[str, float] = field(default_factory=dict)
    constant: float = 0.0

    def times(self, factor: float) -> _Form:
        weights = {name: factor * weight for name, weight in self.weights.items()}
        return _Form(weights, factor * self.constant)

    def over(self, divisor: float) -> _Form:
        weights = {name: weight / divisor for name, weight in self.weights.items()}
        return _Form(weights, self.constant / divisor)

    def plus(self, other: _Form) -> _Form:
        weights = dict(self.weights)
        for name, weight in other.weights.items():
            weights[name] = weights.get(name, 0.0) + weight
        return _Form(weights, self.constant + other.constant)


def parse_contrast(expression: str, conditions: Sequence[str], *, name: str) -> dict[str, float]:
    """Turn a linear expression of conditions into weights.

    Parameters
    ----------
    expression : str
        Numbers, names of conditions, ``+ - * /`` and parentheses, as ``0.5*(a + b) - c``. A name
        may stand in quotes (a quote inside is doubled); it must where the expression could
        otherwise be read in two ways, as ``go-left`` if ``go`` and ``left`` are conditions too.
    conditions : sequence of str
        All conditions of the study.
    name : str
        Name of the contrast, for error messages.

    Returns
    -------
    dict of str to float
        The weights that are not zero, in the order of ``conditions``.

    Raises
    ------
    ConfigError
        If it is no such expression, names an unknown condition, is not linear, has a constant
        term, or if all weights are zero.

    Examples
    --------
    >>> parse_contrast("(a + b)/2 - c", ["a", "b", "c"], name="ab-c")
    {'a': 0.5, 'b': 0.5, 'c': -1.0}
    """
    # Names of conditions are written so: macOS and Windows write an accent in different ways.
    expression = unicodedata.normalize("NFC", expression)
    given = {unicodedata.normalize("NFC", condition): condition for condition in conditions}
    conditions = list(given)
    where = f"contrast {name}: {expression.strip()!r}"
    if not expression.strip():
        raise ConfigError(f"contrast {name}: the expression is empty: write one such as a - b")
    if expression.count("(") > _MAX_PARENTHESES:
        raise ConfigError(f"{where} has more than {_MAX_PARENTHESES} parentheses")
    tokens = _tokens(expression, conditions, where)
    form = _Parser(tokens, where).parse()
    if not all(math.isfinite(number) for number in (form.constant, *form.weights.values())):
        raise ConfigError(f"{where} has a weight that is not a finite number")
    if form.constant != 0:
        raise ConfigError(
            f"{where} has the constant term {form.constant:g}: only multiples of conditions "
            f"may be added{_cure_of_numbers(tokens, conditions)}"
        )
    weights = {given[key]: form.weights[key] for key in conditions if form.weights.get(key)}
    if not weights:
        raise ConfigError(
            f"{where} is zero: it must give a weight to at least one condition"
            f"{_cure_of_numbers(tokens, conditions)}"
        )
    return weights


def read_contrasts(path: Path | str) -> tuple[Contrast, ...]:
    """Read contrasts from a JSON file that holds one object, ``{"name": "expression", ...}``.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    tuple of Contrast
        In the order of the file.

    Raises
    ------
    ConfigError
        If it cannot be read, is not such a file, or has a name twice.
    """
    path = Path(path)
    try:
        pairs = json.loads(read_regular(path).decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, too
        raise ConfigError(f"{path}: not a JSON text in UTF-8") from error
    if not isinstance(pairs, _Pairs):
        raise ConfigError(f'{path}: must hold one object, {{"name": "expression", ...}}')
    for name, expression in pairs:
        if not isinstance(expression, str):
            raise ConfigError(f"{path}, contrast {name}: the expression must be a text in quotes")
    try:
        values = [{"name": key.strip(), "expression": text.strip()} for key, text in pairs]
        return Study.build(contrasts=values).contrasts
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


class _Pairs(list[tuple[str, Any]]):
    """A JSON object of which no key is lost."""


def _tokens(expression: str, conditions: Sequence[str], where: str) -> list[_Token]:
    """Split into tokens, if there is exactly one way that leads to an expression.

    Names may hold any character, operators and digits too, so that all ways are followed:
    from each position on, with an operand or an operator to come, so many parentheses deep.
    """
    State = tuple[int, bool, int]  # position, operand to come, depth
    start: State = (_skip(expression, 0), True, 0)
    ways: dict[State, int] = {start: 1}
    origin: dict[State, tuple[State, _Token]] = {}
    waiting: dict[int, list[State]] = {start[0]: [start]}
    furthest = start[0]
    for position in range(start[0], len(expression)):
        for state in waiting.pop(position, ()):
            furthest = position
            for token, end, operand, depth in _steps(expression, state, conditions):
                following: State = (_skip(expression, end), operand, depth)
                if following not in ways:
                    waiting.setdefault(following[0], []).append(following)
                    origin[following] = (state, token)
                ways[following] = min(2, ways.get(following, 0) + ways[state])
    goal: State = (len(expression), False, 0)
    if ways.get(goal, 0) > 1:
        raise ConfigError(f"{where} can be read in two ways: put the names of conditions in quotes")
    if goal not in ways:
        furthest = len(expression) if len(expression) in waiting else furthest
        raise ConfigError(f"{where} {_complaint(expression, conditions, furthest)}")
    tokens: list[_Token] = []
    while goal != start:
        goal, token = origin[goal]
        tokens.append(token)
    return tokens[::-1]


def _skip(expression: str, position: int) -> int:
    found = _BLANKS.match(expression, position)
    return found.end() if found else position


def _steps(
    expression: str, state: tuple[int, bool, int], conditions: Sequence[str]
) -> Iterator[tuple[_Token, int, bool, int]]:
    """Give all tokens that may come: token, where it ends, operand to come, depth."""
    position, operand, depth = state
    char = expression[position]
    if not operand:
        if char in "+-*/":
            yield _Token("operator", char), position + 1, True, depth
        elif char == ")" and depth:
            yield _Token("operator", char), position + 1, False, depth - 1
        return
    if char in "+-":
        yield _Token("operator", char), position + 1, True, depth
    elif char == "(":
        yield _Token("operator", char), position + 1, True, depth + 1
    if number := _NUMBER.match(expression, position):
        yield _Token("number", number.group()), number.end(), False, depth
    if (quoted := _QUOTED.match(expression, position)) and _unquoted(quoted) in conditions:
        yield _Token("name", _unquoted(quoted)), quoted.end(), False, depth
    for name in filter(None, conditions):
        if _NUMBER.fullmatch(name):
            continue  # a bare number is a number; a condition that is called 1 needs quotes
        end = position + len(name)
        inside_word = re.match(r"\w\w", expression[end - 1 : end + 1])
        if expression.startswith(name, position) and not inside_word:
            yield _Token("name", name), end, False, depth


def _unquoted(quoted: re.Match[str]) -> str:
    single, double = quoted.group(1, 2)
    return single.replace("''", "'") if single is not None else double.replace('""', '"')


def _complaint(expression: str, conditions: Sequence[str], furthest: int) -> str:
    """Say why there is no way to read an expression."""
    for word in _WORD.finditer(expression):
        quoted = _QUOTED.fullmatch(word.group())
        name = _unquoted(quoted) if quoted else word.group()
        if name not in conditions and (quoted or not _NUMBER.fullmatch(name)):
            near = did_you_mean(name, conditions)
            known = f" (known are {', '.join(conditions)})" if near.endswith("?") else ""
            return f"names the unknown condition {name}: {near}{known}"
    rest = expression[furthest:].strip()
    place = f"at {rest!r}" if rest else "at its end"
    return f"cannot be understood {place}: write one such as 0.5*a + 0.5*b - c"


def _cure_of_numbers(tokens: Sequence[_Token], conditions: Sequence[str]) -> str:
    """Tell which numbers are called as a condition is, if any."""
    named = [token.text for token in tokens if token.kind == "number" and token.text in conditions]
    if not named:
        return ""
    quoted = " and ".join(f"'{name}'" for name in dict.fromkeys(named))
    return f"; for the conditions of these names write quotes around them: {quoted}"


class _Parser:
    """Recursive descent over tokens that are known to make an expression."""

    def __init__(self, tokens: list[_Token], where: str):
        self._tokens = tokens
        self._next = 0
        self._where = where

    def parse(self) -> _Form:
        return self._sum()

    def _accept(self, operators: str) -> str:
        token = self._tokens[self._next] if self._next < len(self._tokens) else None
        if token and token.kind == "operator" and token.text in operators:
            self._next += 1
            return token.text
        return ""

    def _sum(self) -> _Form:
        total = self._product()
        while sign := self._accept("+-"):
            term = self._product()
            total = total.plus(term if sign == "+" else term.times(-1))
        return total

    def _product(self) -> _Form:
        product = self._factor()
        while operator := self._accept("*/"):
            product = self._combined(product, operator, self._factor())
        return product

    def _combined(self, left: _Form, operator: str, right: _Form) -> _Form:
        if operator == "/":
            if right.weights:
                raise ConfigError(f"{self._where} is not linear: it divides by a condition")
            if right.constant == 0:
                raise ConfigError(f"{self._where} divides by zero")
            return left.over(right.constant)
        if left.weights and right.weights:
            raise ConfigError(f"{self._where} is not linear: it multiplies conditions")
        return left.times(right.constant) if left.weights else right.times(left.constant)

    def _factor(self) -> _Form:
        sign = 1.0
        while operator := self._accept("+-"):
            sign = -sign if operator == "-" else sign
        if self._accept("("):
            form = self._sum()
            self._accept(")")
        else:
            token = self._tokens[self._next]
            self._next += 1
            if token.kind == "number":
                form = _Form(constant=float(token.text))
            else:
                form = _Form({token.text: 1.0})
        return form.times(sign)
