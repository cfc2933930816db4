"""What a job of ``slurm`` and the others runs: workers that join the run on the login node.

``python -m pyhrf.execution.queues.worker FOLDER --name TOKEN --workers N`` is the command in the
script of a job. The job ends when the run has ended, when the scheduler kills it, and half a minute
after the login node was last seen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from pyhrf.execution.queues.folder import QueueFolder, Trouble
from pyhrf.execution.ssh.host_facts import differences, host_facts
from pyhrf.files import why_unwritable

_SILENCE_SECONDS = 30.0
_LOOK_SECONDS = 5.0
_CONNECT_SECONDS = 5.0


class _TroubleError(Exception):
    """Why this job cannot work; ``final`` if no other can."""

    def __init__(self, text: str, *, final: bool) -> None:
        super().__init__(text)
        self.final = final


def main() -> None:
    """Serve a run until its end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    folder = QueueFolder(arguments.folder)
    try:
        _work(folder, arguments.name, arguments.workers)
    except _TroubleError as error:
        with contextlib.suppress(OSError):
            folder.report(arguments.name, Trouble(str(error), error.final))
        sys.exit(f"pyhrf: {error}")


def _work(folder: QueueFolder, token: str, n_workers: int) -> None:
    node = os.environ.get("SLURMD_NODENAME") or platform.node()
    try:
        config = folder.read_config()
    except OSError as error:
        # A job that waited until its run was over, or a node that does not see the folder.
        sys.exit(f"pyhrf: {error.filename} on {node}: {error.strerror}: the run has ended")
    if different := differences(config["versions"], host_facts()["versions"]):
        raise _TroubleError(
            f"node {node} has other versions than the login node: {', '.join(different)}; "
            "set python in section [parallel-queue] to one that has the same",
            final=True,
        )
    scratch = folder.scratch / token
    try:
        scratch.mkdir(exist_ok=True)
    except OSError as error:
        raise _TroubleError(
            f"node {node} cannot write {scratch}: {why_unwritable(error)}", final=False
        ) from error
    contact, own_address = asyncio.run(_reach(config["contacts"], node))
    signal.signal(signal.SIGTERM, _end_at_once)
    import dask

    dask.config.set(config["dask"])
    # A job that the scheduler starts again has the same token.
    names = [f"{node}#{token}-{uuid.uuid4().hex[:6]}-{i}" for i in range(n_workers)]
    asyncio.run(_serve(config, contact, own_address, names, scratch))


async def _reach(contacts: Sequence[str], node: str) -> tuple[str, str]:
    """Find an address at which the run answers, and by which address it sees this node.

    All are tried at the same time. The last one is that of this machine itself, where another
    program may answer: it counts if no other does.
    """
    trials = [asyncio.create_task(_try(contact)) for contact in contacts]
    try:
        for trial in asyncio.as_completed(trials[:-1]):
            if found := (await trial)[0]:
                return found
        found, _ = await trials[-1]
        if found:
            return found
        refusals = [refusal for _, refusal in await asyncio.gather(*trials)]
    finally:
        for each in trials:
            each.cancel()
    raise _TroubleError(
        f"node {node} does not reach the login node at {', '.join(refusals)}: a firewall between "
        "them has to let the nodes in",
        final=False,
    )


async def _try(contact: str) -> tuple[tuple[str, str] | None, str]:
    """Connect once; return the contact and our own address, or why not."""
    host, port = _host_and_port(contact)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return None, f"{host}:{port} (no answer in {_CONNECT_SECONDS:.0f} s)"
    except OSError as error:
        return None, f"{host}:{port} ({os.strerror(error.errno) if error.errno else error})"
    own_address = str(writer.get_extra_info("sockname")[0])
    writer.close()
    return (contact, own_address), ""


def _host_and_port(contact: str) -> tuple[str, int]:
    parts = urlsplit(contact)
    return str(parts.hostname), int(parts.port or 0)


async def _serve(
    config: dict[str, Any], contact: str, own_address: str, names: Sequence[str], scratch: Path
) -> None:
    """Run the workers until they are told to end, or the login node is gone."""
    from pyhrf.execution.dask.settings import make_nanny

    nannies = [
        make_nanny(
            contact,
            pem=config["tls"],
            name=name,
            scratch=scratch,
            silence=_SILENCE_SECONDS,
            host=own_address,
        )
        for name in names
    ]
    watch = asyncio.create_task(_watch(contact))
    await asyncio.gather(*nannies)
    await asyncio.gather(*(nanny.finished() for nanny in nannies))
    watch.cancel()


async def _watch(contact: str) -> None:
    """End this job when the login node was not seen for too long."""
    host, port = _host_and_port(contact)
    loop = asyncio.get_running_loop()
    last = loop.time()
    while loop.time() - last < _SILENCE_SECONDS:
        await asyncio.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
            last = loop.time()
    print("pyhrf: the run on the login node is gone", file=sys.stderr)
    _end_at_once(signal.SIGTERM, None)


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    """Kill the workers and leave: nothing that they still do is wanted."""
    from pyhrf.execution.dask.settings import kill_children

    kill_children()
    os._exit(1)


if __name__ == "__main__":
    main()
