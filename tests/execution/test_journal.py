"""The journal keeps what is finished, believes nothing that is damaged, and shares with no one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, ids, load, make_parcels, only
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.errors import InputError
from pyhrf.execution.engine import Batch, BatchResult, work_batch
from pyhrf.execution.journal import Journal
from pyhrf.execution.output_folder import set_aside

KEY = {"hrf.dt": "1.0", "bold 1": "sha256:abc", "numerics": "1"}


def make_result(*numbers: int, estimator: FakeEstimator | None = None) -> BatchResult:
    return work_batch(Batch(0, ids(*numbers), 1.0), load, only(estimator or FakeEstimator()))


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def batch_files(directory: Path) -> list[Path]:
    return sorted((directory / ".journal").glob("batch-*"))


def snapshot(directory: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
    }


@pytest.fixture
def started(tmp_path):
    """An output directory with parcels 1 to 4 done, in two batches."""
    with Journal(tmp_path / "out", KEY) as journal:
        journal.add(make_result(1, 2))
        journal.add(make_result(3, 4))
    return tmp_path / "out"


def test_journal__remembers_what_is_done(started):
    with Journal(started, KEY) as journal:
        assert journal.done() == {1, 2, 3, 4}
        assert journal.notes == []
        assert [record.parcels for record in journal.history()] == [(1, 2), (3, 4)]
        assert all(r.host == os.uname().nodename and r.seconds > 0 for r in journal.history())
        journal.add(make_result(5))
        found = journal.estimates()
    assert list(found) == [1, 2, 3, 4, 5]
    for parcel in make_parcels(*range(1, 6)):
        assert_same_estimate(found[parcel.number], FakeEstimator().fit_parcel(parcel))


def test_journal__makes_missing_directories(tmp_path):
    with Journal(tmp_path / "a" / "b" / "out", KEY) as journal:
        assert journal.done() == set()
        assert journal.estimates() == {}
    assert names_in(tmp_path / "a" / "b" / "out") == [".journal"]


def test_journal__internal_errors_are_tried_again_bad_data_are_not(tmp_path):
    with Journal(tmp_path, KEY) as journal:
        journal.add(make_result(1, 2, 3, estimator=FakeEstimator(broken=[1], unusable=[2])))
        assert journal.done() == {2, 3}
    with Journal(tmp_path, KEY) as journal:
        assert journal.done() == {2, 3}
        assert journal.estimates()[1].status == "failed"
        journal.add(make_result(1))
        assert journal.done() == {1, 2, 3}
    with Journal(tmp_path, KEY) as journal:
        assert journal.done() == {1, 2, 3}
        assert journal.estimates()[1].status == "ok"


@given(which=st.integers(0, 1), share=st.floats(0, 1, exclude_max=True))
def test_journal__truncated_files_are_reported_and_not_used(which, share):
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        with Journal(directory, KEY) as journal:
            journal.add(make_result(1, 2))
            journal.add(make_result(3, 4))
        damaged = batch_files(directory)[which]
        os.truncate(damaged, int(share * damaged.stat().st_size))
        with Journal(directory, KEY) as journal:
            kept = ({3, 4}, {1, 2})[which]
            assert journal.done() == kept == set(journal.estimates())
            (note,) = journal.notes
            assert str(damaged) in note
            assert "estimated again" in note
            journal.add(make_result(*({1, 2, 3, 4} - kept)))
            assert set(journal.estimates()) == {1, 2, 3, 4}
        with Journal(directory, KEY) as journal:
            assert journal.done() == {1, 2, 3, 4}


def test_journal__batch_of_another_study_is_reported_and_not_used(started, tmp_path):
    with Journal(tmp_path / "other", {**KEY, "hrf.dt": "0.5"}) as journal:
        journal.add(make_result(7))
    shutil.copy(batch_files(tmp_path / "other")[0], started / ".journal" / "batch-000009.npz")
    with Journal(started, KEY) as journal:
        assert journal.done() == {1, 2, 3, 4}
        assert "batch-000009.npz is not used: it belongs to another study" in journal.notes[0]
        journal.add(make_result(8))
    assert batch_files(started)[-1].name == "batch-000010.npz"


def test_journal__another_study_is_refused_with_what_differs(started):
    before = snapshot(started)
    key = {"hrf.dt": "0.5", "bold 1": "sha256:abc", "drift": "cosine"}
    with pytest.raises(InputError) as caught:
        Journal(started, key)
    text = str(caught.value)
    assert str(started) in text
    assert "hrf.dt was '1.0' and is '0.5'" in text
    assert "numerics was '1' and is not given" in text
    assert "drift was not given and is 'cosine'" in text
    assert "bold" not in text
    assert "(output)" in text
    assert "fresh=True" in text
    assert snapshot(started) == before
    Journal(started, KEY).close()  # the refused run does not hold the directory


def test_journal__many_differences_are_shortened(started):
    with pytest.raises(InputError, match="and 15 more"):
        Journal(started, {str(i): "x" * 1000 for i in range(17)})


def test_journal__another_study_may_take_the_place_of_one_without_results(tmp_path):
    with Journal(tmp_path / "out", {"content of BOLD of run 1": "damaged"}):
        pass
    with Journal(tmp_path / "out", {"content of BOLD of run 1": "mended"}) as journal:
        assert journal.done() == set()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": "1"}', b'{"format": "1", "study": 3}']
)
def test_journal__damaged_description_is_refused(started, content):
    (started / ".journal" / "study.json").write_bytes(content)
    with pytest.raises(InputError, match=r"study\.json is damaged: choose .*fresh=True"):
        Journal(started, KEY)


def test_journal__format_of_another_version_is_refused(started):
    path = started / ".journal" / "study.json"
    path.write_text(path.read_text().replace('"format": "1"', '"format": "2"'))
    with pytest.raises(InputError, match="another version of PyHRF"):
        Journal(started, KEY)


@pytest.mark.parametrize("name", ["notes.txt", "hrf.tsv", "data"])
def test_journal__directory_with_other_files_is_refused(tmp_path, name):
    (tmp_path / name).mkdir() if name == "data" else (tmp_path / name).write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match=rf"already holds other files \({name}\)"):
        Journal(tmp_path, KEY)
    assert snapshot(tmp_path) == before


def test_journal__expected_names_may_be_there_before(tmp_path):
    (tmp_path / "example-data").mkdir()
    with Journal(tmp_path, KEY, expected=["example-data"]) as journal:
        assert journal.done() == set()


def test_journal__journal_without_description_but_with_batches_is_refused(started):
    (started / ".journal" / "study.json").unlink()
    with pytest.raises(InputError, match="already holds other files"):
        Journal(started, KEY)


def test_journal__killed_while_it_was_made(tmp_path):
    (tmp_path / ".journal").mkdir()
    (tmp_path / ".journal" / "lock").touch()
    (tmp_path / ".journal" / "study.json.tmp").write_bytes(b"{")
    with Journal(tmp_path, KEY) as journal:
        journal.add(make_result(1))
    assert names_in(tmp_path / ".journal") == ["batch-000001.npz", "lock", "study.json"]


def test_journal__killed_while_a_batch_was_written(started):
    (started / ".journal" / "batch-000003.npz.tmp").write_bytes(b"half")
    with Journal(started, KEY) as journal:
        assert journal.done() == {1, 2, 3, 4}
        assert journal.notes == []
    assert len(batch_files(started)) == 2


def test_journal__output_directory_is_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match=r"out cannot be written \(Not a directory\)"):
        Journal(tmp_path / "out", KEY)
    with pytest.raises(InputError, match=r"cannot be written"):
        Journal(tmp_path / "out" / "below", KEY)
    assert (tmp_path / "out").read_text() == "mine"


def test_journal__two_runs_never_share_a_directory(started):
    with Journal(started, KEY):
        with pytest.raises(InputError, match=rf"in use by another run \(process {os.getpid()} on"):
            Journal(started, KEY)
        with pytest.raises(InputError, match="in use"):
            set_aside(started)
    Journal(started, KEY).close()


def test_journal__lock_ends_with_its_process(tmp_path):
    code = (
        "import sys, pathlib; from pyhrf.execution.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]), {}); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"process {child.pid} on"):
            Journal(tmp_path, {})
        child.kill()
        child.wait()
    Journal(tmp_path, {}).close()


def test_journal__disk_full_leaves_no_half_file(started, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with Journal(started, KEY) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(InputError, match="No space left on device"):
                journal.add(make_result(5))
        assert journal.done() == {1, 2, 3, 4}
        assert len(names_in(started / ".journal")) == 4
        journal.add(make_result(5))
        assert set(journal.estimates()) == {1, 2, 3, 4, 5}


def test_journal__file_lost_during_the_run_is_named(started):
    with Journal(started, KEY) as journal:
        batch_files(started)[0].unlink()
        with pytest.raises(InputError, match=r"batch-000001\.npz can no longer be read"):
            journal.estimates()


AS_ANOTHER_USER = """
import os, pathlib, sys
from pyhrf.errors import InputError
from pyhrf.execution.journal import Journal
from pyhrf.execution.output_folder import set_aside
directory = pathlib.Path(sys.argv[1])
if os.getuid() == 0:  # to root everything is allowed
    os.setgid(65534)
    os.setuid(65534)
