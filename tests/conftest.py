"""What all tests share: the real data, and when a skipped test is a failure."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parent.parent
INTEGRATION = Path(__file__).resolve().parent / "integration"

CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")

# The first call of a compiled kernel takes seconds; elsewhere than on a desk the same examples
# are to be tried every time.
settings.register_profile("pyhrf", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("pyhrf")

# A shell starts what it puts into the background with Ctrl-C ignored; tests press it.
if (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):
    signal.signal(signal.SIGINT, signal.default_int_handler)


def skipping_is_failing() -> bool:
    """Tell whether everything that the integration tests need must be there."""
    return os.environ.get("PYHRF_REQUIRE_INTEGRATION", "0") not in ("", "0")


def _shared_data() -> Path:
    named = os.environ.get("PYHRF_TEST_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the real data, ``../shared/data`` or ``PYHRF_TEST_DATA``."""
    folder = _shared_data()
    if not folder.is_dir():
        pytest.skip(f"the real data are not there: {folder} (PYHRF_TEST_DATA names the folder)")
    return folder


@pytest.fixture
def study_options(request: pytest.FixtureRequest) -> Callable[..., list[object]]:
    """Give the options of buildcfg for simulated data, or for real data copied into a folder."""

    def options(source: str, folder: Path, *, example: str) -> list[object]:
        if source == "simulated":
            return ["-t", example]
        shared_data = request.getfixturevalue("shared_data")
        for name in ("vol_4_regions_BOLD.nii.gz", "vol_4_regions_mask.nii.gz"):
            shutil.copy(shared_data / f"real_data_{name}", folder / name)
        shutil.copy(shared_data / "paradigm_loc.csv", folder)
        files = ["-f", "vol_4_regions_BOLD.nii.gz", "-k", "vol_4_regions_mask.nii.gz"]
        return [*files, "-r", "paradigm_loc.csv", "-I", 2.4]

    return options


@pytest.fixture
def crowding() -> Callable[[], float]:
    """Measure how many times longer work takes now because others work on the machine; 1 if none.

    Bars in seconds are those of a machine that is free.
    """

    def measure() -> float:
        wall, own = time.perf_counter(), time.thread_time()
        while time.thread_time() - own < 0.7:
            sum(range(1000))
        return (time.perf_counter() - wall) / (time.thread_time() - own)

    return measure


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Keep ``~/.pyhrf`` of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYHRF_CONFIG", raising=False)
        patch.setenv("HOME", str(_empty_home(tmp_path_factory)))
        patch.setenv("XDG_CACHE_HOME", CACHE)  # what is compiled serves the programs of all tests
        yield


@pytest.fixture(scope="session")
def give_kernels() -> Callable[[Path], None]:
    """Give a folder for caches, such as that of another user, what the tests have compiled."""
    from pyhrf.estimators.kernel_cache import cache_folder

    def give(cache: Path) -> None:
        # Other tests may be writing there.
        ignored = shutil.ignore_patterns("*.tmp.*")
        cache.mkdir(parents=True, exist_ok=True)
        if cache_folder().exists():
            own = cache / "pyhrf" / cache_folder().name
            shutil.copytree(cache_folder(), own, ignore=ignored, dirs_exist_ok=True)

    return give


@pytest.fixture(scope="module", autouse=True)
def _one_blas_thread(request: pytest.FixtureRequest) -> Generator[None]:
    """Let libraries that the tests call directly use one thread: one process works on each core.

    Of the other rooms the threads are PyHRF's own business, and so a part of what is tested.
    """
    if request.path.parent.name not in ("model", "simulation", "validation"):
        yield
        return
    with threadpool_limits(1, user_api="blas"):
        yield


def _empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder without any file, the same for all tests of a process."""
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    return home


_INSTEAD = {"simulated"}


def _parameters(item: pytest.Item) -> list[str]:
    """Give the words that a test is parametrised by, in an integration test."""
    if INTEGRATION not in item.path.parents or not isinstance(item, pytest.Function):
        return []
    of_call = getattr(item, "callspec", None)
    return [value for value in of_call.params.values() if isinstance(value, str)] if of_call else []


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by where they lie and by what they use.

    Integration tests on simulated data that are done on real data too take the place of those
    where the real data are missing: both would take minutes more.
    """
    twins = [item for item in items if _INSTEAD & set(_parameters(item))]
    if twins and _shared_data().is_dir():
        config.hook.pytest_deselected(items=twins)
        items[:] = [item for item in items if item not in twins]
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker("integration")
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``: leave all tests of a test bed, so of a folder, to one process.

    Some of them watch the clock, and a bed is up once, as the analyses are that the tests of a
    file share. Those of the queues have a cluster of their own: with the others they would take
    as long as all that two more processes have to do. (The marks that xdist has for this have no
    effect with pytest 9.2.)
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByBed(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.partition("::")[0])
            if file.parent.parent.name != INTEGRATION.name:
                return str(file)
            of_queues = file.name.startswith("test_queue_")
            return f"{file.parent} (queues)" if of_queues else str(file.parent)

    return ByBed(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test that must run into a failure."""
    report = yield
    must_run = item.get_closest_marker("integration") or item.get_closest_marker("shared_data")
    if must_run and report.skipped and not hasattr(report, "wasxfail") and skipping_is_failing():
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file of integration tests into a failure."""
    report = yield
    if INTEGRATION in collector.path.parents and report.skipped and skipping_is_failing():
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a report of a skip one of a failure."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"PYHRF_REQUIRE_INTEGRATION is set, but the test was skipped: {reason}"


@pytest.fixture
def little_room() -> Iterator[None]:
    """Refuse files of half a megabyte and more, as a full disk or a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
