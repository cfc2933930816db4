"""
Decoding from single trials
===========================

Which kind of picture was shown, as told from one response to it? With
``single_trials=True`` each event has a level of its own in every voxel: the samples of a
classifier. Levels know nothing of conditions, so that what is decoded is in the data.
"""

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pyhrf
from pyhrf.simulation.hrf import make_hrf

# %%
# Data
# ----
#
# Four runs, in each eight pictures of each of four kinds, 6 to 10 s apart and at any time
# between scans. In region 1 each kind of picture has a pattern over the voxels; in region
# 2 all pictures have the same. No two trials are equal, and voxels share some noise.

KINDS = ("face", "house", "cat", "shoe")
SHAPE, N_RUNS, N_SCANS, TR = (12, 8, 2), 4, 160, 2.0
rng = np.random.default_rng(6)
regions = np.ones(SHAPE, "int32")
regions[6:] = 2
n_voxels = regions.size
patterns = {kind: rng.normal(size=n_voxels) * (regions.ravel() == 1) for kind in KINDS}
hrf = make_hrf(peak=5, fwhm=5, undershoot=0.1)
times = TR * np.arange(N_SCANS)


def make_run():
    """Simulate a run: its image and its events."""
    events = pd.DataFrame(
        {
            "onset": 6 + np.cumsum(rng.uniform(6, 10, 32)),
            "duration": 0.0,
            "trial_type": rng.permutation(np.repeat(KINDS, 8)),
        }
    )
    noise = rng.normal(size=(N_SCANS, n_voxels)) * 4
    noise += rng.normal(size=(N_SCANS, 4)) @ rng.normal(size=(4, n_voxels))
    noise[1:] += 0.3 * noise[:-1]
    bold = 100 + noise
    for onset, kind in zip(events["onset"], events["trial_type"], strict=True):
        level = 3 + patterns[kind] + 0.7 * rng.normal(size=n_voxels)
        bold += np.outer(hrf.value(times - onset), level)
    image = nib.Nifti1Image(bold.T.reshape(*SHAPE, N_SCANS).astype("float32"), np.eye(4))
    image.header["pixdim"][4] = TR
    return image, events


runs, events = zip(*(make_run() for _ in range(N_RUNS)), strict=True)
parcels = nib.Nifti1Image(regions, np.eye(4))

# %%
# Levels of single trials
# -----------------------
#
# ``trial_hyper="run"``: how far trials are shrunk is found for each run from the other
# runs. So nothing of the run that is to be decoded is in it.

model = pyhrf.JDE(parcels, single_trials=True, trial_hyper="run")
model.fit(list(runs), list(events))

# %%
# ``trials()`` gives a row of levels for each of them, in the order of runs and onsets,
# with a column for each voxel, and a table of what each trial is.

trials = model.trials()
trials.levels.shape

# %%
trials.table.head()

# %%
# Cross-validated by runs
# -----------------------
#
# Trials of one run share noise, drift and what the scanner did: whole runs are left out,
# and each run is centred, which needs no kinds.

classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))


def decoded(X, y):
    """Tell the kind of each trial by what the other runs teach."""
    return cross_val_predict(
        classifier, X, y, groups=trials.table["run"], cv=LeaveOneGroupOut()
    )


kinds = trials.table["condition"].to_numpy()
levels = trials.levels.copy()
for own in trials.table.groupby("run").indices.values():
    levels[own] -= levels[own].mean(axis=0)
samples = {region: levels[:, trials.parcels == region] for region in (1, 2)}
found = {region: decoded(X, kinds) for region, X in samples.items()}

# %%
# Against chance
# --------------
#
# What would be found by chance: the same with the kinds shuffled within each run. The
# levels need not be estimated again, for they do not know the kinds.

shuffled = [
    trials.table.groupby("run")["condition"].transform(rng.permutation).to_numpy()
    for _ in range(20)
]
chance = {
    region: [np.mean(decoded(X, y) == y) for y in shuffled]
    for region, X in samples.items()
}
for region in (1, 2):
    right = np.mean(found[region] == kinds)
    better = sum(right > one for one in chance[region])
    print(
        f"region {region}: {right:.0%} of the trials are right, by chance "
        f"{np.mean(chance[region]):.0%}; better than {better} of {len(shuffled)} shuffles"
    )

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for region, axis in zip((1, 2), axes, strict=False):
    ConfusionMatrixDisplay.from_predictions(
        kinds,
        found[region],
        labels=KINDS,
        normalize="true",
        cmap="Blues",
        values_format=".2f",
        text_kw={"color": "black"},
        im_kw={"vmin": 0, "vmax": 1},
        ax=axis,
        colorbar=False,
    )
    axis.set(title=f"region {region}", xlabel="decoded", ylabel="shown")
axes[2].hist([chance[1], chance[2]], color=("#0072B2", "#D55E00"), label=["1", "2"])
for region, color in ((1, "#0072B2"), (2, "#D55E00")):
    axes[2].axvline(np.mean(found[region] == kinds), color=color, linestyle="--")
axes[2].set(
    title="decoded (dashed) and by chance", xlabel="share of trials that is right"
)
axes[2].legend(title="region")
plt.show()
