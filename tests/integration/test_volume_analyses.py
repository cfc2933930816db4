"""Whole analyses of volumes, from an empty directory, through the installed programs.

Data of the simulator, of which the truth is known, and the real data of PyHRF 0.5 take turns.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import pyhrf
from pyhrf.config.data_sections import RunFiles
from pyhrf.estimators import JDEVEM
from pyhrf.inputs.dataset import open_dataset
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

SOURCES = ("simulated", pytest.param("real", marks=pytest.mark.shared_data))
CONDITIONS = {
    "calculaudio",
    "calculvideo",
    "clicDaudio",
    "clicDvideo",
    "clicGaudio",
    "clicGvideo",
    "damier_H",
    "damier_V",
    "phraseaudio",
    "phrasevideo",
}


@dataclass(frozen=True)
class Data:
    """Files of a study, and what an analysis must find in them."""

    bold: Path
    parcellation: Path
    paradigm: Path
    contrast: str
    sizes: tuple[int, ...]
    conditions: frozenset[str]
    peak: tuple[float, float]
    said: str = ""

    @property
    def options(self) -> list[object]:
        """What the programs that write studies are given."""
        files = ["-f", self.bold, "-k", self.parcellation, "-r", self.paradigm]
        return [*files, "-I", "2.4", "-C", self.contrast]


def data_of(source: str, request: pytest.FixtureRequest, *, n_parcels: int) -> Data:
    """Give data with six parcels and all conditions, or with two of each."""
    if source == "simulated":
        return simulated(request.getfixturevalue("tmp_path_factory").mktemp("data"), n_parcels)
    folder = request.getfixturevalue("shared_data")
    said = "header says TR 1 s"
    if n_parcels == 2:
        return Data(
            folder / "subj0_bold_session0.nii.gz",
            folder / "subj0_parcellation.nii.gz",
            folder / "paradigm_loc_av.csv",
            "difference = audio - video",
            (632, 640),
            frozenset({"audio", "video"}),
            (2.5, 8.5),
            said,
        )
    return Data(
        folder / "real_data_vol_4_regions_BOLD.nii.gz",
        folder / "real_data_vol_4_regions_mask.nii.gz",
        folder / "paradigm_loc.csv",
        "difference = 0.5*clicDaudio + 0.5*clicGaudio - 0.5*clicDvideo - 0.5*clicGvideo",
        (1765, 2092, 683, 868, 254, 781),
        frozenset(CONDITIONS),
        (4.2, 6.6),
        said,
    )


def simulated(folder: Path, n_parcels: int) -> Data:
    """Make data that are small, with strong responses."""
    spec = SimulationSpec(
        shape=(10, 9, 2 * n_parcels),
        n_parcels=n_parcels,
        n_scans=120,
        tr=2.4,
        n_conditions=2 if n_parcels == 2 else 4,
        snr=1.5,
        seed=11,
    )
    files = write_dataset(simulate(spec), folder / "files")
    with np.load(files.truth) as truth:
        peak, conditions = float(truth["time_to_peak"][0]), truth["conditions"].tolist()
    labels = np.asarray(nib.load(files.parcellation).dataobj)
    return Data(
        files.bold[0],
        files.parcellation,
        files.paradigm_csv,
        f"difference = {conditions[0]} - {conditions[1]}",
        tuple(np.bincount(labels.ravel())[1:].tolist()),
        frozenset(conditions),
        (peak - 0.8, peak + 0.8),
    )


def program(name: str, *args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an installed program in a folder."""
    path = Path(sys.executable).with_name(name)
    command = [str(path), *map(str, args)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=250, check=False
    )


def build(data: Data, folder: Path, name: str = "pyhrf_jde", *options: object) -> str:
    """Write a study into an empty folder; give its name."""
    done = program(f"{name}_buildcfg", *data.options, "-u", "out", *options, folder=folder)
    assert done.returncode == 0, done.stderr
    assert data.said in done.stderr
    (study,) = folder.iterdir()
    return study.name


def assert_same_bytes(first: Path, second: Path) -> None:
    """Compare all files of results, but when and by whom they were made."""
    names = {path.name for path in first.iterdir() if path.is_file()} - {"run.json"}
    assert names == {path.name for path in second.iterdir() if path.is_file()} - {"run.json"}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.fixture(scope="module", params=SOURCES)
