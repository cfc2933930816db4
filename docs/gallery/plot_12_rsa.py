"""
Similarity of patterns, with errors
===================================

Which pictures does a region take for alike? Representational similarity analysis (RSA)
compares the patterns of responses. Plain distances are never 0, for noise differs, too.
Distances across runs are, in the mean, and the errors of single trials tell how much each
trial should count in them.
"""

from itertools import combinations

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd

import pyhrf
from pyhrf.simulation.hrf import make_hrf

# %%
# Data
# ----
#
# Six pictures, two of each of three kinds: in region 1 those of one kind have similar
# patterns, in region 2 all pictures have the same one. Four runs, five trials of each
# picture. In each run the head moves now and then, and bad scans are left out: of some
# trials little is seen.

PICTURES = ("face 1", "face 2", "house 1", "house 2", "shoe 1", "shoe 2")
SHAPE, N_RUNS, N_SCANS, TR = (12, 8, 3), 4, 160, 2.0
rng = np.random.default_rng(1)
regions = np.ones(SHAPE, "int32")
regions[6:] = 2
n_voxels = regions.size
kinds = np.repeat(rng.normal(size=(3, n_voxels)), 2, axis=0)
patterns = (kinds + 0.6 * rng.normal(size=(6, n_voxels))) * (regions.ravel() == 1)
hrf = make_hrf(peak=5, fwhm=5, undershoot=0.1)
times = TR * np.arange(N_SCANS)


def make_run():
    """Simulate a run: its image, its events, and the numbers of its good scans."""
    events = pd.DataFrame(
        {
            "onset": 6 + np.cumsum(rng.uniform(6, 10, 30)),
            "duration": 0.0,
            "trial_type": rng.permutation(np.repeat(PICTURES, 5)),
        }
    )
    noise = rng.normal(size=(N_SCANS, n_voxels)) * 3
    noise[1:] += 0.3 * noise[:-1]
    bold = 100 + noise
    for onset, picture in zip(events["onset"], events["trial_type"], strict=True):
        level = 3 + patterns[PICTURES.index(picture)] + 0.5 * rng.normal(size=n_voxels)
        bold += np.outer(hrf.value(times - onset), level)
    good = np.ones(N_SCANS, bool)
    for first in rng.choice(N_SCANS - 5, 8, replace=False):
        good[first : first + 5] = False
    image = nib.Nifti1Image(bold.T.reshape(*SHAPE, N_SCANS).astype("float32"), np.eye(4))
    image.header["pixdim"][4] = TR
    return image, events, np.flatnonzero(good)


runs, events, good = map(list, zip(*(make_run() for _ in range(N_RUNS)), strict=True))
parcels = nib.Nifti1Image(regions, np.eye(4))

# %%
# Levels and their errors
# -----------------------

model = pyhrf.JDE(parcels, single_trials=True)
model.fit(runs, events, sample_masks=good)
trials = model.trials()
mean, noise = (
    model.map(name).get_fdata().ravel()[trials.positions]
    for name in ("trial_mean", "noise_sd")
)

# %%
# Of trials in bad scans the data say less: their errors are larger, and their levels are
# drawn nearer to the mean of all trials.

about = trials.table.assign(
    scans_seen=trials.table["n_scans"] // 3 * 3,
    error=trials.sd.mean(axis=1),
    distance_from_mean=np.abs(trials.levels - mean).mean(axis=1),
)
about.groupby("scans_seen")[["error", "distance_from_mean"]].mean().round(2)

# %%
# Patterns of each run
# --------------------
#
# For each run and picture, a mean in which a trial counts the more the smaller its error
# is; and without that, to compare. Voxels are divided by the sd of their noise: the error
# of a level is no measure of that, since it also has what trials truly differ by.


def patterns_of_runs(region, weights):
    """Average trials: shape (n_runs, n_pictures, n_voxels)."""
    here = trials.parcels == region
    table, found = trials.table, np.empty((N_RUNS, len(PICTURES), here.sum()))
    for run in range(N_RUNS):
        for k, picture in enumerate(PICTURES):
            own = (table["run"] == run + 1) & (table["condition"] == picture)
            part = np.ix_(own & table["reason"].isna(), here)
            found[run, k] = np.average(trials.levels[part], axis=0, weights=weights[part])
    return found / noise[here]


weighted = {region: patterns_of_runs(region, trials.sd**-2) for region in (1, 2)}
plain = {region: patterns_of_runs(region, np.ones_like(trials.sd)) for region in (1, 2)}

# %%
# Distances
# ---------
#
# The difference of two pictures in one run, times that in another run, averaged over all
# pairs of runs: noise of different runs has nothing in common, and what is left is the
# square of the true distance (the cross-validated Mahalanobis distance, or crossnobis,
# here with a noise of its own in each voxel). It can be negative, and is 0 in the mean
# where pictures are alike.

PAIRS = list(combinations(range(len(PICTURES)), 2))


def across_runs(patterns):
    """Give the distance of each pair of pictures, across pairs of runs."""
    difference = np.stack([patterns[:, i] - patterns[:, j] for i, j in PAIRS], axis=1)
    products = [np.mean(a * b, axis=1) for a, b in combinations(difference, 2)]
    return np.mean(products, axis=0)


def within_mean(patterns):
    """Give the distance of each pair of pictures in the mean of all runs."""
    mean = patterns.mean(axis=0)
    return np.array([np.mean((mean[i] - mean[j]) ** 2) for i, j in PAIRS])


ways = {
    "plain": {region: within_mean(plain[region]) for region in (1, 2)},
    "across runs": {region: across_runs(plain[region]) for region in (1, 2)},
    "across runs, weighted": {region: across_runs(weighted[region]) for region in (1, 2)},
}
inside = regions.ravel() == 1
true = np.array([np.mean((patterns[i] - patterns[j])[inside] ** 2) for i, j in PAIRS])
pd.DataFrame(
    {
        name: {
            "region 1, correlation with the truth": np.corrcoef(true, found[1])[0, 1],
            "region 2, mean (truly 0), over that of region 1": found[2].mean()
            / found[1].mean(),
        }
        for name, found in ways.items()
    }
).T.round(3)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
shown = {
    "truth": true,
    "region 1": ways["across runs, weighted"][1],
    "region 2": ways["across runs, weighted"][2],
}
for axis, (name, distances) in zip(axes, shown.items(), strict=True):
    square = np.zeros((len(PICTURES), len(PICTURES)))
    square[tuple(np.transpose(PAIRS))] = distances
    top = max(shown["region 1"]) if name != "truth" else max(true)
    image = axis.imshow(square + square.T, cmap="RdBu_r", vmin=-top, vmax=top)
    axis.set_title(name)
    axis.set_yticks(range(len(PICTURES)), PICTURES if name == "truth" else [""] * 6)
    axis.set_xticks(range(len(PICTURES)), PICTURES, rotation=60)
figure.colorbar(image, ax=axes, label="distance, noise = 1")
plt.show()
