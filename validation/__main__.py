"""The command ``python -m validation``."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd

from pyhrf.estimators import JDEMCMC, JDEVEM, RFIR
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec
from validation.evaluate import evaluate
from validation.methods import METHODS, run_method
from validation.metrics import Reliability
from validation.scenarios import SCENARIOS, choose_scenarios
from validation.tables import Results, write_tables


def _split(_context: click.Context, option: click.Parameter, value: str) -> list[str]:
    """Read a list with commas and check that all of it is known."""
    known = METHODS if option.name == "methods" else SCENARIOS
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name != "all" and name not in known:
            raise click.BadParameter(f"{name!r}; known are all, {', '.join(known)}")
    return list(known) if "all" in names else names


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=3, type=click.IntRange(1), help="Data sets of each scenario.")
@click.option("--first-seed", default=0, type=click.IntRange(0), help="Seed of the first one.")
@click.option("--scenarios", default="all", callback=_split, help="Names, with commas between.")
@click.option("--methods", default="all", callback=_split, help="Names, with commas between.")
@click.option(
    "--out",
    default="build/validation",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for tables and figures.",
)
@click.option("--figures/--no-figures", default=True, help="Draw figures (needs matplotlib).")
def main(
    seeds: int,
    first_seed: int,
    scenarios: list[str],
    methods: list[str],
    out: Path,
    figures: bool,
) -> None:
    """Compare estimators with the truth of artificial data."""
    out.mkdir(parents=True, exist_ok=True)
    _compile()
    rows: list[dict[str, str | float]] = []
    curves: dict[tuple[str, int, str], Reliability] = {}
    for scenario in choose_scenarios(scenarios):
        for seed in range(first_seed, first_seed + seeds):
            data = scenario.data(seed)
            for method in methods:
                outcome, seconds = run_method(method, data)
                evaluation = evaluate(data, outcome, seconds)
                key = (scenario.name, seed, method)
                rows.append(
                    {"scenario": scenario.name, "seed": seed, "method": method} | evaluation.figures
                )
                curves[key] = evaluation.curve
                _report(key, evaluation.figures)
    results = Results(pd.DataFrame(rows), curves)
    write_tables(
        results,
        out,
        f"python -m validation --seeds {seeds} --scenarios {_joined(scenarios, SCENARIOS)} "
        f"--methods {_joined(methods, METHODS)}",
    )
    if figures:
        from validation.figures import draw_figures

        draw_figures(results, out)
    click.echo(f"Tables and figures are in {out}.")


def _joined(names: list[str], known: object) -> str:
    return "all" if names == list(known) else ",".join(names)  # type: ignore[call-overload]


def _report(key: tuple[str, int, str], figures: dict[str, float]) -> None:
    """Show one row while the next is being made."""
    shown = ("hrf_error", "auc", "brier", "active_in_inactive", "seconds")
    text = "  ".join(f"{name} {figures[name]:.3f}" for name in shown)
    click.echo(f"{key[0]:18} {key[1]:3} {key[2]:20} {text}")


def _compile() -> None:
    """Compile the kernels before any clock runs."""
    data = simulate(
        SimulationSpec(shape=(6, 6, 6), n_parcels=1, n_scans=60, n_conditions=2, region="box")
    )
    for noise in ("ar1", "white"):
        JDEVEM(data.experiment, noise=noise).fit_parcel(data.parcels()[0])  # type: ignore[arg-type]
    JDEMCMC(data.experiment).compile()
    RFIR(data.experiment).compile()


if __name__ == "__main__":
    np.seterr(all="warn")
    main()
