"""The real volume on the cortex that nilearn ships: projected, cut by its own data, analysed."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nilearn.datasets import load_fsaverage
from test_real_data import program

import pyhrf


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


def test_real_volume__on_the_cortex_hears_in_the_temporal_lobe(shared_data, tmp_path):
    meshes = load_fsaverage("fsaverage5")
    coordinates = write_half(tmp_path / "pial.surf.gii", meshes["pial"])
    write_half(tmp_path / "white.surf.gii", meshes["white_matter"])
    bold = shared_data / "real_data_vol_4_regions_BOLD.nii.gz"
    mask = shared_data / "real_data_vol_4_regions_mask.nii.gz"
    files = {"BOLD": bold, "MASK": mask, "EVENTS": shared_data / "paradigm_loc_av.csv"}
    commands = """
        project BOLD -g pial.surf.gii -g white.surf.gii -I 2.4 -o lh.func.gii
        project MASK --atlas -g pial.surf.gii -g white.surf.gii -o atlas.label.gii
        parcellate contiguous atlas.label.gii -g pial.surf.gii -o 1.label.gii
        parcellate merge 1.label.gii -g pial.surf.gii --smallest 20 --drop -o 2.label.gii
        parcellate data 2.label.gii -f lh.func.gii -g pial.surf.gii -r EVENTS --size 100
        jde buildcfg -f lh.func.gii -k parcellation.label.gii -g pial.surf.gii -r EVENTS -u out
        jde estim -x serial -v1
        plot map out nrl_audio -o audio.png
    """
    for command in commands.strip().splitlines():
        words = [files.get(word, word) for word in command.split()]
        done = program("pyhrf", *words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    results = pyhrf.Results(tmp_path / "out")
    assert results.failed == {}
    assert results.parcels["n_positions"].between(5, 100).all()
    audio = np.nan_to_num(results.map_values("nrl_audio"))
    # Heschl's gyrus and its surroundings, in the space of MNI
    x, y, z = coordinates[np.argsort(audio)[-20:]].mean(axis=0)
    assert -65 < x < -35
    assert -45 < y < 5
    assert -10 < z < 20
    assert '"CortexLeft"' in (tmp_path / "out" / "report.html").read_text("utf-8")
