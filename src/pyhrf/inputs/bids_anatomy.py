"""The T1-weighted image of fMRIPrep on which the BOLD data of a participant lie."""

from __future__ import annotations

from pathlib import Path

from pyhrf.inputs.bids_names import BidsName, natural, parse_name

_OWN_SPACE = "T1w"
"""The space of the participant's own image, which the name of that image leaves out."""


def anatomy_of(bold: Path) -> Path | None:
    """Find the preprocessed T1w in the space of a BOLD series, in the same derivatives.

    It is that of the session, else of the participant, else of the one session that has any.

    Parameters
    ----------
    bold : Path
        As ``sub-01/func/sub-01_task-audio_space-T1w_desc-preproc_bold.nii.gz``.

    Returns
    -------
    Path or None
        None where there is none, or the data lie in the space of the scanner.
    """
    name = parse_name(bold)
    if name is None or not {"sub", "space"} <= name.entities.keys():
        return None
    participant = _folder_of(name)
    if participant is None:
        return None
    session = name.entities.get("ses")
    own = [] if session is None else _images(participant / f"ses-{session}", name)
    for found in (own, _images(participant, name)):
        if found:
            return found[0]
    others = [_images(folder, name) for folder in sorted(participant.glob("ses-*"))]
    some = [found for found in others if found]
    return some[0][0] if len(some) == 1 else None


def _folder_of(bold: BidsName) -> Path | None:
    """Give the folder of the participant above a series."""
    label = f"sub-{bold.entities['sub']}"
    return next((folder for folder in bold.path.parents if folder.name == label), None)


def _images(folder: Path, bold: BidsName) -> list[Path]:
    """Give the images of a folder that lie in the space of a series, the best first."""
    names = [parse_name(path) for path in (folder / "anat").glob("*_desc-preproc_T1w.nii*")]
    space = bold.entities["space"]
    found = [
        name
        for name in names
        if name is not None
        and name.path.is_file()
        and name.entities.get("sub") == bold.entities["sub"]
        and name.entities.get("space", _OWN_SPACE) == space
        and name.entities.get("cohort") == bold.entities.get("cohort")
    ]
    resolution = bold.entities.get("res")
    found.sort(key=lambda one: (one.entities.get("res") != resolution, natural(one.path.name)))
    return [name.path for name in found]
