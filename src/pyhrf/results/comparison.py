"""Results of several analyses of the same parcels, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.files import replace_file
from pyhrf.outputs.maps import MAPS, MapName
from pyhrf.parameters.estimators import kind_of
from pyhrf.results.damage import made_by_analysis
from pyhrf.results.results import Results

# HRFs of other grids are brought to this step, seconds.
STEP = 0.5
_LONGEST = 1e5  # seconds of an HRF; a damaged table may ask for any memory
HRF_COLUMNS = ("parcel", "first", "second", "distance", "correlation", "first_peak", "second_peak")
MAP_COLUMNS = ("map", "first", "second", "n_voxels", "correlation", "slope", "difference")


@dataclass(frozen=True)
class Comparison:
    """Results with their names, and what compares them.

    Attributes
    ----------
    results : dict of str to Results
        By a name that tells them apart.
    hrfs : DataFrame
        One row per parcel and pair of results: ``parcel``, ``first``, ``second``, ``distance`` (of
        the HRFs at unit norm: 0 equal, 2 opposite), ``correlation``, and both times to peak (s);
        and ``region`` where parcels of the first results have names.
    maps : DataFrame
        One row per shared map and pair of results: ``map``, ``first``, ``second``, ``n_voxels``,
        ``correlation``, ``slope`` of the second on the first through 0, and the root mean square of
        their ``difference``.
    """

    results: dict[str, Results]
    hrfs: pd.DataFrame
    maps: pd.DataFrame

    @property
    def levels(self) -> pd.DataFrame:
        """The rows of `maps` that compare response levels."""
        stems = [
            stem
            for one in self.results.values()
            for stem, (kind, _) in one.map_names.items()
            if kind == "nrl"
        ]
        return self.maps[self.maps["map"].isin(stems)]

    def write(self, folder: Path) -> list[Path]:
        """Write ``hrfs.tsv`` and ``maps.tsv``."""
        written = []
        for name, table in (("hrfs", self.hrfs), ("maps", self.maps)):
            path = folder / f"{name}.tsv"
            text = table.to_csv(sep="\t", index=False, float_format="%.6g", na_rep="n/a")
            with replace_file(path) as file:
                file.write(text.encode())
            written.append(path)
        return written


def compare_results(directories: Sequence[str | Path]) -> Comparison:
    """Compare what analyses found in the same parcels.

    Parameters
    ----------
    directories : sequence of path
        Two output directories or more.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If there are fewer than two, one holds no results, their parcels differ, or two of them
        have estimated no parcel that the other has too.
    """
    if len(directories) < 2:
        raise InputError("a comparison needs two output directories at least")
    with made_by_analysis(f"one of {', '.join(map(str, directories))}"):
        return _compared(_named([Results(directory) for directory in directories]))


def _compared(results: dict[str, Results]) -> Comparison:
    parcels = _same_parcels(results)
    curves = {name: dict(shared_hrfs(one)) for name, one in results.items()}
    pairs = list(itertools.combinations(results, 2))
    for one, other in pairs:
        if not curves[one].keys() & curves[other].keys():
            raise InputError(
                f"{results[one].directory} and {results[other].directory} share no parcel that "
                "both have estimated: see the column reason in their parcels.tsv"
            )
    hrfs = [
        {"parcel": number, "first": one, "second": other}
        | _hrf_figures(curves[one][number], curves[other][number])
        for one, other in pairs
        for number in sorted(curves[one].keys() & curves[other].keys())
    ]
    maps = [
        {"map": name, "first": one, "second": other}
        | _map_figures(results[one], results[other], name, parcels)
        for one, other in pairs
        for name in shared_maps([results[one], results[other]])
    ]
    # named columns: results may have no map in common
    table = pd.DataFrame(hrfs, columns=list(HRF_COLUMNS))
    if regions := next(iter(results.values())).regions:
        table.insert(1, "region", table["parcel"].map(regions))
    return Comparison(
        results,
        table,
        pd.DataFrame(maps, columns=list(MAP_COLUMNS)),
    )


def shared_hrfs(results: Results) -> Iterator[tuple[int, pd.DataFrame]]:
    """Give the HRF of each parcel, of all conditions together: ``time``, ``hrf``, ``sd``."""
    table = results.hrf
    if "condition" in table:
        table = table[table["condition"].isna()]
    for number, rows in table.groupby("parcel"):
        yield int(str(number)), rows


def shared_maps(results: Sequence[Results]) -> dict[str, MapName]:
    """Give the maps that all results have and that can be compared, by the names of files."""
    first, *others = (one.map_names.items() for one in results)
    shared = set(first).intersection(*others)
    return {stem: name for stem, name in sorted(shared) if MAPS[name[0]].is_compared}


def _named(results: Sequence[Results]) -> dict[str, Results]:
    """Name results by their estimators, and by their directories where that is not enough."""
    estimators = [_estimator(one) for one in results]
    named: dict[str, Results] = {}
    for one, estimator in zip(results, estimators, strict=True):
        name = estimator
        if estimators.count(estimator) > 1:
            name = f"{estimator}, {one.directory}" if estimator else str(one.directory)
        if name in named:
            raise InputError(f"{one.directory} is given twice: give each output directory once")
        named[name or str(one.directory)] = one
    return named


def _estimator(results: Results) -> str:
    """Name of the estimator, and its model if it has several."""
    study: dict[str, Any] = results.provenance["study"]
    if "estimator" not in study:
        return ""
    kind = kind_of(study)
    return f"{kind.name} {study[kind.section]['model']}" if kind.responses else kind.name


def _same_parcels(results: dict[str, Results]) -> NDArray[np.int64]:
    """Read the parcellation that all results share."""
    first, *others = results.values()
    labels = first.labels
    for one in others:
        same = np.array_equal(one.labels, labels)
        # Surfaces have no affine: where their nodes lie is a matter of the mesh.
        affine, expected = (getattr(each.space, "affine", np.eye(4)) for each in (one, first))
        if not same or not np.allclose(affine, expected):
            raise InputError(
                f"{one.directory} and {first.directory} hold results of "
                "different parcels: compare analyses of the same parcellation"
            )
    return labels.astype(np.int64)


def _hrf_figures(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    last = max(one["time"].max(), other["time"].max())
    if not last <= _LONGEST:
        raise ValueError(f"an HRF in hrf.tsv lasts {last:g} s")
    grid = np.arange(0.0, last + STEP, STEP)
    curves = [
        np.interp(grid, table["time"], table["hrf"], left=0.0, right=0.0) for table in (one, other)
    ]
    units = [curve / (np.linalg.norm(curve) or 1.0) for curve in curves]
    peaks = [float(table["time"].iloc[int(table["hrf"].argmax())]) for table in (one, other)]
    return {
        "distance": float(np.linalg.norm(units[0] - units[1])),
        "correlation": _correlation(*curves),
        "first_peak": peaks[0],
        "second_peak": peaks[1],
    }


def _map_figures(
    one: Results, other: Results, name: str, parcels: NDArray[np.int64]
) -> dict[str, float]:
    x, y = (results.map_values(name).astype(np.float64)[parcels > 0] for results in (one, other))
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    power = float(x @ x)
    return {
        "n_voxels": int(known.sum()),
        "correlation": _correlation(x, y),
        "slope": float(x @ y) / power if power > 0 else float("nan"),
        "difference": float(np.sqrt(np.mean((x - y) ** 2))) if x.size else float("nan"),
    }


def _correlation(x: FloatArray, y: FloatArray) -> float:
    """Pearson's; NaN where one of them does not vary."""
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
