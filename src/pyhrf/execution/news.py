"""What an engine on other machines has to tell, and to whom."""

from __future__ import annotations

from collections.abc import Callable

from pyhrf.execution.engine import Engine

_MAX_NEWS = 20


class TellOnce:
    """Tells each sentence once, whoever says it how often."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def __call__(self, text: str) -> None:
        """Tell a sentence, unless it was told before."""
        if text not in self._told:
            self._told.add(text)
            self._tell(text)


class RemoteEngine(Engine):
    """Base of the engines that tell what becomes of their machines.

    Parameters
    ----------
    tell : callable
        Called, by any thread, with each sentence that the user should read.

    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._say = tell

    def _tell(self, text: str) -> None:
        """Tell the user, and whoever watches the run from elsewhere."""
        self.news = (*self.news[1 - _MAX_NEWS :], text)
        self._say(text)
