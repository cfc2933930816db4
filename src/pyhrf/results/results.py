"""What an analysis left in its output directory, ready to be used from Python."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.files import read_regular, regular_file
from pyhrf.outputs.columns import COLUMNS, Table
from pyhrf.outputs.maps import MapName, map_title, possible_maps
from pyhrf.parameters.estimators import kind_of
from pyhrf.results.damage import made_by_analysis, why_none
from pyhrf.results.names import file_stem
from pyhrf.spaces.kinds import KINDS, kind_of_file
from pyhrf.spaces.space import MapSurface, Space
from pyhrf.spaces.surfaces import open_mesh

if TYPE_CHECKING:
    import pandas as pd

    from pyhrf.results.trials import Trials

LOW_QUALITY = 0.5
"""Below this ``hrf_quality`` the data say too little of the response."""

SMOOTH = 0.7
"""Above this ``neighbour_correlation`` voxels are smoothed, or finer than the scanner's.

Real data as they were acquired have .2 to .35 (voxels of 3 to 4 mm), resampled ones .49 to .64 (2
to 3 mm). Smoothed by 4 mm they have .5 to .6 and .79 to .91, by 6 mm .78 to .96.
"""

SHARED = 0.1
"""Above this ``neighbour_correlation`` voxels share noise that an estimator has to model.

