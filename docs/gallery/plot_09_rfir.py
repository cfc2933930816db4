"""
A response for each voxel: RFIR
===============================

Joint detection-estimation gives the voxels of a parcel one HRF. Where they differ,
regularised finite impulse responses (RFIR) show it: a smooth response for each voxel and
condition, of any shape. The price is noise.
"""

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd

import pyhrf
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

# %%
# A parcel that should be two
# ---------------------------
#
# Two regions, of which the responses peak at 4 and at 8 s, and a parcellation that takes
# them for one. There are two runs; the models are fitted to the first.

spec = SimulationSpec(
    region="box",
    shape=(10, 8, 5),
    n_parcels=2,
    n_runs=2,
    n_scans=200,
    n_conditions=1,
    hrf_peak=(4, 8),
    inactive_fraction=0,
    snr=1.5,
    seed=3,
)
folder = TemporaryDirectory()
data = write_dataset(simulate(spec), f"{folder.name}/data")
events = [pd.read_csv(path, sep="\t") for path in data.paradigm]
parcels = nib.load(data.parcellation)
too_large = nib.Nifti1Image((parcels.get_fdata() > 0).astype("int32"), parcels.affine)
truth = np.load(data.truth)

# %%
# Two models
# ----------

rfir = pyhrf.RFIR(too_large).fit(data.bold[0], events=events[0])
jde = pyhrf.JDE(too_large).fit(data.bold[0], events=events[0])

# %%
# The run that they have not seen tells that one HRF is not enough: RFIR explains more of
# it, although it fits some noise with its many numbers.

for name, model in {"JDE": jde, "RFIR": rfir}.items():
    fitted = model.score(data.bold[0], events[0])
    held_out = model.score(data.bold[1], events[1])
    print(f"{name:5} R² of the fit {fitted:.3f}, of the other run {held_out:.3f}")

# %%
# The map ``response_cond1`` has the response of each voxel over time. Here are those of
# the voxels that truly respond, in the colours of their regions. JDE has found the HRF of
# one region, and missed the other.

active = truth["labels"][0]
responses = rfir.map("response_cond1").get_fdata()
responses = responses.reshape(-1, responses.shape[-1])[truth["positions"]]
time = jde.hrf_["time"].unique()
colors = ("#0072B2", "#D55E00")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for k, color in enumerate(colors):
    here = responses[active & (truth["parcel_of"] == k + 1)]
    left.plot(time, here.T, color=color, alpha=0.15, linewidth=0.8)
    mean = here.mean(axis=0)
    right.plot(
        time, mean / mean.max(), color=color, label=f"RFIR, mean of region {k + 1}"
    )
    right.plot(
        truth["hrf_time"], truth["hrf"][k], ":", color=color, label=f"truth {k + 1}"
    )
right.plot(time, jde.hrf_["hrf"], color="black", label="JDE, one parcel")
left.set(title="RFIR, voxel by voxel", xlabel="seconds after an event", ylabel="response")
right.set(title="scaled to a peak of 1", xlabel="seconds after an event", ylabel="HRF")
right.legend()
plt.show()

# %%
# The time to peak as a map shows where to cut: two regions, and a parcellation that keeps
# them apart are what JDE needs. ``pyhrf parcellate data`` makes one of voxels that
# respond alike.

peaks = rfir.map("response_cond1").get_fdata().argmax(axis=-1) * (time[1] - time[0])
found = peaks.ravel()[truth["positions"]]
for k in (1, 2):
    here = active & (truth["parcel_of"] == k)
    low, middle, high = np.percentile(found[here], [25, 50, 75])
    print(
        f"region {k}: peak at {middle:.0f} s (quartiles {low:.0f} and {high:.0f} s), "
        f"truth {truth['time_to_peak'][k - 1]:.0f} s"
    )
