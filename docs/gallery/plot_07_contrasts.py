"""
Contrasts
=========

Where is the response to one condition higher than to another, by how much, and how sure
is that?
"""

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pyhrf
from pyhrf.simulation.examples import make_example

# %%
# A contrast that is known beforehand is named, and estimated with the rest. Others can be
# asked for later; where they need more than the maps, the fit is done again.

folder = TemporaryDirectory()
data = make_example("default", f"{folder.name}/data")
events = pd.read_csv(data.paradigm[0], sep="\t")
model = pyhrf.JDE(data.parcellation, contrasts={"difference": "cond1 - cond2"})
model = model.fit(data.bold[0], events=events)

# %%
# Four kinds of maps
# ------------------
#
# Images, as nilearn's ``compute_contrast`` gives them. Here is one slice of each.

outputs = {
    "effect_size": ("difference of heights", "RdBu_r", -10, 10),
    "effect_variance": ("its posterior variance", "viridis", 0, None),
    "stat": ("difference over its sd", "RdBu_r", -5, 5),
    "probability": ("that it is above 0", "RdBu_r", 0, 1),
}
inside = model.map("parcels").get_fdata() > 0
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
for axis, (output_type, (title, cmap, vmin, vmax)) in zip(
    axes, outputs.items(), strict=True
):
    image = model.compute_contrast("difference", output_type)
    values = np.where(inside, image.get_fdata(), np.nan)[:, :, 5].T
    drawn = axis.imshow(values, origin="lower", cmap=cmap, vmin=vmin, vmax=vmax)
    axis.set(title=f"{output_type}\n{title}", xticks=[], yticks=[])
    figure.colorbar(drawn, ax=axis, shrink=0.8)
plt.show()

# %%
# Are the probabilities right?
# ----------------------------
#
# Of the voxels with a probability of about 0.9, nine in ten should have a true difference
# above 0. Voxels that respond to neither condition have none; we leave them out.

truth = np.load(data.truth)
difference = truth["levels"][0] - truth["levels"][1]
probability = model.compute_contrast("difference", "probability").get_fdata()
probability = probability.ravel()[truth["positions"]]
responds = truth["labels"][:2].any(axis=0)
table = pd.DataFrame({"probability": probability, "above 0": difference > 0})[responds]
bins = pd.cut(table["probability"], [0, 0.1, 0.3, 0.7, 0.9, 1])
table.groupby(bins, observed=True)["above 0"].agg(voxels="size", share="mean").round(2)

# %%
# An expression that was not named: the mean of two conditions against the third. A mean
# of heights is there at once; its probability takes a fit.

image = model.compute_contrast("0.5*cond1 + 0.5*cond2 - cond3", "probability")
print("voxels with a probability above 0.95:", int((image.get_fdata() > 0.95).sum()))
