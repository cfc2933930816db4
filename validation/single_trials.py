"""The command ``python -m validation.single_trials``: levels of single trials, against rivals.

Artificial data have true levels. Of real data reliability and decoding are measured. All methods
get the same data, each in a program of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from validation.evaluate import NORMAL_95
from validation.metrics import coverage
from validation.tables import markdown_table
from validation.trial_data import SCENARIOS, TrialData, simulate_trials
from validation.trial_methods import METHODS, RIVALS, Outcome, run_method
from validation.trial_real import REAL, decodings
from validation.trial_rivals import FINE_STEP, Estimate, has_glmsingle
from validation.trial_scores import correlation, decode, pattern_correlation, slope, split_half
from validation.trial_tables import Row, compared, everything, figures_of

ABSENT = (
    "GLMsingle is not measured: it cannot be imported here (`pip install "
    "git+https://github.com/cvnlab/GLMsingle` beside PyHRF).\n\n"
)
EXPLAINED = f"""The level of every event, estimated by PyHRF without looking at conditions, by least
squares of all trials together (LSA) or of each beside the sum of the others (LSS; both with
nilearn's canonical HRF and drifts), and by GLMsingle: the HRF of a library (B), with noise
regressors (C) and ridge regression (D). GLMsingle knows onsets at scans only: they are moved to the
nearest one, or data are brought to scans {FINE_STEP:g} s apart; the better of the two is shown.

- **Correlation** of true and estimated levels of active voxels, over trials; and over the voxels of
  a parcel, without the mean over trials.
- **Slope** of the true level on the estimate: below 1, estimates are too far apart.
- **±1.96 sd**: how often the true level lies within, where voxels are active and elsewhere.
- **Split half**: correlation over conditions of the means of two halves of their trials.
- **Decoding** of conditions from the voxels of a parcel, a run left out (of one run, a fifth), by
  shrinkage LDA; mean over parcels ± its error over trials.
- CPU time of the estimation, and the largest memory of a program, of which 250 MB are libraries.

"""


def measure(name: str, seed: int, method: str, data: TrialData, outcome: Outcome) -> Row:
    """Give the figures of a method; where it says nothing its levels are 0."""
    level = np.nan_to_num(outcome.estimate.level)
    figures = {
        **_beside_truth(data, Estimate(level, outcome.estimate.sd)),
        "split_half": split_half(level, data.conditions),
        "missing": float(np.mean(np.isnan(outcome.estimate.level))),
        "seconds": outcome.seconds,
        "megabytes": outcome.peak / 1e6,
    }
    right = {
        f"decode {what}".strip(): decode(level, one.classes, one.folds, one.parcel_of).mean(axis=1)
        for what, one in decodings(data).items()
    }
    return Row(name, seed, method, figures, right)


def _beside_truth(data: TrialData, estimate: Estimate) -> dict[str, float]:
    if data.levels is None or data.active is None:
        return {}
    figures = {}
    for name, chosen in (("active", data.active), ("silent", ~data.active)):
        level, sd, truth = (each[:, chosen] for each in (*estimate, data.levels))
        figures[f"cover_{name}"] = coverage(level, sd, truth, NORMAL_95)
    level, truth = estimate.level[:, data.active], data.levels[:, data.active]
    return figures | {
        "correlation": float(correlation(level, truth).mean()),
        "patterns": pattern_correlation(level, truth, data.parcel_of[data.active]),
        "slope": slope(level, truth),
    }


def data_set(name: str, seed: int) -> TrialData:
    """Make artificial data, or read real ones."""
    return simulate_trials(SCENARIOS[name], seed) if name in SCENARIOS else REAL[name]()


def measured(
    names: Sequence[str], seeds: Sequence[int], methods: Sequence[str]
) -> Iterator[Row | str]:
    """Run every method on every data set, and say what cannot be measured; of real data, once."""
    for name in names:
        for seed in seeds if name in SCENARIOS else (0,):
            try:
                data = data_set(name, seed)
            except click.ClickException as error:
                yield f"{name}: {error.message}"
                continue
            for method in methods:
                try:
                    found = run_method(method, data)
                except click.ClickException as error:
                    yield f"{method} on {name}: {error.message.strip().splitlines()[-1]}"
                    continue
                for title, outcome in found.items():
                    yield measure(name, seed, title, data, outcome)


Callback = Callable[[click.Context, click.Parameter, str], list[str]]


def _names(known: Sequence[str]) -> Callback:
    def check(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
        names = [name.strip() for name in value.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise click.BadParameter(f"{name!r}; known are {', '.join(known)}")
        return names

    return check


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=2, type=click.IntRange(1), help="Data sets of each kind.")
@click.option("--first-seed", default=0, type=click.IntRange(0), help="Seed of the first one.")
@click.option(
    "--scenarios",
    default=",".join((*SCENARIOS, *REAL)),
    callback=_names((*SCENARIOS, *REAL)),
    help="Kinds of data, artificial and real, with commas between.",
)
@click.option(
    "--rivals",
    default=",".join(RIVALS),
    callback=_names(tuple(METHODS)),
    help="What PyHRF is compared with, with commas between.",
)
@click.option(
    "--out",
    default="build/validation",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the tables, single_trials.md and single_trials.tsv.",
)
def main(seeds: int, first_seed: int, scenarios: list[str], rivals: list[str], out: Path) -> None:
    """Measure levels of single trials against truth and rivals."""
    rows, unmeasured = [], []
    with threadpool_limits(1):
        for one in measured(
            scenarios,
            range(first_seed, first_seed + seeds),
            list(dict.fromkeys(("pyhrf", *rivals))),
        ):
            if isinstance(one, str):
                unmeasured.append(f"- Not measured: {one}")
                click.echo(unmeasured[-1], err=True)
                continue
            rows.append(one)
            shown = (f"{key} {value:.3g}" for key, value in one.all_figures().items())
            click.echo(f"{one.data} {one.seed} {one.method}: {', '.join(shown)}", err=True)
    if not rows:
        raise click.ClickException("nothing could be measured")
    command = (
        f"python -m validation.single_trials --seeds {seeds} --first-seed {first_seed} "
        f"--scenarios {','.join(scenarios)} --rivals {','.join(rivals)}"
    )
    out.mkdir(parents=True, exist_ok=True)
    figures = figures_of(rows)
    figures.to_csv(out / "single_trials.tsv", sep="\t", index=False, float_format="%.6g")
    text = f"{EXPLAINED}Made by `{command}`; means over the seeds.\n\n{markdown(rows)}"
    text += "\n".join(unmeasured) + "\n" * bool(unmeasured)
    (out / "single_trials.md").write_text(text, "utf-8")
    click.echo(text)


def markdown(rows: Sequence[Row]) -> str:
    """Tables for readers: artificial data, then real ones, each against the best rival."""
    text = "" if has_glmsingle() else ABSENT
    made = {name: scenario.text for name, scenario in SCENARIOS.items()}
    for title, known in (("Artificial data", made), ("Real data", REAL)):
        mine = [row for row in rows if row.data in known]
        if mine:
            text += f"### {title}\n\n{compared(mine)}\n{everything(mine)}\n"
    kinds = [[name, what] for name, what in made.items() if any(row.data == name for row in rows)]
    return text + (markdown_table(["data", "what differs"], kinds) if kinds else "")


if __name__ == "__main__":
    main()
