from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf.commands.exits import run_command
from pyhrf.commands.maketests import maketests
from pyhrf.commands.study_commands import GROUPS

COMMANDS = {
    **{
        f"pyhrf_{name}_{action}": command
        for name, group in GROUPS.items()
        for action, command in group.commands.items()
    },
    "pyhrf_maketests": maketests,
}

Run = Callable[..., "Ended"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd) -> Run:
    """Run a command as its entry point does."""

    def run_it(name: str, *args: object) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            run_command(COMMANDS[name], name, [str(arg) for arg in args])
        out, err = capfd.readouterr()
        return Ended(int(caught.value.code or 0), out, err)

    return run_it


@dataclass
class Study:
    """Files of a small sound study, written without any code of PyHRF."""

    folder: Path
    tr: float | None = 2.0
    shape: tuple[int, ...] = (6, 5, 3)
    n_scans: int = 80
    paradigm: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    @property
    def bold(self) -> Path:
        return self.folder / "bold.nii"

    @property
    def parcellation(self) -> Path:
        return self.folder / "parcels.nii"

    @property
    def events(self) -> Path:
        return self.folder / "paradigm.csv"

    @property
    def xml(self) -> Path:
        return self.folder / "detectestim.xml"

    @property
    def output(self) -> Path:
        return self.folder / "out"

    def arguments(self) -> list[str]:
        files = ["-f", self.bold, "-k", self.parcellation, "-r", self.events]
        return [*map(str, files), "-o", str(self.xml), "-u", str(self.output), *self.options]

    def write(self) -> None:
        rng = np.random.default_rng(5)
        labels = np.ones(self.shape, np.int16)
        labels[3:] = 2
        signal = rng.standard_normal((*self.shape, self.n_scans)).astype(np.float32) + 100
        self.write_bold(signal)
        self.write_parcellation(labels)
        onsets = np.arange(2.0, self.n_scans * 2 - 30, 9.7)
        self.paradigm = [
            f'0 "{"audio" if i % 2 else "video"}" {onset:.1f} 0 1' for i, onset in enumerate(onsets)
        ]
        self.write_events()

    def write_bold(self, data, *, path: Path | None = None, affine=None) -> None:
        affine = np.diag([3.0, 3, 3, 1]) if affine is None else affine
        image = nib.Nifti1Image(data, affine)
        if data.ndim == 4 and self.tr is not None:
            image.header.set_zooms((3, 3, 3, self.tr))
            image.header.set_xyzt_units("mm", "sec")
        if data.ndim == 4 and self.tr is None:
            image.header["pixdim"][4] = 0
        nib.save(image, path or self.bold)

    def write_parcellation(self, labels, *, affine=None) -> None:
        affine = np.diag([3.0, 3, 3, 1]) if affine is None else affine
        nib.save(nib.Nifti1Image(labels, affine), self.parcellation)

    def write_events(self) -> None:
        self.events.write_text("\n".join(self.paradigm) + "\n")

    def snapshot(self) -> dict[str, bytes]:
        """Every file below the folder, with its bytes; but for who had the lock last, and when."""
        files = (p for p in self.folder.rglob("*") if p.is_file() and p.name != "lock")
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


@pytest.fixture
def study(tmp_path) -> Study:
    study = Study(tmp_path)
    study.write()
    return study
