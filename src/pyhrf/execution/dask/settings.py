"""How `dask.distributed` is set up at both ends: what its defaults get wrong for long parcels."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # comes with distributed
from distributed import Nanny
from distributed.security import Security
from distributed.worker import Worker

DASK_SETTINGS: dict[str, Any] = {
    # Three deaths of a worker at one batch, by whatever: then it is taken apart.
    "distributed.scheduler.allowed-failures": 2,
    # A worker whose compiled code holds the interpreter is silent, not dead.
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.no-workers-timeout": None,
    # Batches wait at the scheduler: one that waits at a worker is lost with it.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.admin.large-graph-warning-threshold": "8GB",
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.comm.timeouts.connect": "15s",
    "distributed.comm.compression": None,
    "distributed.worker.profile.enabled": False,
    # The pages of the dashboard, without those that let a visitor act or pass through.
    "distributed.scheduler.http.routes": [
        "distributed.http.scheduler.info",
        "distributed.http.health",
        "distributed.http.statics",
    ],
    # A worker of `MuteWorker` has none at all; this is for any other.
    "distributed.worker.http.routes": [],
}


_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the module ssl does not name."""


class MuteWorker(Worker):
    """A worker without the HTTP server that dask gives to each: it answers anyone, unencrypted."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Open no port; no setting of dask does that."""


class MemorySecurity(Security):
    """TLS whose private key is never in a file, not even for a moment.

    Attributes
    ----------
    pem : dict of str to str
        ``ca``, ``cert`` and ``key``, as texts.
    """

    def __init__(self, pem: dict[str, str]) -> None:
        ends = ("client", "scheduler", "worker")
        super().__init__(
            require_encryption=True,
            tls_ca_file=pem["ca"],
            **{f"tls_{end}_cert": pem["cert"] for end in ends},
            **{f"tls_{end}_key": pem["key"] for end in ends},
        )
        self.pem = pem

    def _get_tls_context(self, tls: dict[str, Any], purpose: Any) -> ssl.SSLContext | None:
        if not hasattr(os, "memfd_create"):  # only Linux has it; dask uses a folder of mode 700
            return self._plain_context(tls, purpose)
        with contextlib.ExitStack() as stack:
            for part in ("cert", "key"):
                if "\n" in (tls.get(part) or ""):
                    tls = {**tls, part: stack.enter_context(_in_memory(tls[part]))}
            return self._plain_context(tls, purpose)

    def _plain_context(self, tls: dict[str, Any], purpose: Any) -> ssl.SSLContext | None:
        context: ssl.SSLContext | None = super()._get_tls_context(tls, purpose)
        if context is not None:
            # The certificate is as old as the run. To a clock that is behind it is not yet valid.
            context.verify_flags |= _NO_CHECK_TIME
        return context


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """Give a text a path under which only this process can read it, for OpenSSL."""
    descriptor = os.memfd_create("pyhrf-tls")
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def temporary_security(pem: dict[str, str] | None = None) -> MemorySecurity:
    """Make keys for one run, or use those that the client made.

    Parameters
    ----------
    pem : dict of str to str, optional
        ``ca``, ``cert`` and ``key`` as texts; made anew if not given.

    Returns
    -------
    MemorySecurity
        Each end has to show its certificate to the other.
    """
    if pem is None:
        made: Any = Security.temporary()
        pem = {"ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    return MemorySecurity(pem)


def make_nanny(
    contact: str, *, pem: dict[str, str], name: str, scratch: Path, silence: float, **where: Any
) -> Nanny:
    """Make a worker with one thread, and a process that starts it again when it dies."""
    return Nanny(
        contact,
        nthreads=1,
        name=name,
        protocol="tls",
        security=temporary_security(pem),
        memory_limit=0,
        local_directory=str(scratch),
        death_timeout=silence,
        worker_class=MuteWorker,
        **where,
    )


def kill_children() -> None:
    """End the workers and what they started; when this returns they write nothing more."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=1)