Where each position has its own it is 0 within .02. At .11 a tenth of what does nothing is called
active if there are twenty conditions, and a twentieth if there are four.
"""

_TEXTS = {
    column.name: str for table in COLUMNS.values() for column in table.values() if column.is_text
}
_MAP_ENDINGS = tuple(ending for kind in KINDS for ending in kind.map_endings)


class Results:
    """Tables and maps of an output directory; read when they are asked for.

    Parameters
    ----------
    directory : path
        Where an analysis wrote.

    Raises
    ------
    InputError
        When there are no results in it; it says whether an analysis has not ended, or where those
        of ``pyhrf bids`` are.

    Examples
    --------
    >>> results = Results("results")  # doctest: +SKIP
    >>> results.hrf.query("parcel == 1").plot("time", "hrf")  # doctest: +SKIP
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        if not (self.directory / "parcels.tsv").is_file():
            raise InputError(why_none(self.directory))

    def __repr__(self) -> str:
        return f"Results({str(self.directory)!r})"

    def _repr_html_(self) -> str:
        """Show in a notebook what was analysed, with the warnings of the report."""
        from pyhrf.results.report_text import summary_of
        from pyhrf.results.report_warnings import warnings_of

        try:
            summary, warnings = summary_of(self), warnings_of(self)
        except InputError:  # a cell that only shows what is there is no place for it
            return escape(repr(self))
        rows = (
            f"<tr><th style='text-align: left'>{escape(name)}</th>"
            f"<td style='text-align: left'>{escape(text)}</td></tr>"
            for name, text in summary
        )
        notes = "".join(f"<li>{escape(one)}</li>" for one in warnings)
        return f"<table>{''.join(rows)}</table>" + (f"<ul>{notes}</ul>" if notes else "")

    @cached_property
    def hrf(self) -> pd.DataFrame:
        """The table ``hrf.tsv``, one row per sample of a response; times in seconds, peak +1.

        Rows without a condition hold the HRF of all conditions together.
        """
        return self._table("hrf")

    @cached_property
    def parcels(self) -> pd.DataFrame:
        """The table ``parcels.tsv``, one row per parcel; times in seconds."""
        return self._table("parcels")

    @cached_property
    def conditions(self) -> pd.DataFrame:
        """The table ``conditions.tsv``, one row per parcel and condition."""
        return self._table("conditions")

    @cached_property
    def convergence(self) -> pd.DataFrame:
        """Course of the criterion: parcel, chain, iteration, criterion; empty where none is.

        It is the free energy of VEM, the log likelihood of MCMC and of RFIR.
        """
        return self._table_if_there("convergence")

    @cached_property
    def courses(self) -> pd.DataFrame:
        """Measured and fitted signal of each parcel's best voxels: parcel, run, scan, both.

        Empty, as `events` and `design`, where an earlier version wrote the results.
        """
        return self._table_if_there("courses")

    @cached_property
    def trial_table(self) -> pd.DataFrame:
        """Single trials, one row for each volume of their maps; empty where there are none.

        Trial, run, condition, onset, duration (seconds), amplitude, scans, information, reason.
        """
        return self._table_if_there("trials")

    @cached_property
    def events(self) -> pd.DataFrame:
        """Events as the model takes them: run, condition, onset, duration, amplitude; seconds."""
        return self._table_if_there("events")

    @cached_property
    def design(self) -> pd.DataFrame:
        """One row per scan: run, scan, time, whether it is kept, and the regressors."""
        return self._table_if_there("design")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What ``run.json`` holds, such as versions, parameters, checksums, time of batches."""
        path = self.directory / "run.json"
        if not path.is_file():
            raise InputError(f"{path} is not there: the analysis did not end; start it again")
        with made_by_analysis(path):
            found = cast("dict[str, Any]", json.loads(read_regular(path)))
            study = found.get("study", {})
            for part in (study, study.get("data", {})):
                part.keys()  # objects, whatever they hold
        return found

    @cached_property
    def regions(self) -> dict[int, str]:
        """Names of the parcels that have one, by number."""
        found = {int(row["parcel"]): row.get("region") or "n/a" for row in self._rows}
        return {number: name for number, name in found.items() if name != "n/a"}

    @cached_property
    def failed(self) -> dict[int, str]:
        """Reason by number of each parcel that was not estimated."""
        return {int(row["parcel"]): row["reason"] for row in self._rows if row["status"] != "ok"}

    @cached_property
    def weak(self) -> list[int]:
        """Parcels whose response is poorly determined: ``hrf_quality`` below 0.5."""
        qualities = self._figures("hrf_quality")
        return [number for number, quality in qualities.items() if quality < LOW_QUALITY]

    @cached_property
    def smooth(self) -> list[int]:
        """Parcels whose neighbours share noise as in smoothed data, if most do; else none.

        Nodes of a mesh are finer than the voxels that they were sampled from: of surfaces nothing
        is said.
        """
        found = self._mostly_above(SMOOTH)
        return found if found and self._study["data"]["kind"] != "surface" else []

    @cached_property
    def unmodelled(self) -> list[int]:
        """Parcels with shared noise that the study takes for each position's own, if most are."""
        found = self._mostly_above(SHARED)
        if not found:
            return []
        # an estimator that has no such parameter knows no noise that positions share
        own = self._study.get(kind_of(self._study).section, {})
        return found if own.get("shared_noise", "none") == "none" else []

    @property
    def _study(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.provenance["study"])

    def _mostly_above(self, least: float) -> list[int]:
        """Parcels whose neighbours correlate by more than this, if most do; else none."""
        correlations = self._figures("neighbour_correlation")
        found = [number for number, value in correlations.items() if value > least]
        return found if 2 * len(found) > len(correlations) else []

    @cached_property
    def outlying(self) -> dict[int, tuple[int, int]]:
        """How many scans lie far off the others, and the farthest (from 0), by such a parcel."""
        columns = ("n_outlying_scans", "outlying_scan")
        return {
            int(row["parcel"]): (int(float(row[columns[0]])), int(float(row[columns[1]])))
            for row in self._rows
            if row.get(columns[0], "n/a") not in ("", "n/a") and float(row[columns[0]]) > 0
        }

    def _figures(self, column: str) -> dict[int, float]:
        """Values of a column of the table of parcels, where there are any, by parcel."""
        return {
            int(row["parcel"]): float(row[column])
            for row in self._rows
            if row.get(column, "n/a") not in ("", "n/a")
        }

    @property
    def n_parcels(self) -> int:
        """Parcels of the parcellation."""
        return len(self._rows)

    def maps(self) -> dict[str, Path]:
        """Return the file of each map by its name without the ending, such as ``nrl_audio``.

        Returns
        -------
        dict of str to Path
        """
        return {
            path.name.removesuffix(ending): path
            for ending in _MAP_ENDINGS
            for path in sorted(self.directory.glob(f"[!.]*{ending}"))
            if path.is_file()
        }

    @cached_property
    def condition_names(self) -> list[str]:
        """Conditions as the analysis names them: of levels of each run one for each."""
        return list(dict.fromkeys(self.conditions["condition"]))

    @cached_property
    def map_names(self) -> dict[str, MapName]:
        """Kind and condition or contrast of each map of the catalogue, by name as in `maps`."""
        contrasts = [one["name"] for one in self._study.get("contrasts", ())]
        possible = possible_maps(self.condition_names, contrasts)
        known = {file_stem(map_title(*key)): key for key in possible}
        return {stem: known[stem] for stem in self.maps() if stem in known}

    def load_map(self, name: str) -> Any:
        """Open a map.

        Parameters
        ----------
        name : str
            Such as ``nrl_audio``; a condition is written as the user did.

        Returns
        -------
        nibabel image

        Raises
        ------
        InputError
            When there is no such map.
        """
        path = self._path_of(name)
        with made_by_analysis(path):
            return kind_of_file(path).load_map(path)

    def map_values(self, name: str) -> NDArray[Any]:
        """Read the values of a map, wherever they lie.

        Parameters
        ----------
        name : str
            As for `load_map`.

        Returns
        -------
        array, shape (n_x, n_y, n_z[, n_samples]) or (n_positions[, n_samples])

        Raises
        ------
        InputError
            When there is no such map.
        """
        path = self._path_of(name)
        with made_by_analysis(path):
            return kind_of_file(path).map_values(path)

    def trials(self, condition: str | Sequence[str] | None = None) -> Trials:
        """Read the levels of single trials, as decoders take them.

        Parameters
        ----------
        condition : str or sequence of str, optional
            Only the trials of this condition or of these; all if not given.

        Returns
        -------
        Trials
            ``levels, table = results.trials()`` gives an array, a row for each trial and a column
            for each position that has an estimate, and a row of ``trials.tsv`` for each trial.

        Raises
        ------
        InputError
            When there are no single trials, or none of such a condition.
        """
        from pyhrf.results.trials import read_trials

        return read_trials(self, condition)

    def _path_of(self, name: str) -> Path:
        maps = self.maps()
        stem = file_stem(name)
        if stem not in maps:
            raise InputError(
                f"there is no map '{name}' in {self.directory}; there are: {', '.join(maps)}"
            )
        return maps[stem]

    @property
    def space(self) -> Space | None:
        """Where the values of maps lie, as the map of parcels tells; None without it."""
        return self._parcels[0] if "parcels" in self.maps() else None

    @property
    def place(self) -> str:
        """What has a value: ``voxel``, ``node`` or ``grayordinate``."""
        return "voxel" if self.space is None else self.space.place

    @property
    def labels(self) -> NDArray[Any]:
        """The map of parcels: that of each position, 0 for background."""
        return self._parcels[1]

    def surfaces(self) -> list[MapSurface]:
        """Find the meshes of the study on which values lie, where the run found them.

        Returns
        -------
        list of MapSurface
            Without those that are gone or no longer fit.
        """
        meshes = []
        for path in self._study["data"].get("meshes", ()):
            with suppress(InputError):  # gone, or another file by now
                meshes.append(open_mesh(Path(path)))
        return [] if self.space is None else self.space.surfaces(meshes)

    @cached_property
    def _parcels(self) -> tuple[Space, NDArray[Any]]:
        path = self._path_of("parcels")
        with made_by_analysis(path):
            return kind_of_file(path).read_map(path)

    @cached_property
    def _rows(self) -> list[dict[str, str]]:
        # Without pandas, whose import takes longer than many an analysis.
        path = self.directory / "parcels.tsv"
        with made_by_analysis(path), regular_file(path) as raw:
            file = io.TextIOWrapper(raw, encoding="utf-8", newline="")
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
            for row in rows:
                int(row["parcel"]), row["status"] + row["reason"]
                for name in ("hrf_quality", "n_outlying_scans"):
                    if row.get(name, "n/a") not in ("", "n/a"):
                        int(1e6 * float(row[name]))
            return rows

    def _table_if_there(self, name: Table) -> pd.DataFrame:
        import pandas as pd

        if not (self.directory / f"{name}.tsv").is_file():
            return pd.DataFrame(columns=list(COLUMNS[name]))
        return self._table(name)

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        path = self.directory / f"{name}.tsv"
        # Only "n/a" is a missing value: a condition may be called "None" or "NA".
        with made_by_analysis(path), regular_file(path) as file:
            table = pd.read_csv(
                file,
                sep="\t",
                quoting=csv.QUOTE_NONE,
                na_values=["n/a"],
                keep_default_na=False,
                dtype=_TEXTS,  # a condition may also be called "1"
            )
            for column in table.columns.difference(list(_TEXTS)):
                pd.to_numeric(table[column])
        return table
