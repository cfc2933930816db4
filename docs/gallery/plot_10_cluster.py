"""
From a notebook to a cluster
============================

What was tried on a laptop runs on a cluster with the same parameters and gives the same
bytes: only the engine is another one.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pyhrf
from pyhrf.simulation.examples import make_example

# %%
# Here: all cores of this machine
# -------------------------------
#
# ``engine="local"`` is the default. With ``output`` the results are files, and a fit that
# was interrupted takes up what is done.

folder = TemporaryDirectory()
data = make_example("small", f"{folder.name}/data")
events = pd.read_csv(data.paradigm[0], sep="\t")
output = Path(folder.name) / "results"
model = pyhrf.JDE(data.parcellation, engine="local", n_jobs=2, output=output)
model.fit(data.bold[0], events=events)
print(*sorted(path.name for path in output.glob("*.tsv")))

# %%
# There: a batch scheduler
# ------------------------
#
# On the login node of a cluster it is the name of its scheduler, and a folder that all
# nodes see::
#
#     model = pyhrf.JDE(atlas, engine="slurm", output="/scratch/me/results")
#     model.fit(bold, events=events)
#
# Parcels are sent to jobs in batches; the call comes back when all are done. What differs
# is said in the settings file ``~/.pyhrf/config.cfg``, not in the script: partition, time
# and memory of a job, how many jobs::
#
#     [parallel-queue]
#     max_jobs = 10
#
# ``pyhrf check slurm`` tries it. If the notebook is closed or the job of a batch is lost,
# the same call goes on from the parcels that are done.

# %%
# Or as a study
# -------------
#
# `pyhrf.JDE.to_study` writes what is in memory to a folder, with a study file for the
# command line: ``pyhrf_jde_estim -c study/detectestim.xml -x slurm``.

study_folder = Path(folder.name) / "study"
study = model.to_study(study_folder)
print(*sorted(path.name for path in study_folder.iterdir()))

# %%
# And back: a study file gives a model and its data.

again, inputs = pyhrf.model_of_study(study_folder / "detectestim.xml")
again.set_params(engine="serial").fit(**inputs)
same = np.array_equal(again.hrf_["hrf"], model.hrf_["hrf"])
print("the same HRFs with another engine:", same)

# %%
# Results of a cluster are opened where they are.

results = pyhrf.Results(output)
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for parcel, hrf in results.hrf.groupby("parcel"):
    axis.plot(hrf["time"], hrf["hrf"], label=f"parcel {parcel}")
    axis.fill_between(
        hrf["time"], hrf["hrf"] - 2 * hrf["sd"], hrf["hrf"] + 2 * hrf["sd"], alpha=0.3
    )
axis.set(
    title="HRFs of three parcels", xlabel="seconds after an event", ylabel="HRF ± 2 sd"
)
axis.legend()
plt.show()
