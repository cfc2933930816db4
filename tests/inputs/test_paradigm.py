"""Paradigm files: what is read from good ones, and what is said of bad ones."""

from __future__ import annotations

import contextlib
import math
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyhrf.data import Events
from pyhrf.errors import InputError
from pyhrf.inputs.paradigm import EventColumns, read_paradigm
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

Row = tuple[float, float, float]  # onset, duration, amplitude


def rows(events: Events) -> list[Row]:
    """Give the events as tuples."""
    columns = (events.onsets, events.durations, events.amplitudes)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def read_text(tmp_path: Path, text: str, n_runs: int = 1) -> list[dict[str, list[Row]]]:
    """Read a paradigm from text, as plain lists."""
    path = tmp_path / "paradigm.csv"
    path.write_bytes(text.encode())
    return [{c: rows(e) for c, e in run.items()} for run in read_paradigm(path, n_runs=n_runs)]


# Good files

numbers = st.floats(-1e4, 1e4).map(lambda x: x + 0.0)
names = st.text(
    st.characters(categories=["L", "N"], include_characters="-_ .:'()é"), min_size=1, max_size=8
).filter(lambda name: name == unicodedata.normalize("NFC", name.strip()))
tables = st.dictionaries(
    st.tuples(st.integers(0, 3), names, numbers),
    st.tuples(st.floats(0, 1e3), st.floats(-10, 10)),
    min_size=1,
    max_size=12,
)


def expected_runs(
    table: dict[tuple[int, str, float], tuple[float, float]],
) -> list[dict[str, list[Row]]]:
    """Group events the plain way."""
    runs: dict[int, dict[str, list[Row]]] = {}
    for (session, condition, onset), (duration, amplitude) in sorted(table.items()):
        run = runs.setdefault(session, {})
        run.setdefault(condition, []).append((onset, duration, amplitude))
    return [runs[session] for session in sorted(runs)]


