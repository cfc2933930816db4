"""The sections: each measures one thing and gives a table."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread

import numpy as np
from validation.evaluate import evaluate
from validation.methods import run_method

from benchmarks.large import large
from benchmarks.measure import Cost, in_turns, median, program, run_program, timed
from benchmarks.runs import two_runs
from benchmarks.table import Table
from benchmarks.trials import trials
from benchmarks.workspace import BRAIN, Workspace, estimate, real_data
from pyhrf.config.data_sections import RunFiles
from pyhrf.data import Parcel, ParcelId
from pyhrf.estimators import JDEVEM
from pyhrf.execution.batches import make_batches
from pyhrf.execution.local import LocalEngine
from pyhrf.execution.studies import Studies
from pyhrf.inputs.dataset import open_dataset
from pyhrf.simulation.examples import make_example, reference_spec
from pyhrf.simulation.simulate import simulate

__all__ = ["OPTIONAL", "SECTIONS"]

MEGABYTE = 1e6
RATIO = "{:.2f} ×"
ACCURACY_BARS = {0.5: (0.080, 0.986, 0.036), 0.25: (0.155, 0.93, 0.080)}


def accuracy(space: Workspace) -> Table:
    """Error of HRFs and maps on the reference simulation."""
    table = Table(
        "Accuracy",
        f"Reference simulation: 24 parcels, about 5,400 voxels, 200 scans, 4 conditions. Means "
        f"over {space.n_seeds} seeds; time of the estimation on one core.",
    )
    for amplitude, (hrf, auc, brier) in ACCURACY_BARS.items():
        rows = []
        for seed in range(space.n_seeds):
            data = simulate(reference_spec(seed, amplitude))
            outcome, seconds = run_method("jde", data)
            rows.append(evaluate(data, outcome, seconds).figures)
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        label = f"amplitude {amplitude:g}: "
        table.add(label + "HRF error, median", mean["hrf_error"], "{:.3f}", bar=hrf)
        table.add(label + "AUC", mean["auc"], "{:.3f}", bar=auc, side=">=")
        table.add(label + "Brier score", mean["brier"], "{:.3f}", bar=brier)
        table.add(label + "estimation, CPU", mean["seconds"], bar=1.0)
    return table


def brain(space: Workspace) -> Table:
    """A whole brain, against nilearn's GLM."""
    study = space.study
    parcels, experiment = space.brain.parcels(), space.brain.experiment
    paths = study.paths

    def peer() -> Cost:
        files = (space.fresh("glm"), paths.parcellation)
        run = ("--run", paths.bold[0], paths.paradigm[0])
        return run_program(sys.executable, "-m", "benchmarks.glm", *files, *run)

    costs = in_turns(
        space.n_runs,
        {
            "estimation": lambda: estimate(experiment, parcels),
            "pyhrf_jde_estim": lambda: space.command(study.file, "-x", "serial"),
            "GLM": peer,
        },
    )
    mine, command, other = costs.values()
    glm, glm_cpu = median(other), median(other, "cpu")
    work = float(np.median([float(cost.output) for cost in other]))
    return (
        Table(
            "Whole brain",
            f"{len(parcels)} parcels, {len(space.brain.positions):,} voxels, {BRAIN.n_scans} "
            f"scans, {BRAIN.n_conditions} conditions; one thread; medians of {space.n_runs} runs "
            "in turns. The GLM is nilearn's with AR(1) noise and a z map of each condition, as a "
            "command.",
        )
        .add("GLM, whole command", glm)
        .add("GLM, its work without imports", work)
        .add("PyHRF, estimation", median(mine))
        .add("PyHRF, whole command", median(command))
        .add("estimation / GLM command", median(mine) / glm, RATIO, bar=1.5)
        .add("whole command / GLM command", median(command) / glm, RATIO, bar=2.5)
        .add("the same by CPU: estimation", median(mine, "cpu") / glm_cpu, RATIO)
        .add("the same by CPU: whole command", median(command, "cpu") / glm_cpu, RATIO)
        .add("estimation / GLM's work without imports", median(mine) / work, RATIO)
    )


