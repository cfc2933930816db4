"""What others may put where a journal is to be: nothing of theirs is read for ever or written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from execution_fakes import FakeEstimator, ids, load, only

from pyhrf.errors import InputError
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.journal import Journal
from pyhrf.execution.output_folder import check_aside, held, set_aside

KEY = {"hrf.dt": "1.0"}


@pytest.fixture
def started(tmp_path) -> Path:
    with Journal(tmp_path / "out", KEY) as journal:
        journal.add(work_batch(Batch(0, ids(1, 2), 1.0), load, only(FakeEstimator())))
    return tmp_path / "out"


@pytest.mark.parametrize("use", [lambda out: Journal(out, KEY), set_aside])
@pytest.mark.parametrize("there", [True, False])
def test_lock__that_is_a_link_is_refused_and_its_target_kept(started, tmp_path, use, there):
    target, lock = tmp_path / "precious", started / ".journal" / "lock"
    if there:
        target.write_text("precious")
    lock.unlink()
    lock.symlink_to(target)
    with pytest.raises(InputError, match=r"lock is a link or not a regular file.*remove it"):
        use(started)
    assert target.exists() == there
    if there:
        assert target.read_text() == "precious"
    lock.unlink()  # the cure
    with Journal(started, KEY) as journal:
        assert journal.done() == {1, 2}


def test_lock__that_is_a_pipe_or_a_folder_is_refused_at_once(started):
    lock = started / ".journal" / "lock"
    for make in (os.mkfifo, os.mkdir):
        lock.unlink(missing_ok=True)
        make(lock)
        with pytest.raises(InputError, match="lock is a link or not a regular file"), held(started):
            pass


def test_lock__with_a_second_name_as_in_a_copy_of_links_is_left_to_the_other(started, tmp_path):
    other = tmp_path / "backup"
    os.link(started / ".journal" / "lock", other)
    before = other.read_bytes()
    with Journal(started, KEY) as journal:
        assert journal.done() == {1, 2}
        with pytest.raises(InputError, match="in use by another run"):
            Journal(started, KEY)
    assert other.read_bytes() == before


def test_journal__temporary_names_that_were_planted_are_not_written_through(started, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in ("study.json.tmp", "batch-000002.npz.tmp", "run-state.json.tmp"):
        (started / ".journal" / name).symlink_to(precious)
    with Journal(started, KEY) as journal:
        journal.add(work_batch(Batch(0, ids(3), 1.0), load, only(FakeEstimator())))
        assert journal.done() == {1, 2, 3}
    assert precious.read_text() == "precious"


def test_journal__that_is_a_link_is_not_taken_over(started, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(started / ".journal", elsewhere)
    (elsewhere / "theirs.tmp").write_text("theirs")
    (started / ".journal").symlink_to(elsewhere)
    for use in (lambda out: Journal(out, KEY), check_aside, set_aside):
        with pytest.raises(InputError, match="is a link"):
            use(started)
    assert (elsewhere / "theirs.tmp").read_text() == "theirs"


@pytest.mark.parametrize("name", ["notes.txt", "system.journal", "soma"])
def test_journal__of_another_program_is_not_taken_over(tmp_path, name):
    folder = tmp_path / "out" / ".journal"
    folder.mkdir(parents=True)
    (folder / name).write_text("theirs")
    (folder / "draft.tmp").write_text("theirs")
    with pytest.raises(InputError, match=r"already holds other files \(.journal\)"):
        Journal(tmp_path / "out", KEY)
    with pytest.raises(InputError, match="not set aside"):
        set_aside(tmp_path / "out")
    assert (folder / "draft.tmp").read_text() == "theirs"


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "3", '{"format": "1"}', '{"format": "1", "study": [["a", 1]]}'),
        *('{"format": "1", "study": {"hrf.dt": 1}}', "[" * 100_000, "9" * 5000, "\xff"),
    ],
)
def test_journal__whose_study_is_of_another_type_is_damaged(started, text):
    (started / ".journal" / "study.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"study.json is damaged.*fresh=True"):
        Journal(started, KEY)


def test_journal__clears_what_a_killed_run_left_beside_it_and_nothing_else(started):
    left = [started / ".hrf.nii.gz.0123456789abcdef.tmp", started / ".journal" / ".a.tmp"]
    theirs = [started / name for name in (".notes.tmp", "a.0123456789abcdef.tmp", ".b.txt")]
    for path in (*left, *theirs):
        path.touch()
    with Journal(started, KEY):
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in theirs)


def test_journal__does_not_wait_for_pipes(started):
    os.mkfifo(started / ".journal" / "batch-000007.npz")
    with Journal(started, KEY) as journal:
        assert journal.done() == {1, 2}
        assert "batch-000007.npz is not used" in journal.notes[0]
