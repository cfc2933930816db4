"""The clocks and tables of the benchmarks do what they say; no time is asserted."""

from __future__ import annotations

import sys
from dataclasses import replace

import click
import nibabel as nib
import numpy as np
import pytest
from benchmarks.large import make_large
from benchmarks.measure import Cost, in_turns, median, run_program
from benchmarks.runs import write_motion
from benchmarks.table import Table
from benchmarks.trials import write_trials
from validation.trial_data import SCENARIOS, TrialData, simulate_trials

from pyhrf.config.data_sections import RunFiles
from pyhrf.inputs.confounds import STRATEGIES, NuisanceFiles, read_nuisance
from pyhrf.inputs.dataset import open_dataset


def test_run_program__peak_is_of_the_program_alone():
    ballast = np.ones(60_000_000)  # 480 MB that a child would be blamed for
    small = run_program(sys.executable, "-c", "print('here')")
    large = run_program(sys.executable, "-c", "x = bytearray(200_000_000); x[::4096] = x[::4096]")
    assert ballast.nbytes > 400e6
    assert small.peak < 100e6
    assert 200e6 < large.peak < 300e6
    assert small.output == "here\n"
    assert small.cpu > 0


def test_run_program__says_what_a_failed_program_said():
    with pytest.raises(click.ClickException, match="no luck"):
        run_program(sys.executable, "-c", "raise SystemExit('no luck')")


def test_in_turns__alternates_and_keeps_apart():
    order = []

    def work(name, seconds):
        order.append(name)
        return Cost(seconds, 2 * seconds)

    costs = in_turns(3, {"a": lambda: work("a", 1.0), "b": lambda: work("b", 5.0)})
    assert order == ["a", "b"] * 3
    assert median(costs["a"]) == 1.0
    assert median(costs["b"], "cpu") == 10.0


def test_table__shows_bars_and_whether_they_are_met():
    table = Table("Speed", "A note.").add("plain", 2.0).add("good", 1.4, "{:.1f} x", bar=1.5)
    text = table.add("bad", 1.7, "{:.1f} x", bar=1.8, side=">=").markdown()
    assert "| plain | 2.00 s |  |  |" in text
    assert "| good | 1.4 x | ≤ 1.5 x | yes |" in text
    assert "| bad | 1.7 x | ≥ 1.8 x | **no** |" in text


def test_make_large__is_a_data_set(tmp_path):
    bold, parcellation, events = make_large(tmp_path / "d", shape=(10, 5, 6), n_scans=50)
    image = nib.load(bold)
    assert image.shape == (10, 5, 6, 50)
    assert image.get_data_dtype() == np.int16
    assert 950 < np.asarray(image.dataobj).mean() < 1050
    labels = np.asarray(nib.load(parcellation).dataobj)
    assert sorted(np.unique(labels)) == [1, 2, 3, 4]
    assert events.read_text().startswith("onset\tduration\ttrial_type\n")


def test_write_motion__is_a_table_of_confounds(tmp_path):
    path = write_motion(tmp_path / "motion.tsv", 40, seed=0)
    files = NuisanceFiles(confounds=path, columns="motion24")
    confounds, censored, *_ = read_nuisance(files, 40)
    assert confounds.shape == (40, len(STRATEGIES["motion24"]))
    assert np.linalg.matrix_rank(confounds) == 24
    assert censored is None
    np.testing.assert_allclose(
        confounds[:, 6:12], np.diff(confounds[:, :6], axis=0, prepend=confounds[:1, :6])
    )


def test_write_trials__is_the_data_set_that_rivals_get(tmp_path):
    made = simulate_trials(replace(SCENARIOS["conditions-4"], n_parcels=2, n_runs=2), 0)
    options = write_trials(made, tmp_path / "d")
    bold, events = options[options.index("-f") + 1 :: 4], options[options.index("-r") + 1 :: 4]
    dataset = open_dataset(
        runs=[RunFiles(bold=b, paradigm=e) for b, e in zip(bold, events, strict=True)],
        parcellation=tmp_path / "d" / "parcellation.nii",
    )
    parcels = dataset.load(list(dataset.parcels))
    for parcel, expected in zip(parcels, made.parcels, strict=True):
        np.testing.assert_array_equal(parcel.bold, expected.bold)
        np.testing.assert_array_equal(parcel.edges, expected.edges)
    assert dataset.experiment.runs[1].tr == 2.0
    read = TrialData(dataset.experiment, parcels)
    assert [t.condition for t in read.trials] == [t.condition for t in made.trials]
