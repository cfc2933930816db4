"""Steps of a check: in order, up to the first that fails."""

from __future__ import annotations

import asyncio

import pytest

from pyhrf.errors import EngineError
from pyhrf.execution.check_steps import Check, Step, go_through
from pyhrf.execution.ssh.shells import LocalShell, Reply


def passed(check: Check) -> list[bool | None]:
    return [step.passed for step in check.steps]


async def good() -> str:
    return "well"


async def bad() -> str:
    raise EngineError("it is broken", "mend it")


async def slow() -> str:
    await asyncio.sleep(60)
    return "too late"


def test_go_through__stops_at_the_first_fault() -> None:
    check = Check("all", [Step("one"), Step("two"), Step("three")])
    asyncio.run(go_through(check, [good, bad, good]))
    assert passed(check) == [True, False, None]
    assert (check.failed, check.cause, check.cure) == ("two", "it is broken", "mend it")
    assert not check.usable
    assert check.steps[0].fact == "well"


def test_go_through__passes_when_all_holds() -> None:
    check = Check("all", [Step("one"), Step("two")])
    asyncio.run(go_through(check, [good, good]))
    assert check.usable
    assert check.failed == ""


def test_go_through__does_not_wait_for_ever() -> None:
    check = Check("all", [Step("one"), Step("two")])
    asyncio.run(go_through(check, [slow, good], seconds=0.1))
    assert passed(check) == [False, None]
    assert "no answer within 0.1 s" in check.cause


def test_go_through__says_that_a_connection_was_lost() -> None:
    async def lost() -> str:
        raise ConnectionError("the connection is lost: keepalive timeout")

    check = Check("all", [Step("one"), Step("two")])
    asyncio.run(go_through(check, [lost, good]))
    assert passed(check) == [False, None]
    assert check.cause == "the connection is lost: keepalive timeout"


def test_check__is_not_usable_before_all_was_tried() -> None:
    check = Check("all", [Step("one", passed=True), Step("two")])
    assert not check.usable


def test_here__gives_status_and_both_streams() -> None:
    said = asyncio.run(LocalShell().run("cat; echo no >&2; exit 3", text="heard"))
    assert said == Reply(3, "heard", "no\n")


def test_here__ends_what_is_taken_back() -> None:
    async def try_it() -> None:
        async with asyncio.timeout(0.2):
            await LocalShell().run("sleep 60")

    with pytest.raises(TimeoutError):
        asyncio.run(try_it())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Reply(1, "out\n", "first\nlast\n"), "last"),
        (Reply(1, "only out\n", ""), "only out"),
        (Reply(4, "", ""), "it ended with status 4"),
    ],
)
def test_said__gives_the_last_complaint(said: Reply, reason: str) -> None:
    assert said.reason == reason
