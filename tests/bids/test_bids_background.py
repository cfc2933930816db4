"""The maps of a participant's report are drawn on the T1w of fMRIPrep."""

from __future__ import annotations

import base64
from pathlib import Path

import nibabel as nib
import numpy as np
from bids_sets import SPACE, func, tree

from pyhrf.bids.app import analyse_bids
from pyhrf.bids.options import BidsOptions
from pyhrf.results import Results
from pyhrf.results.report import write_report
from pyhrf.results.report_maps import pack_maps

NAME = f"sub-01_task-sim_{SPACE}"
_NO_RESULTS = ("report.html", "run.json", ".journal", "pyhrf.log")


def _analysed(dataset: Path, out: Path) -> Results:
    options = BidsOptions(
        bids_dir=dataset, out_dir=out, participants=("01",), parcellation=30, estimator="glm"
    )
    (answer,) = analyse_bids(options, engine="serial", tell=lambda _: None).values()
    assert isinstance(answer, Results)
    return answer


def _write_t1w(dataset: Path) -> Path:
    """Write an image of half the voxel size that grows along the first axis."""
    (bold,) = func(dataset, "01").glob(f"*run-1*{SPACE}*_bold.nii.gz")
    image = nib.load(bold)
    affine = image.affine @ np.diag([0.5, 0.5, 0.5, 1])
    shape = tuple(2 * n + 2 for n in image.shape[:3])
    ramp = np.broadcast_to(np.arange(shape[0], dtype=np.float32)[:, None, None], shape)
    path = func(dataset, "01").parent / "anat" / f"sub-01_{SPACE}_desc-preproc_T1w.nii.gz"
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(ramp, affine), path)
    return path


def test_bids__the_t1w_of_fmriprep_is_behind_the_maps(dataset: Path, tmp_path: Path) -> None:
    before = _analysed(dataset, tmp_path / "before")
    t1w = _write_t1w(dataset)
    results = _analysed(dataset, tmp_path / "out")
    said = f"Drawn on the anatomy {t1w.name}."
    assert said in (tmp_path / "out" / f"{NAME}.html").read_text("utf-8")
    assert said in write_report(results.directory).read_text("utf-8"), "made again later"
    volume = pack_maps(results)["volume"]
    grey = np.frombuffer(base64.b64decode(volume["background"]), np.uint8)
    # from left to right, or the other way where the first axis runs to the left
    steps = np.diff(grey.reshape(volume["shape"], order="F").astype(int), axis=0)
    assert np.abs(np.sign(steps).sum()) == np.count_nonzero(steps) > 0
    mine, others = (
        {k: x for k, x in tree(one.directory).items() if not k.startswith(_NO_RESULTS)}
        for one in (results, before)
    )
    assert mine == others
    for damage in (_cut, _of_series, Path.unlink):
        damage(t1w)
        assert pack_maps(results)["voxels_on"] == "the mean of the first 20 scans", damage


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _of_series(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3, 2), np.float32), np.eye(4)), path)
