"""Images and tables as people have them: taken for what they are, or refused with a word."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import pyhrf


def _levels(example: Any, *given: Any, atlas: Any = None, **parameters: Any) -> Any:
    model = pyhrf.GLM(atlas or example.atlas, engine="serial", **parameters)
    return np.asarray(model.fit(*given).map("nrl_cond1").dataobj)


def test_an_image_that_was_saved_elsewhere_is_still_its_own(example: Any, tmp_path: Path) -> None:
    nib.save(example.copy, tmp_path / "one.nii")
    image = nib.load(tmp_path / "one.nii")
    nib.save(image, tmp_path / "two.nii")
    twice = nib.Nifti1Image(2 * np.asarray(image.dataobj), image.affine, image.header)
    nib.save(twice, tmp_path / "two.nii")
    np.testing.assert_array_equal(
        _levels(example, image, example.events), _levels(example, example.copy, example.events)
    )


@pytest.mark.parametrize("make", [nib.Nifti1Image, nib.Nifti2Image, nib.Spm2AnalyzeImage])
def test_images_in_memory_without_time_step(example: Any, make: Any) -> None:
    image = make(np.asarray(example.bold.dataobj), example.bold.affine)
    with pytest.raises(pyhrf.InputError, match=r"bold of run 1: .* give t_r, seconds"):
        _levels(example, image, example.events)
    np.testing.assert_array_equal(
        _levels(example, image, example.events, t_r=2.0),
        _levels(example, example.bold, example.events),
    )


def test_images_of_two_files_keep_their_time_step(example: Any) -> None:
    pair = nib.Nifti1Pair(
        np.asarray(example.bold.dataobj), example.bold.affine, example.bold.header
    )
    np.testing.assert_array_equal(
        _levels(example, pair, example.events), _levels(example, example.bold, example.events)
    )


def test_images_that_are_refused(example: Any, tmp_path: Path) -> None:
    values = np.asarray(example.bold.dataobj)
    complex_one = nib.Nifti1Image(
        values.astype(np.complex64), example.bold.affine, example.bold.header
    )
    complex_one.header.set_zooms(example.bold.header.get_zooms())
    with pytest.raises(pyhrf.InputError, match="complex values"):
        _levels(example, complex_one, example.events)
    nib.save(example.copy, tmp_path / "bold.nii.gz")
    gone = nib.load(tmp_path / "bold.nii.gz")
    (tmp_path / "bold.nii.gz").unlink()
    with pytest.raises(pyhrf.InputError, match="cannot be read any more"):
        _levels(example, gone, example.events)


def test_large_labels(example: Any) -> None:
    labels = np.asarray(example.atlas.dataobj).astype(np.int64)
    for by, dtype in ((2**24, np.float64), (2**30, np.int64)):
        many = nib.Nifti1Image(
            np.where(labels, labels + by, 0).astype(dtype), example.atlas.affine, dtype=dtype
        )
        model = pyhrf.GLM(many, engine="serial").fit(example.bold, example.events)
        assert list(model.parcels_["parcel"]) == [by + 1, by + 2, by + 3]
    too_large = np.where(labels, labels + 2**31 - 3, 0)
    with pytest.raises(pyhrf.InputError, match="is too large"):
        _levels(
            example,
            example.bold,
            example.events,
            atlas=nib.Nifti1Image(too_large, example.atlas.affine, dtype=np.int64),
        )


def test_heights_that_contradict_each_other(example: Any) -> None:
    events = example.events.assign(modulation=np.arange(len(example.events)) + 1.0)
    same = events.assign(amplitude=events["modulation"])
    np.testing.assert_array_equal(
        _levels(example, example.bold, events), _levels(example, example.bold, same)
    )
    with pytest.raises(pyhrf.InputError, match=r"events of run 1 .*modulation and amplitude"):
        _levels(example, example.bold, events.assign(amplitude=1.0))


def test_confounds_of_all_sorts(example: Any) -> None:
    noise = np.random.default_rng(0).normal(size=(100, 2))
    given = (example.bold, example.events)
    expected = _levels(example, *given, noise)
    np.testing.assert_array_equal(_levels(example, *given, pd.DataFrame(noise)), expected)
    none = _levels(example, *given)
    np.testing.assert_array_equal(_levels(example, *given, noise[:, :0]), none)
    spikes = pd.DataFrame({"moved": noise[:, 0] > 1})
    np.testing.assert_array_equal(
        _levels(example, *given, spikes), _levels(example, *given, spikes.astype(float))
    )
    with pytest.raises(pyhrf.InputError, match="confounds are of the type Series"):
        _levels(example, *given, spikes["moved"])


def test_masks_of_zeros_and_ones(example: Any) -> None:
    mask = np.ones(100, np.bool_)
    mask[3] = False
    given = (example.bold, example.events, None)
    with pytest.raises(pyhrf.InputError, match="sample_masks of run 1 holds zeros and ones"):
        _levels(example, *given, mask.astype(int))
    np.testing.assert_array_equal(
        _levels(example, *given, mask.astype(object)), _levels(example, *given, mask)
    )


def test_names_of_regions_go_by_the_order_of_their_numbers(example: Any) -> None:
    labels = np.asarray(example.atlas.dataobj).astype(np.int32)
    odd = nib.Nifti1Image(np.where(labels, 2 * labels + 5, 0), example.atlas.affine)
    atlas = SimpleNamespace(maps=odd, labels=["Background", "a", "b", "c"])
    model = pyhrf.GLM(atlas, engine="serial").fit(example.bold, example.events)
    assert list(model.parcels_["region"]) == ["a", "b", "c"]
    atlas.labels = ["a", "b"]
    with pytest.raises(pyhrf.InputError, match=r"2 names \(labels\) for 3 regions"):
        model.set_params(parcellation=atlas).fit(example.bold, example.events)
    atlas = SimpleNamespace(maps=example.atlas, labels=["a"])
    with pytest.raises(pyhrf.InputError, match=r"1 names \(labels\) for 3 regions"):
        model.set_params(parcellation=atlas).fit(example.bold, example.events)


def test_mask_and_background_of_a_masker_count(example: Any) -> None:
    from nilearn.maskers import NiftiLabelsMasker

    one = nib.Nifti1Image(
        (np.asarray(example.atlas.dataobj) == 2).astype(np.uint8), example.atlas.affine
    )
    masker = NiftiLabelsMasker(example.atlas, mask_img=one)
    model = pyhrf.GLM(masker, engine="serial").fit(example.bold, example.events)
    assert list(model.parcels_["parcel"]) == [2]
    masker = NiftiLabelsMasker(example.atlas, background_label=2)
    with pytest.raises(pyhrf.InputError, match="background_label=2"):
        _levels(example, example.bold, example.events, atlas=masker)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n_jobs": "2"}, "n_jobs='2' is not allowed: must be a whole number"),
        ({"verbose": "x"}, "verbose='x' is not allowed"),
        ({"engine": None}, "engine=None is not allowed"),
        ({"output": 5}, "output=5 is not allowed: must be the path of a folder"),
        ({"start_time": "x"}, "start_time='x' is not a number"),
    ],
)
def test_values_of_other_types(example: Any, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(pyhrf.PyhrfError, match=said):
        pyhrf.GLM(**{"parcellation": example.atlas, "engine": "serial", **parameters}).fit(
            example.bold, example.events
        )


def test_contrasts_with_blanks_or_of_other_types(example: Any) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, example.events)
    shown = [model.compute_contrast(one, "stat").get_fdata() for one in (" cond1", "cond1")]
    np.testing.assert_array_equal(*shown)
    with pytest.raises(pyhrf.InputError, match="contrast_def is of the type ndarray"):
        model.compute_contrast(np.array([1, -1]))
    with pytest.raises(pyhrf.InputError, match=r"/nowhere/report.html: cannot be written"):
        model.generate_report("/nowhere/report.html")


def test_masks_of_scans_of_a_gifti_of_one_array(tmp_path: Path) -> None:
    from pyhrf.interface.given import _n_scans

    array = nib.gifti.GiftiDataArray(np.zeros((12, 7), np.float32))
    assert _n_scans(nib.GiftiImage(darrays=[array])) == 12


def test_times_of_json_files_are_told(
    example: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nib.save(example.copy, tmp_path / "bold.nii")
    (tmp_path / "bold.json").write_text('{"RepetitionTime": 2.4, "StartTime": 1.2}', "utf-8")
    _levels(example, tmp_path / "bold.nii", example.events)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "its JSON says TR 2.4 s, which is used, not its header's" in said
    assert "onsets are moved by that; start_time says otherwise" in said


def test_what_is_interrupted_is_kept_in_a_folder_alone(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyhrf.estimators.glm import GLM

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(GLM, "fit_parcel", stop)
    for output, said in ((None, "not kept"), (tmp_path / "out", "make the same call again")):
        with pytest.raises(pyhrf.PyhrfError, match=said):
            _levels(example, example.bold, example.events, output=output)


def test_an_interruption_before_the_work_leaves_nothing(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyhrf.estimators.glm import GLM

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(GLM, "compile", stop)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(pyhrf.PyhrfError, match="before the first parcel") as raised:
        _levels(example, example.bold, example.events)
    assert raised.value._render_traceback_() == [str(raised.value)], "as notebooks show it"
    assert list(tmp_path.iterdir()) == []


def test_runs_on_another_mesh(example: Any, on_surface: Any) -> None:
    from nilearn.surface import PolyMesh, SurfaceImage

    left = on_surface.bold.mesh.parts["left"]
    other = SurfaceImage(PolyMesh(left=left, right=left), on_surface.bold.data.parts)
    model = pyhrf.GLM(on_surface.atlas, engine="serial", t_r=2.0)
    with pytest.raises(pyhrf.InputError, match="run_imgs of run 2 lies on another mesh than run 1"):
        model.fit([on_surface.bold, other], example.events)
    model.fit([on_surface.bold, on_surface.bold], example.events)
