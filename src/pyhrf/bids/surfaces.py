"""Parcels of surface data: cut on the mesh, or the files that are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyhrf.bids.files import keep_first, write_json
from pyhrf.bids.meshes import by_hemisphere
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.parcels import digest_of, read_atlas, shared_notes, without_islands
from pyhrf.errors import ConfigError, InputError
from pyhrf.inputs.bids_names import BidsName, read_json
from pyhrf.inputs.confounds import NuisanceFiles, read_nuisance
from pyhrf.inputs.signals import refuse_silent_run, varies
from pyhrf.parcellation.edit import split_mask
from pyhrf.spaces.kinds import kind_of_file
from pyhrf.spaces.space import Series, Space
from pyhrf.wording import named


class SurfaceFiles:
    """The meshes and parcellations that the user names, told apart.

    Parameters
    ----------
    options : BidsOptions

    Attributes
    ----------
    meshes : dict of str to Path
        By hemisphere.
    kind : type of Space or None
        Of data to which the parcellation belongs; None for a number, which does for all.

    Raises
    ------
    ConfigError, InputError
        If a file cannot be used.
    """

    def __init__(self, options: BidsOptions) -> None:
        self._atlases = options.atlases
        self.meshes = by_hemisphere(options.meshes, named("mesh"))
        kinds = dict.fromkeys(kind_of_file(path) for path in self._atlases)
        if len(kinds) > 1:
            files = " and ".join(path.name for path in self._atlases)
            raise ConfigError(
                f"{named('parcellation')}: {files} are files of data of several kinds"
            )
        self.kind = next(iter(kinds), None)
        self._by_hemisphere: Mapping[str, Path] = {}
        if self.kind is not None and self.kind.by_hemisphere:
            self._by_hemisphere = by_hemisphere(self._atlases, named("parcellation"))
        elif self.kind is not None and len(self._atlases) > 1:
            raise ConfigError(
                f"{named('parcellation')}: {len(self._atlases)} files are given, and "
                f"{self.kind.atlas_named} is the parcellation: give one"
            )
        for path in self._atlases:
            if not kind_of_file(path).needs_mesh:
                read_atlas(path)
            elif not path.is_file():
                raise InputError(f"{path}: there is no such file")

    def check_kind(self, kind: type[Space], space: str) -> None:
        """Make sure that the files belong to data of a kind.

        Raises
        ------
        ConfigError
            If they do not.
        """
        data = f"the BOLD data in the space {space} are {kind.series_named}"
        if self.kind not in (None, kind):
            raise ConfigError(
                f"{named('parcellation')} {self._atlases[0]}: does not fit: {data}; give "
                f"{kind.atlas_named}, or a number"
            )
        if self.meshes and not kind.needs_mesh:
            path = next(iter(self.meshes.values()))
            raise ConfigError(
                f"{named('mesh')} {path}: is the mesh of data on a surface, and {data}: leave it "
                f"out, or ask for a surface with {named('space')}"
            )

    def atlas_of(self, bold: BidsName) -> Path:
        """Give the parcellation of a surface series, where files are given.

        Raises
        ------
        InputError
            If that of its hemisphere lacks.
        """
        if not bold.kind.by_hemisphere:
            return self._atlases[0]
        hemi = bold.entities["hemi"]
        if hemi not in self._by_hemisphere:
            raise InputError(
                f"{bold.path}: no parcellation of the hemisphere {hemi} is given: repeat "
                f"{named('parcellation')} with its .label.gii"
            )
        return self._by_hemisphere[hemi]


def provide_surface_parcels(
    folder: Path,
    runs: Sequence[BidsName],
    meshes: Sequence[Path],
    *,
    nuisance: Sequence[NuisanceFiles],
    size: int,
    smallest: int,
) -> tuple[Path, list[str]]:
    """Cut parcels on the meshes in a folder, or find those of the same files there.

    Nodes without a signal, such as those of the medial wall, belong to none. As of volumes, the
    name of the file says what the parcels are made of.

    Parameters
    ----------
    folder : Path
        Where they are kept; made when missing.
    runs : sequence of BidsName
        Series of one hemisphere, or CIFTI.
    meshes : sequence of Path
        On which they lie.
    nuisance : sequence of NuisanceFiles
        Of each run; in scans that they censor, no signal is looked for.
    size, smallest : int
        Nodes (and voxels, of CIFTI) of a parcel at most, and at least: islands of fewer belong to
        no parcel.

    Returns
    -------
    path : Path
        ``.label.gii`` or ``.dlabel.nii``.
    notes : list of str
        What was left out.

    Raises
    ------
    InputError
        If a file cannot be used, or no node has a signal in all runs.
    """
    bold = [name.path for name in runs]
    kind = runs[0].kind
    smallest = min(size, smallest)
    censoring = " ".join(str(each.fd_threshold) for each in nuisance)
    tables = [path for each in nuisance for path in each.paths]
    digest = digest_of(censoring, (size, smallest, *meshes, *bold, *tables))[:16]
    stem = f"parcels-of-{size}-nodes-{digest}"
    path, about = folder / f"{stem}{kind.label_ending}", folder / f"{stem}.json"
    if path.is_file() and about.is_file():
        return path, [str(note) for note in read_json(about).get("notes", [])]
    series, space = kind.open_series(bold, meshes)
    usable, of_runs = _usable(series, space, nuisance)
    labels, islands = without_islands(
        split_mask(usable, size=size, edges=space.edges), smallest=smallest, edges=space.edges
    )
    if not labels.any():
        raise InputError(
            f"{bold[0]}: no piece of connected nodes with a signal has as many as a parcel needs "
            f"({smallest})"
        )
    notes = [*of_runs, *islands]
    keep_first(path, space.label_bytes(labels))
    write_json(about, {"notes": notes})
    return path, notes


def _usable(
    series: Sequence[Series], space: Space, nuisance: Sequence[NuisanceFiles]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Tell which nodes have a signal in all runs; note a run that takes many away.

    Raises
    ------
    InputError
        If none has.
    """
    usable = []
    every = np.arange(math.prod(space.shape))
    for one, files in zip(series, nuisance, strict=True):
        censored = read_nuisance(files, one.n_scans).censored
        values = one.stored(every)
        usable.append(varies(values if censored is None else values[~censored]))
    in_all = np.logical_and.reduce(usable)
    paths, n_usable = [one.path for one in series], [int(each.sum()) for each in usable]
    if not in_all.any():
        refuse_silent_run(paths, n_usable, "all nodes")
        runs = " in all runs" if len(series) > 1 else ""
        raise InputError(f"{series[0].path}: no node has a signal that is finite and varies{runs}")
    shared = shared_notes(
        paths, n_usable, int(in_all.sum()), runs="series of the runs", of="nodes with a signal"
    )
    return np.asarray(in_all), shared
