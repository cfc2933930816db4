"""Models do what the commands do, with the same bytes, whatever the data come as."""

from __future__ import annotations

import filecmp
import pickle
import webbrowser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lxml.html
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.maskers import NiftiLabelsMasker

import pyhrf
from pyhrf.config.study import Study


def assert_same_files(one: Path, other: Path) -> None:
    names = sorted(p.name for p in one.iterdir() if p.suffix in (".gz", ".tsv", ".nii", ".gii"))
    assert len(names) > 8
    same, different, lacking = filecmp.cmpfiles(one, other, names, shallow=False)
    assert (different, lacking) == ([], [])
    assert sorted(same) == names


@pytest.mark.parametrize("kind", [pyhrf.JDE, pyhrf.RFIR, pyhrf.GLM])
def test_a_model_gives_the_bytes_of_its_study(kind: Any, example: Any, tmp_path: Path) -> None:
    model = kind(example.atlas, contrasts={"difference": "cond1 - cond2"}, engine="serial")
    model.fit(example.bold, events=example.events)
    study = Study.build(
        data={
            "kind": "volume",
            "runs": [
                {
                    "bold": example.folder / "bold.nii.gz",
                    "paradigm": example.folder / "paradigm.tsv",
                }
            ],
            "parcellation": example.folder / "parcellation.nii.gz",
        },
        estimator={"JDE": "jde-vem", "RFIR": "rfir", "GLM": "glm"}[kind.__name__],
        contrasts=[{"name": "difference", "expression": "cond1 - cond2"}],
        output=tmp_path / "results",
    )
    by_study = pyhrf.analyse(study, engine="serial")
    assert_same_files(by_study.directory, model.results_.directory)


def test_images_in_memory_are_as_good_as_files(example: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(size=(2, 100, 3))
    tables = [pd.DataFrame(one, columns=["a", "b", "c"]) for one in noise]
    kept = np.r_[0:40, 44:100]
    model = pyhrf.GLM(example.atlas, engine="serial", output=tmp_path / "memory").fit(
        [example.copy, example.shifted(1)],
        [example.events, example.events],
        confounds=[tables[0], noise[1]],
        sample_masks=[kept, np.isin(np.arange(100), kept)],
    )
    study = model.to_study(tmp_path / "study")
    assert sorted(p.name for p in (tmp_path / "study").iterdir())[-1] == "glm.xml"
    assert study.data.runs[0].censored is not None
    by_file = pyhrf.analyse(tmp_path / "study" / "glm.xml", engine="serial")
    assert_same_files(by_file.directory, tmp_path / "memory")
    again, data = pyhrf.model_of_study(tmp_path / "study" / "glm.xml")
    again.set_params(engine="serial").fit(**data)
    assert_same_files(by_file.directory, again.results_.directory)


def test_a_volume_is_written_with_the_values_it_has(example: Any) -> None:
    """The header of a whole-number file would round what was computed since."""
    header = example.bold.header.copy()
    header.set_data_dtype(np.int16)
    values = np.asarray(example.bold.dataobj, np.float64) / 1000
    image = nib.Nifti1Image(values, example.bold.affine, header)
    assert image.get_data_dtype() == np.int16
    fitted = pyhrf.GLM(example.atlas, engine="serial").fit(image, example.events)
    whole = pyhrf.GLM(example.atlas, engine="serial").fit(example.copy, example.events)
    np.testing.assert_allclose(
        1000 * fitted.map("nrl_cond1").get_fdata(), whole.map("nrl_cond1").get_fdata(), atol=1e-3
    )


def test_a_changed_image_is_not_taken_for_its_file(example: Any) -> None:
    image = nib.load(example.folder / "bold.nii.gz")
    image.get_fdata()[:] *= 2
    doubled = pyhrf.GLM(example.atlas, engine="serial").fit(image, example.events)
    plain = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, example.events)
    np.testing.assert_allclose(
        doubled.map("nrl_cond1").get_fdata(), 2 * plain.map("nrl_cond1").get_fdata(), rtol=1e-4
    )


def test_modulation_of_nilearn_is_the_amplitude(example: Any) -> None:
    events = example.events.assign(modulation=2.0)
    doubled = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, events)
    plain = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, example.events)
    np.testing.assert_allclose(
        2 * doubled.map("nrl_cond1").get_fdata(), plain.map("nrl_cond1").get_fdata(), rtol=1e-4
    )


def test_surface_images_go_in_and_come_out(on_surface: Any, example: Any, tmp_path: Path) -> None:
    model = pyhrf.GLM(on_surface.atlas, t_r=2.0, engine="serial")
    model.fit(on_surface.bold, example.events)
    effect = model.compute_contrast("cond1")
    assert {part: data.shape for part, data in effect.data.parts.items()} == {
        "left": (80,),
        "right": (80,),
    }
    # the same node series as a volume of one row: the GLM looks at no neighbour
    series = np.concatenate([on_surface.bold.data.parts[k] for k in ("left", "right")])
    labels = np.concatenate([on_surface.atlas.data.parts[k] for k in ("left", "right")])
    flat = nib.Nifti1Image(series[:, None, None], np.eye(4))
    atlas = nib.Nifti1Image(labels[:, None, None].astype(np.int32), np.eye(4))
    volume = pyhrf.GLM(atlas, t_r=2.0, engine="serial").fit(flat, example.events)
    np.testing.assert_array_equal(
        np.concatenate([effect.data.parts["left"], effect.data.parts["right"]]),
        volume.compute_contrast("cond1").get_fdata().ravel().astype(np.float32),
    )
    study = model.to_study(tmp_path / "study")
    assert [path.name for path in study.data.meshes] == [
        "mesh_left.surf.gii",
        "mesh_right.surf.gii",
    ]
    assert_same_files(pyhrf.analyse(study, engine="serial").directory, model.results_.directory)


