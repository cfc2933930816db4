"""The command ``python -m validation.field``: fixed strengths of the field against the chosen one.

Writes AUC and Brier score of P(active) for every fixed beta, and for the beta that the estimator
chooses by itself.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from validation.evaluate import evaluate
from validation.methods import fit_jde
from validation.scenarios import Scenario, choose_scenarios

BETAS = (0.0, 0.3, 0.45, 0.55, 0.65, 0.8, 1.0)
SCENARIOS = ("half", "quarter", "one", "rough", "smooth-quarter", "active-10", "active-60-quarter")


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=3, type=click.IntRange(1), help="Data sets of each scenario.")
@click.option(
    "--out",
    default="build/validation",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the table, field.md.",
)
def main(seeds: int, out: Path) -> None:
    """Compare fixed strengths of the field with the one that is chosen."""
    names = [f"{beta:g}" for beta in BETAS]
    lines = [
        f"Made by `python -m validation.field --seeds {seeds}`: AUC / Brier score.",
        "",
        f"| scenario | beta = {' | '.join(names)} | chosen | its median |",
        "|---" * (len(BETAS) + 3) + "|",
    ]
    for scenario in choose_scenarios(SCENARIOS):
        lines.append(_row(scenario, names, seeds))
        click.echo(lines[-1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "field.md").write_text("\n".join(lines) + "\n", "utf-8")


def _row(scenario: Scenario, names: list[str], seeds: int) -> str:
    """Give the line of a scenario."""
    cells: dict[str, list[tuple[float, float]]] = {name: [] for name in [*names, "chosen"]}
    chosen: list[float] = []
    for seed in range(seeds):
        data = scenario.data(seed)
        for name, cell in cells.items():
            beta = None if name == "chosen" else float(name)
            outcome = fit_jde(data, beta=beta)
            figures = evaluate(data, outcome, 0.0).figures
            cell.append((figures["auc"], figures["brier"]))
            if beta is None:
                chosen += [b for e in outcome.estimates or [] for b in e.conditions["beta"]]
    means = [np.mean(cell, axis=0) for cell in cells.values()]
    row = " | ".join(f"{auc:.3f} / {brier:.3f}" for auc, brier in means)
    return f"| {scenario.name} | {row} | {np.median(chosen):.2f} |"


if __name__ == "__main__":
    main()
