"""How many parcels were done before a command began."""

from __future__ import annotations

import re
from collections.abc import Callable

_SAID = re.compile("(?P<done>[0-9]+) of (?P<all>[0-9]+) parcels were already done")


class DoneBefore:
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
        if (said := _SAID.fullmatch(text)) is not None:
            self.n_parcels = int(said["done"])
            self.everything = said["done"] == said["all"]
        self._tell(text)