def six_parcels(request, tmp_path_factory) -> tuple[Data, Path]:
    """Data of six parcels, and a folder with the study and its results."""
    data = data_of(request.param, request, n_parcels=6)
    folder = tmp_path_factory.mktemp("parcels")
    assert build(data, folder) == "detectestim.xml"
    done = program("pyhrf_jde_estim", "-v1", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 parcels estimated" in done.stdout
    return data, folder


def test_six_parcels__have_their_sizes_and_all_conditions(six_parcels):
    data, folder = six_parcels
    results = pyhrf.Results(folder / "out")
    assert results.parcels["n_positions"].tolist() == list(data.sizes)
    assert set(results.parcels["status"]) == {"ok"}
    assert set(results.conditions["condition"]) == data.conditions
    assert len(results.conditions) == 6 * len(data.conditions)


def test_six_parcels__find_a_plausible_response(six_parcels):
    data, folder = six_parcels
    table = pyhrf.Results(folder / "out").hrf.query("parcel == 1")
    peak = table["time"].to_numpy()[np.argmax(table["hrf"])]
    assert data.peak[0] <= peak <= data.peak[1]
    assert table["hrf"].max() == pytest.approx(1)


def test_six_parcels__write_every_map(six_parcels):
    data, folder = six_parcels
    results = pyhrf.Results(folder / "out")
    kinds = ("nrl", "nrl_sd", "active", "ppm")
    expected = {f"{kind}_{c}" for kind in kinds for c in data.conditions}
    expected |= {f"{kind}_difference" for kind in ("contrast", "contrast_sd", "contrast_ppm")}
    expected |= {"noise_sd", "hrf", "time_to_peak", "parcels"}
    assert expected <= set(results.maps())
    labels = results.load_map("parcels").get_fdata()
    probability = results.load_map(f"active_{min(data.conditions)}").get_fdata()
    assert np.all(probability[labels == 0] == 0)
    assert np.all((probability >= 0) & (probability <= 1))


def test_six_parcels__give_the_same_bytes_in_series(six_parcels, tmp_path):
    _, folder = six_parcels
    study = folder / "detectestim.xml"
    done = program("pyhrf_jde_estim", "-c", study, "-x", "serial", "-u", "other", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_bytes(folder / "out", tmp_path / "other")


OTHERS = {
    "glm": ("pyhrf_glm", []),
    "derivatives": ("pyhrf_glm", ["--model", "derivatives"]),
    "rfir": ("pyhrf_rfir", []),
    "mcmc": ("pyhrf_jde", ["--mcmc", "-n", "300"]),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("estimator", OTHERS)
def test_other_estimators__find_a_plausible_response(request, tmp_path, source, estimator):
    name, options = OTHERS[estimator]
    data = data_of(source, request, n_parcels=2)
    study = build(data, tmp_path, name, *options)
    done = program(f"{name}_estim", "-c", study, "-v1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 parcels estimated" in done.stdout
    results = pyhrf.Results(tmp_path / "out")
    assert results.parcels["n_positions"].tolist() == list(data.sizes)
    assert results.parcels["time_to_peak"].between(2.5, 8.5).all()
    one, two = sorted(data.conditions)
    expected = {f"nrl_{one}", f"nrl_sd_{two}", "contrast_difference", "noise_sd", "ar1"}
    assert expected <= set(results.maps())


def test_compare__sets_results_side_by_side(six_parcels, tmp_path):
    data, folder = six_parcels
    build(data, tmp_path, "pyhrf_glm")
    assert program("pyhrf_glm_estim", folder=tmp_path).returncode == 0
    done = program("pyhrf", "compare", folder / "out", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    files = {path.name for path in (tmp_path / "comparison").iterdir()}
    assert files == {"hrfs.tsv", "maps.tsv", "hrfs.png", "maps.png"}


@pytest.mark.shared_data
def test_real_subject__gives_two_parcels_with_ten_conditions(shared_data, tmp_path):
    bold, labels = "subj0_bold_session0.nii.gz", "subj0_parcellation.nii.gz"
    files = ["-f", shared_data / bold, "-k", shared_data / labels]
    paradigm = ["-r", shared_data / "paradigm_loc.csv", "-I", "2.4", "-u", "out"]
    done = program("pyhrf_jde_buildcfg", *files, *paradigm, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    done = program("pyhrf_jde_estim", "-v1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    results = pyhrf.Results(tmp_path / "out")
    assert results.parcels["n_positions"].tolist() == [632, 640]
    assert results.failed == {}
    assert set(results.conditions["condition"]) == CONDITIONS


@pytest.mark.parametrize("noise", ["ar1", "white"])
@pytest.mark.parametrize("n_parcels", [6, 2])
@pytest.mark.parametrize("source", SOURCES)
def test_free_energy__never_falls(request, source, n_parcels, noise):
    data = data_of(source, request, n_parcels=n_parcels)
    # of the real data, all ten conditions
    paradigm = data.paradigm.with_name("paradigm_loc.csv") if source == "real" else data.paradigm
    files = RunFiles(bold=data.bold, paradigm=paradigm)
    dataset = open_dataset(runs=[files], parcellation=data.parcellation, tr=2.4)
    estimator = JDEVEM(dataset.experiment, noise=noise, tolerance=1e-8)
    for parcel in dataset.load(list(dataset.parcels)):
        trace = estimator.fit_parcel(parcel).trace
        assert len(trace) > 5
        assert np.diff(trace).min() > -1e-10 * np.abs(trace).max()
