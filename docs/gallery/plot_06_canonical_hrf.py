"""
Is the canonical HRF enough?
============================

A response of its own for each parcel has a price: more numbers, which can fit noise.
Whether it is worth it is told by scans that were held out.
"""

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from nilearn.glm.first_level import spm_hrf

import pyhrf
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

# %%
# Data
# ----
#
# Nine parcels whose HRFs peak between 4 and 8 s. The canonical HRF peaks at 5 s, and the
# one that does so here has nearly the same width and undershoot.

spec = SimulationSpec(
    shape=(14, 14, 9),
    n_parcels=9,
    n_runs=2,
    n_scans=120,
    n_conditions=2,
    hrf_peak=(4, 8),
    hrf_fwhm=(6.2, 6.2),
    hrf_undershoot=(0.1, 0.1),
    seed=6,
)
folder = TemporaryDirectory()
data = write_dataset(simulate(spec), f"{folder.name}/data")
events = [pd.read_csv(path, sep="\t") for path in data.paradigm]
truth = np.load(data.truth)

# %%
# Fit
# ---
#
# With ``cross_validate="runs"`` each run is predicted from the other one, with the HRF of
# the parcel and with the canonical one. Of a single run, ``"blocks"`` of scans are held
# out.

model = pyhrf.JDE(data.parcellation, cross_validate="runs").fit(data.bold, events)

# %%
# The answer
# ----------
#
# ``delta_canonical`` says by how much the HRF of the parcel predicts better: the
# difference of the log likelihoods of what was held out. Above 4 and above two of its
# standard errors, the canonical HRF is not enough. Elsewhere it may be, or the data do
# not tell. ``log_bayes_canonical`` is there without ``cross_validate``, too; above 5 it
# speaks clearly against the canonical HRF, below -5 for it.

columns = ["parcel", "delta_canonical", "delta_canonical_sd", "log_bayes_canonical"]
found = model.parcels_[columns].assign(true_peak=truth["time_to_peak"])
delta, sd = found["delta_canonical"], found["delta_canonical_sd"]
found["not_enough"] = (delta > 4) & (delta > 2 * sd)
found.sort_values("true_peak").round(1)

# %%
# Compared with the truth
# -----------------------
#
# How far the true HRF of each parcel is from the canonical one, and what the data say of
# it.

canonical = spm_hrf(0.1, oversampling=1, time_length=25.1)
canonical /= canonical.max()
away = np.linalg.norm(truth["hrf"] - canonical, axis=1) / np.linalg.norm(canonical)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for verdict, color, text in (
    (True, "#D55E00", "not enough"),
    (False, "#0072B2", "not shown that it is not enough"),
):
    some = found["not_enough"] == verdict
    left.plot(truth["hrf_time"], truth["hrf"][some].T, color=color, linewidth=1)
    right.errorbar(
        away[some], delta[some], 2 * sd[some], fmt="o", color=color, label=text
    )
left.plot(truth["hrf_time"], canonical, "--", color="black", label="canonical")
left.set(title="true HRFs", xlabel="seconds after an event", ylabel="HRF, peak at 1")
left.legend()
right.axhline(4, color="grey", linestyle=":")
right.set(
    title="the canonical HRF is …",
    xlabel="true distance from the canonical HRF (part of its size)",
    ylabel="delta_canonical ± 2 sd (nats)",
)
right.legend(loc="upper left")
plt.show()

# %%
# Two things to keep in mind. More data find smaller differences, so that the answer is
# one for these data. And a canonical HRF that predicts nearly as well may still be a
# wrong one: whether its peak is late is told by ``time_to_peak`` and its error.
