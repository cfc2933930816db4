"""The launcher: runs on a host, started over ssh, and serves its job slots.

It is told everything through its standard input, one JSON line first: nothing secret is on a
command line or in a file. It ends, with all that it started, when its standard input ends or is
silent for a minute: whatever became of the client, nothing is left here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from pyhrf.errors import EngineError
from pyhrf.execution.lan.folder import RunFolder

_LAST_RESORT = 5.0
"""Seconds, after the end of all talk, in which the workers have to be gone."""
_CLEARING_UP = 60.0
"""Seconds, after that, for the folder."""
_CONFIGURATION = 60.0
"""Seconds to wait for the first message."""


class _Talk:
    """Lines of JSON to and from the client, over the standard streams of this process."""

    def __init__(self) -> None:
        self._rest = b""
        # What is printed from now on, by whatever, must not reach the client.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def say(self, **content: Any) -> None:
        self._out.write(json.dumps({"pyhrf": content}) + "\n")
        self._out.flush()

    def read(self, silence: float | None = None) -> dict[str, Any] | None:
        """Wait for the next message; None when there is none to come, or nothing for too long."""
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if found:
                self._rest = rest
                if line.strip():
                    message: dict[str, Any] = json.loads(line)
                    return message
                continue  # a sign of life
            if not select.select([0], [], [], silence)[0]:
                return None
            piece = os.read(0, 65536)
            if not piece:
                return None
            self._rest += piece


class _Watch(threading.Thread):
    """The dead man's handle: reads what the client says, and sees when it says no more."""

    def __init__(self, talk: _Talk, silence: float) -> None:
        super().__init__(daemon=True, name="pyhrf-watch")
        self._talk, self._silence = talk, silence
        self._loop = asyncio.get_running_loop()
        self.last_words: dict[str, Any] = {}
        self.last_resort: threading.Timer | None = None
        self.over = asyncio.Event()
        self.addresses: asyncio.Future[list[str]] = self._loop.create_future()

    def run(self) -> None:
        try:
            while (message := self._talk.read(self._silence)) is not None:
                if "addresses" in message:
                    self._loop.call_soon_threadsafe(self.addresses.set_result, message["addresses"])
                else:
                    self.last_words = message
        finally:
            self.last_resort = _kill_all_in(_LAST_RESORT)
            self._loop.call_soon_threadsafe(self.over.set)


async def _serve(config: dict[str, Any], talk: _Talk, folder: RunFolder) -> dict[str, Any]:
    """Run a worker for each slot until the client is done or gone; return its last words."""
    from distributed import Status

    from pyhrf.execution.dask.settings import kill_children, make_nanny

    watch = _Watch(talk, config["silence"])
    watch.start()
    over = asyncio.ensure_future(watch.over.wait())
    either: list[asyncio.Future[Any]] = [over, watch.addresses]
    ports = _free_ports(len(config["names"]))
    talk.say(ports=ports)
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if over.done():
        return watch.last_words
    nannies = [
        make_nanny(
            config["scheduler"],
            pem=config["tls"],
            name=name,
            scratch=folder.scratch,
            silence=config["silence"],
            host="127.0.0.1",
            worker_port=port,
            contact_address=address,
        )
        for name, port, address in zip(
            config["names"], ports, watch.addresses.result(), strict=True
        )
    ]
    started = asyncio.ensure_future(asyncio.gather(*nannies))
    await asyncio.wait({over, started}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not over.done():
            started.result()
            talk.say(ready=True)
            # One that gives up its worker for good ends the session: the client begins another.
            ended = [asyncio.ensure_future(nanny.finished()) for nanny in nannies]
            await asyncio.wait({over, *ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Not politely: nothing that a worker still does is wanted, and this takes no time.
        for nanny in nannies:
            nanny.status = Status.closing  # else it starts another
        kill_children()
        if watch.last_resort is not None:  # the folder may be large, or its disk slow
            watch.last_resort.cancel()
        _kill_all_in(_CLEARING_UP)
    return watch.last_words


def _free_ports(n: int) -> list[int]:
    """Find ports that are free: the client has to know them before the workers are there."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _kill_all() -> None:
    os.killpg(0, signal.SIGKILL)


def _kill_all_in(seconds: float) -> threading.Timer:
    """End this process group by force, unless it has ended by then."""
    timer = threading.Timer(seconds, _kill_all)
    timer.daemon = True
    timer.start()
    return timer


def main() -> None:
    """Serve the client at the other end of the standard streams."""
    with contextlib.suppress(OSError):  # the leader of a session has a group of its own already
        os.setpgid(0, 0)
    talk = _Talk()
    config = talk.read(_CONFIGURATION)
    if config is None:
        sys.exit("no configuration on the standard input: it is PyHRF itself that starts this")
    try:
        folder = RunFolder(
            config["folder"], host=config["host"], run=config["run"], login=config["login"]
        )
    except EngineError as fault:
        talk.say(error=fault.cause, cure=fault.cure)
        return
    last_words: dict[str, Any] = {}
    try:
        for stream in (1, 2):
            os.dup2(folder.log_descriptor, stream)
        import dask

        dask.config.set(config["dask"])
        last_words = asyncio.run(_serve(config, talk, folder))
    except BaseException as error:
        traceback.print_exc()
        with contextlib.suppress(OSError):
            talk.say(error=f"{type(error).__name__}: {error}", cure="")
    finally:
        folder.leave(remove=bool(last_words.get("remove")), arrived=last_words.get("arrived", ()))
        with contextlib.suppress(OSError):
            talk.say(bye=True)
        _kill_all()


if __name__ == "__main__":
    main()
