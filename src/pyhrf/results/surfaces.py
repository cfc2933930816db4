"""The meshes on which maps of results lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import nibabel
import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.results.results import Results
from pyhrf.spaces.surfaces import Mesh, open_mesh

nib: Any = nibabel  # whose functions have no types


@dataclass(frozen=True)
class MapSurface:
    """A mesh, and which values of a map lie on which of its nodes.

    Attributes
    ----------
    name : str
        What it shows, such as ``CortexLeft``, or the name of its file.
    mesh : Mesh
    nodes : int array, shape (n_here,)
        Nodes that have a value.
    positions : int array, shape (n_here,)
        Places of these values in a map.
    """

    name: str
    mesh: Mesh
    nodes: NDArray[np.int64]
    positions: NDArray[np.int64]

    def on_nodes(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Give each node its value of a map, NaN where it has none; shape (n_nodes,)."""
        found = np.full(self.mesh.n_nodes, np.nan)
        found[self.nodes] = values[self.positions]
        return found


@dataclass(frozen=True)
class MapVoxels:
    """Which values of a CIFTI map lie in which voxels.

    Attributes
    ----------
    shape : tuple of int
        Of the grid of voxels.
    affine : float array, shape (4, 4)
        From voxels to millimetres.
    voxels : int array, shape (n_here, 3)
        Voxels that have a value.
    positions : int array, shape (n_here,)
        Places of these values in a map.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    voxels: NDArray[np.int64]
    positions: NDArray[np.int64]

    def image(self, values: NDArray[Any]) -> Any:
        """Put the values of a map on the grid, a nibabel image; 0 where it has none."""
        volume = np.zeros(self.shape)
        volume[tuple(self.voxels.T)] = values[self.positions]
        return nib.Nifti1Image(volume, self.affine)


def has_volume(results: Results) -> bool:
    """Tell whether the results have maps of voxels alone."""
    path = results.maps().get("parcels")
    return path is not None and path.name.endswith(".nii.gz")


def refuse_cuts(results: Results) -> NoReturn:
    """Say that maps of a surface are drawn on meshes, not on an anatomy.

    Raises
    ------
    InputError
        Always.
    """
    raise InputError(
        f"{results.directory} has maps of a surface, which are drawn on its meshes: an anatomy and "
        "cuts are for volumes"
    )


def surfaces_of(results: Results) -> list[MapSurface]:
    """Find the meshes of results, where the run found them.

    Parameters
    ----------
    results : Results
        With maps on surfaces.

    Returns
    -------
    list of MapSurface
        In the order of the study, without those that are gone or no longer fit.
    """
    meshes = []
    for path in results.provenance["study"]["data"].get("meshes", ()):
        try:
            meshes.append(open_mesh(Path(path)))
        except InputError:  # gone, or another file by now
            continue
    if "parcels" not in results.maps():
        return []
    if results.brain_models is not None:
        return _of_cifti(meshes, results.brain_models)
    n_nodes = results.map_values("parcels").size
    every = np.arange(n_nodes)
    return [
        MapSurface(mesh.structure or mesh.path.name, mesh, every, every)
        for mesh in meshes
        if mesh.n_nodes == n_nodes
    ]


def voxels_of(results: Results) -> MapVoxels | None:
    """Find the voxels of CIFTI results.

    Parameters
    ----------
    results : Results

    Returns
    -------
    MapVoxels or None
        None when they are no CIFTI, or all on meshes.
    """
    axis = results.brain_models
    if axis is None:
        return None
    positions = np.flatnonzero(axis.volume_mask)
    if not positions.size:
        return None
    return MapVoxels(axis.volume_shape, axis.affine, axis.voxel[positions], positions)


def _of_cifti(meshes: list[Mesh], axis: Any) -> list[MapSurface]:
    models = {
        name: (place.start or 0, model)
        for name, place, model in axis.iter_structures()
        if name in model.nvertices
    }
    found = []
    for mesh in meshes:
        try:
            name = axis.to_cifti_brain_structure_name(mesh.structure)
        except ValueError:
            continue
        if name not in models or models[name][1].nvertices[name] != mesh.n_nodes:
            continue
        first, model = models[name]
        nodes = np.asarray(model.vertex, np.int64)
        found.append(MapSurface(mesh.structure, mesh, nodes, first + np.arange(len(nodes))))
    return found
