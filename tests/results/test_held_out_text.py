"""What a report says of scans that were held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pyhrf.analysis import analyse
from pyhrf.config.study import Study
from pyhrf.results.held_out import held_out_text, needs_own_hrf


def test_own_hrf__is_needed_where_the_difference_is_large_and_clear() -> None:
    table = pd.DataFrame(
        {
            "delta_canonical": [3.9, 4.1, 20.0, 20.0, -30.0, np.nan],
            "delta_canonical_sd": [0.1, 2.0, 9.0, 11.0, 1.0, np.nan],
        }
    )
    assert needs_own_hrf(table).tolist() == [False, True, True, False, False, False]


def test_report__tells_how_well_scans_that_were_held_out_were_predicted(tmp_path: Path) -> None:
    study = Study.build(
        data={"example": "small"}, cross_validate="blocks", output=tmp_path / "results"
    )
    results = analyse(study, engine="serial")
    parcels = results.parcels
    text = held_out_text(results)
    assert f"{100 * parcels['r2_held_out'].median():.2g} % of the signal" in text
    assert f"in {needs_own_hrf(parcels).sum()} of {len(parcels)} parcels" in text
    page = (tmp_path / "results" / "report.html").read_text("utf-8")
    assert text.strip() in page


def test_report__says_nothing_of_it_where_nothing_was_held_out(tmp_path: Path) -> None:
    study = Study.build(data={"example": "small"}, output=tmp_path / "results")
    assert held_out_text(analyse(study, engine="serial")) == ""
