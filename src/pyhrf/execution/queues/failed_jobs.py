"""What the jobs that ended by themselves say about the next ones."""

from __future__ import annotations

_MAX_STILLBORN = 4
"""Jobs in a row that may end before any of their workers was there, as long as none ever was."""
_MAX_IN_VAIN = 8
"""Jobs in a row that may end in vain in any case; twice their number if that is more."""


class FailedJobs:
    """Jobs that were lost, one after the other."""

    def __init__(self, n_jobs: int) -> None:
        self._limit = max(_MAX_IN_VAIN, 2 * n_jobs)
        self._n_stillborn = self._n_unseen = self._n_fruitless = self._n_results = 0

    def joined(self) -> None:
        """Note that a worker is there."""
        self._n_stillborn = self._n_unseen = 0

    def lost(self, *, joined: bool, begun: bool, n_results: int) -> None:
        """Note that a job was lost.

        Parameters
        ----------
        joined : bool
            Whether any of its workers was ever there.
        begun : bool
            Whether it was seen to run, or said something.
        n_results : int
            Results of the run so far.
        """
        if n_results > self._n_results:
            self._n_results, self._n_fruitless = n_results, 0
        if joined:
            self._n_fruitless += 1
        else:
            self._n_unseen += 1
            self._n_stillborn += begun

    def n_in_vain(self, *, healthy: bool) -> int:
        """Return how many jobs in a row were in vain, if there is no hope for the next; else 0.

        Parameters
        ----------
        healthy : bool
            Whether a worker is there: then some nodes are bad, and others are not.
        """
        if self._n_fruitless >= self._limit:
            return self._n_fruitless
        if healthy:
            return 0
        if self._n_stillborn >= _MAX_STILLBORN and not self._n_results:
            return self._n_stillborn
        return self._n_unseen if self._n_unseen >= self._limit else 0
