"""Sentences that know what they say can go wherever a text can."""

import copy
import json
import pickle
from pathlib import Path

import pytest

from pyhrf.execution.run_state import RunState, read_state, write_state
from pyhrf.notices import DoneBefore, Figures, LeftOut, Lost, Note

NOTICES = [
    LeftOut("sub-01", "no BOLD file"),
    DoneBefore(3, 9),
    Lost("job 12 is lost"),
    Note("{path}: {n} rows ({lines})", path=Path("a.tsv"), n=2, lines=Figures("3, 4")),
]


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: type(notice).__name__)
@pytest.mark.parametrize(
    "passed_on", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_notice__is_copied_and_sent_with_what_it_says(notice, passed_on):
    found = passed_on(notice)
    assert (type(found), str(found), vars(found)) == (type(notice), str(notice), vars(notice))


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: type(notice).__name__)
def test_notice__is_a_text_in_json_and_in_the_state_of_a_run(notice, tmp_path):
    assert json.loads(json.dumps(notice)) == str(notice)
    write_state(tmp_path, RunState("lan", 2, 3, 0, news=(notice,)))
    assert list(read_state(tmp_path).news) == [str(notice)]
