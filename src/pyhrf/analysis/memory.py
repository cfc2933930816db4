"""Memory that a study needs, foreseen before the work."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pyhrf.config.study import Study
from pyhrf.data import Experiment
from pyhrf.errors import InputError
from pyhrf.estimation import study_trials
from pyhrf.inputs.dataset import Dataset
from pyhrf.model.design import n_hrf_coefficients
from pyhrf.wording import named

# Autocorrelations for each of which products of the design are held, of noise of the kind ar1.
_N_RHO = 23
# What else is held while they are made, in these products: measured with 60 to 180 conditions,
# where the whole is 1.5 (VEM) to 3.9 times (RFIR) the products of all autocorrelations.
_BESIDE = 12
# Bytes of a level and its error in the maps of trials, and what writing needs beside them.
_OF_LEVEL, _WRITING = 8, 1.5


def check_memory(study: Study, dataset: Dataset) -> None:
    """Refuse a study that needs more memory than this machine has.

    Parameters
    ----------
    study : Study
    dataset : Dataset
        Its data.

    Raises
    ------
    InputError
        If it has too many conditions, or single trials in too many voxels.
    """
    there = machine_memory()
    needed = design_bytes(study, dataset.experiment)
    if there is not None and needed > there:
        raise InputError(
            f"{len(dataset.experiment.conditions)} conditions need about {_gigabytes(needed)} of "
            f"memory, and this machine has {_gigabytes(there)}: make fewer of them; where each "
            "event is a condition of its own, give all the same name and estimate single trials "
            f"({named('single_trials')}, of the JDE by VEM)"
        )
    n_trials = len(study_trials(study, dataset.experiment))
    n_positions = sum(dataset.parcels.values())
    needed = int(_WRITING * _OF_LEVEL * n_trials * n_positions)
    if there is not None and needed > there:
        raise InputError(
            f"{named('single_trials')}: the levels of {n_trials} trials in {n_positions} "
            f"{dataset.space.place}s and their errors need about {_gigabytes(needed)} of "
            f"memory, and this machine has {_gigabytes(there)}: name fewer conditions, or give "
            f"parcels of fewer {dataset.space.place}s ({named('parcellation')})"
        )


def design_bytes(study: Study, experiment: Experiment) -> int:
    """Foresee the memory that the products of the design take, bytes.

    They are those of all pairs of conditions and of HRF coefficients, for each autocorrelation:
    they grow with the square of the number of conditions.

    Parameters
    ----------
    study : Study
    experiment : Experiment
        Of its data.
    """
    if study.kind.own_design:
        return 0
    n_conditions = len(experiment.conditions)
    n_hrf = n_hrf_coefficients(study.hrf.duration, study.hrf.dt)
    n_rho = _N_RHO if study.noise.kind == "ar1" else 1
    product = 8 * n_conditions * (n_conditions + 1) // 2 * n_hrf**2
    return int((study.kind.design_copies * n_rho + _BESIDE) * product)


def machine_memory() -> int | None:
    """Tell how much memory this machine has, or gives to this process, bytes; None if unknown."""
    found = []
    with contextlib.suppress(OSError, ValueError, AttributeError):  # there is none on Windows
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):  # of a container; "max" is no number
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    return min(found, default=None)


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.3g} GB"
