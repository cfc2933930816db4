"""The test bed of the cluster: up once for all tests of a process, as new for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bed_parts import NoBedError, provide_programs
from cluster_bed import PROGRAMS, Bed


@pytest.fixture(scope="session")
def _bed(give_kernels: Callable[[Path], None]) -> Iterator[Bed]:
    try:
        provide_programs(PROGRAMS)
        made = Bed()
        made.up()
    except NoBedError as error:
        pytest.skip(f"no cluster can be made here: {error}")
    try:
        made.give_caches(give_kernels)
        yield made
    finally:
        made.down()


@pytest.fixture
def bed(_bed: Bed) -> Bed:
    """A cluster without jobs, and two users with new homes."""
    if _bed.broken:  # one test has failed with the log; the others need not wait to do so too
        pytest.skip(f"the cluster broke in an earlier test: {_bed.broken}")
    _bed.reset()
    return _bed
