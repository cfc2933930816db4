"""Single trials among BIDS derivatives: their events, and what the JSON files say of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pyhrf.bids.describe import described_columns
from pyhrf.config.study import Study
from pyhrf.parameters.trials import TrialSettings
from pyhrf.results.trial_table import TRIAL_TABLE

# BIDS wants these first in a table of events, and calls conditions otherwise.
_FIRST = {"onset": "onset", "duration": "duration", "condition": "trial_type"}
_CIRCULAR = (
    "levels are shrunk to the mean of their condition: repeats are alike by construction, and "
    "decoding conditions from these levels is circular"
)


def trial_events(folder: Path) -> tuple[bytes, dict[str, dict[str, Any]]] | None:
    """Make the table of trials one of events, as BIDS has them.

    Parameters
    ----------
    folder : Path
        Of results.

    Returns
    -------
    content : bytes
        A row for each volume of the maps of single trials.
    columns : dict of str to dict
        What each column holds.

    None if there are no single trials.
    """
    path = folder / TRIAL_TABLE
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    names = [*_FIRST, *(name for name in header if name not in _FIRST)]
    places = [header.index(name) for name in names]
    said = described_columns("trials", names)
    columns = {_FIRST.get(name, name): said[name] for name in names}
    lines = [list(columns), *([row[place] for place in places] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines).encode(), columns


def about_trials(study: Study) -> dict[str, str]:
    """Say how the single trials of a study were estimated."""
    own = study.own
    assert isinstance(own, TrialSettings)
    about = {"TrialPrior": own.trial_prior, "TrialHyperparameters": own.trial_hyper}
    return about | ({"Warning": _CIRCULAR} if own.trial_prior == "condition" else {})
