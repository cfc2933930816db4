"""Maps of a report: what a browser needs to draw cuts and meshes, packed as base64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.outputs.map_kind import SIGNAL, MapKind
from pyhrf.outputs.maps import MAPS, MapName
from pyhrf.parameters.estimators import assumed_response
from pyhrf.results.naming import signal_unit
from pyhrf.results.packing import as_base64, colour_tables, quantised
from pyhrf.results.report_meshes import MOST_NODES, DrawnMeshes
from pyhrf.results.report_volumes import VoxelBox, refuse_cuts
from pyhrf.results.results import Results
from pyhrf.results.thresholds import first_threshold, look_of

MAX_BYTES = 9_000_000
"""Of all packed maps and meshes together, in base64; what has no room is named in the report."""

_MOST_OF_MESHES = 0.75  # of the room that maps and meshes have


def chosen_maps(names: Mapping[str, MapName]) -> dict[str, MapKind]:
    """Choose the maps that a report shows, the most looked at first.

    Parameters
    ----------
    names : mapping of str to (str, str)
        Kind and condition or contrast of all maps, by the names of their files.

    Returns
    -------
    dict of str to MapKind
        Kinds by the names of files.
    """
    kinds = {stem: MAPS[kind] for stem, (kind, _) in names.items() if MAPS[kind].look}
    return dict(sorted(kinds.items(), key=lambda item: item[1].place))


def pack_maps(
    results: Results,
    *,
    anatomy: Path | None = None,
    max_bytes: int = MAX_BYTES,
    most_nodes: int = MOST_NODES,
) -> dict[str, Any] | None:
    """Pack the maps, of voxels, nodes or both, for a browser.

    Parameters
    ----------
    results : Results
    anatomy : Path, optional
        What to draw voxels on, in place of fMRIPrep's T1w or the mean BOLD.
    max_bytes : int
        Of all meshes and maps together.
    most_nodes : int
        Of a mesh; a larger one is thinned. 65536 at most.

    Returns
    -------
    dict or None
        Places count the nodes of one mesh after those of another, then the voxels of the box around
        the parcels, the first axis running fastest.

        - ``index`` (base64 of int32: the places of the parcels) and their ``labels`` (int32).
        - ``meshes``: of each its ``name``, ``first`` place and ``n_nodes``, the middle of its nodes
          and the millimetres of a step (``centre``, ``step``), base64 of its ``coordinates`` in
          steps (int16) and of its ``triangles`` (uint16), and, if it is thinned, ``numbers``,
          which its nodes have in the file (int32).
        - ``volume``: the ``first`` place, ``shape`` and ``affine`` of the box, and the
          ``background`` (base64 of uint8, or None); None without voxels.
        - ``meshes_are`` and ``voxels_on``: what is drawn on; ``n_nodes`` of the ``n_whole`` of all
          meshes are drawn, ``not_drawn`` positions of parcels lie neither on them nor in the box.
        - ``maps`` (name, kind, text, unit, ``low``, ``high``, ``data``: see `quantised`,
          ``threshold`` and ``missed``: see `first_threshold`), ``colours`` (see `colour_tables`)
          and the names ``left_out`` for want of room.

        None when there is nothing to draw on, or the meshes are too large.

    Raises
    ------
    InputError
        When the anatomy cannot be used, or there are no voxels to draw on it.
    """
    box = VoxelBox.of(results)
    if anatomy is not None and box is None:
        refuse_cuts(results)
    meshes = DrawnMeshes.of(results, most_nodes)
    packed_meshes = meshes.packed()
    used = sum(len(text) for one in packed_meshes for text in one.values() if type(text) is str)
    if used > _MOST_OF_MESHES * max_bytes:
        meshes, packed_meshes, used = DrawnMeshes([], [], []), [], 0
    if box is None and not packed_meshes:
        return None
    volume, voxels_on = (None, "") if box is None else box.packed(results, anatomy)

    def places(values: NDArray[Any]) -> FloatArray:
        parts = [np.empty(0)]
        if packed_meshes:
            parts.append(meshes.on_nodes(values))
        if box is not None:
            parts.append(box.values(values))
        return np.concatenate(parts)

    labels = np.nan_to_num(places(results.labels)).astype("<i4")
    index = np.flatnonzero(labels > 0)
    return {
        "index": as_base64(index.astype("<i4")),
        "labels": as_base64(labels[index]),
        "meshes": packed_meshes,
        "meshes_are": meshes.names,
        "n_nodes": meshes.n_nodes,
        "n_whole": meshes.n_whole,
        "volume": volume and {"first": meshes.n_nodes, **volume},
        "voxels_on": voxels_on,
        "not_drawn": _n_not_drawn(results, meshes, box),
        **_packed_values(
            results, lambda name: places(results.map_values(name))[index], max_bytes - used
        ),
    }


def _n_not_drawn(results: Results, meshes: DrawnMeshes, box: VoxelBox | None) -> int:
    """Count the positions of parcels that lie neither on a mesh nor in the box."""
    is_left = results.labels.reshape(-1) > 0
    for surface in meshes.whole:
        is_left[surface.positions] = False
    n_voxels = 0 if box is None else int(np.count_nonzero(box.labels > 0))
    return int(np.count_nonzero(is_left)) - n_voxels


def _packed_values(
    results: Results, values_of: Callable[[str], FloatArray], max_bytes: int
) -> dict[str, Any]:
    """Pack maps until there is no room, and name the others."""
    packed, left_out, used = [], [], 0
    study = results.provenance["study"]
    for name, kind in chosen_maps(results.map_names).items():
        if kind.name == "time_to_peak" and assumed_response(study):
            continue  # it was given
        look = look_of(kind, study)
        unit = signal_unit(results) if kind.unit == SIGNAL else kind.unit
        one: dict[str, Any] = {"name": name, "kind": look, "low": 0.0, "high": 1.0, "top": 1.0}
        one |= {"text": kind.text, "unit": unit, "threshold": 0.0, "missed": None}
        if look == "labels":  # they are in "labels"
            one["data"] = ""
        else:
            values = values_of(name)
            one |= quantised(values, kind)
            one["threshold"], one["missed"] = first_threshold(values, look, one["top"])
        size = len(one["data"])
        if used + size > max_bytes:
            left_out.append(name)
            continue
        used += size
        packed.append(one)
    return {
        "maps": packed,
        "left_out": left_out,
        "colours": colour_tables(),
    }
