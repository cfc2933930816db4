"""What is in memory gives the bytes that the same data in files give, whatever they lie on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from test_models import assert_same_files

import pyhrf
from pyhrf.config.study import Study

_SIDES = {"left": "CORTEX_LEFT", "right": "CORTEX_RIGHT"}


@dataclass(frozen=True)
class InFiles:
    """Runs and parcels in files that nibabel has written, as a study names them."""

    bold: list[Path]
    parcellation: Path
    meshes: list[Path]


@pytest.fixture
def volumes(example: Any, tmp_path: Path) -> InFiles:
    second = tmp_path / "second.nii.gz"
    nib.save(example.shifted(3), second)
    files = [example.folder / "bold.nii.gz", second]
    return InFiles(files, example.folder / "parcellation.nii.gz", [])


@pytest.fixture
def meshes(on_surface: Any, tmp_path: Path) -> list[Path]:
    paths = []
    for side, part in on_surface.bold.mesh.parts.items():
        meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": f"Cortex{side.title()}"})
        nodes = nib.gifti.GiftiDataArray(
            part.coordinates.astype(np.float32), "NIFTI_INTENT_POINTSET", meta=meta
        )
        faces = nib.gifti.GiftiDataArray(part.faces.astype(np.int32), "NIFTI_INTENT_TRIANGLE")
        paths.append(tmp_path / f"{side}.surf.gii")
        nib.save(nib.GiftiImage(darrays=[nodes, faces]), paths[-1])
    return paths


@pytest.fixture
def gifti(on_surface: Any, meshes: list[Path], tmp_path: Path) -> InFiles:
    series = on_surface.bold.data.parts["left"]
    scans = [
        nib.gifti.GiftiDataArray(scan.astype(np.float32), "NIFTI_INTENT_TIME_SERIES")
        for scan in series.T
    ]
    labels = nib.gifti.GiftiDataArray(
        on_surface.atlas.data.parts["left"].astype(np.int32), "NIFTI_INTENT_LABEL"
    )
    nib.save(nib.GiftiImage(darrays=scans), tmp_path / "bold.func.gii")
    nib.save(nib.GiftiImage(darrays=[labels]), tmp_path / "parcels.label.gii")
    return InFiles([tmp_path / "bold.func.gii"], tmp_path / "parcels.label.gii", meshes[:1])


@pytest.fixture
def cifti(on_surface: Any, meshes: list[Path], tmp_path: Path) -> InFiles:
    axes = [
        nib.cifti2.BrainModelAxis.from_mask(np.ones(80, np.bool_), name=name)
        for name in _SIDES.values()
    ]
    series, labels = (
        np.concatenate([image.data.parts[side] for side in _SIDES])
        for image in (on_surface.bold, on_surface.atlas)
    )
    frames = nib.cifti2.SeriesAxis(0, 2.0, series.shape[1])
    keys = {int(key): (f"parcel {key}", (0, 0, 0, 1)) for key in np.unique(labels)}
    names = nib.cifti2.LabelAxis(["parcels"], [keys])
    for name, values, first in (
        ("bold.dtseries.nii", series.T, frames),
        ("parcels.dlabel.nii", labels[None], names),
    ):
        image = nib.Cifti2Image(values.astype(np.float32), (first, axes[0] + axes[1]))
        nib.save(image, tmp_path / name)
    return InFiles([tmp_path / "bold.dtseries.nii"], tmp_path / "parcels.dlabel.nii", meshes)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("volumes", pyhrf.JDE),
        ("gifti", pyhrf.GLM),
        ("cifti", pyhrf.JDE),
    ],
)
def test_images_in_memory_give_the_bytes_of_their_files(
    request: pytest.FixtureRequest, example: Any, tmp_path: Path, kind: str, make: Any
) -> None:
    files: InFiles = request.getfixturevalue(kind)
    noise = np.random.default_rng(3).normal(size=(100, 2))
    confounds = pd.DataFrame(noise, columns=["one", "two"])
    confounds.to_csv(tmp_path / "confounds.tsv", sep="\t", index=False, float_format="%.17g")
    model = make(
        nib.load(files.parcellation),
        t_r=2.0,
        meshes=files.meshes or None,
        contrasts={"difference": "cond1 - cond2"},
        engine="serial",
    ).fit(
        [nib.load(path) for path in files.bold],
        events=example.events,
        confounds=[confounds] * len(files.bold),
    )
    study = Study.build(
        data={
            "kind": "surface" if files.meshes else "volume",
            "tr": 2.0,
            "runs": [
                {
                    "bold": path,
                    "paradigm": example.folder / "paradigm.tsv",
                    "confounds": tmp_path / "confounds.tsv",
                }
                for path in files.bold
            ],
            "parcellation": files.parcellation,
            "meshes": files.meshes,
        },
        confounds={"columns": "all"},
        estimator={"JDE": "jde-vem", "GLM": "glm"}[make.__name__],
        contrasts=[{"name": "difference", "expression": "cond1 - cond2"}],
    )
    by_file = pyhrf.analyse(study, tmp_path / "results", engine="serial")
    assert by_file.directory == tmp_path / "results"
    assert len(by_file.failed) < 2 <= by_file.n_parcels, "the smallest may be too small"
    assert_same_files(by_file.directory, model.results_.directory)


def test_a_surface_image_gives_the_values_of_cifti(
    on_surface: Any, cifti: InFiles, example: Any
) -> None:
    in_memory = pyhrf.GLM(on_surface.atlas, t_r=2.0, engine="serial")
    in_memory.fit(on_surface.bold, example.events)
    by_file = pyhrf.GLM(cifti.parcellation, t_r=2.0, meshes=cifti.meshes, engine="serial")
    by_file.fit(cifti.bold[0], example.events)
    assert_same_files(in_memory.results_.directory, by_file.results_.directory)
