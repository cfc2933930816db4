"""Data sets that the package describes itself: the examples, and the scenario of reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pyhrf.errors import InputError
from pyhrf.simulation.spec import SimulationSpec

if TYPE_CHECKING:
    from pyhrf.simulation.datasets import DatasetPaths

ExampleName = Literal["default", "small", "realistic"]

EXAMPLES: tuple[str, ...] = get_args(ExampleName)
"""Names of the example data sets."""


def example_spec(name: str) -> SimulationSpec:
    """Describe an example data set.

    Parameters
    ----------
    name : {"default", "small", "realistic"}
        ``default``: six parcels of about 230 voxels, analysed in seconds. ``small``: three of
        about 80, for tests. ``realistic``: the whole grey matter at 3 mm, 64,000 voxels in 250
        parcels, 150 scans, whole numbers as a scanner writes them.

    Raises
    ------
    InputError
        There is no example of this name.
    """
    if name == "default":
        return SimulationSpec(
            shape=(16, 16, 10), n_parcels=6, n_scans=150, n_conditions=3, snr=0.7, seed=1
        )
    if name == "small":
        return SimulationSpec(
            region="box", shape=(8, 6, 5), n_parcels=3, n_scans=100, n_conditions=2, snr=1, seed=2
        )
    if name == "realistic":
        return SimulationSpec(
            region="grey-matter",
            shape=None,
            n_parcels=250,
            parcel_size_spread=0.3,
            n_scans=150,
            n_conditions=3,
            noise_smoothness=0.5,
            dtype="int16",
            seed=3,
        )
    raise InputError(f"there is no example data set {name!r}; there are {', '.join(EXAMPLES)}.")


def reference_spec(seed: int = 0, amplitude: float = 0.5) -> SimulationSpec:
    """Describe the reference scenario that the accuracy of an estimator is quoted for.

    24 parcels, about 5,400 voxels, 200 scans at TR 2 s, 4 conditions with an event of each about
    every 16 s on a 0.1 s grid, HRFs that peak from 4.2 to 7.2 s, AR(1) noise with a coefficient
    from 0 to 0.5, slow drifts.

    Parameters
    ----------
    seed : int
        Seed of every random number.
    amplitude : float
        Mean level of an active response over the noise sd.
    """
    return SimulationSpec(seed=seed, snr=amplitude)


def make_example(name: str, directory: Path | str) -> DatasetPaths:
    """Make an example data set, or find it where it was made before.

    Parameters
    ----------
    name : {"default", "small", "realistic"}
        Which one.
    directory : Path or str
        Where its files go; made if it is not there.

    Returns
    -------
    DatasetPaths

    Raises
    ------
    InputError
        There is no such example, or the directory holds something else.
    """
    from pyhrf.simulation.datasets import dataset_paths, write_dataset
    from pyhrf.simulation.simulate import simulate

    spec = example_spec(name)
    paths = dataset_paths(directory, n_runs=spec.n_runs)
    # The files come into being all at once, so that the description stands for the rest.
    if all(path.is_file() for path in paths.all) and paths.spec.read_bytes() == (
        spec.to_json().encode()
    ):
        return paths
    return write_dataset(simulate(spec), directory)
