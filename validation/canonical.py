"""The command ``python -m validation.canonical``: is a canonical HRF called one?

Every second parcel of artificial data, and of known responses in the noise of real data, gets
SPM's canonical response. Of real data as they are there is no truth: the calls are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import click
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, FloatArray, Parcel
from pyhrf.estimators import JDEVEM
from pyhrf.model.design import experiment_design
from pyhrf.model.hrf import canonical_hrf
from pyhrf.results.held_out import needs_own_hrf
from pyhrf.simulation.simulate import HRF_TIME, Simulated
from validation.held_out_sets import WHOLE
from validation.real_data import LOCALIZER
from validation.scenarios import SCENARIOS
from validation.semireal import VARIANTS, semireal
from validation.tables import markdown_table, number

SIMULATED = "half,quarter,eighth,blocks,conditions-10,shared,shared-quarter,movements"
AMPLITUDES = (0.3, 0.6)
NEAR = 0.1
"""Responses this close to the canonical one in shape count neither as it nor as another."""
CALLS = {
    "delta_canonical": lambda s: needs_own_hrf(pd.DataFrame([s])).all(),
    "log_bayes_canonical": lambda s: s["log_bayes_canonical"] > 5,
}


def with_canonical(data: Simulated) -> tuple[Simulated, FloatArray]:
    """Give parcels of even number the canonical response.

    Returns
    -------
    Simulated
    array, shape (n_parcels,)
        How far the shape of each parcel's response is from the canonical one: sine of the angle
        between them.
    """
    canonical = canonical_hrf(HRF_TIME)
    canonical /= canonical.max()
    X = experiment_design(data.experiment, HRF_TIME[1], len(HRF_TIME) - 2)
    hrfs, bold = data.hrf.copy(), data.bold.astype(np.float64)
    for place in range(1, len(hrfs), 2):
        inside = data.parcel_of == place + 1
        change = X @ (canonical - hrfs[place])[1:-1]
        bold[:, inside] += change @ data.levels[:, inside]
        hrfs[place] = canonical
    cosine = hrfs @ canonical / np.linalg.norm(hrfs, axis=1) / np.linalg.norm(canonical)
    distance = np.sqrt(np.maximum(1 - cosine**2, 0))
    return replace(data, hrf=hrfs, bold=bold.astype(np.float32)), distance


def summaries(
    experiment: Experiment, parcels: Iterable[Parcel], by: str
) -> Iterable[dict[str, float]]:
    """Estimate parcels with scans held out; those that fail are left out."""
    estimator = JDEVEM(experiment, cross_validate=by)  # type: ignore[arg-type]
    for parcel in parcels:
        estimate = estimator.fit_parcel(parcel)
        if estimate.status == "ok":
            yield {"parcel": parcel.number, **estimate.summary}


def score(data_sets: Iterable[Simulated]) -> list[str]:
    """Count calls where the truth is known; the cells of a row."""
    n_canonical = n_others = 0
    false, found = dict.fromkeys(CALLS, 0), dict.fromkeys(CALLS, 0)
    for made in data_sets:
        data, distance = with_canonical(made)
        for summary in summaries(data.experiment, data.parcels(), "blocks"):
            far = distance[int(summary["parcel"]) - 1]
            if 1e-6 < far < NEAR:
                continue
            n_canonical += far <= 1e-6
            n_others += far > 1e-6
            for name, is_called in CALLS.items():
                (false if far <= 1e-6 else found)[name] += bool(is_called(summary))
    cells = [f"{n_canonical} + {n_others}"]
    for name in CALLS:
        calls = false[name] + found[name]
        right = number(100 * found[name] / calls, 1) if calls else "–"
        cells += [f"{false[name]}", f"{found[name]}", right]
    return cells


def _names(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in SCENARIOS:
            raise click.BadParameter(f"{name!r}; known are {', '.join(SCENARIOS)}")
    return names


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=2, type=click.IntRange(1), help="Data sets of each kind.")
@click.option("--first-seed", default=0, type=click.IntRange(0), help="Seed of the first one.")
@click.option("--scenarios", default=SIMULATED, callback=_names, help="With commas between.")
def main(seeds: int, first_seed: int, scenarios: Sequence[str]) -> None:
    """Tell how often the canonical HRF is called not enough, rightly and wrongly."""
    numbers = range(first_seed, first_seed + seeds)
    rows = []
    with threadpool_limits(1):
        for name in scenarios:
            rows.append([name, *score(SCENARIOS[name].data(seed) for seed in numbers)])
            click.echo(rows[-1], err=True)
        for name in LOCALIZER:
            for amplitude in AMPLITUDES:
                sets = (semireal(name, seed, amplitude, VARIANTS["filled"]) for seed in numbers)
                rows.append([f"noise of {name}, amplitude {amplitude:g}", *score(sets)])
                click.echo(rows[-1], err=True)
        head = ["data", "parcels, canonical + others"]
        for name in CALLS:
            head += [f"{name}: wrongly called", "rightly", "% right"]
        click.echo(markdown_table(head, rows))
        click.echo()
        real = []
        for name, whole in WHOLE.items():
            part = whole()
            found = list(summaries(part.experiment, part.parcels, "blocks"))
            medians = (np.median([one[key] for one in found]) for key in ("r2", "r2_held_out"))
            called = (sum(map(is_called, found)) for is_called in CALLS.values())
            real.append(
                [name, str(len(found)), *(number(one, 4) for one in medians), *map(str, called)]
            )
        head = ["data", "parcels", "R², median", "R² of scans held out", *CALLS]
        click.echo(markdown_table(head, real))


if __name__ == "__main__":
    main()
