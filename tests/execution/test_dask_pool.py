"""The pool at whose contacts workers join, and from which they have to be reached."""

from __future__ import annotations

import asyncio
import socket
from importlib.util import find_spec

import pytest

if find_spec("distributed") is None:
    pytest.skip("the extra lan is not installed", allow_module_level=True)

import dask

from pyhrf.execution.dask.pool import open_pool
from pyhrf.execution.dask.worker import Job


def test_reaches__tells_who_can_be_asked_for_results():
    async def ask() -> list[bool]:
        job = Job(b"", "", None)
        async with open_pool(job, joined=lambda *_: None, lost=lambda _: None) as pool:
            with (
                dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
                socket.create_server(("127.0.0.1", 0)) as silent,
                socket.create_server(("127.0.0.1", 0)) as gone,
            ):
                ports = [silent.getsockname()[1], gone.getsockname()[1]]
                gone.close()
                others = [f"tls://127.0.0.1:{port}" for port in ports]
                return [await pool.reaches(each) for each in (pool.contacts[0], *others)]

    assert asyncio.run(ask()) == [True, False, False]
