"""A report names the command that made the results, and says what their parcels are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhrf.results.report_sources import Parcellation, command_of

MADE = Path("/out/.pyhrf/inputs/sub-01")
VOXELS = "parcels-of-80-voxels-5e8a68e2571e1586.nii.gz"


@pytest.mark.parametrize(
    ("command", "estimator", "name"),
    [
        (["/env/bin/pyhrf", "bids", "ds", "out", "participant"], "glm", "pyhrf bids"),
        (["/env/bin/pyhrf_jde_estim", "-c", "a.xml"], "jde-vem", "pyhrf_jde_estim"),
        (["/env/bin/pyhrf", "jde", "estim", "-c", "bids"], "jde-mcmc", "pyhrf_jde_estim"),
        (["pyhrf", "rfir", "estim"], "rfir", "pyhrf_rfir_estim"),
        (["script.py", "bids"], "glm", "pyhrf_glm_estim"),
        ([], "jde-vem", "pyhrf_jde_estim"),
    ],
)
def test_command_of__names_what_was_run(command: list[str], estimator: str, name: str) -> None:
    assert command_of({"command": command, "study": {"estimator": estimator}}) == name


@pytest.mark.parametrize(
    ("path", "name", "counted"),
    [
        (None, "", "12 parcels"),
        (Path("/data/atlas.nii"), "atlas.nii", "the 12 parcels of atlas.nii,"),
        (
            MADE / VOXELS,
            "at most 80 voxels, cut from the brain mask",
            "12 parcels of at most 80 voxels that were cut from the brain mask,",
        ),
        (
            MADE / "parcels-of-60-nodes-5e8a68e2571e1586.label.gii",
            "at most 60 nodes, cut from the mesh",
            "12 parcels of at most 60 nodes that were cut from the mesh,",
        ),
        # An atlas on another grid, and a copy that is given as an atlas.
        (
            MADE / "parcels-schaefer-5e8a68e2571e1586.nii.gz",
            "parcels-schaefer-5e8a68e2571e1586.nii.gz",
            "the 12 parcels of parcels-schaefer-5e8a68e2571e1586.nii.gz,",
        ),
        (Path("/mine") / VOXELS, VOXELS, f"the 12 parcels of {VOXELS},"),
    ],
)
def test_parcellation__says_how_parcels_were_made(
    path: Path | None, name: str, counted: str
) -> None:
    found = Parcellation(path)
    assert (found.name, found.counted(12)) == (name, counted)
