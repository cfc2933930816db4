"""All tables and maps of an analysis, into its output directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pyhrf.data import ParcelEstimate
from pyhrf.results.fit_tables import Design, write_fit_tables
from pyhrf.results.maps import write_maps
from pyhrf.results.results import Results
from pyhrf.results.tables import write_tables
from pyhrf.results.trial_table import with_noise_ceiling, write_trial_table
from pyhrf.spaces.space import Space


def write_results(
    directory: Path,
    estimates: Sequence[ParcelEstimate],
    *,
    conditions: Sequence[str],
    space: Space,
    regions: Mapping[int, str] = MappingProxyType({}),
    design: Design | None = None,
) -> Results:
    """Write all tables and maps.

    Parameters
    ----------
    directory : Path
        The output directory; it is made when it is not there.
    estimates : sequence of ParcelEstimate
        In any order; the files do not depend on it.
    conditions : sequence of str
        Names, in the order of the values in ``ParcelEstimate.conditions``.
    space : Space
        Of the input.
    regions : mapping of int to str
        Names of parcels, where they have any.
    design : Design, optional
        What all were fitted with; without it there are no courses, events, design and list of
        single trials.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ordered = sorted(estimates, key=lambda estimate: estimate.parcel)
    write_tables(directory, ordered, conditions, regions)
    write_fit_tables(directory, ordered, design)
    trials = () if design is None else design.trials
    write_trial_table(directory, ordered, trials)
    write_maps(directory, with_noise_ceiling(ordered, trials), space)
    return Results(directory)
