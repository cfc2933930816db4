"""
Two runs with confounds
=======================

A participant nods at each event of one condition, and jumps now and then. Motion is taken
out of the signal, bad scans are left out, and a third run, which the model has not seen,
tells whether that was worth it.
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
# Data
# ----
#
# Three runs of four minutes, simulated without motion.

spec = SimulationSpec(
    shape=(12, 12, 8), n_parcels=4, n_runs=3, n_scans=120, n_conditions=2, snr=0.7, seed=4
)
folder = TemporaryDirectory()
data = write_dataset(simulate(spec), f"{folder.name}/data")
events = [pd.read_csv(path, sep="\t") for path in data.paradigm]
truth = np.load(data.truth)

# %%
# We add the motion: slow drift, a nod after each event of ``cond1``, and two jumps in
# each run. Each voxel feels it in its own way.

rng = np.random.default_rng(0)
weights = 8 * rng.normal(size=(*spec.shape, 1))  # signal per mm
times = spec.tr * np.arange(spec.n_scans)
runs, confounds, masks = [], [], []
for path, table in zip(data.bold, events, strict=True):
    motion = np.cumsum(0.03 * rng.normal(size=spec.n_scans))
    for onset in table["onset"][table["trial_type"] == "cond1"]:
        motion[(times > onset) & (times < onset + 5)] += 1
    image = nib.load(path)
    values = image.get_fdata() + weights * motion[None, None, None]
    bad = rng.choice(spec.n_scans, 2, replace=False)
    values[..., bad] += 100
    runs.append(nib.Nifti1Image(values.astype("float32"), image.affine, image.header))
    confounds.append(pd.DataFrame({"trans_y": motion}))
    masks.append(~np.isin(np.arange(spec.n_scans), bad))

# %%
# Fit with and without
# --------------------
#
# Two runs share HRFs and heights of responses. Confounds are a table for each run, of
# which all columns count; ``sample_masks`` are nilearn's, and tell the scans that count.

plain = pyhrf.JDE(data.parcellation).fit(runs[:2], events[:2])
model = pyhrf.JDE(data.parcellation).fit(runs[:2], events[:2], confounds[:2], masks[:2])

# %%
# Held-out R² is the honest judge: motion that passed for a response in two runs does not
# help to predict the third one.

fits = {"without confounds": plain, "with confounds": model}
summary = {
    name: {
        "R² of the fit": one.score(runs[:2], events[:2], confounds[:2], masks[:2]),
        "R² of the third run": one.score(runs[2], events[2], confounds[2], masks[2]),
        "error of the time to peak (s)": abs(
            one.parcels_["time_to_peak"] - truth["time_to_peak"]
        ).mean(),
    }
    for name, one in fits.items()
}
pd.DataFrame(summary).T.round(3)

# %%
# The responses are nearly as they should be even without: what a parcel has in common is
# not easily imitated by motion, which each voxel feels in its own way. But the error bars
# are wide, for motion counts as noise.

figure, axes = plt.subplots(1, 4, figsize=(10, 3), sharey=True, layout="constrained")
for k, axis in enumerate(axes):
    axis.plot(truth["hrf_time"], truth["hrf"][k], "--", color="black", label="truth")
    for (name, one), color in zip(fits.items(), ("#D55E00", "#0072B2"), strict=True):
        hrf = one.hrf_[one.hrf_["parcel"] == k + 1]
        axis.errorbar(hrf["time"], hrf["hrf"], hrf["sd"], color=color, label=name)
    axis.set(title=f"parcel {k + 1}", xlabel="seconds after an event")
axes[0].set_ylabel("HRF ± sd")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
plt.show()