for action in (lambda: Journal(directory, {}), lambda: Journal(directory / "new", {}),
               lambda: set_aside(directory)):
    try:
        action()
    except InputError as error:
        print(error)
"""


@pytest.mark.parametrize("finished", [False, True])
def test_journal__read_only_directory_is_named(finished):
    # Not tmp_path, which other users cannot enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        directory = Path(folder) / "out"
        directory.mkdir()
        if finished:
            Journal(directory, {}).close()
        # The last one is where it would be renamed.
        folders = [*directory.glob(".journal"), directory, Path(folder)]
        for each in folders:
            each.chmod(0o555)
        try:
            found = subprocess.run(
                [sys.executable, "-c", AS_ANOTHER_USER, directory],
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            for each in reversed(folders):
                each.chmod(0o755)
        lines = found.stdout.splitlines()
        assert len(lines) == (3 if finished else 2)
        assert f"{directory} cannot be written (Permission denied)" in lines[0]
        assert f"{directory / 'new'} cannot be written (Permission denied)" in lines[1]
        if finished:
            assert f"{directory} cannot be set aside (Permission denied)" in lines[2]


def test_set_aside__keeps_everything_under_the_first_free_name(started):
    before = snapshot(started)
    assert set_aside(started) == started.with_name("out.old-1")
    assert not started.exists()
    assert snapshot(started.with_name("out.old-1")) == before | {
        ".journal/lock": (started.with_name("out.old-1") / ".journal/lock").read_bytes()
    }
    Journal(started, {"another": "study"}).close()
    assert set_aside(started) == started.with_name("out.old-2")


def test_set_aside__nothing_there(tmp_path):
    assert set_aside(tmp_path / "missing") is None
    assert set_aside(tmp_path) is None
    assert tmp_path.exists()


def test_set_aside__what_is_not_ours_stays(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="no journal of an analysis, so it is not set aside"):
        set_aside(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_set_aside__a_link_goes_on_pointing_to_its_place(started, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(started)
    assert set_aside(link) == started.with_name("out.old-1")
    with Journal(link, KEY) as journal:
        assert journal.directory == started
