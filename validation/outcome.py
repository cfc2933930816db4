"""What a method says of artificial data."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyhrf.data import FloatArray, ParcelEstimate

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """Maps and HRFs of one method.

    Attributes
    ----------
    score : array, shape (n_conditions, n_positions)
        The higher, the more active.
    probability : array, shape (n_conditions, n_positions)
        Of being active.
    level, level_sd : array, shape (n_conditions, n_positions), or None
        Height of the response to an impulse, and its error.
    hrfs : list of (time, hrf) or None, one per parcel
    estimates : list of ParcelEstimate
        What else PyHRF says.
    """

    score: FloatArray
    probability: FloatArray
    level: FloatArray | None = None
    level_sd: FloatArray | None = None
    hrfs: list[tuple[FloatArray, FloatArray] | None] = field(default_factory=list)
    estimates: list[ParcelEstimate] = field(default_factory=list)
