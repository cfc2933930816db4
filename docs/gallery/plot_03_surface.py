"""
On the surface
==============

A run on the cortical surface: nilearn's ``SurfaceImage`` goes in, and maps come back as
such. Both hemispheres are fitted together.
"""

from io import StringIO

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_fsaverage, load_fsaverage_data
from nilearn.plotting import plot_surf_stat_map
from nilearn.surface import SurfaceImage

import pyhrf
from pyhrf.simulation.datasets import events_tsv
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

# %%
# Data
# ----
#
# The grey matter of a brain in MNI space is simulated, and projected onto the mesh of
# fsaverage5. Of its parcels we take those at the back of the brain. Your own data on
# ``fsaverage5``, as fMRIPrep writes them, are ``SurfaceImage(mesh, {"left":
# "…hemi-L…func.gii", "right": "…hemi-R…func.gii"})``.

spec = SimulationSpec(
    region="grey-matter",
    shape=None,
    voxel_size=6,
    n_parcels=24,
    n_scans=100,
    n_conditions=2,
    snr=1,
)
simulated = simulate(spec)
events = pd.read_csv(StringIO(events_tsv(simulated.experiment.runs[0])), sep="\t")

at_the_back = np.isin(simulated.parcellation, (1, 4, 7, 8, 9, 10))
labels = nib.Nifti1Image(simulated.parcellation * at_the_back, simulated.affine)
series = nib.Nifti1Image(simulated.volume(), simulated.affine)

meshes = load_fsaverage("fsaverage5")
bold = SurfaceImage.from_volume(meshes["pial"], series)
atlas = SurfaceImage.from_volume(
    meshes["pial"], labels, interpolation="nearest_most_frequent"
)
print(f"{bold.shape[0]} nodes, {bold.shape[1]} scans")

# %%
# Fit
# ---
#
# The repetition time has to be said, for a ``SurfaceImage`` has none.

model = pyhrf.JDE(atlas, t_r=spec.tr).fit(bold, events=events)
true_peak = pd.Series(simulated.time_to_peak, index=range(1, spec.n_parcels + 1))
columns = ["parcel", "n_positions", "time_to_peak", "time_to_peak_sd", "hrf_quality"]
model.parcels_[columns].assign(truth=model.parcels_["parcel"].map(true_peak)).round(2)

# %%
# Maps
# ----
#
# Where nodes respond to ``cond1``, and when the response of each parcel peaks, on the
# right hemisphere seen from behind. ``model.map`` gives any map of the results.

curvature = load_fsaverage_data(mesh="fsaverage5", data_type="sulcal")
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), subplot_kw={"projection": "3d"})
for axis, name, title, limits in zip(
    axes,
    ("active_cond1", "time_to_peak"),
    ("probability of a response to cond1", "time to peak (s)"),
    ((0, 1), (4, 7)),
    strict=True,
):
    plot_surf_stat_map(
        stat_map=model.map(name),
        surf_mesh=meshes["inflated"],
        hemi="right",
        view=(10, -45),
        bg_map=curvature,
        threshold=0.1,
        vmin=limits[0],
        vmax=limits[1],
        cmap="viridis",
        title=title,
        axes=axis,
    )
    axis.set_box_aspect(None, zoom=1.5)
plt.show()
