"""The command ``python -m validation.realnoise``: known responses in the noise of real data.

Writes what `JDEVEM` and the canonical GLM (nilearn, AR(1), unsmoothed) make of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd

from pyhrf.data import FloatArray
from pyhrf.simulation.simulate import Simulated
from validation.evaluate import NORMAL_95, active_pairs, evaluate
from validation.methods import run_method
from validation.metrics import coverage
from validation.outcome import Outcome
from validation.real_data import LOCALIZER
from validation.semireal import VARIANTS, semireal
from validation.tables import markdown_table, number

METHODS = {"jde": "JDE", "glm-canonical": "GLM"}
COLUMNS = {
    "hrf_error": "HRF error",
    "auc": "AUC",
    "brier": "Brier",
    "calibration_error": "calibration error",
    "silent_50": "P>.5 where nothing is",
    "silent_95": "P>.95",
    "false_50": "false among P>.5",
    "false_95": "among P>.95",
    "found_50": "active found, P>.5",
    "hrf_cover_95": "HRF in ±1.96 sd",
    "peak_cover_95": "peak time",
    "level_cover_95": "active level",
    "level_correlation": "levels, correlation",
    "level_slope": "slope of truth on active level",
    "failed": "failed parcels",
    "seconds": "CPU s",
}
DIGITS = {"silent_95": 4, "failed": 1, "seconds": 1}


def _variants(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in VARIANTS:
            raise click.BadParameter(f"{name!r}; known are {', '.join(VARIANTS)}")
    return names


def _amplitudes(_context: click.Context, _option: click.Parameter, value: str) -> list[float]:
    try:
        numbers = [float(word) for word in value.split(",") if word.strip()]
    except ValueError:
        raise click.BadParameter(f"{value!r}; give numbers with commas between") from None
    if not all(0 < one < np.inf for one in numbers):
        raise click.BadParameter(f"{value!r}; amplitudes must be above 0")
    return numbers


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=3, type=click.IntRange(1), help="Data sets of each kind.")
@click.option("--first-seed", default=1, type=click.IntRange(0), help="Seed of the first one.")
@click.option(
    "--amplitudes",
    default="0.5,0.25,0.125",
    callback=_amplitudes,
    help="Active levels in sd of the noise, with commas between.",
)
@click.option(
    "--variants",
    default=",".join(VARIANTS),
    callback=_variants,
    help="Names, with commas between.",
)
@click.option(
    "--out",
    default="build/validation",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the tables, realnoise.md and realnoise.tsv.",
)
def main(
    seeds: int, first_seed: int, amplitudes: list[float], variants: list[str], out: Path
) -> None:
    """Put known responses into the noise of real data, and see what is found of them."""
    rows: list[dict[str, str | float]] = []
    lines: list[str] = []
    for variant in variants:
        for amplitude in amplitudes:
            here = [
                {"set": name, "seed": seed, "method": method} | figures
                for name in LOCALIZER
                for seed in range(first_seed, first_seed + seeds)
                for method, figures in _compare(name, seed, amplitude, variant)
            ]
            rows += [{"variant": variant, "amplitude": amplitude} | row for row in here]
            means = _means(pd.DataFrame(here))
            for method, title in METHODS.items():
                cells = [variant, f"{amplitude:g}", title, *_cells(means.loc[method])]
                lines.append("| " + " | ".join(cells) + " |")
                click.echo(lines[-1])
    command = (
        f"python -m validation.realnoise --seeds {seeds} --first-seed {first_seed} "
        f"--amplitudes {','.join(f'{one:g}' for one in amplitudes)} "
        f"--variants {','.join(variants)}"
    )
    head = markdown_table(["variant", "amplitude", "method", *COLUMNS.values()], [])
    text = f"Made by `{command}`; means over two sets and the seeds.\n\n{head}"
    text += "\n".join(lines) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "realnoise.md").write_text(text, "utf-8")
    pd.DataFrame(rows).to_csv(out / "realnoise.tsv", sep="\t", index=False, float_format="%.6g")
    click.echo("\n" + text)


def _compare(
    name: str, seed: int, amplitude: float, variant: str
) -> list[tuple[str, dict[str, float]]]:
    """Figures of every method on one data set."""
    data = semireal(name, seed, amplitude, VARIANTS[variant])
    compared = []
    for method in METHODS:
        outcome, seconds = run_method(method, data)
        figures = evaluate(data, outcome, seconds).figures | realnoise_figures(data, outcome)
        compared.append((method, figures))
    return compared


def realnoise_figures(data: Simulated, outcome: Outcome) -> dict[str, float]:
    """Compute what `evaluate` does not: decisions and levels."""
    active, p = data.labels, outcome.probability
    silent = ~active_pairs(data)[:, data.parcel_of - 1]
    figures = {}
    for name, threshold in (("50", 0.5), ("95", 0.95)):
        found = p > threshold
        figures[f"silent_{name}"] = _share(found[silent])
        figures[f"false_{name}"] = _share(~active[found])
        figures[f"found_{name}"] = _share(found[active])
    if outcome.level is not None and outcome.level_sd is not None:
        level, truth = outcome.level[active], data.levels[active]
        together = np.corrcoef(outcome.level.ravel(), data.levels.ravel())[0, 1]
        unit = np.median(data.noise_sd)
        centred = (level - level.mean()) / unit
        figures |= {
            "level_cover_95": coverage(level, outcome.level_sd[active], truth, NORMAL_95),
            "level_correlation": float(together),
            "level_product": float(np.mean(centred * truth) / unit),
            "level_power": float(np.mean(centred**2)),
        }
    return figures


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means by method; the slope is one of all data sets together.

    Where hardly anything is found, that of a single set has no bound.
    """
    means = rows.drop(columns=["set", "seed"]).groupby("method").mean()
    means["level_slope"] = means["level_product"] / means["level_power"]
    return means


def _share(chosen: FloatArray) -> float:
    """Part of them that is true; NaN of nothing."""
    return float(np.mean(chosen)) if chosen.size else float("nan")


def _cells(means: pd.Series) -> Sequence[str]:
    return [number(means.get(column, np.nan), DIGITS.get(column, 3)) for column in COLUMNS]


if __name__ == "__main__":
    main()
