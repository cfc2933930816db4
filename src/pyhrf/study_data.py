"""The files that a study analyses, among them the example data, which are made when needed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyhrf.config.data_sections import RunFiles
from pyhrf.config.study import Study
from pyhrf.inputs.confounds import NuisanceFiles
from pyhrf.inputs.dataset import Dataset, open_dataset
from pyhrf.inputs.paradigm import EventColumns

EXAMPLE_DATA = "example-data"
"""Folder of the example data in the output directory."""

Tell = Callable[[str], None]
"""What is called with each sentence that the user should read."""


def open_files(
    study: Study,
    runs: Sequence[RunFiles],
    parcellation: Path | None,
    meshes: Sequence[Path] = (),
) -> Dataset:
    """Open and check files as the data of a study.

    Raises
    ------
    InputError
        Naming file, place, value and cure.
    """
    return open_dataset(
        runs=runs,
        parcellation=parcellation,
        meshes=meshes,
        tr=study.data.tr,
        hrf_duration=study.hrf.duration,
        nuisance=[
            NuisanceFiles(
                confounds=run.confounds,
                censored=run.censored,
                columns=study.confounds.columns,
                fd_threshold=study.confounds.fd_threshold,
            )
            for run in runs
        ],
        times=[{each.condition: each.file for each in run.times} for run in runs],
        starts=[run.start_time for run in runs],
        columns=EventColumns(study.data.event_column, study.data.amplitude_column),
        percent=study.data.scaling == "percent",
        per_run=study.data.levels == "per-run",
    )


class StudyData:
    """The files that a study analyses; example data are made, and kept once all is checked."""

    def __init__(self, study: Study, folder: Path | None, *, made: bool) -> None:
        self._study, self._folder, self._made = study, folder, made

    def open(self) -> Dataset:
        """Open and check them."""
        if self._folder is None:
            data = self._study.data
            return open_files(self._study, data.runs, data.parcellation, data.meshes)
        from pyhrf.simulation.datasets import dataset_paths
        from pyhrf.simulation.examples import example_spec

        spec = example_spec(self._study.data.example)
        paths = dataset_paths(self._folder, n_runs=spec.n_runs)
        runs = [
            RunFiles(bold=bold, paradigm=paradigm)
            for bold, paradigm in zip(paths.bold, paths.paradigm, strict=True)
        ]
        return open_files(self._study, runs, paths.parcellation)

    def home_of(self, path: str) -> str:
        """Return where a file is when the analysis has ended."""
        if self._folder is None:
            return path
        return str(self._study.output / EXAMPLE_DATA / Path(path).name)

    def keep(self) -> None:
        """Put example data that were made beside the results."""
        if self._folder is not None and self._made:
            home = self._study.output / EXAMPLE_DATA
            if not home.exists():
                unfinished = home.with_name(f".{home.name}.tmp")
                if unfinished.is_symlink():
                    unfinished.unlink()
                shutil.rmtree(unfinished, ignore_errors=True)
                shutil.copytree(self._folder, unfinished)
                unfinished.rename(home)


@contextmanager
def study_data(study: Study, *, fresh: bool, tell: Tell) -> Iterator[StudyData]:
    """Provide the files of a study; example data are made first, in a temporary folder.

    Parameters
    ----------
    study : Study
    fresh : bool
        Make example data even if they lie beside older results.
    tell : callable
        Told that they are made.
    """
    home = study.output / EXAMPLE_DATA
    if study.data.kind != "simulation":
        yield StudyData(study, None, made=False)
    elif not fresh and _holds_example(home, study.data.example):
        yield StudyData(study, home, made=False)
    else:
        from pyhrf.simulation.examples import make_example

        # Made elsewhere: nothing is written to the output directory before all is checked.
        with tempfile.TemporaryDirectory(prefix="pyhrf-example-") as name:
            folder = Path(name) / EXAMPLE_DATA
            tell(f"making the example data set {study.data.example}")
            make_example(study.data.example, folder)
            yield StudyData(study, folder, made=True)


def _holds_example(folder: Path, name: str) -> bool:
    from pyhrf.simulation.datasets import dataset_paths
    from pyhrf.simulation.examples import example_spec

    described = dataset_paths(folder).spec
    return described.is_file() and described.read_text("utf-8") == example_spec(name).to_json()
