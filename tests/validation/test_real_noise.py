"""Known responses in noise that was recorded, and scans that were held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from validation import held_out, realnoise
from validation.held_out import Score
from validation.held_out_sets import Fold, Part, _quarters
from validation.methods import run_method
from validation.semireal import VARIANTS, Variant, draw_hrf, semireal

from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

TR = 2.4


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small recording under the names of a real one."""
    rng = np.random.default_rng(0)
    bold = 500 + 10 * rng.standard_normal((8, 8, 6, 110))
    label = np.zeros((8, 8, 6), dtype=np.int16)
    label[1:4, 1:7, 1:5], label[4:7, 1:7, 1:5] = 1, 2
    header = nib.Nifti1Header()
    header.set_data_shape(bold.shape)
    header.set_zooms((3.0, 3.0, 3.0, 1.0))
    image = nib.Nifti1Image(bold.astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]), header)
    nib.save(image, tmp_path / "subj0_bold_session0.nii.gz")
    nib.save(nib.Nifti1Image(label, image.affine), tmp_path / "subj0_parcellation.nii.gz")
    names = ("calculaudio", "calculvideo", "clicDaudio", "damier_H")
    events = [
        f'0 "{name}" {10 + 15 * k + 3 * m} 0 1.' for k in range(15) for m, name in enumerate(names)
    ]
    (tmp_path / "paradigm_loc.csv").write_text("\n".join(events) + "\n", "utf-8")
    monkeypatch.setenv("PYHRF_TEST_DATA", str(tmp_path))


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("variant", [Variant(), Variant(hrf="gamma", negative=0.5, cut=30)])
def test_semireal__adds_the_response_of_every_event(variant: Variant) -> None:
    one, two = (semireal("subj0", 3, amplitude, variant) for amplitude in (1.0, 2.0))
    times = TR * np.arange(110)
    expected = np.zeros((110, len(one.positions)))
    for level, name in zip(one.levels, one.experiment.conditions, strict=True):
        for onset in one.experiment.runs[0].events[name].onsets:
            for number, hrf in enumerate(one.hrf_shapes, start=1):
                members = one.parcel_of == number
                late = np.where(times >= onset, hrf.value(times - onset), 0.0)
                expected[:, members] += np.outer(late, level[members])
    np.testing.assert_allclose(two.bold - one.bold, expected, atol=1e-3)
    np.testing.assert_allclose(two.levels, 2 * one.levels)


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("name", ["plain", "filled"])
def test_semireal__leaves_noise_as_large_as_it_was(name: str) -> None:
    data = semireal("subj0", 0, 1e-9, VARIANTS[name])
    assert data.bold.mean() == pytest.approx(500, abs=0.5)
    assert data.bold.std() == pytest.approx(10, rel=0.05)


@pytest.mark.usefixtures("recording")
def test_semireal__filled_noise_lacks_no_more_than_the_drifts() -> None:
    rank = {}
    for name in ("plain", "filled"):
        data = semireal("subj0", 0, 1e-9, VARIANTS[name])
        n_drifts = data.drift_basis.shape[1]
        noise = data.bold - data.drift_basis @ data.drift_coefficients
        rank[name] = np.linalg.matrix_rank(noise, tol=1e-2)
    assert rank["filled"] == 110 - n_drifts
    assert rank["plain"] < 110 - n_drifts - 15


@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("name", VARIANTS)
def test_semireal__is_what_the_methods_take(name: str) -> None:
    data = semireal("subj0", 1, 2.0, VARIANTS[name])
    assert data.bold.shape == (110, 144)
    outcome, _ = run_method("glm-canonical", data)
    figures = realnoise.realnoise_figures(data, outcome)
    assert 0 <= figures["false_50"] <= 1
    assert figures["level_correlation"] > 0.1


@pytest.mark.parametrize("family", ["wide", "gamma"])
def test_draw_hrf__starts_at_zero_and_has_its_largest_excursion_at_one(family: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        hrf = draw_hrf(rng, family)  # type: ignore[arg-type]  # one of two names
        assert hrf[0] == 0
        assert hrf.max() == np.abs(hrf).max() == 1


def test_score__of_the_data_themselves_and_of_half_of_them() -> None:
    data = np.random.default_rng(0).standard_normal((50, 40))
    whole, half, none = Score(), Score(), Score()
    whole.add(data, data)
    half.add(data, 0.5 * data)
    none.add(data, np.zeros_like(data))
    assert whole.cells()[:3] == ["1.0000", "1.000", "1.000"]
    assert half.cells()[:3] == ["0.7500", "2.000", "1.000"]
    assert none.cells()[:3] == ["0.0000", "–", "0.000"]


def test_predicting__finds_strong_responses_again() -> None:
    spec = SimulationSpec(
        region="box", shape=(7, 7, 6), n_parcels=2, n_scans=120, n_conditions=2, n_runs=2, snr=20.0
    )
    data = simulate(spec)
    part = Part(data.experiment, data.parcels())
    results = held_out.score_set([Fold(part, part)])
    assert float(results["JDE"].cells()[0]) > 0.9
    assert float(results["GLM FIR, AR(1)"].cells()[0]) > 0.7


def test_predicting__shrunk_levels_lose_less_where_nothing_responds() -> None:
    spec = SimulationSpec(
        region="box",
        shape=(7, 7, 6),
        n_parcels=2,
        n_scans=120,
        n_conditions=2,
        active_fraction=0.0,
        inactive_level_spread=0.0,
    )
    data = simulate(spec)
    part = Part(data.experiment, data.parcels())
    again = replace(part, parcels=simulate(replace(spec, seed=1)).parcels())
    results = held_out.score_set([Fold(part, again)])
    plain, shrunk = results["GLM canonical, AR(1)"], results["GLM canonical, AR(1), shrunk"]
    assert plain.error - plain.total > 2 * abs(shrunk.error - shrunk.total)


def test_quarters__are_equal_and_cover_what_is_bright() -> None:
    mean = np.zeros((10, 8, 1))
    mean[1:9, 1:7] = 100.0
    label = _quarters(mean)
    assert np.bincount(label.ravel()).tolist() == [32, 12, 12, 12, 12]


@pytest.mark.parametrize("command", [realnoise.main, held_out.main])
def test_commands__say_in_one_sentence_that_data_are_missing(
    command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYHRF_TEST_DATA", str(tmp_path / "nowhere"))
    done = CliRunner().invoke(command, ["--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "PYHRF_TEST_DATA" in done.output
