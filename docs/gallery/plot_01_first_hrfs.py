"""
First HRFs
==========

From a run, its events and a parcellation to the haemodynamic response function (HRF) of
each region. The data are simulated, so that what is found can be compared with what went
in.
"""

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pyhrf
from pyhrf.simulation.examples import make_example

# %%
# Data
# ----
#
# A run of 5 minutes with three conditions, and a parcellation into six regions. They are
# files here; images in memory are given in the same way.

folder = TemporaryDirectory()
data = make_example("default", f"{folder.name}/data")
events = pd.read_csv(data.paradigm[0], sep="\t")
events.head()

# %%
# Fit
# ---
#
# As nilearn's ``FirstLevelModel``, with a parcellation: the voxels of a region share one
# HRF, and each of them has its own height of the response.

model = pyhrf.JDE(data.parcellation).fit(data.bold[0], events=events)

# %%
# A row for each region. ``hrf_quality`` says how much of the HRF comes from the data: 1
# is all of it; below 0.5, look at the data before you believe it. ``r2`` is the share of
# the signal that the responses explain: small, for it counts all voxels, and most of them
# do not respond.

columns = [
    "parcel",
    "n_positions",
    "time_to_peak",
    "time_to_peak_sd",
    "hrf_quality",
    "r2",
]
model.parcels_[columns].round(2)

# %%
# Compared with the truth
# -----------------------
#
# `pyhrf.JDE.plot_hrf` draws each HRF with its posterior standard deviation; the peak is
# set to 1. The dashed lines are the HRFs that the data were made with.

truth = np.load(data.truth)
figure = model.plot_hrf()
for axis, true_hrf in zip(figure.axes, truth["hrf"], strict=True):
    (line,) = axis.plot(truth["hrf_time"], true_hrf, "--", color="#D55E00")
figure.legend([line], ["truth"], loc="outside upper right")
figure

# %%
# Are the errors as large as the model says? An error divided by its standard deviation
# should be below 1 for two regions in three, and seldom above 2.

found = model.parcels_
error = (found["time_to_peak"] - truth["time_to_peak"]) / found["time_to_peak_sd"]
print("errors of the time to peak in standard deviations:", *error.round(1))

figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
axis.errorbar(
    truth["time_to_peak"], found["time_to_peak"], 2 * found["time_to_peak_sd"], fmt="o"
)
axis.axline((4, 4), slope=1, color="grey", linestyle=":")
axis.set(
    title="Time to peak of six parcels",
    xlabel="true time to peak (s)",
    ylabel="found time to peak ± 2 sd (s)",
)
plt.show()
