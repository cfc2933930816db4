"""The folders of a BIDS data set: which one holds what, and whether it is sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyhrf.errors import InputError
from pyhrf.inputs.bids import DESCRIPTION, BidsData
from pyhrf.inputs.bids_names import check_link, read_json
from pyhrf.wording import named


def open_bids(bids_dir: Path, derivatives: Path | None = None, *, check: bool = True) -> BidsData:
    """Open a BIDS data set with derivatives of fMRIPrep.

    Parameters
    ----------
    bids_dir : Path
        The data set; or the derivatives themselves, if events lie there too.
    derivatives : Path, optional
        By default ``derivatives/fmriprep`` of the data set.
    check : bool
        Refuse what is no BIDS data set by its ``dataset_description.json``.

    Returns
    -------
    BidsData

    Raises
    ------
    InputError
        If a folder is not there, or is no such data set.
    """
    _check_folder(bids_dir, "no data set")
    description = _description(bids_dir, check=check)
    if derivatives is None:
        derivatives = _find_derivatives(bids_dir, description)
    _check_folder(derivatives, "no derivatives")
    about = _description(derivatives, check=check)
    if check and about.get("DatasetType", "derivative") != "derivative":
        raise InputError(
            f"{derivatives / DESCRIPTION}: DatasetType is {about['DatasetType']!r}, where "
            "preprocessed data say derivative: give the folder of fMRIPrep "
            f"({named('derivatives')})"
        )
    if not any(derivatives.glob("sub-*")):
        raise InputError(f"{derivatives}: holds no participant (folders sub-LABEL)")
    return BidsData(bids_dir, derivatives, description)


def _check_folder(folder: Path, what: str) -> None:
    if not folder.exists():
        raise InputError(f"{folder}: {what}: there is no such folder")
    if not folder.is_dir():
        raise InputError(f"{folder}: {what}: it is a file; the folder is needed")


def _description(folder: Path, *, check: bool) -> dict[str, Any]:
    path = folder / DESCRIPTION
    if check:
        check_link(path)
    if not check and not path.is_file():
        return {}
    if not path.is_file():
        raise InputError(
            f"{folder}: is not a BIDS data set: it has no {DESCRIPTION}; "
            f"{named('skip_validation')} takes it as it is"
        )
    content = read_json(path)
    for key in ("Name", "BIDSVersion"):
        if check and not isinstance(content.get(key), str):
            raise InputError(
                f"{path}: the key {key}, which BIDS requires, is missing; "
                f"{named('skip_validation')} takes the data set as it is"
            )
    return content


def _find_derivatives(bids_dir: Path, description: Mapping[str, Any]) -> Path:
    """Find the folder of fMRIPrep, which may be the data set itself."""
    usual = bids_dir / "derivatives" / "fmriprep"
    if usual.is_dir():
        return usual
    if description.get("DatasetType") == "derivative":
        return bids_dir
    others = sorted(path for path in usual.parent.glob("fmriprep*") if path.is_dir())
    if len(others) == 1:
        return others[0]
    if others:
        folders = " and ".join(path.name for path in others[:3])
        raise InputError(
            f"{usual.parent}: holds {folders}: say which is meant ({named('derivatives')})"
        )
    raise InputError(
        f"{bids_dir}: no derivatives of fMRIPrep are there (no derivatives/fmriprep): "
        f"name their folder ({named('derivatives')})"
    )
