"""``python -m benchmarks.glm FOLDER PARCELLATION --run BOLD EVENTS [CONFOUNDS] [--run ...]``.

What PyHRF is compared with: nilearn's general linear model with AR(1) noise and a z map of each
condition, runs put together by fixed effects. Everything that is not given here is nilearn's
default. It prints the seconds of the work without the imports.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.glm.first_level import FirstLevelModel


def main(folder: Path, parcellation: Path, runs: Sequence[Sequence[Path]]) -> None:
    """Fit the model and write the maps."""
    start = time.perf_counter()
    folder.mkdir(parents=True)
    labels = nib.load(parcellation)
    mask = nib.Nifti1Image((np.asarray(labels.dataobj) > 0).astype(np.uint8), labels.affine)
    images = [nib.load(files[0]) for files in runs]
    events = [pd.read_csv(files[1], sep="\t") for files in runs]
    confounds = [pd.read_csv(files[2], sep="\t") for files in runs if len(files) > 2]
    model = FirstLevelModel(
        t_r=float(images[0].header.get_zooms()[3]),
        noise_model="ar1",
        mask_img=mask,
        standardize=False,
    ).fit(images, events=events, confounds=confounds or None)
    for condition in sorted({name for table in events for name in table["trial_type"]}):
        z = model.compute_contrast(condition, output_type="z_score")
        nib.save(z, folder / f"z_{condition}.nii.gz")
    print(time.perf_counter() - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("parcellation", type=Path)
    parser.add_argument("--run", type=Path, nargs="+", action="append", required=True)
    given = parser.parse_args()
    main(given.folder, given.parcellation, given.run)
