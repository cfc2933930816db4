"""The folder ``/etc`` that a bed shows instead of the machine's.

A copy of ``/etc`` has the links of the machine, and many lead out of it: that of Slurm's
configuration to the file system of the site, say. What a bed writes it writes beside them: a link
is replaced and never followed, so that no file outside of the bed's folder changes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path


def make_etc(
    etc: Path, *, homes: Mapping[str, tuple[int, Path]], hosts: Iterable[str], slurm_conf: str
) -> None:
    """Copy ``/etc`` into a new folder, and put what a cluster needs in place of what is there.

    Parameters
    ----------
    etc : Path
        The folder to make.
    homes : mapping
        Number and home of each user to add.
    hosts : iterable of str
        Lines of ``hosts``.
    slurm_conf : str
        Slurm's configuration.
    """
    command = ["cp", "-a", "/etc/.", str(etc)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    furnish_etc(etc, homes=homes, hosts=hosts, slurm_conf=slurm_conf)


def furnish_etc(
    etc: Path, *, homes: Mapping[str, tuple[int, Path]], hosts: Iterable[str], slurm_conf: str
) -> None:
    """Write what a cluster needs into a copy of ``/etc``; the arguments are those of `make_etc`."""
    write_names(etc, homes=homes, hosts=hosts)
    for name in ("munge", "slurm"):
        # New ones: the site's files of other clusters and its key are nothing for this one.
        _new_folder(etc / name)
    write_file(etc / "munge" / "munge.key", secrets.token_bytes(128), mode=0o400)
    write_file(etc / "slurm" / "slurm.conf", slurm_conf)


def write_names(etc: Path, *, homes: Mapping[str, tuple[int, Path]], hosts: Iterable[str]) -> None:
    """Write the files that name users and machines."""
    # Before the users of the machine: the first entry of a name counts.
    users = [f"{u}:*:{i}:{i}::{home}:/bin/bash\n" for u, (i, home) in homes.items()]
    groups = [f"{user}:x:{number}:\n" for user, (number, _) in homes.items()]
    texts = {
        "passwd": "".join(users) + Path("/etc/passwd").read_text(),
        "group": "".join(groups) + Path("/etc/group").read_text(),
        "hosts": "127.0.0.1 localhost\n" + "".join(hosts),
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
    for name, text in texts.items():
        write_file(etc / name, text)


def write_file(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file in place of what has its name: a link is not followed, whatever the umask."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as out:
        out.write(content.encode() if isinstance(content, str) else content)
        os.fchmod(out.fileno(), mode)


def _new_folder(path: Path) -> None:
    """Make an empty folder in place of what has its name, a link to a folder say."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)  # follows no link
    else:
        path.unlink(missing_ok=True)
    path.mkdir()
    path.chmod(0o755)
