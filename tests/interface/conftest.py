"""Small data of which the models of `pyhrf.interface` are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pyhrf.simulation.examples import make_example


@dataclass(frozen=True)
class Example:
    """The small example data: files, and the same in memory."""

    folder: Path
    bold: Any
    atlas: Any
    events: pd.DataFrame

    @property
    def copy(self) -> Any:
        """The BOLD image in memory, without its file."""
        return self.shifted(0)

    def shifted(self, by: float) -> Any:
        """Another image in memory: that of a second run."""
        values = np.asarray(self.bold.dataobj) + np.float32(by)
        return nib.Nifti1Image(values, self.bold.affine, self.bold.header)

    @property
    def mask(self) -> Any:
        inside = (np.asarray(self.atlas.dataobj) > 0).astype(np.uint8)
        return nib.Nifti1Image(inside, self.atlas.affine)


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    folder = tmp_path_factory.mktemp("data") / "example"
    make_example("small", folder)
    return Example(
        folder,
        nib.load(folder / "bold.nii.gz"),
        nib.load(folder / "parcellation.nii.gz"),
        pd.read_csv(folder / "paradigm.tsv", sep="\t"),
    )


@dataclass(frozen=True)
class OnSurface:
    """The same series on the nodes of two closed meshes."""

    bold: Any
    atlas: Any


@pytest.fixture(scope="session")
def on_surface(example: Example) -> OnSurface:
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage
    from scipy.spatial import ConvexHull

    points = np.random.default_rng(1).normal(size=(80, 3))
    points *= 50 / np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices
    mesh = PolyMesh(
        left=InMemoryMesh(points, faces), right=InMemoryMesh(points + np.array([120, 0, 0]), faces)
    )
    labels = np.asarray(example.atlas.dataobj).reshape(-1)
    some = np.resize(np.flatnonzero(labels), 160)
    series = np.asarray(example.bold.dataobj).reshape(len(labels), -1)[some]
    return OnSurface(
        SurfaceImage(mesh, {"left": series[:80], "right": series[80:]}),
        SurfaceImage(mesh, {"left": labels[some[:80]], "right": labels[some[80:]]}),
    )
