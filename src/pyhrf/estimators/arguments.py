"""How an estimator remembers its arguments, so that its equal can be made on another machine."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["KeepsArguments"]


class KeepsArguments:
    """Base of the estimators.

    Its ``__init__`` is to be called first of all, with ``locals()`` of the constructor.

    Parameters
    ----------
    given : mapping of str to object
        Arguments of the constructor by name.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        own = ("self", "__class__")
        self._arguments = {name: value for name, value in given.items() if name not in own}

    def recipe(self) -> dict[str, object]:
        """Return the arguments with which this class makes an equal estimator elsewhere."""
        return dict(self._arguments)
