"""Estimators: they turn the data of one parcel into an estimate."""

NUMERICS_VERSION = 1
"""Raised whenever the same data and parameters would give other numbers: part of a result's key."""