@given(
    table=tables,
    separator=st.sampled_from([" ", "   ", " \t ", ",", ", ", ";", " ; ", "\t"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    start=st.sampled_from(["", "\ufeff", "# comment\n", "\n  \n", "\ufeff\n#a,b;c\n"]),
    end=st.sampled_from(["", "\n", "\n\n  # the end"]),
)
def test_read_paradigm__reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    table: dict[tuple[int, str, float], tuple[float, float]],
    separator: str,
    newline: str,
    start: str,
    end: str,
) -> None:
    lines = [
        separator.join([str(session), f'"{name}"', repr(onset), repr(duration), repr(amplitude)])
        for (session, name, onset), (duration, amplitude) in table.items()
    ]
    text = start + newline.join(lines) + end
    expected = expected_runs(table)
    folder = tmp_path_factory.mktemp("paradigm", numbered=True)
    assert read_text(folder, text, n_runs=len(expected)) == expected


def test_read_paradigm__a_condition_may_be_called_onset(tmp_path: Path) -> None:
    assert read_text(tmp_path, '0 "onset" 1.5') == [{"onset": [(1.5, 0.0, 1.0)]}]


@given(st.text(st.sampled_from('0123456789.,;\t\n "abne#-+/_'), max_size=60))
@example('0 "a 1.0')
@example("onset\ttrial_type\n")
@example(",,,")
@example("0 a 1 0 1 \x0c")
@example("0 ²a 1")
@example("² a 1")
def test_read_paradigm__gives_events_or_an_input_error(text: str) -> None:
    path = Path("paradigm.csv")
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(InputError):
        patch.setattr(Path, "read_bytes", lambda self: text.encode())
        for run in read_paradigm(path, n_runs=1):
            for condition, events in run.items():
                assert condition
                assert (np.diff(events.onsets) > 0).all()
                assert (events.durations >= 0).all()
                assert all(math.isfinite(value) for row in rows(events) for value in row)


def test_read_paradigm__fills_in_what_the_columns_lack(tmp_path: Path) -> None:
    text = '0 "b" 3.5\n0 "a" 2 4\n0 "a" 1 0.5 -2.\n'
    assert read_text(tmp_path, text) == [
        {"a": [(1.0, 0.5, -2.0), (2.0, 4.0, 1.0)], "b": [(3.5, 0.0, 1.0)]}
    ]


def test_read_paradigm__ignores_separators_at_the_end_of_a_line(tmp_path: Path) -> None:
    assert read_text(tmp_path, "0,a,1,0,2,,\n0,a,3,,\n") == [{"a": [(1, 0, 2), (3, 0, 1)]}]


def test_read_paradigm__takes_sessions_as_runs(tmp_path: Path) -> None:
    text = "2 a 1\n0 a 5\n0 b 6\n2 a 0\n"
    assert read_text(tmp_path, text, n_runs=2) == [
        {"a": [(5, 0, 1)], "b": [(6, 0, 1)]},
        {"a": [(0, 0, 1), (1, 0, 1)]},
    ]


def test_read_paradigm__gives_one_session_to_every_run(tmp_path: Path) -> None:
    assert read_text(tmp_path, "1 a 1\n", n_runs=3) == [{"a": [(1, 0, 1)]}] * 3


def test_read_paradigm__allows_the_same_event_in_two_sessions(tmp_path: Path) -> None:
    assert len(read_text(tmp_path, "0 a 1\n1 a 1\n", n_runs=2)) == 2


def test_read_paradigm__reads_bids_events(tmp_path: Path) -> None:
    text = (
        "\ufeffonset\tduration\tsample\ttrial_type\tamplitude\tnote\r\n"
        "12.5\t0.5\t1\tgo left\t2\tit's \"here\r\n"
        "\r\n"
        "1e1\t3\tn/a\tgo left\t1\tn/a\r\n"
        "4\t0\t3\tstop\t-1\t\r\n"
    )
    assert (
        read_text(tmp_path, text, n_runs=2)
        == [{"go left": [(10, 3, 1), (12.5, 0.5, 2)], "stop": [(4, 0, -1)]}] * 2
    )


def test_read_paradigm__notes_what_is_not_available(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(
        "onset\tduration\ttrial_type\tamplitude\n"
        "1\tn/a\ta\t2\n2\t1\tn/a\t1\nn/a\t1\ta\t1\n4\t1\ta\tn/a\n5\tn/a\ta\t1\n"
    )
    notes: list[str] = []
    (run,) = read_paradigm(path, n_runs=1, notes=notes)
    assert rows(run["a"]) == [(1, 0, 2), (4, 1, 1), (5, 0, 1)]
    assert notes == [
        f"{path}: 2 rows (line 3, 4) left out, because onset or trial_type is n/a",
        f"{path}: duration is n/a in 2 rows (line 2, 6), taken as 0",
        f"{path}: amplitude is n/a in 1 row (line 5), taken as 1",
    ]


COLUMNS = "onset\tduration\tStimulus\ttrial_type\tvalence\tamplitude\n"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (EventColumns(), {"go": [(1, 2, 5), (3, 2, 6)]}),
        (EventColumns("stimulus"), {"face": [(1, 2, 5)], "house": [(3, 2, 6), (5, 2, 7)]}),
        (
            EventColumns("Stimulus", "valence"),
            {"face": [(1, 2, 0.5)], "house": [(3, 2, -1)]},
        ),
        (EventColumns(amplitude="valence"), {"go": [(1, 2, 0.5), (3, 2, -1)]}),
    ],
)
def test_read_paradigm__reads_the_columns_that_are_asked_for(
    tmp_path: Path, columns: EventColumns, expected: dict[str, list[Row]]
) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(
        COLUMNS + "1\t2\tface\tgo\t0.5\t5\n3\t2\thouse\tgo\t-1\t6\n5\t2\thouse\tn/a\tn/a\t7\n"
    )
    notes: list[str] = []
    (run,) = read_paradigm(path, n_runs=1, columns=columns, notes=notes)
    assert {name: rows(events) for name, events in run.items()} == expected
    if columns.amplitude:
        which = f"onset, {columns.condition} or valence"
        assert notes == [f"{path}: 1 row (line 4) left out, because {which} is n/a"]
    elif columns.condition == "trial_type":
        assert notes == [f"{path}: 1 row (line 4) left out, because onset or trial_type is n/a"]
    else:
        assert not notes


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            EventColumns("condition"),
            ("no column condition but onset, duration, Stimulus, trial_type, valence, amplitude",),
        ),
        (EventColumns("stimulus", "weight"), ("no column weight but onset", "(amplitude_column)")),
    ],
)
def test_read_paradigm__names_the_columns_that_are_there(
    tmp_path: Path, columns: EventColumns, words: tuple[str, ...]
) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(COLUMNS + "1\t2\tface\tgo\t0.5\t5\n")
    with pytest.raises(InputError) as caught:
        read_paradigm(path, n_runs=1, columns=columns)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_read_paradigm__columns_are_for_files_with_a_header(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("0 a 1 0 1\n")
    with pytest.raises(InputError, match=r"without a header, .* no column weight: event_column"):
        read_paradigm(path, n_runs=1, columns=EventColumns(amplitude="weight"))


def test_read_paradigm__reads_the_events_of_the_simulator(tmp_path: Path) -> None:
    spec = SimulationSpec(
        shape=(4, 4, 4),
        n_parcels=1,
        n_runs=2,
        n_scans=60,
        n_conditions=5,
        event_duration=(0.5, 2.5),
        seed=3,
    )
    made = simulate(spec)
    files = write_dataset(made, tmp_path / "data")
    both = read_paradigm(files.paradigm_csv, n_runs=2)
    for number, run in enumerate(made.experiment.runs):
        (alone,) = read_paradigm(files.paradigm[number], n_runs=1)
        assert set(both[number]) == set(alone) == set(run.events)
        for name, events in run.events.items():
            true = list(zip(events.onsets, events.durations, events.amplitudes, strict=True))
            assert rows(both[number][name]) == rows(alone[name]) == sorted(true)


def test_read_paradigm__reads_the_localizer(shared_data: Path) -> None:
    (run,) = read_paradigm(shared_data / "paradigm_loc.csv", n_runs=1)
    assert len(run) == 10
    assert sum(len(events.onsets) for events in run.values()) == 80
    assert rows(run["clicDaudio"]) == [(onset, 0, 1) for onset in (11.4, 87.0, 143.4, 162.0, 230.0)]
    # Those of sentences and sums in two groups, without amplitudes.
    (grouped,) = read_paradigm(shared_data / "paradigm_loc_av.csv", n_runs=1)
    assert set(grouped) == {"audio", "video"}
    audio = [run["calculaudio"].onsets, run["phraseaudio"].onsets]
    np.testing.assert_array_equal(grouped["audio"].onsets, np.sort(np.concatenate(audio)))


# Bad files


def refuse(tmp_path: Path, content: str | bytes, *words: str, n_runs: int = 1) -> None:
    """Expect an InputError in one line, with the path and some words."""
    path = tmp_path / "paradigm.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_paradigm(path, n_runs=n_runs)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message


def test_read_paradigm__refuses_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.csv"
    with pytest.raises(InputError, match=r"nowhere\.csv: there is no such file"):
        read_paradigm(path, n_runs=1)
    with pytest.raises(InputError, match="this is a folder"):
        read_paradigm(tmp_path, n_runs=1)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but this\n", "\ufeff"])
def test_read_paradigm__refuses_an_empty_file(tmp_path: Path, text: str) -> None:
    refuse(tmp_path, text, "empty")


def test_read_paradigm__refuses_a_header_without_events(tmp_path: Path) -> None:
    refuse(tmp_path, "onset\tduration\ttrial_type\n", "holds no event")


def test_read_paradigm__refuses_what_is_no_utf8_text(tmp_path: Path) -> None:
    refuse(tmp_path, b'0 "\xe9t\xe9" 1.0\n', "not UTF-8", "byte 4")
    refuse(tmp_path, b"0 a 1\n\0\0\0", "not a text file")


@pytest.mark.parametrize(
    ("line", "column", "text"),
    [
        ('0 "b" one 0 1', "onset", '"one"'),
        ('0 "b" nan 0 1', "onset", '"nan"'),
        ('0 "b" 1_0 0 1', "onset", '"1_0"'),
        ('0 "b" 1 -inf 1', "duration", '"-inf"'),
        ('0 "b" 1 1e999 1', "duration", '"1e999"'),
        ('0 "b" 1 -0.5 1', "duration", "-0.5 is negative"),
        ('0 "b" 1 0 high', "amplitude", '"high"'),
        ('"b" 1.0 0.0', "session", '"b" is not a whole number'),
        ('-1 "b" 1.0', "session", '"-1"'),
        ('0 "" 1.0', "condition", "empty"),
    ],
)
def test_read_paradigm__names_file_line_and_column(
    tmp_path: Path, line: str, column: str, text: str
) -> None:
    refuse(tmp_path, f'# comment\n0 "a" 1.0\n\n{line}\n', f", line 4, column {column}: ", text)


def test_read_paradigm__points_at_decimal_commas(tmp_path: Path) -> None:
    refuse(tmp_path, "0;a;3,5;0;1\n", 'line 1, column onset: "3,5"', "decimals with a point")


@pytest.mark.parametrize("line", ["0 a", "0 go left 1 0 1", "0 a 1 0 1 9"])
def test_read_paradigm__says_which_columns_it_wants(tmp_path: Path, line: str) -> None:
    refuse(tmp_path, line, "line 1", "columns instead of 3 to 5: session, condition, onset")


@pytest.mark.parametrize("line", ['0 "go left 1.0 0 1', '0,"go left,1.0,0,1'])
def test_read_paradigm__refuses_an_open_quote(tmp_path: Path, line: str) -> None:
    refuse(tmp_path, line, "line 1")


def test_read_paradigm__names_both_lines_of_a_duplicate(tmp_path: Path) -> None:
    text = "0 a 1.0 0 1\n0 b 1.0 0 1\n0 a 2.0 0 1\n0 a 1.00 3 1\n"
    refuse(tmp_path, text, 'lines 1 and 4: "a" at 1 s', "twice")
    bids = "onset\ttrial_type\n1\ta\n2\ta\n1.0\ta\n"
    refuse(tmp_path, bids, 'lines 2 and 4: "a" at 1 s')


@pytest.mark.parametrize(("text", "n_runs"), [("0 a 1\n1 a 1\n", 1), ("0 a 1\n1 a 1\n", 3)])
def test_read_paradigm__wants_as_many_sessions_as_runs(
    tmp_path: Path, text: str, n_runs: int
) -> None:
    refuse(tmp_path, text, "2 sessions (0, 1)", f"{n_runs} run", n_runs=n_runs)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onset\tduration\tface\n1\t0\t3\n", ("no column trial_type", "onset, duration, face")),
        ("session condition onset\n0 a 1\n", ("no column trial_type",)),
        ("onset\tduration\tface\n1\t0\t3\n", ("event_column",)),
        ("onset\tonset\ttrial_type\n1\t1\ta\n", ("column onset twice",)),
        ("onset\ttrial_type\n1\ta\n2\n", ("line 3", "1 column and the header 2")),
        ("onset\ttrial_type\n1\ta\nx\ta\n", ("line 3, column onset", '"x"')),
        ("onset\ttrial_type\n1\ta\n\ta\n", ("line 3, column onset", '""')),
        ("onset\ttrial_type\n1\ta\n2\t\n", ("line 3, column trial_type", "empty")),
        ("onset\tduration\ttrial_type\n1\t-2\ta\n", ("line 2, column duration", "negative")),
    ],
)
def test_read_paradigm__refuses_bad_bids_events(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    refuse(tmp_path, text, *words)
