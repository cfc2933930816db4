"""``python -m benchmarks.glm BOLD PARCELLATION EVENTS FOLDER``: what PyHRF is compared with.

nilearn's general linear model with AR(1) noise and a z map of each condition. Everything that is
not given here is nilearn's default. It prints the seconds of the work without the imports.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.glm.first_level import FirstLevelModel


def main(bold: Path, parcellation: Path, events: Path, folder: Path) -> None:
    """Fit the model and write the maps."""
    start = time.perf_counter()
    folder.mkdir(parents=True)
    labels = nib.load(parcellation)
    mask = nib.Nifti1Image((np.asarray(labels.dataobj) > 0).astype(np.uint8), labels.affine)
    image = nib.load(bold)
    table = pd.read_csv(events, sep="\t")
    model = FirstLevelModel(
        t_r=float(image.header.get_zooms()[3]),
        noise_model="ar1",
        mask_img=mask,
        standardize=False,
    ).fit(image, events=table)
    for condition in sorted(table["trial_type"].unique()):
        z = model.compute_contrast(condition, output_type="z_score")
        nib.save(z, folder / f"z_{condition}.nii.gz")
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
