"""Outlines of a brain, as nilearn draws glass brains, for the page of a report."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyhrf.results.results import Results
from pyhrf.spaces.untyped import nib

# The drawing from each side, and where it lies in MNI's space: scale and shift of its two axes, mm.
_VIEWS = {
    "axial": ("top", (0.36, 0.37, -71, -107)),
    "coronal": ("back", (0.39, 0.39, -73, -73)),
    "sagittal": ("side", (0.38, 0.38, -108, -70)),
}


def in_standard_space(results: Results) -> bool:
    """Whether voxels lie in the space of MNI's brains, as names of files or the header say."""
    data = results.provenance["study"]["data"]
    named = [run["bold"] for run in data.get("runs", ())] + [str(results.directory)]
    if any("space-MNI" in name for name in named):
        return True
    if "parcels" not in results.maps():
        return False
    image = nib().load(results.maps()["parcels"])
    if not isinstance(image, nib().Nifti1Image):
        return False
    return 4 in (int(image.header["sform_code"]), int(image.header["qform_code"]))


def outlines() -> dict[str, str]:
    """Give the lines of a brain seen from above, behind and the side.

    Returns
    -------
    dict of str to str
        Paths of SVG in millimetres of MNI's space by ``axial``, ``coronal`` and ``sagittal``, the
        second axis upwards as the brain has it. Empty where nilearn has no such drawings.
    """
    # Its files are read as they are: to import its figures takes longer than to make the report.
    found = find_spec("nilearn")
    if found is None or not found.submodule_search_locations:
        return {}
    folder = Path(found.submodule_search_locations[0]) / "plotting" / "glass_brain_files"
    paths = {view: folder / f"brain_schematics_{name}.json" for view, (name, _) in _VIEWS.items()}
    if not all(path.is_file() for path in paths.values()):
        return {}
    return {
        view: _path(json.loads(path.read_text("utf-8")), _VIEWS[view][1])
        for view, path in paths.items()
    }


def _path(drawing: dict[str, Any], place: tuple[float, float, float, float]) -> str:
    wide, high, right, up = place
    text, end = [], None
    for item in (item for path in drawing["paths"] for item in path["items"]):
        points = [f"{wide * x + right:.1f} {high * y + up:.1f}" for x, y in item["pts"]]
        if points[0] != end:
            text.append(f"M{points[0]}")
        text.append({2: "L", 3: "Q", 4: "C"}[len(points)] + " ".join(points[1:]))
        end = points[-1]
    return "".join(text)
