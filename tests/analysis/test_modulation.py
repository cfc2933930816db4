"""Parametric modulation: conditions of the same events with other amplitudes."""

from __future__ import annotations

import html

import nibabel as nib
import numpy as np
import pytest

from pyhrf.analysis import analyse, check_study
from pyhrf.config.data_sections import RunFiles
from pyhrf.config.study import Study
from pyhrf.errors import InputError


@pytest.fixture(scope="module")
def modulated(tmp_path_factory):
    """Data in which responses grow with the amplitude of their event in half of the voxels."""
    folder = tmp_path_factory.mktemp("modulated")
    rng = np.random.default_rng(5)
    n_scans, tr, shape = 200, 2.0, (6, 5, 4)
    onsets = np.arange(6.0, 360.0, 9.0) + rng.uniform(0, 4, 40)
    modulation = np.round(rng.normal(size=onsets.size), 2)
    modulation -= modulation.mean()
    lags = np.maximum(np.arange(n_scans)[:, None] * tr - onsets, 0)
    # responses that peak at 5 s, with height 1
    heights = (lags / 5) ** 5 * np.exp(5 - lags)
    design = np.column_stack([heights.sum(axis=1), heights @ modulation])
    active = np.zeros((2, *shape))
    active[0, :3], active[1, :, :3] = 1, 1
    noise = 0.5 * rng.standard_normal((*shape, n_scans))
    bold = 100 + np.moveaxis(np.tensordot(design, active, 1), 0, -1) + noise
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    image = nib.Nifti1Image(bold.astype(np.float32), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = tr
    nib.save(image, folder / "bold.nii.gz")
    nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), affine), folder / "parcels.nii.gz")
    return folder, onsets, modulation, active


def study_of(folder, events, **fields):
    """Make a study of these data with events (onset, condition, amplitude)."""
    lines = [f"{onset!r}\t0\t{name}\t{amplitude!r}" for onset, name, amplitude in events]
    header = "onset\tduration\ttrial_type\tamplitude"
    (folder / "events.tsv").write_text("\n".join([header, *lines]) + "\n")
    runs = (RunFiles(bold=folder / "bold.nii.gz", paradigm=folder / "events.tsv"),)
    return Study.build(
        data={"kind": "volume", "runs": runs, "parcellation": folder / "parcels.nii.gz"}, **fields
    )


@pytest.mark.parametrize(
    ("estimator", "rms"), [("jde-vem", 0.1), ("jde-mcmc", 0.1), ("rfir", 0.15), ("glm", 0.15)]
)
def test_analyse__tells_a_modulation_from_what_it_modulates(modulated, tmp_path, estimator, rms):
    folder, onsets, modulation, active = modulated
    events = [(float(onset), "stim", 1.0) for onset in onsets]
    events += [
        (float(o), "stim_by_speed", float(a)) for o, a in zip(onsets, modulation, strict=True)
    ]
    study = study_of(folder, events, estimator=estimator, output=tmp_path / "out")
    results = analyse(study, engine="serial", tell=print)
    for name, truth in zip(("stim", "stim_by_speed"), active, strict=True):
        level = results.map_values(f"nrl_{name}")
        assert np.sqrt(np.mean((level - truth) ** 2)) < rms


@pytest.mark.parametrize(("mean", "warned"), [(0.0, False), (0.05, False), (2.0, True), (-1, True)])
def test_check_study__warns_of_a_modulation_with_its_mean(modulated, tmp_path, mean, warned):
    folder, onsets, modulation, _ = modulated
    sd = modulation.std()
    events = [(float(onset), "stim", 1.0) for onset in onsets]
    events += [
        (float(o), "by_speed", float(a + mean * sd))
        for o, a in zip(onsets, modulation, strict=True)
    ]
    notes = check_study(study_of(folder, events, output=tmp_path / "out"))
    expected = (
        f"the condition 'by_speed' has the events of 'stim' with amplitudes of mean "
        f"{mean * sd:.3g} (sd {sd:.3g})"
    )
    assert [note.startswith(expected) for note in notes] == [True] * warned


def test_check_study__amplitudes_of_events_of_their_own_may_have_a_mean(modulated, tmp_path):
    folder, onsets, modulation, _ = modulated
    events = [(float(onset), "stim", 1.0) for onset in onsets[1:]]
    events += [(float(o), "speed", float(a + 5)) for o, a in zip(onsets, modulation, strict=True)]
    # Two modulations of one another: neither is that of equal events.
    events += [(float(o), "size", float(o + 5)) for o in onsets]
    notes = check_study(study_of(folder, events, output=tmp_path / "out"))
    assert not any("take the mean off" in note for note in notes)


def test_analyse__a_modulation_with_its_mean_is_a_warning_of_the_report(modulated, tmp_path):
    folder, onsets, modulation, _ = modulated
    events = [(float(onset), "stim", 1.0) for onset in onsets]
    events += [(float(o), "speed", float(a + 5)) for o, a in zip(onsets, modulation, strict=True)]
    told = []
    study = study_of(folder, events, estimator="glm", output=tmp_path / "out")
    analyse(study, engine="serial", tell=told.append)
    assert sum("take the mean off" in text for text in told) == 1
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    assert "the condition 'speed' has the events of 'stim' with amplitudes of mean 5" in page


@pytest.mark.parametrize("factor", [1.0, 0.1, -3.0])
def test_check_study__refuses_events_that_differ_by_a_factor(modulated, tmp_path, factor):
    folder, onsets, modulation, _ = modulated
    pairs = list(zip(onsets.tolist(), modulation.tolist(), strict=True))
    events = [(o, "one", a) for o, a in pairs] + [(o, "other", factor * a) for o, a in pairs]
    events.append((365.0, "other", 0.0))  # which is no event
    with pytest.raises(InputError, match="'one' and 'other' have the same events, with ampl"):
        check_study(study_of(folder, events, output=tmp_path / "out"))
