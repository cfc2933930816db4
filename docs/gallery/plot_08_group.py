"""
A group in nilearn
==================

Six participants, each fitted by joint detection-estimation; then nilearn's
``SecondLevelModel`` on the maps of heights, and what a canonical HRF does not offer: when
do regions peak?
"""

from io import StringIO

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.glm import threshold_stats_img
from nilearn.glm.second_level import SecondLevelModel
from nilearn.plotting import plot_stat_map

import pyhrf
from pyhrf.simulation.datasets import events_tsv
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

# %%
# Participants
# ------------
#
# One signal is simulated; each participant has it at another strength, and other noise.

grey_matter = {"region": "grey-matter", "shape": None, "voxel_size": 10, "n_parcels": 8}
task = {"n_scans": 100, "n_conditions": 2}
one = simulate(SimulationSpec(snr=0.7, **grey_matter, **task))
signal = one.volume() - simulate(SimulationSpec(snr=0, **grey_matter, **task)).volume()
rest = simulate(SimulationSpec(snr=0, n_runs=6, seed=1, **grey_matter, **task))
events = pd.read_csv(StringIO(events_tsv(one.experiment.runs[0])), sep="\t")
atlas = nib.Nifti1Image(one.parcellation, one.affine)

rng = np.random.default_rng(0)
model = pyhrf.JDE(atlas, contrasts=["cond1 - cond2"])
maps, peaks = [], []
for participant in range(6):
    values = rest.volume(participant) + rng.normal(1, 0.3) * signal
    bold = nib.Nifti1Image(values, one.affine)
    bold.header.set_zooms((10, 10, 10, 2))
    model.fit(bold, events=events)
    maps.append(model.compute_contrast("cond1 - cond2"))
    peaks.append(model.parcels_.assign(participant=participant))

# %%
# The contrast over participants
# ------------------------------
#
# Heights are in the unit of the data, and maps are images, so that all goes on as with
# maps of ``FirstLevelModel``.

mask = nib.Nifti1Image((one.parcellation > 0).astype("int8"), one.affine)
design = pd.DataFrame({"intercept": np.ones(len(maps))})
group = SecondLevelModel(mask_img=mask).fit(maps, design_matrix=design)
z = group.compute_contrast("intercept", output_type="z_score")
_, threshold = threshold_stats_img(z, mask_img=mask, alpha=0.05, height_control="fdr")
found = z.get_fdata().ravel()[one.positions]
true = one.levels[0] - one.levels[1]
above = abs(found) > threshold
print(f"FDR of 5 %: |z| > {threshold:.2f} in {above.sum()} voxels")
print(f"of these without a true difference: {100 * np.mean(true[above] == 0):.1f} %")
print(f"found of all with one: {100 * np.mean(above[true != 0]):.0f} %")

# %%
plot_stat_map(
    z,
    threshold=threshold,
    title="cond1 - cond2, z of the group",
    display_mode="z",
    cut_coords=(-20, 0, 20, 40),
)
plt.show()

# %%
# When regions peak
# -----------------
#
# A participant whose ``hrf_quality`` is low would be left out, or weighted by
# ``time_to_peak_sd``.

table = pd.concat(peaks)
quality = table.groupby("parcel")["hrf_quality"].min()
print("lowest hrf_quality of a participant, parcel by parcel:", *quality.round(2))

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
axis.plot(
    table["parcel"], table["time_to_peak"], ".", color="#0072B2", label="participants"
)
axis.plot(
    range(1, 9), one.time_to_peak, "_", color="#D55E00", markersize=22, label="truth"
)
axis.set(title="six participants", xlabel="parcel", ylabel="time to peak (s)")
axis.legend()
plt.show()
