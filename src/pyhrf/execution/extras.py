"""What an engine needs beyond PyHRF itself: the packages of its extra."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec

from pyhrf.errors import EngineError
from pyhrf.wording import named

EXTRAS = {
    "lan": ("asyncssh", "bokeh", "cryptography", "distributed"),
    "cluster": ("asyncssh", "soma_workflow", "paramiko", "zmq"),
    "queue": ("bokeh", "cryptography", "distributed"),
}
"""Packages of each extra, by the names under which they are imported."""


def install_command(extra: str) -> str:
    """Write the command that installs an extra for this Python, whatever is first on the PATH."""
    python = shlex.quote(sys.executable)
    before = "" if find_spec("pip") else f"{python} -m ensurepip && "
    return f"{before}{python} -m pip install 'pyhrf[{extra}]'"


def missing_packages(extra: str) -> list[str]:
    """List the packages of an extra that this Python lacks."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


def check_installed(engine: str, extra: str) -> None:
    """Check that the packages of an extra are there.

    Raises
    ------
    EngineError
        Naming those that are missing, and the cure.
    """
    if missing := missing_packages(extra):
        raise EngineError(
            f"{named('engine', name=engine)} needs {' and '.join(missing)}, which this Python "
            f"lacks; run: {install_command(extra)}"
        )
