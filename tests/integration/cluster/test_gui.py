"""``soma_workflow_gui`` on a workflow of ours: names that a person can read, and a picture."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed_parts import wait_until
from cluster_bed import CLIENT, CLUSTER, RESOURCE, Bed
from runs import PROGRAM, settings

pytestmark = pytest.mark.timeout(300)
PACKAGES = [
    "xvfb",
    *(f"libxcb-{name}" for name in ("xinerama0", "icccm4", "image0", "keysyms1", "randr0")),
    *(f"libxcb-{name}" for name in ("render-util0", "shape0", "cursor0")),
    *("libxkbcommon-x11-0", "libdbus-1-3", "libegl1", "libgl1", "libfontconfig1"),
]
"""Of Debian, for PyQt5 on a screen that nobody sees."""


@pytest.fixture(scope="module")
def _programs() -> None:
    """Install what a window needs, by apt."""
    pytest.importorskip("PyQt5")
    code = "from PyQt5 import QtWidgets; import ctypes; ctypes.CDLL('libxcb-icccm.so.4')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    if shutil.which("Xvfb") and done.returncode == 0:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"{' '.join(PACKAGES)} are not installed, and apt cannot do it here")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["install", "-q", "-y", "--no-install-recommends", *PACKAGES]
    for words in (["update", "-q"], install):
        command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *words]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"apt cannot install {' '.join(PACKAGES)}: {done.stderr.decode()[-300:]}")


@pytest.fixture
def display(bed: Bed, _programs: None, tmp_path: Path) -> Iterator[str]:
    """Return the name of a screen on the desk."""
    number = tmp_path / "display"
    screen = ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    server = bed.start(CLIENT, screen, stdout=number, stderr=tmp_path / "xvfb")
    try:
        wait_until(lambda: number.read_text().strip(), seconds=20, what="a screen")
        yield f":{number.read_text().strip()}"
    finally:
        server.kill()
        server.wait(10)


def leave_a_workflow(bed: Bed) -> None:
    """Start an analysis on the cluster, and go away as soon as it works there."""
    runs = bed.home(CLUSTER) / "runs"
    runs.mkdir()
    bed.give(runs, CLUSTER)
    keys = {"server_id": RESOURCE, "server": "login", "user": CLUSTER, "remote_path": runs}
    text = settings("parallel-cluster", {**keys, "python": sys.executable})
    bed.write(CLIENT, ".pyhrf/config.cfg", text)
    study = bed.home(CLIENT) / "mystudy"
    study.mkdir()
    bed.give(study, CLIENT)
    bed.run(CLIENT, [*PROGRAM, "jde", "buildcfg"], cwd=study)
    words = [*PROGRAM, "jde", "estim", "-x", "cluster"]
    with bed.started(CLIENT, words, cwd=study) as process:
        wait_until(lambda: bed.jobs() or process.poll() is not None, seconds=90, what="a job")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, (bed.home(CLIENT) / "stderr").read_text()


def test_gui__shows_study_and_parcels(bed: Bed, display: str, tmp_path: Path) -> None:
    leave_a_workflow(bed)
    picture = bed.home(CLIENT) / "screen.png"
    driver = Path(__file__).with_name("gui_driver.py")
    program = Path(sys.executable).with_name("soma_workflow_gui")
    options = ["-u", CLUSTER, "-a", "-r", RESOURCE]
    done = bed.run(
        CLIENT,
        [sys.executable, driver, program, picture, *options],
        env={"DISPLAY": display, "QT_X11_NO_MITSHM": "1", "PYTHONWARNINGS": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    kept = tmp_path / "soma_workflow_gui.png"
    shutil.copy(picture, kept)
    found = json.loads(done.stdout.splitlines()[-1])
    assert any(name.startswith("pyhrf_mystudy") for name in found["workflows"]), found
    jobs = [text for text in found["shown"] if re.match(r"parcels?_\d+", text)]
    assert jobs, found
    assert any(text.startswith("parcels") for text in found["shown"]), found  # their group
    assert kept.stat().st_size > 20_000  # not an empty screen
