"""What the checks of all engines share: steps in order, up to the first that fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pyhrf.errors import EngineError, PyhrfError
from pyhrf.execution.extras import install_command, missing_packages
from pyhrf.files import reason_and_cure


@dataclass
class Step:
    """One thing that has to hold.

    Attributes
    ----------
    name : str
        What is looked at.
    passed : bool or None
        Whether it holds; None if it was not looked at.
    fact : str
        What was found.
    seconds : float or None
        Longest time, if it is another than that of all.
    """

    name: str
    passed: bool | None = None
    fact: str = ""
    seconds: float | None = None


@dataclass
class Check:
    """What was found out.

    Attributes
    ----------
    what : str
        What was checked, for the last sentence.
    steps : list of Step
        In the order in which they are tried; nothing is tried after one that failed.
    failed : str
        Name of that one; empty if none did.
    cause, cure : str
        Why it failed, and what helps.
    notes : list of str
        What does not stand in the way, but should be known.
    """

    what: str
    steps: list[Step]
    failed: str = ""
    cause: str = ""
    cure: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether the engine can work."""
        return all(step.passed for step in self.steps)

    def fail(self, name: str, cause: str, cure: str) -> None:
        """Note the step that does not hold; all before it do. One that is not known is none."""
        self.failed, self.cause, self.cure = name, cause, cure
        names = [step.name for step in self.steps]
        place = names.index(name) if name in names else 0
        for step in self.steps[:place]:
            step.passed = True
        if name in names:
            self.steps[place].passed = False


def check_extra(extra: str) -> None:
    """See that the packages of an extra are here.

    Raises
    ------
    EngineError
        Naming those that are missing.
    """
    if missing := missing_packages(extra):
        cure = f"run: {install_command(extra)}"
        raise EngineError(f"{' and '.join(missing)} cannot be imported", cure)


async def go_through(
    check: Check, actions: Sequence[Callable[[], Awaitable[str]]], *, seconds: float = 60
) -> None:
    """Try the steps of a check in order, up to the first that fails.

    Parameters
    ----------
    check : Check
        Its steps are filled in.
    actions : sequence of callable
        For the first steps, in their order; returns what it found, or raises what is wrong.
    seconds : float
        Longest time of a step that has none of its own.
    """
    import asyncio

    for step, action in zip(check.steps, actions, strict=False):
        longest = step.seconds or seconds
        try:
            async with asyncio.timeout(longest):
                step.fact = await action()
        except PyhrfError as error:
            check.fail(step.name, error.cause, error.cure)
            return
        except OSError as error:  # no answer in time, or a lost connection
            cure = "check that the machine is not overloaded"
            if not isinstance(error, TimeoutError | ConnectionError):
                cure = reason_and_cure(error)[1]
            cause = str(error) or f"no answer within {longest:g} s"
            check.fail(step.name, cause, f"{cure}, and try again")
            return
        step.passed = True
