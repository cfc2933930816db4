"""Jobs that an earlier run left in the queue: removed, and remembered until they are gone."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from dataclasses import replace

from pyhrf.execution.queues.folder import NotedJobs, QueueFolder
from pyhrf.execution.queues.jobs import QueueJobs, SchedulerError
from pyhrf.wording import named

_LOOKS, _LOOK_SECONDS = 10, 0.2
"""How often, and how soon, to look whether they are gone."""


async def remove_leftovers(
    folder: QueueFolder, jobs: QueueJobs, *, title: str, tell: Callable[[str], object]
) -> list[NotedJobs]:
    """Remove what runs that were killed left in the queue.

    Returns
    -------
    list of NotedJobs
        What was not seen to be gone; to be noted again.
    """
    left = []
    for noted in folder.read_jobs():
        try:
            numbers = await _remove(noted, jobs, tell)
        except SchedulerError as error:
            tell(
                f"jobs of an earlier run may still be in the queue, {', '.join(noted.ids)}: "
                f"{title} does not answer: {error}"
            )
            numbers = noted.ids
        if numbers:
            left.append(replace(noted, ids=numbers))
    return left


async def _remove(
    noted: NotedJobs, jobs: QueueJobs, tell: Callable[[str], object]
) -> tuple[str, ...]:
    numbers = await _still_there(noted, jobs)
    # Elsewhere the same number may be another job, unless the scheduler shows that it is ours.
    if noted.host != platform.node() and not jobs.shows_names:
        if numbers:
            tell(
                f"jobs of an earlier run may still be in the queue, {', '.join(numbers)}: they "
                f"were submitted on {noted.host}; {named('again')} there"
            )
        return numbers
    if numbers:
        tell(f"removing jobs of an earlier run: {', '.join(numbers)}")
    await jobs.cancel(numbers, name=noted.name)
    for _ in range(_LOOKS):
        if not numbers:
            break
        await asyncio.sleep(_LOOK_SECONDS)
        numbers = await _still_there(noted, jobs)
    return numbers


async def _still_there(noted: NotedJobs, jobs: QueueJobs) -> tuple[str, ...]:
    found = await jobs.states(noted.ids, name=noted.name)
    return tuple(job for job, state in found.items() if state != "ending")
