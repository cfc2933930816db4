"""Maps as files of BIDS derivatives, of volumes and surfaces alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pyhrf.spaces.kinds import kind_of_file


def squared_map(path: Path, scratch: Path) -> bytes:
    """Make the map of a variance from that of a standard deviation.

    Parameters
    ----------
    path : Path
        The map; of several samples one is in memory at a time.
    scratch : Path
        A folder for files on their way.

    Returns
    -------
    bytes
        Of a file of the same kind.
    """
    kind = kind_of_file(path)
    space, n_samples, frames = kind.open_map(path)
    squared = (frame.astype(np.float32) ** 2 for frame in frames)
    step = kind.map_step(path)
    written = space.write(scratch / "variance", "variance", squared, n_samples=n_samples, step=step)
    return written.read_bytes()


def label_file(path: Path, names: Mapping[int, str]) -> tuple[str, bytes]:
    """Turn the map of parcels into a file of labels: with a name and a colour for each on surfaces.

    Parameters
    ----------
    path : Path
        The map.
    names : mapping of int to str
        Of parcels, where they have one.

    Returns
    -------
    ending : str
        Such as ``.label.gii``.
    content : bytes
    """
    space, labels = kind_of_file(path).read_map(path)
    return space.label_ending, space.label_bytes(labels, names)


def estimated_mask(parcels: Path, left_out: Path | None) -> tuple[str, bytes]:
    """Make the mask of the positions that have an estimate.

    Parameters
    ----------
    parcels, left_out : Path
        Maps of PyHRF; without the second all positions of parcels are estimated.

    Returns
    -------
    ending : str
        As of `label_file`.
    content : bytes
        1 where there is an estimate, 0 elsewhere.
    """
    space, values = kind_of_file(parcels).read_map(parcels)
    mask = values > 0
    if left_out is not None:
        mask &= kind_of_file(left_out).map_values(left_out) == 0
    content = space.label_bytes(mask.astype(np.int32), {1: "estimated"}, title="estimated")
    return space.label_ending, content