def test_atlases_of_nilearn_name_the_regions(example: Any) -> None:
    names = ["Background", "left", "middle", "right"]
    table = pd.DataFrame({"index": [0, 1, 2, 3], "name": names})
    for atlas in (
        SimpleNamespace(maps=example.atlas, labels=names),
        SimpleNamespace(maps=example.atlas, labels=[name.encode() for name in names]),
        SimpleNamespace(maps=example.atlas, labels=None, lut=table),
        NiftiLabelsMasker(example.atlas, labels=names[1:]),
    ):
        model = pyhrf.GLM(atlas, engine="serial").fit(example.bold, example.events)
        assert list(model.parcels_["region"]) == names[1:]
        assert set(model.hrf_["region"]) == set(names[1:])
        titles = [axis.get_title() for axis in model.plot_hrf(["right", 1]).axes]
        assert titles[:2] == ["3 · right", "1 · left"]
        with pytest.raises(pyhrf.InputError, match="no region is called 'rigth': did you mean ri"):
            model.plot_hrf("rigth")


def test_a_size_cuts_the_mask_and_a_mask_cuts_the_atlas(example: Any) -> None:
    n_inside = int(np.sum(np.asarray(example.mask.dataobj)))
    cut = pyhrf.GLM(20, mask_img=example.mask, engine="serial").fit(example.bold, example.events)
    assert len(cut.parcels_) >= n_inside / 20
    half = np.asarray(example.mask.dataobj).copy()
    half[: len(half) // 2] = 0
    mask = nib.Nifti1Image(half, example.bold.affine)
    masked = pyhrf.GLM(example.atlas, mask_img=mask, engine="serial")
    masked.fit(example.bold, example.events)
    inside = np.isfinite(masked.map("nrl_cond1").get_fdata()) & (half > 0)
    assert masked.parcels_["n_positions"].sum() == half.sum() == inside.sum()


def test_output_keeps_what_is_done(example: Any, tmp_path: Path) -> None:
    for _ in range(2):
        model = pyhrf.GLM(example.atlas, engine="serial", output=tmp_path / "out")
        model.fit(example.copy, example.events)
    assert model.results_.directory == tmp_path / "out"
    assert sum(len(batch["parcels"]) for batch in model.results_.provenance["batches"]) == 3


def test_results_without_output_live_with_the_model(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.copy, example.events)
    assert list(tmp_path.iterdir()) == []
    home = model.results_.directory
    copy = pickle.loads(pickle.dumps(model))
    before = model.compute_contrast("cond1").get_fdata()
    del model
    assert not home.exists()
    np.testing.assert_array_equal(copy.compute_contrast("cond1").get_fdata(), before)
    assert_same_files(copy.save(tmp_path / "saved"), copy.results_.directory)
    assert pyhrf.Results(tmp_path / "saved").n_parcels == 3


def test_report_and_figure(example: Any, tmp_path: Path) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.copy, example.events)
    page = model.generate_report(tmp_path / "page.html")
    assert page == (tmp_path / "page.html").read_text("utf-8")
    assert "<html" in page
    assert "general linear model" in page
    figure: Any = model.plot_hrf([1, 2])
    assert figure.axes
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert [axis.get_title() for axis in model.plot_hrf(2).axes] == ["parcel 2"]
    with pytest.raises(pyhrf.InputError, match="'V1' is the name of a region"):
        model.plot_hrf("V1")


def test_a_report_shows_in_notebooks_and_browsers(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.copy, example.events)
    page = model.generate_report()
    (kind, shown), *others = page._repr_mimebundle_().items()
    assert kind == "text/html"
    assert not others, "the page is not kept a second time as text"
    frame = lxml.html.fromstring(shown)
    assert frame.tag == "iframe"
    assert frame.get("srcdoc") == page.get_standalone() == str(page)
    assert page.resize(600, 300).get_iframe(height=400).count('width="600" height="400"') == 1
    assert len(repr(page)) < 100
    page.save_as_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == page.encode()
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or len(opened) < 2)
    page.open_in_browser()
    assert Path(opened[0].removeprefix("file://")).read_bytes() == page.encode()
    with pytest.raises(pyhrf.PyhrfError, match="save_as_html"):
        page.open_in_browser(tmp_path / "other.html")
    table = model.results_._repr_html_()
    assert "GLM" in table
    assert "cond1, cond2" in table
    (model.results_.directory / "run.json").unlink()
    assert "Results(" in pyhrf.Results(model.results_.directory)._repr_html_()


def test_names_of_an_atlas_go_with_its_file(example: Any, tmp_path: Path) -> None:
    names = ["Background", "left", "middle", "right"]
    atlas = SimpleNamespace(maps=example.folder / "parcellation.nii.gz", labels=names)
    model = pyhrf.GLM(atlas, engine="serial").fit(example.bold, example.events)
    assert list(model.results_.parcels["region"]) == names[1:]
    assert not (example.folder / "parcellation.tsv").exists()
    study = model.to_study(tmp_path / "study")
    by_file = pyhrf.analyse(study, engine="serial")
    assert_same_files(by_file.directory, model.results_.directory)
    again, data = pyhrf.model_of_study(study)
    again.set_params(engine="serial", mask_img=example.mask).fit(**data)
    assert again.regions_ == {1: "left", 2: "middle", 3: "right"}