def scans(space: Workspace) -> Table:
    """Twice the scans."""
    short, long = space.brain, space.longer_brain
    short_parcels, long_parcels = short.parcels(), long.parcels()
    costs = in_turns(
        space.n_runs,
        {
            "150 scans": lambda: estimate(short.experiment, short_parcels),
            "300 scans": lambda: estimate(long.experiment, long_parcels),
        },
    )
    one, two = (median(runs, "cpu") for runs in costs.values())
    return (
        Table("Twice the scans", "Estimation of the whole brain on one thread, CPU time.")
        .add("150 scans", one)
        .add("300 scans", two)
        .add("added", 100 * (two / one - 1), "{:.0f} %", bar=30.0, side="<")
    )


def workers(space: Workspace) -> Table:
    """One worker against two."""
    data = {ParcelId(0, parcel.number): parcel for parcel in space.brain.parcels()}
    estimator = JDEVEM(space.brain.experiment)
    costs = {parcel: estimator.cost(len(p.positions)) for parcel, p in data.items()}

    def load(parcels: Sequence[ParcelId]) -> list[Parcel]:
        return [data[parcel] for parcel in parcels]

    def engine(n_workers: int) -> Callable[[], Cost]:
        def work() -> None:
            # niceness 0: other programs would take turns with one worker more than with two
            local = LocalEngine(n_workers, niceness=0)
            batches = make_batches(costs, target_cost=local.batch_seconds, n_workers=n_workers)
            for _ in local.run(batches, load=load, studies=Studies([estimator])):
                pass

        return lambda: timed(work)

    def command(n_workers: int) -> Callable[[], Cost]:
        return lambda: space.command(study.file, "-x", "local", "-j", str(n_workers), "-v", "1")

    study = space.study
    runs = in_turns(
        space.n_runs,
        {
            "1 thread of the machine": lambda: timed(partial(_hash, 1)),
            "2 threads of the machine": lambda: timed(partial(_hash, 2)),
            "engine, 1 worker": engine(1),
            "engine, 2 workers": engine(2),
            "command, 1 worker": command(1),
            "command, 2 workers": command(2),
        },
    )
    alone, both, one, two, command_one, command_two = runs.values()
    stage_one, stage_two = _stage_seconds(command_one), _stage_seconds(command_two)
    return (
        Table("Two workers", "The whole brain with the engine `local`; times by the clock.")
        .add(
            "two threads that share nothing, as the machine is",
            2 * median(alone) / median(both),
            RATIO,
        )
        .add("estimation, 1 worker", median(one))
        .add("estimation, 2 workers", median(two))
        .add("speed-up of the estimation", median(one) / median(two), RATIO, bar=1.8, side=">=")
        .add("the same within the command, with reading", stage_one / stage_two, RATIO)
        .add("whole command, 1 worker", median(command_one))
        .add("whole command, 2 workers", median(command_two))
        .add("speed-up of the whole command", median(command_one) / median(command_two), RATIO)
    )


