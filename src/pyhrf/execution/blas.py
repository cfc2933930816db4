"""One BLAS thread in each worker: parallel over parcels, never inside one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Hold the BLAS libraries of this process at one thread.

    Matrices of a parcel are small: more threads make them slower, and could change the rounding
    from engine to engine.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
