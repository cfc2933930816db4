"""Estimators: they turn the data of one parcel into an estimate."""

from pyhrf.estimators.kernel_cache import cached_kernels

with cached_kernels():
    from pyhrf.estimators.mcmc import JDEMCMC
    from pyhrf.estimators.rfir import RFIR
    from pyhrf.estimators.vem import JDEVEM

__all__ = ["JDEMCMC", "JDEVEM", "NUMERICS_VERSION", "RFIR"]

NUMERICS_VERSION = 10
"""Raised whenever the same data and parameters would give other numbers: part of a result's key."""
