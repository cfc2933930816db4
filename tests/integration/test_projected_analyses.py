"""Volumes on the cortex that nilearn ships: projected, cut by their own data, analysed.

One of the simulator, whose responses are known everywhere, and one that was recorded.
"""

from __future__ import annotations

import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_fsaverage

import pyhrf
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec


def write_half(path, mesh):
    """Write the left half of the cortex with the name that viewers and CIFTI want."""
    half = mesh.parts["left"]
    image = nib.GiftiImage(
        darrays=[
            nib.gifti.GiftiDataArray(half.coordinates.astype(np.float32), intent="pointset"),
            nib.gifti.GiftiDataArray(half.faces.astype(np.int32), intent="triangle"),
        ],
        meta=nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft"}),
    )
    image.to_filename(path)
    return half.coordinates


COMMANDS = """
    project BOLD -g pial.surf.gii -g white.surf.gii -I 2.4 -o lh.func.gii
    project MASK --atlas -g pial.surf.gii -g white.surf.gii -o atlas.label.gii
    parcellate contiguous atlas.label.gii -g pial.surf.gii -o 1.label.gii
    parcellate merge 1.label.gii -g pial.surf.gii --smallest 20 --drop -o 2.label.gii
    parcellate data 2.label.gii -f lh.func.gii -g pial.surf.gii -r EVENTS --size 100
    jde buildcfg -f lh.func.gii -k parcellation.label.gii -g pial.surf.gii -r EVENTS -u out
    jde estim -x serial -v1
    plot map out MAP -o map.png
"""


# One process for all of them: most of the time of each is that of its imports.
PROGRAM = """
import sys
from pyhrf.commands.main import run

for line in sys.stdin.read().splitlines():
    sys.argv = ["pyhrf", *line.split("\\t")]
    try:
        run()
    except SystemExit as end:
        assert not end.code, (line, end.code)
"""


def analyse(folder, **files):
    """Take a volume through all steps; give the results and where the nodes lie."""
    meshes = load_fsaverage("fsaverage5")
    coordinates = write_half(folder / "pial.surf.gii", meshes["pial"])
    white = write_half(folder / "white.surf.gii", meshes["white_matter"])
    given = [[str(files.get(w, w)) for w in c.split()] for c in COMMANDS.strip().splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join("\t".join(words) for words in given),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = pyhrf.Results(folder / "out")
    assert results.failed == {}
    assert results.parcels["n_positions"].between(5, 100).all()
    assert '"CortexLeft"' in (folder / "out" / "report.html").read_text("utf-8")
    return results, coordinates, white


def test_simulated_volume__on_the_cortex_has_its_levels(tmp_path):
    spec = SimulationSpec(
        region="grey-matter",
        shape=None,
        voxel_size=4.0,
        n_parcels=100,
        n_scans=100,
        tr=2.4,
        n_conditions=2,
        smoothness=2.5,
        snr=3.0,
        seed=8,
    )
    made = simulate(spec)
    files = write_dataset(made, tmp_path / "data")
    # a part is enough: what lies within 3 cm of the left auditory cortex
    places = nib.affines.apply_affine(made.affine, np.argwhere(made.parcellation > 0))
    far = np.linalg.norm(places - [-50, -20, 8], axis=1) > 30
    labels = made.parcellation.copy()
    labels[labels > 0] = np.where(far, 0, labels[labels > 0])
    nib.save(nib.Nifti1Image(labels, made.affine), tmp_path / "mask.nii")
    given = {"BOLD": files.bold[0], "MASK": tmp_path / "mask.nii", "EVENTS": files.paradigm_csv}
    results, pial, white = analyse(tmp_path, **given, MAP="nrl_cond1")
    inside = np.asarray(results.map_values("parcels")) > 0
    assert inside.sum() > 150
    level = made.levels[made.experiment.conditions.index("cond1")]
    middle = (pial[inside] + white[inside]) / 2
    nearest = np.linalg.norm(middle[:, None] - places, axis=-1).argmin(axis=1)
    found = results.map_values("nrl_cond1")[inside]
    assert np.corrcoef(found, level[nearest])[0, 1] > 0.6


@pytest.mark.shared_data
def test_real_volume__on_the_cortex_hears_in_the_temporal_lobe(shared_data, tmp_path):
    results, coordinates, _ = analyse(
        tmp_path,
        BOLD=shared_data / "real_data_vol_4_regions_BOLD.nii.gz",
        MASK=shared_data / "real_data_vol_4_regions_mask.nii.gz",
        EVENTS=shared_data / "paradigm_loc_av.csv",
        MAP="nrl_audio",
    )
    audio = np.nan_to_num(results.map_values("nrl_audio"))
    # Heschl's gyrus and its surroundings, in the space of MNI
    x, y, z = coordinates[np.argsort(audio)[-20:]].mean(axis=0)
    assert -65 < x < -35
    assert -45 < y < 5
    assert -10 < z < 20
