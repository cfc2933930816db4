"""How many parcels were done before a command began."""

from __future__ import annotations

from collections.abc import Callable

from pyhrf.notices import DoneBefore


class Before:
    """Passes on what an analysis tells, and remembers what of it was done before.

    Attributes
    ----------
    n_parcels : int
        Those that were done.
    everything : bool
        Whether nothing was left to do.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.n_parcels = 0
        self.everything = False
        self._tell = tell

    def __call__(self, text: str) -> None:
        """Tell a sentence."""
        if isinstance(text, DoneBefore):
            self.n_parcels = text.n_done
            self.everything = text.n_done == text.n_all
        self._tell(text)
