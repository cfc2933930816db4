"""The test bed of the engine LAN: three hosts, up once for all tests of a process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bed_parts import NoBedError, provide_programs
from lan_bed import CLIENT, LAB, PROGRAMS, Bed


@pytest.fixture(scope="session")
def bed(give_kernels: Callable[[Path], None]) -> Iterator[Bed]:
    """Three hosts and a client."""
    try:
        provide_programs(PROGRAMS)
        made = Bed()
        made.up()
    except NoBedError as error:
        pytest.skip(f"no LAN of network namespaces can be made here: {error}")
    try:
        for user, name in ((CLIENT, "client_cache"), (LAB, "lab/.cache")):
            give_kernels(made.folder / name)
            made.give(made.folder / name, user)
        yield made
    finally:
        made.down()


@pytest.fixture
def home(bed: Bed, request: pytest.FixtureRequest) -> Path:
    """A fresh home of the client's user."""
    return bed.make_home(re.sub(r"[^\w]+", "_", request.node.name))
