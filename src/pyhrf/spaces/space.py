"""What a kind of space is asked: to open, name, write and show files of its own."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pyhrf.files import replace_file
from pyhrf.spaces.neighbours import VoxelParcels, find_graph_parcels, find_parcels
from pyhrf.spaces.surfaces import Mesh
from pyhrf.wording import named

Frames = Iterable[NDArray[Any]]
"""A map, or one after the other its samples, each of shape (n_positions,)."""


class Series(Protocol):
    """A BOLD series of one run."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        ...

    @property
    def tr(self) -> float | None:
        """Time between scans in seconds; None if the file does not say."""
        ...

    def stored(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Read some positions as they are stored, shape (n_scans, n_positions)."""
        ...

    def meant(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Turn stored values into the values that are meant."""
        ...


class Timing(NamedTuple):
    """What a series says of its scans."""

    step: float | None
    """Seconds between them; None if the file does not say."""
    n_scans: tuple[int, ...]
    """How many; several numbers where the file leaves that open."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Series and parcels that lie on one space.

    Attributes
    ----------
    series : tuple of Series
        One for each run.
    parcels : VoxelParcels
        Their positions and neighbours.
    space : Space
        Where all lie.
    notes : tuple of str
        What is in doubt of them.
    """

    series: tuple[Series, ...]
    parcels: VoxelParcels
    space: Space
    notes: tuple[str, ...] = ()


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
class Space(ABC):
    """Where values lie, and the files of such values.

    Attributes
    ----------
    shape : tuple of int
        Of a map: voxels along each axis, or the number of positions.
    edges : int32 array, shape (n_edges, 2), or None
        Neighbours, each pair once, smaller first; None for voxels, whose faces tell.
    """

    place: ClassVar[str]
    """What has a value."""
    endings: ClassVar[tuple[str, ...]]
    """Of the names of its files, in small letters."""
    bold_endings: ClassVar[tuple[str, ...]]
    """Of preprocessed series in BIDS data sets, the best first."""
    label_ending: ClassVar[str]
    """Of a parcellation that is written."""
    map_endings: ClassVar[tuple[str, ...]]
    """Of maps that are written."""
    series_named: ClassVar[str]
    """What its series are, for who has given other files."""
    atlas_named: ClassVar[str]
    """What a parcellation of it is."""
    needs_mesh: ClassVar[bool] = True
    """Whether files say who is beside whom."""
    by_hemisphere: ClassVar[bool] = False
    """Whether a series holds one hemisphere."""
    fills_grid: ClassVar[bool] = False
    """Whether there is a value in each voxel of a grid, to be cut through with an anatomy."""

    shape: tuple[int, ...]
    edges: NDArray[np.int32] | None = field(default=None, kw_only=True)

    @classmethod
    def takes(cls, path: Path | str) -> bool:
        """Tell by its name whether a file is of this kind."""
        return str(path).lower().endswith(cls.endings)

    @classmethod
    @abstractmethod
    def open_series(
        cls, bold: Sequence[Path], meshes: Sequence[Path]
    ) -> tuple[tuple[Series, ...], Self]:
        """Open the series of all runs, which lie on one space.

        Raises
        ------
        InputError
            If a file cannot be used, or they do not lie on one space.
        """

    @classmethod
    @abstractmethod
    def open(cls, bold: Sequence[Path], parcellation: Path, meshes: Sequence[Path]) -> Opened:
        """Open the series of all runs, and the parcellation; see `open_series`."""

    @classmethod
    @abstractmethod
    def open_placed(cls, path: Path, meshes: Sequence[Path]) -> tuple[NDArray[Any], Self]:
        """Open a parcellation or mask by itself: its values and where they lie.

        Raises
        ------
        InputError
            If a file cannot be used, or they do not belong together.
        """

    @classmethod
    @abstractmethod
    def timing(cls, path: Path) -> Timing:
        """Read when the scans of a series were taken."""

    @classmethod
    def mesh_sizes(cls, path: Path) -> Mapping[str, Collection[int]]:  # noqa: ARG003 - some need it
        """Read which meshes a series needs; here none.

        Returns
        -------
        mapping of str to collection of int
            How many nodes each may have, by its structure as the file calls it.

        Raises
        ------
        InputError
            If the file cannot be used.
        """
        return {}

    @classmethod
    @abstractmethod
    def load_map(cls, path: Path) -> Any:
        """Open a map that was written here, as nibabel does."""

    @classmethod
    @abstractmethod
    def read_map(cls, path: Path) -> tuple[Self, NDArray[Any]]:
        """Read a map that was written here, and where it lies.

        Returns
        -------
        space : Space
            Who is beside whom is not known.
        values : array, shape ``shape`` or (*shape, n_samples)
        """

    @classmethod
    def map_values(cls, path: Path) -> NDArray[Any]:
        """Read the values of a map alone; see `read_map`."""
        return cls.read_map(path)[1]

    @classmethod
    def open_map(cls, path: Path) -> OpenedMap:
        """Open a map whose samples are read one after the other; see `read_map`."""
        space, values = cls.read_map(path)
        n_samples = values.shape[-1] if values.ndim > len(space.shape) else None
        return OpenedMap(space, n_samples, iter(values.reshape(math.prod(space.shape), -1).T))

    @classmethod
    def map_step(cls, path: Path) -> float | None:
        """Read the seconds between the samples of a map, if they are evenly spaced."""
        return cls.timing(path).step

    @classmethod
    def parcel_names(cls, path: Path) -> Mapping[int, str]:  # noqa: ARG003 - some need it
        """Read the names that a parcellation gives its parcels, by number; here none."""
        return {}

    def parcels(self, labels: NDArray[Any]) -> VoxelParcels:
        """Collect the positions and neighbours of each parcel; 0 is background."""
        if self.edges is None:
            return find_parcels(labels)
        return find_graph_parcels(labels, self.edges)

    @abstractmethod
    def write(
        self,
        path: Path,
        name: str,
        frames: Frames,
        *,
        dtype: type[np.generic] = np.float32,
        n_samples: int | None = None,
        step: float | None = None,
    ) -> Path:
        """Write a map: equal bytes from equal values.

        Parameters
        ----------
        path : Path
            Without the ending, which the returned path has.
        name : str
            What it shows.
        frames : Frames
        dtype : float32 or int32
        n_samples : int or None
            Number of samples; None for a single map.
        step : float or None
            Seconds between samples, if they are evenly spaced.
        """

    @abstractmethod
    def label_bytes(
        self,
        labels: NDArray[np.int32],
        names: Mapping[int, str] = MappingProxyType({}),
        *,
        title: str = "parcels",
    ) -> bytes:
        """Make the file of a parcellation: equal bytes from equal numbers.

        Parameters
        ----------
        labels : int32 array, shape ``shape``
            0 is background.
        names : mapping of int to str
            Of parcels, where the format has names; others are ``parcel 7`` and such.
        title : str
            What the file says that it holds, where parcels have no names.
        """

    def write_labels(self, path: Path, labels: NDArray[np.int32]) -> None:
        """Write a parcellation; the name of the file has `label_ending`."""
        with replace_file(path, cure=f"choose another file ({named('file')})") as file:
            file.write(self.label_bytes(labels))

    def surfaces(self, meshes: Sequence[Mesh]) -> list[MapSurface]:  # noqa: ARG002 - some need it
        """Tell which values of a map lie on which nodes of these meshes; here on none."""
        return []

    def volume(self, values: NDArray[Any]) -> Any:  # noqa: ARG002 - some need it
        """Put the values of a map that lie in voxels on their grid; here there are none.

        Returns
        -------
        nibabel image of three axes, or None
            0 where no value lies.
        """
        return None


class OpenedMap(NamedTuple):
    """A map of which no more than a sample need be in memory."""

    space: Space
    """Who is beside whom is not known."""
    n_samples: int | None
    """None of a single map."""
    frames: Iterator[NDArray[Any]]
    """Each of shape (n_positions,)."""
