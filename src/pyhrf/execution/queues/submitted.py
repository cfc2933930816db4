"""The jobs that a run has in a queue, and where they find it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

from pyhrf.execution.dask.pool import LOOPBACK


@dataclass(slots=True)
class Submitted:
    """A job that is in the queue, as far as is known.

    Attributes
    ----------
    token : str
        By which its workers and what it reports are known.
    number : str
        That of the scheduler.
    since : float
        When it was submitted, by the clock of the event loop.
    state : str
        As it was last seen.
    joined, begun : bool
        Whether a worker of it was there, and whether the scheduler let it run.
    """

    token: str
    number: str
    since: float
    state: str = "waiting"
    joined: bool = False
    begun: bool = False


def token_of(worker: str) -> str:
    """Take the token of the job out of the name of a worker, ``NODE#TOKEN-START-NUMBER``."""
    return worker.rpartition("#")[2].partition("-")[0]


def own_addresses() -> tuple[str, ...]:
    """Return the IPv4 addresses of this machine, ``127.0.0.1`` first.

    Nobody knows beforehand by which of them the nodes reach it: each worker tries all.
    """
    stats = psutil.net_if_stats()
    found = [
        each.address
        for name, addresses in psutil.net_if_addrs().items()
        for each in addresses
        if each.family == socket.AF_INET and name in stats and stats[name].isup
    ]
    others = dict.fromkeys(address for address in found if not address.startswith("127."))
    return (*LOOPBACK, *others)
