"""The command ``python -m validation.held_out``: how well scans that were held out are predicted.

Responses are estimated from some scans of real data. The signal of the task in the other ones is
predicted and compared with the data, means and drifts taken out of both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click
import numpy as np
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import run_glm
from scipy.linalg import block_diag
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, FloatArray
from pyhrf.estimators import JDEVEM
from pyhrf.model.design import experiment_design
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.parameters.model import ModelSettings
from validation.glm import Model, run_design
from validation.held_out_sets import SETS, Fold
from validation.tables import markdown_table, number

TOP = 0.1
"""Slope and correlation are of this share of the positions: those of the most signal predicted."""


@dataclass
class Score:
    """Sums over positions, parcels and folds."""

    error: float = 0.0
    total: float = 0.0
    product: float = 0.0
    power: float = 0.0
    correlations: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, data: FloatArray, predicted: FloatArray) -> None:
        """Take in one fold, both of shape (n_scans, n_positions), without nuisance."""
        self.error += float(((data - predicted) ** 2).sum())
        self.total += float((data**2).sum())
        power = (predicted**2).sum(axis=0)
        top = np.argsort(-power, kind="stable")[: max(1, round(TOP * len(power)))]
        product = (data * predicted).sum(axis=0)[top]
        self.product += float(product.sum())
        self.power += float(power[top].sum())
        norm = np.sqrt(power * (data**2).sum(axis=0))[top]
        self.correlations += np.divide(
            product, norm, out=np.zeros(len(top)), where=norm > 0
        ).tolist()

    def cells(self) -> list[str]:
        """Figures as a row of the table shows them."""
        slope = self.product / self.power if self.power else float("nan")
        r2 = 1 - self.error / self.total
        return [
            number(r2, 4),
            number(slope),
            number(float(np.mean(self.correlations))),
            number(self.seconds, 1),
        ]


def predict_jde(fold: Fold) -> FloatArray:
    """Predict by levels and HRF of each parcel; nothing where the estimation failed."""
    experiment = fold.training.experiment
    estimator = JDEVEM(experiment)
    signals = []
    for parcel in fold.training.parcels:
        estimate = estimator.fit_parcel(parcel)
        if estimate.status != "ok":
            click.echo(f"parcel {parcel.number}: {estimate.reason}", err=True)
            signals.append(np.zeros((fold.test.experiment.n_scans, len(parcel.positions))))
            continue
        step, hrf = estimate.hrf["time"][1], estimate.hrf["hrf"][1:-1]
        responses = experiment_design(fold.test.experiment, step, len(hrf)) @ hrf
        levels = np.stack([estimate.maps["nrl", name] for name in experiment.conditions])
        signals.append(responses @ np.nan_to_num(levels.astype(np.float64)))
    return np.hstack(signals)


def predict_glm(
    fold: Fold, *, model: Model, noise: str = "ar1", shrunk: bool = False
) -> FloatArray:
    """Predict by coefficients of nilearn's GLM.

    If they are to be shrunk, all of one condition and parcel by the same factor: what is left of
    their mean square without that of their errors.
    """
    design, n_task = _glm_design(fold.training.experiment, model)
    task = _glm_design(fold.test.experiment, model)[0][:, :n_task]
    signals = []
    for parcel in fold.training.parcels:
        labels, results = run_glm(parcel.bold.astype(np.float64), design, noise_model=noise)
        coefficients = np.empty((n_task, len(parcel.positions)))
        for column, row in enumerate(coefficients):
            contrast = compute_contrast(labels, results, np.eye(len(design.T))[column])
            row[:] = contrast.effect_size()
            if shrunk:
                row *= max(0.0, 1 - np.mean(contrast.effect_variance()) / np.mean(row**2))
        signals.append(task @ coefficients)
    return np.hstack(signals)


def _glm_design(experiment: Experiment, model: Model) -> tuple[FloatArray, int]:
    """Design of all runs, columns of the task first, and how many these are."""
    tasks, nuisances = [], []
    for run in experiment.runs:
        matrix, width = run_design(run, experiment.conditions, model)
        n_task = width * len(experiment.conditions)
        tasks.append(matrix[:, :n_task])
        nuisances.append(matrix[:, n_task:])
    return np.hstack([np.vstack(tasks), block_diag(*nuisances)]), n_task


METHODS: dict[str, Callable[[Fold], FloatArray]] = {
    "JDE": predict_jde,
    "GLM canonical, OLS": partial(predict_glm, model="canonical", noise="ols"),
    "GLM canonical, AR(1)": partial(predict_glm, model="canonical"),
    "GLM canonical, AR(1), shrunk": partial(predict_glm, model="canonical", shrunk=True),
    "GLM derivatives, AR(1)": partial(predict_glm, model="derivatives"),
    "GLM FIR, AR(1)": partial(predict_glm, model="fir"),
}


def score_set(folds: Iterable[Fold]) -> dict[str, Score]:
    """Let every method predict every fold."""
    scores = {method: Score() for method in METHODS}
    for fold in folds:
        nuisance = experiment_nuisance(fold.test.experiment, ModelSettings())
        Q = np.linalg.qr(nuisance)[0]
        data = np.hstack([parcel.bold for parcel in fold.test.parcels]).astype(np.float64)
        data -= Q @ (Q.T @ data)
        for method, predict in METHODS.items():
            start = time.process_time()
            predicted = predict(fold)
            scores[method].seconds += time.process_time() - start
            scores[method].add(data, predicted - Q @ (Q.T @ predicted))
    return scores


def _sets(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in SETS:
            raise click.BadParameter(f"{name!r}; known are {', '.join(SETS)}")
    return names


@click.command(context_settings={"show_default": True})
@click.option("--sets", default=",".join(SETS), callback=_sets, help="Names, with commas between.")
@click.option(
    "--out",
    default="build/validation",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the table, held_out.md.",
)
def main(sets: list[str], out: Path) -> None:
    """Predict scans of real data that the estimators have not seen."""
    rows = []
    with threadpool_limits(1):
        for name in sets:
            for title, folds in SETS[name].items():
                for method, score in score_set(folds()).items():
                    rows.append([title, method, *score.cells()])
                    click.echo(" | ".join(rows[-1]))
    header = ["data", "method", "R²", "slope, best tenth", "correlation, best tenth", "CPU s"]
    text = f"Made by `python -m validation.held_out --sets {','.join(sets)}`.\n\n"
    text += markdown_table(header, rows)
    out.mkdir(parents=True, exist_ok=True)
    (out / "held_out.md").write_text(text, "utf-8")
    click.echo("\n" + text)


if __name__ == "__main__":
    main()
