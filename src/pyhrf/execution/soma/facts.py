"""What the login node of a cluster says of soma-workflow there.

Runs on the cluster as text, whatever is installed there: it uses the standard library and, where it
is, soma-workflow itself.
"""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import os
import platform
import signal
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_ANSWER_SECONDS = 10


def cluster_facts(server_id: str) -> dict[str, Any]:
    """Collect what soma-workflow finds on this machine.

    Returns
    -------
    dict
        ``python`` and ``soma_workflow`` (versions; None if it is not installed), ``hostname``,
        ``file`` (its configuration; None if there is none), ``section`` (of that resource; None if
        there is none), ``database`` (``"answers"``, or why it does not; empty if it does not
        run) and ``database_pid`` (its process; None if it does not run).
    """
    file = _configuration_file()
    section = _section(file, server_id) if file else None
    soma_version = _version("soma-workflow")
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "soma_workflow": soma_version,
        "hostname": socket.gethostname(),
        "file": file,
        "section": section,
        "database": "",
        "database_pid": None,
    }
    if soma_version and section is not None:
        facts["database"], facts["database_pid"] = _database(server_id)
    return facts


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _configuration_file() -> str | None:
    """Find the file as soma-workflow does."""
    places = (
        os.environ.get("SOMA_WORKFLOW_CONFIG", ""),
        str(Path("~/.soma-workflow.cfg").expanduser()),
        "/etc/soma-workflow.cfg",
    )
    return next((place for place in places if place and Path(place).is_file()), None)


def _section(file: str, server_id: str) -> dict[str, str] | None:
    parser = configparser.ConfigParser()
    with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
        parser.read(file)
        if parser.has_section(server_id):
            return {key: parser.get(server_id, key, raw=True) for key in parser.options(server_id)}
    return None


def _database(server_id: str) -> tuple[str, int | None]:
    """Ask the database server for a sign of life; empty and None if it does not run."""
    # soma-workflow prints as it goes
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            from soma_workflow.configuration import Configuration

            log = Configuration.load_from_file(server_id).get_server_log_info()[0]
        except Exception as error:  # of another package: whatever it is, it is the reason
            return f"{type(error).__name__}: {error}", None
        try:
            note = json.loads((Path(log).parent / "database_server_uri.py.txt").read_text())
            command = Path(f"/proc/{note['pid']}/cmdline").read_bytes()
        except (OSError, ValueError, KeyError, TypeError):
            return "", None
        if b"start_database_server" not in command:
            return "", None
        return _answer(str(note["server_uri"])), int(note["pid"])


def _answer(uri: str) -> str:
    def too_late(*_: object) -> None:
        raise TimeoutError(f"no answer within {_ANSWER_SECONDS} s")

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(_ANSWER_SECONDS)
    try:
        import soma_workflow.zro as zro

        server = zro.Proxy(uri)  # its methods hold it by a weak reference only
        server.test()
    except Exception as error:  # of another package: whatever it is, it is the reason
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return "answers"


if __name__ == "__main__":
    found = cluster_facts(sys.argv[1])
    print(json.dumps({"pyhrf_cluster": found}), flush=True)
    os._exit(0)  # soma-workflow's threads do not end by themselves
