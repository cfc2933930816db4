"""Contrasts: weights of expressions, against an evaluation of the tree that was written out."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pyhrf.config.contrasts import parse_contrast, read_contrasts
from pyhrf.config.sections import Contrast
from pyhrf.errors import ConfigError

CONDITIONS = ["a", "b", "clicDaudio", "clicGaudio", "go-left", "it's", "2 back"]


def refusal(expression, conditions=CONDITIONS):
    with pytest.raises(ConfigError) as caught:
        parse_contrast(expression, conditions, name="N")
    return str(caught.value)


@pytest.mark.parametrize(
    ("expression", "weights"),
    [
        ("a", {"a": 1}),
        ("0.5*a + 0.5*b - clicDaudio", {"a": 0.5, "b": 0.5, "clicDaudio": -1}),
        ("a/2", {"a": 0.5}),
        ("5*a/3", {"a": 5 / 3}),
        ("-(a - b)", {"a": -1, "b": 1}),
        ("2 * (a+b)", {"a": 2, "b": 2}),
        ("a - -b", {"a": 1, "b": 1}),
        ("a - (b - (a - b))", {"a": 2, "b": -2}),
        ("a*2/4*3", {"a": 1.5}),
        ("1e-1*a + .5*b+2.*a", {"a": 2.1, "b": 0.5}),
        ("a + 1 - 1", {"a": 1}),
        ("a + 0*b", {"a": 1}),
        ("b + a", {"a": 1, "b": 1}),
        ("'a' - \"b\"", {"a": 1, "b": -1}),
        ("go-left - a", {"a": -1, "go-left": 1}),
        ("a-go-left", {"a": 1, "go-left": -1}),
        ("2*2 back", {"2 back": 2}),
        ("'it''s' + it's*2", {"it's": 3}),
        (' "it\'s"\n- a ', {"it's": 1, "a": -1}),
    ],
)
def test_parse_contrast__gives_the_weights(expression, weights):
    parsed = parse_contrast(expression, CONDITIONS, name="N")
    assert parsed == pytest.approx(weights)
    assert list(parsed) == [name for name in CONDITIONS if name in weights]


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("clicDadio - a", ["unknown condition clicDadio", "did you mean clicDaudio", "go-left"]),
        ("zzz", ["unknown condition zzz", "known are a, b, clicDaudio"]),
        ("'A' - b", ["unknown condition A", "did you mean a?"]),
        ("a.b", ["unknown condition a.b"]),
        ("aa", ["unknown condition aa"]),
        ("2a", ["unknown condition 2a"]),
        ("__import__('os')", ["unknown condition __import__"]),
        ("a*b", ["not linear", "multiplies conditions"]),
        ("(a + b)*(a - b)", ["not linear"]),
        ("1/a", ["not linear", "divides by a condition"]),
        ("a/(1 - 1)", ["divides by zero"]),
        ("a + 1", ["constant term 1"]),
        ("3", ["constant term 3"]),
        ("", ["expression is empty"]),
        (" \n", ["expression is empty"]),
        ("a - a", ["is zero"]),
        ("0*a", ["is zero"]),
        ("1e999*a", ["not a finite number"]),
        ("1e300*1e300*a", ["not a finite number"]),
        ("a b", ["cannot be understood at 'b'"]),
        ("a +", ["cannot be understood at its end"]),
        ("(a", ["cannot be understood at its end"]),
        ("a)", ["cannot be understood at ')'"]),
        ("a ** b", ["cannot be understood at '* b'"]),
        ("()", ["cannot be understood"]),
        ("'a", ["cannot be understood"]),
        ("(" * 101 + "a" + ")" * 101, ["more than 100 parentheses"]),
    ],
)
def test_parse_contrast__says_what_is_wrong(expression, parts):
    text = refusal(expression)
    assert text.startswith("contrast N: ")
    for part in parts:
        assert part in text


def test_parse_contrast__asks_for_quotes_where_there_are_two_readings():
    conditions = ["go", "left", "go-left"]
    assert "two ways: put the names of conditions in quotes" in refusal("go-left", conditions)
    assert parse_contrast("go - left", conditions, name="N") == {"go": 1, "left": -1}
    assert parse_contrast("'go-left'", conditions, name="N") == {"go-left": 1}
    assert "two ways" in refusal("a-b-c", ["a", "c", "a-b", "b-c"])


def test_parse_contrast__takes_a_bare_number_as_a_number():
    assert parse_contrast("2*'2' - '1'", ["1", "2"], name="N") == {"1": -1, "2": 2}
    assert "constant term" in refusal("2 - 1", ["1", "2"])


def test_parse_contrast__copes_with_long_expressions():
    assert parse_contrast("a+" * 3000 + "a", CONDITIONS, name="N") == {"a": 3001}
    assert parse_contrast("-" * 3000 + "a", CONDITIONS, name="N") == {"a": 1}
    assert parse_contrast("(" * 100 + "a" + ")" * 100, CONDITIONS, name="N") == {"a": 1}


# A tree is (text, weights by condition, constant), built together by independent rules.
numbers = st.integers(1, 64).map(lambda n: (str(n / 8), {}, n / 8))
names = st.sampled_from(CONDITIONS).map(
    lambda name: ("'" + name.replace("'", "''") + "'", {name: 1.0}, 0.0)
)


def _sum(left, right, sign):
    weights = {k: left[1].get(k, 0) + sign * right[1].get(k, 0) for k in left[1] | right[1]}
    return f"({left[0]}{' + ' if sign > 0 else '-'}{right[0]})", weights, left[2] + sign * right[2]


def _scaled(tree, number, form):
    text = form.format(tree[0], number[0])
    factor = 1 / number[2] if "/" in form else number[2]
    return text, {k: w * factor for k, w in tree[1].items()}, tree[2] * factor


trees = st.recursive(
    names | numbers,
    lambda part: st.one_of(
        st.builds(_sum, part, part, st.sampled_from([1, -1])),
        st.builds(_scaled, part, numbers, st.sampled_from(["{0}*{1}", "{1} * {0}", "{0}/{1}"])),
        part.map(lambda t: (f"-({t[0]})", {k: -w for k, w in t[1].items()}, -t[2])),
    ),
    max_leaves=8,
)


@given(tree=trees)
def test_parse_contrast__agrees_with_the_tree(tree):
    text, weights, constant = tree
    assume(abs(constant) < 1e-12 or abs(constant) > 1e-6)
    assume(all(abs(weight) < 1e-12 or abs(weight) > 1e-6 for weight in weights.values()))
    if abs(constant) > 1e-6:
        assert "constant term" in refusal(text)
    elif constant == 0 and any(abs(weight) > 1e-6 for weight in weights.values()):
        parsed = parse_contrast(text, CONDITIONS, name="N")
        for name in CONDITIONS:
            assert math.isclose(parsed.get(name, 0), weights.get(name, 0), abs_tol=1e-9)


@given(
    conditions=st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=4),
    data=st.data(),
)
def test_parse_contrast__finds_any_name_in_quotes(conditions, data):
    name = data.draw(st.sampled_from(conditions))
    quote = data.draw(st.sampled_from("'\""))
    quoted = quote + name.replace(quote, 2 * quote) + quote
    # A name that itself holds quotes may be readable without them in a second way.
    assume(not any(mark in other for other in conditions for mark in "'\""))
    assert parse_contrast(f"2*{quoted}", conditions, name="N") == {name: 2}


@given(expression=st.text("ab'\"+-*/() 12.e", max_size=15) | st.text(max_size=15))
def test_parse_contrast__never_fails_in_another_way(expression):
    try:
        weights = parse_contrast(expression, CONDITIONS, name="N")
    except ConfigError as error:
        text = str(error)
        if "contrast N" not in text:
            raise
        return
    assert weights
    assert all(math.isfinite(weight) and weight for weight in weights.values())


def test_read_contrasts__keeps_the_order(tmp_path):
    path = tmp_path / "contrasts.json"
    path.write_text('{"z": "a - b", " y ": "a"}')
    assert read_contrasts(path) == (
        Contrast(name="z", expression="a - b"),
        Contrast(name="y", expression="a"),
    )


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"a": "b",\n}', "line 2: not JSON"),
        ('["a"]', "must hold one object"),
        ('{"a": 1}', "contrast a: the expression must be a text"),
        ('{"a": "b", "a": "c"}', "another contrast has this name"),
        ('{"a": ""}', "must be an expression such as"),
        ('{"": "b"}', "must be a name"),
        ('{"a": "\\ud800"}', "<contrast 1>"),
        ("[" * 100_000, "not a JSON text"),
    ],
)
def test_read_contrasts__names_the_file(tmp_path, content, part):
    path = tmp_path / "contrasts.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_contrasts(path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value)


def test_read_contrasts__refuses_what_is_no_file_or_no_text(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_contrasts(tmp_path / "none.json")
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="not a JSON text in UTF-8"):
        read_contrasts(tmp_path / "x.json")


@pytest.mark.parametrize("expression", ["2 - 1", "1 - '2'", "1 - 1"])
def test_parse_contrast__tells_how_conditions_called_by_numbers_are_written(expression):
    with pytest.raises(ConfigError, match=r"write quotes around them: '[12]'"):
        parse_contrast(expression, ["1", "2"], name="c")
    assert parse_contrast("'2' - '1'", ["1", "2"], name="c") == {"1": -1, "2": 1}


def test_parse_contrast__knows_an_accent_in_both_ways_of_writing():
    weights = parse_contrast("pre\u0301 - b", ["b", "pr\u00e9"], name="c")
    assert weights == {"b": -1, "pr\u00e9": 1}
