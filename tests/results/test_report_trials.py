"""The report's single trials are those of the results."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from trial_results import CONDITIONS, make_trial_results

from pyhrf.errors import InputError
from pyhrf.results import Results
from pyhrf.results.report import write_report
from pyhrf.results.report_text import methods_of, references_of, summary_of
from pyhrf.results.report_trials import MAX_BYTES, pack_trials
from pyhrf.results.report_warnings import warnings_of


def unpacked(one: dict, n_trials: int) -> np.ndarray:
    """Give levels and standard deviations of the page."""
    codes = np.frombuffer(base64.b64decode(one["data"]), "<i2").reshape(2, n_trials)
    return np.where(codes == -32768, np.nan, codes * one["scale"])


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return make_trial_results(tmp_path / "out")


def test_pack_trials__averages_the_tenth_that_is_most_reliable(results: Results) -> None:
    packed = pack_trials(results)
    assert packed is not None
    # by hand, from the files
    values = {
        name: nib.load(results.maps()[name]).get_fdata().reshape(60, -1)
        for name in ("parcels", "trial_snr", "trials", "trials_sd")
    }
    assert list(packed["levels"]) == [1, 2, 3]
    for number, one in packed["levels"].items():
        here = np.flatnonzero(values["parcels"][:, 0] == number)
        ranked = sorted(here, key=lambda voxel: -values["trial_snr"][voxel, 0])
        best = ranked[: {1: 2, 2: 2, 3: 1}[number]]
        assert one["n"] == len(best)
        assert one["snr"] == pytest.approx(np.median(values["trial_snr"][best]), abs=1e-3)
        expected = [values[name][best].mean(axis=0) for name in ("trials", "trials_sd")]
        np.testing.assert_allclose(unpacked(one, 12), expected, atol=1e-3)
        assert np.isnan(expected[0][0])
    assert packed["first"] == max(packed["levels"], key=lambda n: packed["levels"][n]["snr"])


def test_pack_trials__tells_of_each_trial_and_condition(results: Results) -> None:
    packed = pack_trials(results)
    assert packed is not None
    assert packed["conditions"] == list(CONDITIONS)
    assert packed["run"] == [1] * 6 + [2] * 6
    assert packed["condition"] == [0, 1] * 6
    assert packed["onset"][:3] == [3.5, 7.5, 11.5]
    assert packed["information"][:2] == [None, 0.25]
    audio, odd = packed["by_condition"]
    assert (audio["n"], audio["n_lost"], audio["information"]) == (6, 1, 0.25)
    assert (odd["n"], odd["n_lost"]) == (6, 0)
    assert packed["n_lost"] == 1
    assert packed["lost"][0]["reason"] == "all scans that see it are censored"


def test_pack_trials__leaves_out_parcels_that_have_no_room(tmp_path: Path) -> None:
    results = make_trial_results(tmp_path / "out")
    packed, whole = pack_trials(results, max_bytes=100), pack_trials(results)
    assert packed is not None
    assert whole is not None
    assert list(packed["levels"]) == [packed["first"]] == [whole["first"]]
    assert (packed["left_out"], whole["left_out"]) == (2, 0)


def test_pack_trials__of_many_trials_is_small(tmp_path: Path) -> None:
    names = tuple(f"picture {k}" for k in range(100))
    results = make_trial_results(tmp_path / "out", n_runs=12, n_each=63, conditions=names, lost=60)
    packed = pack_trials(results)
    assert packed is not None
    assert sum(len(one["data"]) for one in packed["levels"].values()) < MAX_BYTES
    assert len(packed["lost"]) == 40
    assert packed["n_lost"] == 60
    assert "20 more are in trials.tsv" in write_report(results.directory).read_text("utf-8")


def test_report__without_trials_says_nothing_of_them(results: Results) -> None:
    assert ("single trials", "12") in summary_of(results)
    (results.directory / "trials.tsv").unlink()
    plain = Results(results.directory)
    page = write_report(results.directory).read_text("utf-8")
    assert pack_trials(plain) is None
    assert "single trials" not in dict(summary_of(plain))
    assert '<h2 id="trials">' not in page
    assert not any("single" in text for text in methods_of(plain))
    assert not any("Mumford" in text for text in references_of(plain))


def test_report__warns_that_the_prior_makes_decoding_circular(tmp_path: Path) -> None:
    circular = make_trial_results(tmp_path / "circular", trial_prior="condition")
    blind = make_trial_results(tmp_path / "blind")
    assert any("decoding" in text for text in warnings_of(circular))
    assert not any("decoding" in text for text in warnings_of(blind))
    pages = [write_report(one.directory).read_text("utf-8") for one in (circular, blind)]
    assert ['id="circular"' in page for page in pages] == [True, False]


def test_report__says_how_trials_were_estimated(tmp_path: Path) -> None:
    results = make_trial_results(tmp_path / "out", trial_hyper="run")
    packed = pack_trials(results)
    assert packed is not None
    assert packed["settings"] == [
        "12 trials of 2 conditions in 2 runs, of which 1 has no level.",
        "Levels are shrunk to the mean of all of them, without knowledge of their conditions; "
        "mean, variances and noise were estimated for each run from the other runs.",
        "They were estimated in patterns over voxels, with the noise that these share, in 1 of 3 "
        "parcels, else voxel by voxel.",
    ]
    (methods,) = (text for text in methods_of(results) if "single events" in text)
    assert "in 1 of 3 parcels in patterns over voxels, else voxel by voxel" in methods
    assert "for the trials of each run from the others" in methods
    assert sum("Mumford" in text for text in references_of(results)) == 1
    assert not any("Allen" in text for text in [methods, *references_of(results)])
    # any map of that name: conditions are repeated
    (results.directory / "noise_ceiling.nii.gz").write_bytes(
        results.maps()["trial_snr"].read_bytes()
    )
    assert sum("Allen" in text for text in methods_of(results)) == 1
    assert sum("Allen" in text for text in references_of(results)) == 1


def test_report__shows_maps_of_trials_but_not_each_trial(results: Results) -> None:
    page = write_report(results.directory).read_text("utf-8")
    shown = [f"<option>{name}</option>" in page for name in ("trial_snr", "trial_mean", "trial_sd")]
    assert all(shown)
    assert "<option>trials</option>" not in page
    assert "<b>&odd" not in page


def test_report__of_damaged_trials_is_made_or_refused_in_a_sentence(results: Results) -> None:
    path = results.directory / "trials.tsv"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for damaged in (b"", whole[: len(whole) // 2], b"\xff\0\x1b[2J" * 40, b"a\tb\n1\t2\n"):
        path.write_bytes(damaged)
        with suppress(InputError):
            write_report(results.directory)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(InputError, match="is damaged or was changed since the analysis"):
        write_report(results.directory)
