"""Small BIDS data sets of the simulator, and the command that analyses them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyhrf.commands.bids import bids
from pyhrf.commands.exits import run_command
from pyhrf.simulation.spec import SimulationSpec

SPEC = SimulationSpec(
    region="box",
    shape=(4, 4, 3),
    n_parcels=2,
    n_runs=2,
    n_scans=60,
    n_conditions=2,
    snr=1,
    seed=5,
)
SPACE = "space-MNI152NLin2009cAsym"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def run_bids(capfd: pytest.CaptureFixture[str], *args: object) -> Ended:
    """Run ``pyhrf bids`` as its entry point does."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as caught:
        run_command(bids, "pyhrf bids", [str(arg) for arg in args])
    out, err = capfd.readouterr()
    return Ended(int(caught.value.code or 0), out, err)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def derivatives_of(out: Path) -> dict[str, bytes]:
    """What a user sees: without the folders of the program's own."""
    hidden = (".pyhrf", ".journal")
    return {name: x for name, x in tree(out).items() if not name.startswith(hidden)}


def func(root: Path, label: str) -> Path:
    """Folder of the preprocessed data of a participant."""
    return root / "derivatives" / "fmriprep" / f"sub-{label}" / "func"


def change_json(path: Path, **values: object) -> None:
    """Change some keys of a JSON file; None removes a key."""
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: x for key, x in content.items() if x is not None}))