def _hash(n_threads: int) -> None:
    """Do work that needs neither the interpreter's lock nor memory, the same in each thread."""
    block = bytes(1 << 20)

    def work() -> None:
        sums = hashlib.sha256()
        for _ in range(1000):
            sums.update(block)

    threads = [Thread(target=work) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _stage_seconds(costs: list[Cost]) -> float:
    """Seconds for the parcels as the command's last line of progress gives them."""
    rates = []
    for cost in costs:
        done, rate = re.findall(r"(\d+)/\d+ parcels, ([\d.e+]+) parcels/s", cost.messages)[-1]
        rates.append(float(done) / float(rate))
    return float(np.median(rates))


def real(space: Workspace) -> Table:
    """The localizer with 10 conditions."""
    folder = real_data()
    table = Table(
        "Real data",
        "`real_data_vol_4_regions`: 6 parcels, 6,443 voxels, 128 scans, 10 conditions; one thread.",
    )
    bold, mask, paradigm = (
        folder / name
        for name in (
            "real_data_vol_4_regions_BOLD.nii.gz",
            "real_data_vol_4_regions_mask.nii.gz",
            "paradigm_loc.csv",
        )
    )
    if not all(path.is_file() for path in (bold, mask, paradigm)):
        table.note = f"Not measured: the data are not in {folder} (PYHRF_TEST_DATA names a folder)."
        return table
    dataset = open_dataset(runs=[RunFiles(bold=bold, paradigm=paradigm)], parcellation=mask, tr=2.4)
    parcels = dataset.load(list(dataset.parcels))
    study = space.make_study("real", "-f", bold, "-k", mask, "-r", paradigm, "-I", "2.4")
    estimation, command = in_turns(
        space.n_runs,
        {
            "estimation": lambda: estimate(dataset.experiment, parcels),
            "command": lambda: space.command(study, "-x", "serial"),
        },
    ).values()
    return table.add("estimation", median(estimation), bar=1.5, side="<").add(
        "whole command, with 44 maps", median(command)
    )


def memory(space: Workspace) -> Table:
    """Peak of the whole command."""
    study, data = space.study, space.brain
    masked = data.bold.nbytes / MEGABYTE
    table = Table(
        "Memory",
        f"Largest resident memory of the whole-brain command. The masked BOLD in float32 is "
        f"{masked:.0f} MB; the bar is that and 400 MB.",
    )
    for options in (("-x", "serial"), ("-x", "local", "-j", "2")):
        peak = space.command(study.file, *options).peak / MEGABYTE
        table.add(f"`{' '.join(options)}`", peak, "{:.0f} MB", bar=masked + 400)
    return table


def startup(space: Workspace) -> Table:
    """What passes before the work begins."""
    small = space.make_study("small", "-t", "small")
    data = make_example("small", space.folder / "small")
    files = ("-f", data.bold[0], "-k", data.parcellation, "-r", data.paradigm[0])
    study = space.make_study("small-files", *files)
    warm = in_turns(
        space.n_runs,
        {
            "python": lambda: run_program(sys.executable, "-c", "pass"),
            "import pyhrf": lambda: run_program(sys.executable, "-c", "import pyhrf"),
            "--help": lambda: run_program(program("pyhrf_jde_estim"), "--help"),
            "small example": lambda: space.command(small, "-x", "serial"),
            "small study": lambda: space.command(study, "-x", "serial"),
        },
    )
    cache = space.fresh("cache")
    cache.mkdir()
    environment = {"NUMBA_CACHE_DIR": str(cache)}
    cold = space.command(small, "-x", "serial", environment=environment)
    python, imported, helped, example, whole = (median(costs) for costs in warm.values())
    return (
        Table("Start-up", f"Medians of {space.n_runs} runs in turns, warm caches.")
        .add("Python alone", python)
        .add("`import pyhrf`", imported, bar=1.0, side="<")
        .add("`pyhrf_jde_estim --help`", helped, bar=1.0, side="<")
        .add("`pyhrf_jde_estim` on the files of the small example", whole, bar=1.0, side="<")
        .add("the same, CPU", median(warm["small study"], "cpu"))
        .add("the small example, made and analysed", example)
        .add("the same when kernels are compiled first", cold.seconds)
    )


Section = Callable[[Workspace], Table]

SECTIONS: dict[str, Section] = {
    "accuracy": accuracy,
    "brain": brain,
    "scans": scans,
    "workers": workers,
    "real": real,
    "memory": memory,
    "runs": two_runs,
    "startup": startup,
}
"""Those that run when none is named."""

OPTIONAL: dict[str, Section] = {
    "large": large,
    "trials": partial(trials, n_parcels=24),
    "trials-large": partial(trials, n_parcels=400),
}
"""Those that run only when named."""
