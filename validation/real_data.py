"""Where the real data are, and what is known of them. They are no part of the project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

__all__ = ["LOCALIZER", "LOCALIZER_TR", "data_file", "read_image", "read_onsets"]

LOCALIZER: dict[str, tuple[str, str]] = {
    "subj0": ("subj0_bold_session0.nii.gz", "subj0_parcellation.nii.gz"),
    "regions": ("real_data_vol_4_regions_BOLD.nii.gz", "real_data_vol_4_regions_mask.nii.gz"),
}
"""BOLD data and parcellation of each set."""
LOCALIZER_TR = 2.4
"""Seconds; the headers say 1."""


def data_file(name: str) -> Path:
    """Find a file of the real data.

    Raises
    ------
    ClickException
        It is not there.
    """
    named = os.environ.get("PYHRF_TEST_DATA")
    root = Path(__file__).resolve().parents[1]
    path = (Path(named) if named else root.parent / "shared" / "data") / name
    if not path.exists():
        raise click.ClickException(
            f"the real data are not there: {path} is missing; PYHRF_TEST_DATA names their folder."
        )
    return path


def read_image(name: str) -> tuple[NDArray[Any], Any]:
    """Read the numbers of an image as they are stored, and its header."""
    image = nib.load(data_file(name))
    return np.asanyarray(image.dataobj), image.header


def read_onsets(name: str) -> dict[str, NDArray[np.float64]]:
    """Read the onsets of each condition: session, condition, onset, … in columns, no head."""
    onsets: dict[str, list[float]] = {}
    for line in data_file(name).read_text("utf-8").splitlines():
        words = line.split()
        if words:
            onsets.setdefault(words[1].strip('"'), []).append(float(words[2]))
    return {condition: np.array(sorted(times)) for condition, times in onsets.items()}
