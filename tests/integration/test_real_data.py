"""The real data of PyHRF 0.5, from an empty directory, through the installed programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyhrf
from pyhrf.config.study import RunFiles
from pyhrf.estimators import JDEVEM
from pyhrf.inputs.dataset import open_dataset

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


def program(name: str, *args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an installed program in a folder."""
    path = Path(sys.executable).with_name(name)
    command = [str(path), *map(str, args)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=250, check=False
    )


def build(shared_data: Path, folder: Path, bold: str, mask: str, *options: str) -> None:
    files = ["-f", shared_data / bold, "-k", shared_data / mask]
    paradigm = ["-r", shared_data / "paradigm_loc.csv", "-I", "2.4", "-u", "out"]
    done = program("pyhrf_jde_buildcfg", *files, *paradigm, *options, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "header says TR 1 s" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["detectestim.xml"]


@pytest.fixture(scope="module")
def four_regions(shared_data, tmp_path_factory) -> Path:
    """A folder with the study and its results."""
    folder = tmp_path_factory.mktemp("regions")
    contrast = "audio-video=0.5*clicDaudio + 0.5*clicGaudio - 0.5*clicDvideo - 0.5*clicGvideo"
    build(
        shared_data,
        folder,
        "real_data_vol_4_regions_BOLD.nii.gz",
        "real_data_vol_4_regions_mask.nii.gz",
        "-C",
        contrast,
    )
    done = program("pyhrf_jde_estim", "-v1", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 parcels estimated" in done.stdout
    return folder


def test_four_regions__gives_six_parcels_and_ten_conditions(four_regions):
    results = pyhrf.Results(four_regions / "out")
    sizes = [1765, 2092, 683, 868, 254, 781]
    assert results.parcels["n_positions"].tolist() == sizes
    assert set(results.parcels["status"]) == {"ok"}
    assert set(results.conditions["condition"]) == CONDITIONS
    assert len(results.conditions) == 60


def test_four_regions__finds_a_plausible_response(four_regions):
    table = pyhrf.Results(four_regions / "out").hrf.query("parcel == 1")
    peak = table["time"].to_numpy()[np.argmax(table["hrf"])]
    assert 4.2 <= peak <= 6.6
    assert table["hrf"].max() == pytest.approx(1)


def test_four_regions__writes_every_map(four_regions):
    maps = pyhrf.Results(four_regions / "out").maps()
    expected = {f"{kind}_{c}" for kind in ("nrl", "nrl_sd", "active", "ppm") for c in CONDITIONS}
    expected |= {f"{kind}_audio-video" for kind in ("contrast", "contrast_sd", "contrast_ppm")}
    expected |= {"noise_sd", "hrf", "time_to_peak", "parcels"}
    assert expected <= set(maps)
    results = pyhrf.Results(four_regions / "out")
    labels = results.load_map("parcels").get_fdata()
    probability = results.load_map("active_calculaudio").get_fdata()
    assert np.all(probability[labels == 0] == 0)
    assert np.all((probability >= 0) & (probability <= 1))


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_four_regions__gives_the_same_bytes_from_every_engine(four_regions, tmp_path, engine):
    study = four_regions / "detectestim.xml"
    done = program("pyhrf_jde_estim", "-c", study, "-x", engine, "-u", "other", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = four_regions / "out", tmp_path / "other"
    names = {path.name for path in first.iterdir() if path.is_file()} - {"run.json"}
    assert names == {path.name for path in second.iterdir() if path.is_file()} - {"run.json"}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


OTHERS = {
    "glm": ("pyhrf_glm", []),
    "derivatives": ("pyhrf_glm", ["--model", "derivatives"]),
    "rfir": ("pyhrf_rfir", []),
    "mcmc": ("pyhrf_jde", ["--mcmc", "-n", "300"]),
}


@pytest.fixture(scope="module", params=OTHERS)
def other(request, shared_data, tmp_path_factory) -> tuple[str, Path]:
    """Another estimator, and a folder with its study of two conditions and its results."""
    name, options = OTHERS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    done = program(
        f"{name}_buildcfg",
        *("-f", shared_data / "subj0_bold_session0.nii.gz"),
        *("-k", shared_data / "subj0_parcellation.nii.gz"),
        *("-r", shared_data / "paradigm_loc_av.csv", "-I", "2.4", "-u", "out", "-o", "study.xml"),
        *("-C", "a-v = audio - video", *options),
        folder=folder,
    )
    assert done.returncode == 0, done.stderr
    done = program(f"{name}_estim", "-c", "study.xml", "-v1", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 parcels estimated" in done.stdout
    return request.param, folder


def test_other_estimators__find_a_plausible_response(other):
    results = pyhrf.Results(other[1] / "out")
    assert results.parcels["n_positions"].tolist() == [632, 640]
    assert results.parcels["time_to_peak"].between(2.5, 8.5).all()
    assert {"nrl_audio", "nrl_sd_video", "contrast_a-v", "noise_sd", "ar1"} <= set(results.maps())


def test_other_estimators__give_the_same_bytes_in_series(other):
    estimator, folder = other
    name, _ = OTHERS[estimator]
    done = program(f"{name}_estim", "-c", "study.xml", "-x", "serial", "-u", "other", folder=folder)
    assert done.returncode == 0, done.stderr
    first, second = folder / "out", folder / "other"
    names = {path.name for path in first.iterdir() if path.is_file()} - {"run.json"}
    assert names == {path.name for path in second.iterdir() if path.is_file()} - {"run.json"}
    for file in names:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_compare__sets_real_results_side_by_side(four_regions, shared_data, tmp_path):
    done = program(
        "pyhrf_glm_buildcfg",
        *("-f", shared_data / "real_data_vol_4_regions_BOLD.nii.gz"),
        *("-k", shared_data / "real_data_vol_4_regions_mask.nii.gz"),
        *("-r", shared_data / "paradigm_loc.csv", "-I", "2.4", "-u", "glm"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert program("pyhrf_glm_estim", folder=tmp_path).returncode == 0
    done = program("pyhrf", "compare", four_regions / "out", "glm", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    files = {path.name for path in (tmp_path / "comparison").iterdir()}
    assert files == {"hrfs.tsv", "maps.tsv", "hrfs.png", "maps.png"}


def test_subj0__gives_two_parcels(shared_data, tmp_path):
    build(shared_data, tmp_path, "subj0_bold_session0.nii.gz", "subj0_parcellation.nii.gz")
    done = program("pyhrf_jde_estim", "-v1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    results = pyhrf.Results(tmp_path / "out")
    assert results.parcels["n_positions"].tolist() == [632, 640]
    assert results.failed == {}
    assert set(results.conditions["condition"]) == CONDITIONS


@pytest.mark.parametrize("noise", ["ar1", "white"])
@pytest.mark.parametrize(
    ("bold", "parcellation"),
    [
        ("real_data_vol_4_regions_BOLD.nii.gz", "real_data_vol_4_regions_mask.nii.gz"),
        ("subj0_bold_session0.nii.gz", "subj0_parcellation.nii.gz"),
    ],
)
def test_free_energy__never_falls_on_real_data(shared_data, bold, parcellation, noise):
    files = RunFiles(bold=shared_data / bold, paradigm=shared_data / "paradigm_loc.csv")
    dataset = open_dataset(runs=[files], parcellation=shared_data / parcellation, tr=2.4)
    estimator = JDEVEM(dataset.experiment, noise=noise, tolerance=1e-8)
    for parcel in dataset.load(list(dataset.parcels)):
        trace = estimator.fit_parcel(parcel).trace
        assert len(trace) > 5
        assert np.diff(trace).min() > -1e-10 * np.abs(trace).max()
