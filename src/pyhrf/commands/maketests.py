"""``pyhrf maketests``: the self-test of an installation."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
import unittest
from collections.abc import Iterator

import click

from pyhrf.commands.exits import NOT_STARTED, OK
from pyhrf.commands.options import CONTEXT
from pyhrf.commands.verbosity import as_verbosity, verbosity_option
from pyhrf.errors import InputError

_TESTS = "pyhrf.test"


@click.command(
    "maketests",
    short_help="Test this installation.",
    context_settings=CONTEXT,
)
@click.argument("names", nargs=-1, metavar="[TEST]...")
@verbosity_option
def maketests(names: tuple[str, ...], verbosity: int | None) -> int:
    """Test this installation, with the settings of ~/.pyhrf/config.cfg.

    TEST is the dotted name of a module, a class or a test, such as
    pyhrf.test.test_treatment.TreatmentTest.test_default_treatment; without one, all are run.
    """
    from pyhrf.config.settings import load_settings
    from pyhrf.estimators.kernel_cache import cache_problem

    load_settings()  # what is wrong there is said once, not by each test
    suite = _load(names)
    if problem := cache_problem(told=True):
        click.echo(f"note: {problem}", err=True)
    # 0 prints failures only, 2 prints the name of each test.
    runner = unittest.TextTestRunner(stream=sys.stderr, verbosity=min(as_verbosity(verbosity), 2))
    result = runner.run(suite)
    for reason in dict.fromkeys(reason for _, reason in result.skipped):
        click.echo(f"not tested: {reason}", err=True)
    return OK if result.wasSuccessful() else NOT_STARTED


def _load(names: tuple[str, ...]) -> unittest.TestSuite:
    # By name: the tests use the commands, which know nothing of them.
    package = importlib.import_module(_TESTS)
    modules = [f"{_TESTS}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    loader = unittest.TestLoader()
    chosen = [module for name in names for module in (modules if name == _TESTS else [name])]
    # only ours: what other names lead to may be anything
    ours = [name for name in chosen if name.startswith(f"{_TESTS}.")]
    suite = loader.loadTestsFromNames(ours if names else modules)
    if loader.errors or len(ours) < len(chosen) or not suite.countTestCases():
        everything = unittest.TestLoader().loadTestsFromNames(modules)
        known = sorted(_identities(everything))
        unknown = [name for name in names if not _is_known(name, known)]
        if not unknown:
            raise RuntimeError("\n".join(map(str, loader.errors)))
        near = difflib.get_close_matches(unknown[0], known, n=3, cutoff=0)
        raise InputError(f"no test is called {unknown[0]}; the nearest are {', '.join(near)}")
    return suite


def _is_known(name: str, known: list[str]) -> bool:
    return any(test == name or test.startswith(f"{name}.") for test in known)


def _identities(suite: unittest.TestSuite) -> Iterator[str]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _identities(test)
        else:
            yield test.id()
