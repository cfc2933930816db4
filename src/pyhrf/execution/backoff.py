"""How long to wait before what failed is tried again."""

from __future__ import annotations


class Backoff:
    """Seconds to wait after a failure: twice as many each time.

    Parameters
    ----------
    first, longest : float
        After the first failure, and at most.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._seconds = 0.0

    def failed(self) -> float:
        """Return the seconds to wait now."""
        self._seconds = min(max(2 * self._seconds, self._first), self._longest)
        return self._seconds

    def reset(self) -> None:
        """Begin anew: it did not fail."""
        self._seconds = 0.0
