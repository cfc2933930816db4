"""
An atlas of nilearn
===================

Atlases that nilearn fetches come with an image and names of regions. Both are used: each
region gets an HRF, and tables and report call it by its name.
"""

from io import StringIO

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.plotting import plot_stat_map
from sklearn.utils import Bunch

import pyhrf
from pyhrf.simulation.datasets import events_tsv
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

# %%
# Data
# ----
#
# The grey matter of a brain in MNI space, simulated.

spec = SimulationSpec(
    region="grey-matter",
    shape=None,
    voxel_size=6,
    n_parcels=8,
    n_scans=150,
    n_conditions=2,
    seed=5,
)
simulated = simulate(spec)
bold = nib.Nifti1Image(simulated.volume(), simulated.affine)
bold.header.set_zooms((6, 6, 6, spec.tr))
events = pd.read_csv(StringIO(events_tsv(simulated.experiment.runs[0])), sep="\t")

# %%
# The atlas
# ---------
#
# With a network it would be fetched, and brought to the grid of the data::
#
#     from nilearn.datasets import fetch_atlas_schaefer_2018
#     from nilearn.image import resample_to_img
#
#     atlas = fetch_atlas_schaefer_2018(n_rois=100)
#     atlas.maps = resample_to_img(atlas.maps, bold, interpolation="nearest")
#
# Here we make one of the same kind: the parcels of the simulation, named by where they
# lie.

xyz = (
    np.argwhere(simulated.parcellation > 0) @ simulated.affine[:3, :3]
    + simulated.affine[:3, 3]
)
centres = pd.DataFrame(xyz, columns=["x", "y", "z"]).groupby(simulated.parcel_of).mean()
names = [
    " ".join(
        (
            "left" if x < 0 else "right",
            "back" if y < -20 else "front",
            "top" if z > 0 else "bottom",
        )
    )
    for x, y, z in centres.to_numpy()
]
maps = nib.Nifti1Image(simulated.parcellation, simulated.affine)
atlas = Bunch(maps=maps, labels=["Background", *names])

# %%
# Fit
# ---

model = pyhrf.JDE(atlas).fit(bold, events=events)
columns = ["region", "n_positions", "time_to_peak", "time_to_peak_sd", "hrf_quality"]
peaks = model.parcels_[columns].assign(truth=simulated.time_to_peak)
peaks.sort_values("time_to_peak").round(2)

# %%
# The same names are in ``model.hrf_`` and ``model.conditions_``.

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for k, (region, hrf) in enumerate(model.hrf_.groupby("region")):
    style = "--" if "right" in region else "-"
    axis.plot(hrf["time"], hrf["hrf"], style, color=f"C{k % 4}", label=region)
axis.set(
    title="HRFs of eight regions",
    xlabel="seconds after an event",
    ylabel="HRF, peak at 1",
)
axis.legend(loc="upper right")
plt.show()

# %%
# Maps lie in MNI space, as the data do, and nilearn draws them.

plot_stat_map(
    model.map("time_to_peak"),
    title="time to peak (s)",
    cmap="viridis",
    vmin=4,
    vmax=7.5,
    threshold=1,
    cut_coords=(28, -58, 34),
)
plt.show()
