"""Rows of figures as TSV, and what readers want of them as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from validation.metrics import Reliability
from validation.scenarios import SCENARIOS

__all__ = ["Results", "markdown", "markdown_table", "number", "write_tables"]

_ON_THE_ESTIMATORS = """RFIR has no classes, nor has the GLM: their probabilities are those of a
mixture that is fitted to the z values. The GLM is not smoothed here."""

ESTIMATORS = {
    "jde": "jde-vem",
    "jde-mcmc": "jde-mcmc",
    "rfir": "rfir",
    "glm-canonical": "glm canonical",
    "glm-derivatives": "glm derivatives",
    "glm-fir": "glm fir",
}
PEERS = ("glm-canonical", "glm-derivatives", "glm-fir")


@dataclass(frozen=True)
class Results:
    """All figures of a run.

    Attributes
    ----------
    rows : DataFrame
        One row per scenario, seed and method.
    curves : dict
        By (scenario, seed, method).
    """

    rows: pd.DataFrame
    curves: dict[tuple[str, int, str], Reliability]

    @property
    def methods(self) -> list[str]:
        """Methods in the order in which they ran."""
        return list(dict.fromkeys(self.rows["method"]))

    @property
    def scenarios(self) -> list[str]:
        """Scenarios in the order in which they ran."""
        return list(dict.fromkeys(self.rows["scenario"]))

    def means(self) -> pd.DataFrame:
        """Means over the seeds, indexed by scenario and method."""
        return self.rows.drop(columns="seed").groupby(["scenario", "method"], sort=False).mean()


def write_tables(results: Results, folder: Path, command: str) -> None:
    """Write ``figures.tsv``, ``reliability.tsv`` and ``validation.md``."""
    results.rows.to_csv(folder / "figures.tsv", sep="\t", index=False, float_format="%.6g")
    reliability = [
        {"scenario": s, "seed": seed, "method": m, "bin": b, "count": n, "mean": p, "fraction": f}
        for (s, seed, m), curve in results.curves.items()
        for b, (n, p, f) in enumerate(zip(curve.count, curve.mean, curve.fraction, strict=True))
    ]
    pd.DataFrame(reliability).to_csv(
        folder / "reliability.tsv", sep="\t", index=False, float_format="%.6g"
    )
    (folder / "validation.md").write_text(markdown(results, command), encoding="utf-8")


def markdown(results: Results, command: str) -> str:
    """Tables for readers."""
    n_seeds = results.rows["seed"].nunique()
    seeds = f"{n_seeds} seed{'s' if n_seeds > 1 else ''}"
    parts = [f"Made by `{command}`; means over {seeds}.\n"]
    if "jde" in results.methods:
        parts += [_against_peers(results), _honesty(results), _losses(results)]
    if len([name for name in ESTIMATORS if name in results.methods]) > 2:
        parts.append(estimators_table(results))
    parts.append(_everything(results))
    return "\n".join(parts)


def _best(means: pd.DataFrame, scenario: str, column: str, *, high: bool) -> tuple[str, float]:
    """Best peer in one figure."""
    rows = means.loc[scenario]
    values = rows.loc[[name.startswith(PEERS) for name in rows.index], column].dropna()
    if values.empty:
        return "", float("nan")
    name = str(values.idxmax() if high else values.idxmin())
    return name.removeprefix("glm-"), float(values[name])


def _one(means: pd.DataFrame, scenario: str, method: str, column: str) -> float:
    """One figure; NaN where there is none."""
    if (scenario, method) not in means.index or column not in means.columns:
        return float("nan")
    return float(means.loc[(scenario, method), column])


def _against_peers(results: Results) -> str:
    """JDE and the best GLM in each figure, which is more than a user can choose without truth."""
    means = results.means()
    rows = []
    for scenario in results.scenarios:
        row = [scenario, SCENARIOS[scenario].text]
        for column, high in (("hrf_error", False), ("auc", True), ("brier", False)):
            name, value = _best(means, scenario, column, high=high)
            mine = _one(means, scenario, "jde", column)
            white = _one(means, scenario, "jde-white", column)
            row += [number(mine, bold=_wins(mine, value, high=high)), number(white)]
            row.append(f"{number(value)} {name}".strip())
        row.append(number(_one(means, scenario, "jde", "seconds"), 2))
        row.append(number(_one(means, scenario, "jde-white", "seconds"), 2))
        row.append(number(_one(means, scenario, "glm-canonical", "seconds"), 2))
        rows.append(row)
    header = ["scenario", "what differs"]
    for figure in ("HRF error", "AUC", "Brier"):
        header += [f"{figure}: JDE", "white", "best GLM"]
    header += ["CPU s: JDE", "white", "GLM"]
    return "## Against the GLM\n\n" + markdown_table(header, rows)


def _wins(mine: float, other: float, *, high: bool) -> bool:
    return not np.isnan(mine) and (np.isnan(other) or (mine >= other if high else mine <= other))


HONESTY = {
    "active_in_inactive": "P(active) where nothing is",
    "found_in_inactive": "P > .5 there",
    "calibration_error": "calibration error",
    "hrf_cover_68": "HRF in ±1 sd",
    "hrf_cover_95": "±1.96 sd",
    "peak_cover_68": "peak time in ±1 sd",
    "peak_cover_95": "±1.96 sd",
    "level_active_cover_68": "active level in ±1 sd",
    "level_active_cover_95": "±1.96 sd",
    "level_all_cover_95": "all levels in ±1.96 sd",
    "hrf_quality": "HRF quality",
    "iterations": "iterations",
    "converged": "converged",
    "largest_relative_fall": "largest fall of F, relative",
    "failed": "failed parcels",
}


def _honesty(results: Results) -> str:
    """Error bars, calibration and convergence of the default estimator."""
    means = results.means()
    rows = [
        [
            scenario,
            *(
                (f"{v:.1e}" if "fall" in column else number(v, 1 if column == "iterations" else 3))
                for column in HONESTY
                for v in [_one(means, scenario, "jde", column)]
            ),
        ]
        for scenario in results.scenarios
    ]
    return "## Is JDE honest?\n\n" + markdown_table(["scenario", *HONESTY.values()], rows)


def _losses(results: Results) -> str:
    """Say where the best GLM of all is better than JDE."""
    means = results.means()
    lines = []
    for scenario in results.scenarios:
        for column, high in (("hrf_error", False), ("auc", True), ("brier", False)):
            name, value = _best(means, scenario, column, high=high)
            mine = _one(means, scenario, "jde", column)
            if not np.isnan(mine) and not _wins(mine, value, high=high):
                lines.append(f"- {scenario}, {column}: JDE {mine:.3f}, {name} {value:.3f}")
    return "## Where a GLM is better\n\n" + ("\n".join(lines) or "Nowhere.") + "\n"


def estimators_table(results: Results) -> str:
    """Show the estimators of PyHRF side by side; the GLM is nilearn's, unsmoothed."""
    means = results.means()
    columns = {
        "hrf_error": "HRF error",
        "auc": "AUC",
        "brier": "Brier",
        "calibration_error": "calibration error",
        "hrf_cover_95": "HRF in ±1.96 sd",
        "level_active_cover_95": "active level in ±1.96 sd",
        "level_all_cover_95": "all levels in ±1.96 sd",
        "seconds": "CPU s",
    }
    rows = [
        [scenario, name, *(number(_one(means, scenario, method, c)) for c in columns)]
        for scenario in results.scenarios
        for method, name in ESTIMATORS.items()
        if method in results.methods
    ]
    return f"## The estimators\n\n{_ON_THE_ESTIMATORS}\n\n" + markdown_table(
        ["scenario", "estimator", *columns.values()], rows
    )


def _everything(results: Results) -> str:
    """Every method in the figures that all have."""
    means = results.means()
    columns = {
        "hrf_error": "HRF error, median",
        "hrf_error_mean": "mean",
        "auc": "AUC",
        "brier": "Brier",
        "calibration_error": "calibration error",
        "active_in_inactive": "P(active) where nothing is",
        "seconds": "CPU s",
    }
    rows = [
        [scenario, method, *(number(_one(means, scenario, method, c)) for c in columns)]
        for scenario, method in means.index
    ]
    return "## Every method\n\n" + markdown_table(["scenario", "method", *columns.values()], rows)


def number(value: float, digits: int = 3, *, bold: bool = False) -> str:
    """Write a figure for a table; a dash where there is none."""
    if np.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return f"**{text}**" if bold else text


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
