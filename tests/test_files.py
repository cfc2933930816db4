"""Files that others may have put in the way: links, pipes, half-written ones."""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress

import pytest

from pyhrf.files import (
    new_file,
    read_regular,
    regular_file,
    replacing,
    try_writing,
    why_unwritable,
)


def test_regular_file__refuses_a_pipe_and_a_device_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="pipe or a device"):
            regular_file(path)
    with pytest.raises(IsADirectoryError):
        regular_file(tmp_path)


def test_regular_file__reads_through_links_as_those_of_datalad(tmp_path):
    (tmp_path / "annex").write_bytes(b"data")
    (tmp_path / "bold.nii").symlink_to("annex")
    assert read_regular(tmp_path / "bold.nii") == b"data"


def test_replacing__leaves_alone_what_a_link_points_to(tmp_path):
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "ours").symlink_to("theirs")
    with replacing(tmp_path / "ours") as file:
        file.write(b"ours")
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert not (tmp_path / "ours").is_symlink()
    assert (tmp_path / "ours").read_bytes() == b"ours"


def test_replacing__has_no_name_that_can_be_predicted_and_leaves_nothing(tmp_path):
    seen = set()
    for _ in range(3):
        with suppress(KeyError), replacing(tmp_path / "table.tsv"):
            seen |= {path.name for path in tmp_path.iterdir()}
            raise KeyError
    assert len(seen) == 3
    assert list(tmp_path.iterdir()) == []


def test_replacing__takes_names_as_long_as_the_system_does_and_keeps_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        for name in ("n" * 255, "ü" * 127, "字" * 85):
            with replacing(tmp_path / name) as file:
                file.write(b"1")
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    finally:
        os.umask(old)


def test_replacing__two_threads_at_one_file_leave_one_whole(tmp_path):
    def write(letter):
        for _ in range(50):
            with replacing(tmp_path / "file") as file:
                file.write(letter * 100_000)

    threads = [threading.Thread(target=write, args=[letter]) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = (tmp_path / "file").read_bytes()
    assert content in (b"a" * 100_000, b"b" * 100_000)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_new_file__never_writes_through_a_link_that_leads_nowhere(tmp_path):
    (tmp_path / "new").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        new_file(tmp_path / "new")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "No space left on device, disk full; make room"),
        (errno.EDQUOT, "Disk quota exceeded; make room"),
        (errno.EROFS, "Read-only file system; have it mounted for writing"),
        (errno.EACCES, "Permission denied; have that allowed"),
        (errno.ENOTDIR, "Not a directory; correct that"),
    ],
)
def test_why_unwritable__names_what_helps(number, sentence):
    assert why_unwritable(OSError(number, os.strerror(number))) == sentence


def test_try_writing__leaves_nothing(tmp_path):
    try_writing(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("little_room")
def test_try_writing__fails_where_small_files_still_fit(tmp_path):
    (tmp_path / "small").write_bytes(bytes(1000))
    with pytest.raises(OSError, match="File too large"):
        try_writing(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    with pytest.raises(FileNotFoundError):
        try_writing(tmp_path / "nowhere")
