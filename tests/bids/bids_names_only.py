"""Data sets of empty files, of which only the names count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pyhrf.bids.plan import Plan

MNI = "space-MNI152NLin2009cAsym"
PREP = "derivatives/fmriprep"
Planning = Callable[..., Plan]


class DataSet:
    """Empty files with the names of a data set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.describe(root, DatasetType="raw")
        self.describe(root / PREP, DatasetType="derivative")

    def describe(self, folder: Path, **about: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {"Name": "x", "BIDSVersion": "1.10.0", **about}
        (folder / "dataset_description.json").write_text(json.dumps(content))

    def touch(self, *paths: str) -> None:
        for text in paths:
            (self.root / text).parent.mkdir(parents=True, exist_ok=True)
            (self.root / text).touch()

    def run(self, stem: str, *spaces: str, events: bool = True) -> None:
        """Add a run, ``sub-01_ses-a_task-x``, in some spaces."""
        parts = dict(part.split("-") for part in stem.split("_"))
        session = f"/ses-{parts['ses']}" if "ses" in parts else ""
        folder = f"sub-{parts['sub']}{session}/func"
        if events:
            self.touch(f"{folder}/{stem}_events.tsv")
        self.touch(f"{PREP}/{folder}/{stem}_desc-confounds_timeseries.tsv")
        for space in spaces or (MNI,):
            where = f"{stem}_{space}" if space else stem
            self.touch(f"{PREP}/{folder}/{where}_desc-preproc_bold.nii.gz")
            self.touch(f"{PREP}/{folder}/{where}_desc-brain_mask.nii.gz")


def runs_of(plan: Plan) -> dict[str, list[str]]:
    return {
        name: [run.bold.path.name.partition("_space")[0] for run in study.runs]
        for name, study in plan.studies.items()
    }
