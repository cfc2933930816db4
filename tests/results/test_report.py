"""The report holds what the results hold, and nothing that a browser would have to fetch."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from report_results import (
    AFFINE,
    CONDITIONS,
    SHAPE,
    level_at,
    make_cifti_results,
    make_report_results,
    unpacked,
    write_mesh,
)

from pyhrf.errors import InputError
from pyhrf.parameters.estimators import ESTIMATORS
from pyhrf.results import Results
from pyhrf.results.plots import hrf_figure, save_figure, save_map_figure
from pyhrf.results.report import write_report
from pyhrf.results.report_maps import chosen_maps, pack_maps
from pyhrf.results.report_overview import overview_of
from pyhrf.results.report_text import (
    methods_of,
    parameters_of,
    references_of,
    summary_of,
)
from pyhrf.results.report_warnings import warnings_of


@pytest.fixture
def results(tmp_path):
    return make_report_results(tmp_path / "out")


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_report__holds_responses_failures_warnings_and_methods(results):
    page = write_report(results.directory).read_text("utf-8")
    data = data_of(page)
    assert [parcel["parcel"] for parcel in data["parcels"]] == [1, 3]
    assert data["hrfs"]["3"]["hrf"][7] == 1
    assert set(data["hrfs"]["3"]["sd"]) == {0.1}
    text = html.unescape(re.sub("<[^>]+>", " ", page))
    assert "all is <constant>" in text
    assert "2 events were left out" in text
    assert "1 of 3 parcels could not be estimated" in text
    assert "Chaari et al. 2013" in text
    assert 'href="parcels.tsv"' in page


def test_report__needs_nothing_from_elsewhere(results):
    page = write_report(results.directory).read_text("utf-8")
    sources = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert all(
        source.startswith("data:") or source.endswith((".tsv", ".json")) for source in sources
    )
    assert not re.search(r"@import|url\(|fetch\(|https?://", page)


def test_report__takes_odd_names_for_text(results):
    page = write_report(results.directory).read_text("utf-8")
    assert "<b>odd" not in page
    assert page.count("</script>") == 2


def test_report__has_the_same_bytes_from_the_same_results(tmp_path):
    one, other = (make_report_results(tmp_path / name) for name in ("a", "b"))
    assert write_report(one.directory).read_bytes() == write_report(other.directory).read_bytes()


def test_report__has_the_same_bytes_when_a_later_run_has_warned(results):
    first = write_report(results.directory).read_bytes()
    (results.directory / "pyhrf.log").write_text("WARNING 3 of 3 parcels were already done")
    assert write_report(results.directory).read_bytes() == first


@pytest.mark.parametrize("estimator", ["jde-mcmc", "rfir", "glm"])
def test_report__is_made_of_every_estimator(tmp_path, estimator):
    results = make_report_results(tmp_path / "out", estimator=estimator)
    data = data_of(write_report(results.directory).read_text("utf-8"))
    page = (results.directory / "report.html").read_text("utf-8")
    has_quality = estimator == "jde-mcmc"  # only then can be sorted by it
    assert ('value="hrf_quality"' in page) == has_quality
    assert ("<label hidden>quality" in page) != has_quality
    own = data["hrfs"]["1"]["own"]
    assert len(own) == (0 if estimator == "jde-mcmc" else 2)
    if own:
        assert own["audio"]["hrf"][5] == 1
        assert set(data["hrfs"]["1"]["sd"]) == {None}


def as_glm(results: Results, model: str) -> str:
    """Make the report of the same results as of a GLM."""
    path = results.directory / "run.json"
    run = json.loads(path.read_text())
    run["study"] |= {"estimator": "glm"}
    run["study"]["glm"]["model"] = model
    path.write_text(json.dumps(run))
    return write_report(results.directory).read_text("utf-8")


def test_report__of_a_glm_does_not_present_its_response_as_a_finding(results):
    found = data_of(as_glm(results, "fir"))
    assert not found["assumed"]
    assert "time_to_peak" in [one["name"] for one in found["overview"]]
    assert "time_to_peak" in [one["name"] for one in found["maps"]["maps"]]
    page = as_glm(results, "canonical")
    response = html.escape(ESTIMATORS["glm"].responses["canonical"]).replace("&#x27;", "&#39;")
    assert f"assumed a response, {response}, the same for all" in page
    assert 'id="grid"' not in page
    assert ">time to peak<" not in page
    found = data_of(page)
    assert found["assumed"]
    assert "time_to_peak" not in [one["name"] for one in found["overview"]]
    assert "time_to_peak" not in [one["name"] for one in found["maps"]["maps"]]
    assert "the response was given" not in page  # these results did iterate


def test_report__names_regions_where_there_are_names(results):
    path = results.directory / "parcels.tsv"
    table = pd.read_csv(path, sep="\t")
    table["region"] = ["V1 <left>", "A1", None]
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    page = write_report(results.directory).read_text("utf-8")
    assert data_of(page)["regions"] == {"1": "V1 <left>", "2": "A1"}
    (failed,) = re.findall(r'id="failed">.*?<table>(.*?)</table>', page, re.S)
    assert "<td>2 · A1</td>" in failed
    active = results.maps()["active_audio"]
    image = nib.load(active)
    nib.save(nib.Nifti1Image(1.3 * image.get_fdata(), image.affine, image.header), active)
    page = write_report(results.directory).read_text("utf-8")
    (clusters,) = re.findall(r'<div id="tables">(.*?)</div>\s*</div>', page, re.S)
    assert "<td>1 · V1 &lt;left&gt;</td>" in clusters
    assert "<td>parcel 3</td>" in clusters


@pytest.mark.parametrize(("scaling", "unit"), [("none", "signal"), ("percent", "% signal change")])
def test_pack_maps__say_what_a_map_is_and_its_unit(results, scaling, unit):
    maps = {one["name"]: one for one in pack_maps(changed(results, scaling=scaling))["maps"]}
    assert maps["nrl_audio"]["unit"] == unit
    assert maps["time_to_peak"]["unit"] == "s"
    assert maps["active_audio"]["text"] == "Posterior probability that the voxel is active"
    # nothing is as probable as .95: half of the most probable
    assert (maps["active_audio"]["threshold"], maps["active_audio"]["missed"]) == (0.375, 0.95)


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_page__has_enough_contrast_in_the_light_and_in_the_dark(results):
    """Text 4.5 as WCAG's level AA has it, lines and marks of drawings 3."""
    page = write_report(results.directory).read_text("utf-8")
    rules = re.findall(r":root \{(.*?)\}", page, re.S)
    assert len(rules) == 2
    for rule in rules:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", rule))
        for paper in ("paper", "weak", "alarm"):
            for text in ("ink", "soft", "blue"):
                assert contrast(colours[text], colours[paper]) >= 4.5, (text, paper)
        for mark in ("edge", "red", *(f"c{k}" for k in range(1, 7))):
            for paper in ("paper", "weak"):
                assert contrast(colours[mark], colours[paper]) >= 3, (mark, paper)


def test_page__has_headings_in_order_and_tables_with_heads(results):
    page = write_report(results.directory).read_text("utf-8")
    assert '<html lang="en">' in page
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert "<th>" not in page
    ids = re.findall(r'<[a-z]+[^>]* id="([^"]+)"', page.split("<script>")[0])
    assert len(ids) == len(set(ids))
    targets = re.findall(r'href="#([^"]+)"', page)
    assert set(targets) <= set(ids)


def test_methods__say_nothing_of_noise_that_means_nothing_to_the_estimator(tmp_path, monkeypatch):
    results = make_report_results(tmp_path / "out", estimator="glm")
    assert "The noise was modelled" in " ".join(methods_of(results))
    kind = replace(ESTIMATORS["glm"], unused=("noise",))
    monkeypatch.setitem(ESTIMATORS, "glm", kind)
    text = " ".join(methods_of(results))
    assert "noise" not in text
    assert "part of the model as nuisance" in text


@pytest.mark.parametrize("model", ["canonical", "derivatives", "fir"])
def test_report__of_a_glm_tells_what_is_assumed_from_what_is_found(tmp_path, model):
    results = make_report_results(tmp_path / "out", estimator="glm")
    run = results.directory / "run.json"
    content = json.loads(run.read_text())
    content["study"]["glm"]["model"] = model
    content["versions"]["nilearn"] = "0.13.1"
    run.write_text(json.dumps(content))
    results = Results(results.directory)
    text, summary = " ".join(methods_of(results)), dict(summary_of(results))
    assert "PyHRF 1.0, nilearn 0.13.1" in text
    assert summary["PyHRF"] == "1.0, nilearn 0.13.1"
    references = references_of(results)
    for name, year in re.findall(r"(\w+) (?:et al\. )?((?:19|20)\d\d)", text):
        assert [one for one in references if name in one and f"({year})" in one], name
    assert all(re.search(rf"{one.split()[0]}.*{one.split('(')[1][:4]}", text) for one in references)
    is_assumed = model == "canonical"
    assert ("time to peak of their responses" in text) != is_assumed
    assert ("was assumed to be" in text) == is_assumed
    assert ("assumed" in summary.get("response", "")) == is_assumed
    assert any("are no findings" in one for one in warnings_of(results)) == is_assumed
    labels = [one["label"] for one in overview_of(results, assumed=is_assumed)]
    assert any("peak" in label for label in labels) != is_assumed


def test_report__says_so_when_no_parcel_was_estimated(tmp_path):
    results = make_report_results(tmp_path / "out", lost=(1, 2, 3))
    page = write_report(results.directory).read_text("utf-8")
    assert data_of(page)["hrfs"] == {}
    assert "0 of 3 parcels were estimated" in page


def test_report__refuses_an_analysis_that_did_not_end(results):
    (results.directory / "run.json").unlink()
    with pytest.raises(InputError, match="did not end"):
        write_report(results.directory)


def test_pack_maps__gives_each_voxel_its_value_at_its_place(results):
    packed = pack_maps(results)
    (one,) = (one for one in packed["maps"] if one["name"] == "nrl_audio")
    index = np.frombuffer(base64.b64decode(packed["index"]), "<i4")
    place = np.stack(np.unravel_index(index, packed["volume"]["shape"], order="F"))
    mm = np.array(packed["volume"]["affine"]) @ np.vstack([place, np.ones(len(index))])
    voxel = np.rint(np.linalg.inv(AFFINE) @ mm)[:3].astype(int)
    flat = np.ravel_multi_index(tuple(voxel), SHAPE)
    labels = results.load_map("parcels").get_fdata().reshape(-1)[flat]
    assert np.array_equal(np.frombuffer(base64.b64decode(packed["labels"]), "<i4"), labels)
    values = unpacked(one)
    assert np.all(np.isnan(values) == (labels == 2))
    np.testing.assert_allclose(values[labels != 2], level_at(flat)[labels != 2], atol=1e-3)
    assert (
        np.array(packed["volume"]["affine"])[0, 0] == 3
    )  # turned: the first axis runs to the right


def test_pack_maps__names_what_has_no_room(results):
    one = pack_maps(results)["maps"][0]
    packed = pack_maps(results, max_bytes=len(one["data"]))
    assert [m["name"] for m in packed["maps"] if m["data"]] == [one["name"]] == ["active_audio"]
    assert "nrl_audio" in packed["left_out"]


def test_pack_maps__does_without_bold_data_that_are_gone(results):
    assert pack_maps(results)["voxels_on"] == "the mean of the first 20 scans"
    (results.directory.parent / "bold.nii").unlink()
    packed = pack_maps(results)
    assert packed["volume"]["background"] is None
    said = "plain grey: the BOLD data cannot be read where the run found them"
    assert packed["voxels_on"] == said
    assert f"Drawn on {said}." in write_report(results.directory).read_text("utf-8")


def test_pack_maps__says_why_a_large_volume_has_no_background(results, monkeypatch):
    monkeypatch.setattr("pyhrf.results.report_volumes._MAX_BACKGROUND", 10)
    packed = pack_maps(results)
    assert packed["volume"]["background"] is None
    assert packed["voxels_on"] == (
        "plain grey: the mean of the first 20 scans has too many voxels for this file"
    )


def test_pack_maps__draws_on_an_anatomy_of_another_grid(results, tmp_path):
    fine = np.arange(12 * 10 * 8, dtype=np.float32).reshape(12, 10, 8)
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    nib.save(nib.Nifti1Image(fine, affine), tmp_path / "anatomy.nii")
    packed = pack_maps(results, anatomy=tmp_path / "anatomy.nii")
    grey = np.frombuffer(base64.b64decode(packed["volume"]["background"]), np.uint8)
    shape = packed["volume"]["shape"]
    assert grey.size == np.prod(shape)
    # The first axis of both images runs to the left, that of the page to the right.
    assert np.all(np.diff(grey.reshape(shape, order="F")[:, 2, 2].astype(int)) <= 0)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("no image", "this is not a NIfTI file"),
        ("series", "has 4 dimensions"),
        ("mesh", "this is not a NIfTI file"),
        ("cut off", "truncated or damaged"),
        ("missing", "there is no such file"),
    ],
)
def test_report__refuses_a_bad_anatomy(results, tmp_path, content, expected):
    path = tmp_path / "bad.nii.gz"
    if content == "no image":
        path.write_bytes(b"no image")
    elif content == "mesh":
        write_mesh(path.with_suffix(".gii"), 4, "CortexLeft")
        path.with_suffix(".gii").rename(path)
    elif content != "missing":
        shape = (9, 9, 9, 2) if content == "series" else (9, 9, 9)
        noise = np.random.default_rng(1).random(shape, np.float32)
        nib.save(nib.Nifti1Image(noise, np.eye(4)), path)
    if content == "cut off":
        path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=f"the anatomy {re.escape(str(path))}: .*{expected}"):
        write_report(results.directory, anatomy=path)
    assert not (results.directory / "report.html").exists()


def test_chosen_maps__leaves_errors_and_quantiles_to_the_files():
    kinds = ("nrl", "nrl_sd", "nrl_q025", "active", "z", "contrast_sd")
    names = {f"{kind}_a": (kind, "a") for kind in kinds} | {"hrf": ("hrf", "")}
    chosen = chosen_maps(names | {"parcels": ("parcels", "")})
    assert [(name, kind.look) for name, kind in chosen.items()] == [
        ("active_a", "probability"),
        ("z_a", "z"),
        ("nrl_a", "levels"),
        ("parcels", "labels"),
    ]


@pytest.mark.parametrize("word", ["p", "t", "z", "F", "F_p", "sd", "effect", "ppm", "q025"])
def test_report__shows_the_levels_of_what_is_called_as_a_map_is(tmp_path, word):
    name = f"{word}_high"
    results = make_report_results(tmp_path / "out", names=(name, "b"), contrast=name)
    chosen = [
        (file, kind.look) for file, kind in chosen_maps(results.map_names).items() if kind.is_named
    ]
    assert chosen == [
        (f"active_{name}", "probability"),
        (f"contrast_{name}", "levels"),
        (f"nrl_{name}", "levels"),
    ]


def test_methods__say_what_was_set(results):
    text = " ".join(methods_of(results))
    for part in ("1 run", "2 s", "2 conditions", "3 parcels", "128 s", "2 of 3 parcels"):
        assert part in text
    assert ("hrf/duration", "25") in parameters_of(results)
    assert not [name for name, _ in parameters_of(results) if name.startswith("glm")]


def test_warnings__name_the_parcels(results):
    found = " ".join(warnings_of(results))
    assert "parcel 3 had not converged at the last iteration" in found
    assert "the response in 2 parcels (1, 3) is poorly determined" in found


def test_warnings__count_what_was_left_out(results):
    assert "constant or not finite" not in " ".join(warnings_of(results))
    table = pd.read_csv(results.directory / "parcels.tsv", sep="\t")
    table["n_positions_used"] = table["n_positions"] - [2, 0, 3]
    table.to_csv(results.directory / "parcels.tsv", sep="\t", index=False, na_rep="n/a")
    n_ok = int(table["n_positions"][[0, 2]].sum())
    text = f"5 of {n_ok} voxels are constant or not finite and were left out"
    assert text in " ".join(warnings_of(Results(results.directory)))


def test_warnings__name_the_farthest_scan(results):
    assert "far off" not in " ".join(warnings_of(results))
    table = pd.read_csv(results.directory / "parcels.tsv", sep="\t")
    table["n_outlying_scans"], table["outlying_scan"] = [2, 0, 1], [100, None, 100]
    table.to_csv(results.directory / "parcels.tsv", sep="\t", index=False, na_rep="n/a")
    used = [{"tr": 2, "n_scans": n, "n_censored": 0} for n in (100, 90)]
    found = " ".join(warnings_of(changed(results, used=used)))
    assert (
        "in 2 parcels (1, 3) up to 2 scans lie far off those around, mostly scan 0 of run 2"
        in found
    )


def test_methods__say_what_was_taken_out(results):
    path = results.directory / "run.json"
    run = json.loads(path.read_text())
    run["study"]["data"] |= {"scaling": "percent", "levels": "per-run"}
    run["study"]["data"]["runs"][0] |= {"confounds": "c.tsv", "censored": "bad.txt"}
    run["study"]["confounds"] = {"columns": "motion24", "fd_threshold": 0.5}
    path.write_text(json.dumps(run))
    text = " ".join(methods_of(results))
    for part in ("motion24", "above 0.5 mm", "listed scans", "percent", "levels of its own"):
        assert part in text
    run["study"]["confounds"] = {"columns": "none", "fd_threshold": 0.5}
    path.write_text(json.dumps(run))
    text = " ".join(methods_of(Results(results.directory)))
    assert "nuisance; scans with a framewise displacement above 0.5 mm" in text


@pytest.mark.parametrize(
    ("files", "counts", "expected"),
    [
        ({}, [6], "and so were 6 regressors in SPM.mat. "),
        ({}, [6, 7], "and so were 6 and 7 regressors of each run in SPM.mat. "),
        (
            {"confounds": "c.tsv"},
            [2],
            "and so were confounds (columns: csf) and 2 regressors in SPM.mat. ",
        ),
        ({}, [0], "part of the model as nuisance. "),
    ],
)
def test_methods__name_confounds_of_an_spm_mat(results, files, counts, expected):
    used = [{"tr": 2, "n_scans": 90, "n_censored": 0, "n_spm_confounds": n} for n in counts]
    results = changed(results, used=used)
    path = results.directory / "run.json"
    run = json.loads(path.read_text())
    run["study"]["data"]["runs"][0] |= files
    run["study"]["confounds"] = {"columns": "csf"}
    path.write_text(json.dumps(run))
    assert expected in " ".join(methods_of(Results(results.directory)))


@pytest.mark.parametrize(("starts", "said"), [([0, 0], ""), ([1, 1], "1"), ([1, 0.9], "0.9 and 1")])
def test_methods__say_how_far_onsets_were_moved(results, starts, said):
    runs = [{"bold": f"{k}.nii", "start_time": start} for k, start in enumerate(starts)]
    text = " ".join(methods_of(changed(results, runs=runs)))
    assert (f"Onsets were moved {said} s earlier" in text) is bool(said)
    assert ("StartTime" in text) is bool(said)


def test_report__begins_with_what_was_analysed(results):
    page = write_report(results.directory).read_text("utf-8")
    (summary,) = re.findall(r'<dl id="summary">(.*?)</dl>', page, re.S)
    words = " ".join(html.unescape(re.sub("<[^>]+>", " ", summary)).split())
    assert words == (
        "estimator JDE, variational EM data volume, 1 run, TR 2 s "
        "conditions audio, </script><b>odd parcels 3, 1 not estimated parcellation parcels.nii "
        "voxels 72 PyHRF 1.0"
    )


def changed(results: Results, *, used: list[dict] | None = None, **data) -> Results:
    """Change what ``run.json`` says of the data and of the runs that were used."""
    path = results.directory / "run.json"
    run = json.loads(path.read_text())
    run["study"]["data"] |= data
    if used is not None:
        run["runs"] = used
    path.write_text(json.dumps(run))
    return Results(results.directory)


def test_report__of_pyhrf_bids_is_called_as_its_files(results):
    path = results.directory / "run.json"
    run = json.loads(path.read_text())
    run["study"]["output"] = "/out/.pyhrf/sub-01_task-av_space-T1w"
    bold = "/d/sub-01_ses-a_task-av_space-T1w_desc-preproc_bold.nii"
    run["study"]["data"]["runs"] = [{"bold": bold, "paradigm": "e.tsv"}]
    path.write_text(json.dumps(run))
    page = write_report(results.directory).read_text("utf-8")
    assert "<title>sub-01_task-av_space-T1w – PyHRF report</title>" in page


def test_report__levels_where_active_are_of_parcels_where_something_is(results):
    rows = [
        {"parcel": k, "condition": name, "mean_active": level, "fraction_active": share}
        for name, levels in {"a": (30, 0.001, 20, 0.002, 0.003), "b": (1, 2, 3, 4, 5)}.items()
        for k, level in enumerate(levels)
        for share in [0.5 if level >= 20 else 0.01]
    ]
    path = results.directory / "conditions.tsv"
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    page = write_report(results.directory).read_text("utf-8")
    (table,) = re.findall(r'id="conditions">.*?<table>(.*?)</table>', page, re.S)
    lines = [re.findall("<t[dh][^>]*>(.*?)</t[dh]>", row) for row in table.split("</tr>")]
    assert lines[0][1:] == [
        "level where active",
        "active share",
        "parcels with more than 5 % active",
    ]
    assert lines[1:3] == [["a", "25", "0.01", "2"], ["b", "n/a", "0.01", "0"]]


@pytest.mark.parametrize("n_parcels", [1, 3, 4, 5])
def test_hrf_figure__has_times_below_the_lowest_panel_of_each_column(tmp_path, n_parcels):
    results = make_report_results(tmp_path / "many", n_parcels=n_parcels, lost=())
    figure = hrf_figure(results)
    figure.draw_without_rendering()
    panels = [axis for axis in figure.axes if axis.axison]
    assert len(panels) == n_parcels
    lowest = {}
    for axis in panels:
        lowest[round(axis.get_position().x0, 3)] = axis
    for axis in panels:
        labels = [label for label in axis.get_xticklabels() if label.get_visible()]
        assert bool(labels) == (axis in lowest.values())


BIDS_RUN = (
    "/d/sub-01/func/sub-01_task-av_run-{}_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii"
)


@pytest.mark.parametrize(
    ("bold", "name"),
    [
        ([BIDS_RUN.format(1)], "sub-01_task-av_run-1_space-MNI152NLin2009cAsym_res-2"),
        (map(BIDS_RUN.format, "12"), "sub-01_task-av_space-MNI152NLin2009cAsym_res-2"),
        (["/study/s1/bold.nii.gz"], "study/s1/bold"),
        (["/study/<s1>/a.nii", "/study/<s1>/b.nii"], "study/<s1>/a … b"),
        (["/bold.nii"], "bold"),
        (["bold.nii", "/elsewhere/bold.nii"], "bold"),
        (None, "example data “small”"),
    ],
)
def test_report__is_called_after_its_data(results, bold, name):
    data = {"kind": "simulation", "example": "small", "runs": []}
    if bold is not None:
        data = {"runs": [{"bold": path, "paradigm": "e.tsv"} for path in bold]}
    results = changed(results, **data)
    page = write_report(results.directory).read_text("utf-8")
    (title,), (heading,) = (re.findall(f"<{tag}>(.*?)</{tag}>", page) for tag in ("title", "h1"))
    assert html.unescape(title) == f"{name} – PyHRF report"
    assert html.unescape(heading.replace("<wbr>", "")) == name
    has_space = "<dt>space</dt><dd>MNI152NLin2009cAsym, res-2</dd>" in page
    assert has_space == ("space" in name)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([(2, 100)], "1 run of 100 scans with a repetition time of 2 s"),
        ([(2, 100), (2, 100)], "2 runs of 100 scans each with a repetition time of 2 s"),
        (
            [(2.5, 100), (2, 120)],
            "2 runs of 100 and 120 scans with repetition times of 2.5 and 2 s",
        ),
        (
            [(2, 160), (1.35, 220), (2, 160)],
            "3 runs of 160, 220 and 160 scans with repetition times of 2, 1.35 and 2 s",
        ),
        ([(1, 90 + k) for k in range(8)], "8 runs of 90 to 97 scans with a repetition time of 1 s"),
    ],
)
def test_methods__say_scans_and_repetition_time_of_the_headers(results, runs, expected):
    used = [{"tr": tr, "n_scans": n, "n_censored": 2} for tr, n in runs]
    results = changed(results, used=used, tr=None)
    text = " ".join(methods_of(results))
    assert f"BOLD data of {expected}, in which" in text
    page = write_report(results.directory).read_text("utf-8")
    data = expected.replace(" with a repetition time of", ", TR")
    assert f"<dd>volume, {data.replace(' with repetition times of', ', TR')}</dd>" in page


def test_methods__count_conditions_not_their_levels_in_each_run(results):
    path = results.directory / "conditions.tsv"
    names = list(results.conditions["condition"])
    results = changed(results, levels="per-run")
    table = pd.concat(
        results.conditions.assign(condition=[f"{name}_run{n}" for name in names]) for n in (1, 2)
    )
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    page = write_report(results.directory).read_text("utf-8")
    assert "in which there were events of 2 conditions, were" in page
    assert f"<dt>conditions</dt><dd>{html.escape(', '.join(dict.fromkeys(names)))}</dd>" in page


def test_methods__do_without_what_older_results_do_not_say(results):
    results = changed(results, tr=None)
    assert "runs" not in results.provenance
    text = " ".join(methods_of(results))
    assert "BOLD data of 1 run, in which there were events of 2 conditions" in text
    write_report(results.directory)


def test_methods__name_parcellation_and_contrasts_and_count_censored_scans(results):
    used = [{"tr": 2, "n_scans": 90, "n_censored": n} for n in (2, 3)]
    text = " ".join(methods_of(changed(results, used=used)))
    assert "were divided into the 3 parcels of parcels.nii, of 24 voxels" in text
    assert "; 5 of 180 scans were censored in all. " in text
    assert "Contrast of the conditions: “a” (audio)." in text


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            [1, 2],
            "; 3 scans that fMRIPrep marks as not in steady state were censored; 5 of 180 scans "
            "were censored in all. ",
        ),
        (
            [1],
            "; 1 scan that fMRIPrep marks as not in steady state was censored; 1 of 90 scans was "
            "censored in all. ",
        ),
    ],
)
def test_methods__say_which_scans_were_not_steady(results, counts, expected):
    censored = counts if len(counts) == 1 else [n + 1 for n in counts]
    used = [
        {"tr": 2, "n_scans": 90, "n_censored": n, "n_not_steady": k}
        for n, k in zip(censored, counts, strict=True)
    ]
    assert expected in " ".join(methods_of(changed(results, used=used)))


def test_methods__say_which_iterations_the_limit_does_not_count(results):
    table = pd.DataFrame({"parcel": 1, "chain": 1, "iteration": [7, 8, 9, 6, 7], "criterion": 1.0})
    table.loc[3:, "parcel"] = 3
    table.to_csv(results.directory / "convergence.tsv", sep="\t", index=False)
    text = " ".join(methods_of(Results(results.directory)))
    assert "or after 100 of them; 6 more at most came before, in which the noise" in text
    table["iteration"] = [1, 2, 3, 1, 2]
    table.to_csv(results.directory / "convergence.tsv", sep="\t", index=False)
    assert "or after 100 of them." in " ".join(methods_of(Results(results.directory)))


@pytest.mark.parametrize("n_parcels", [3, 60])
def test_overview__has_a_point_of_each_parcel_or_their_spread(results, n_parcels):
    rows = pd.concat([results.parcels.query("status == 'ok'")] * (n_parcels // 2))
    rows["parcel"] = np.arange(1, len(rows) + 1)
    results.parcels = rows
    figures = overview_of(results)
    assert [one["name"] for one in figures] == ["time_to_peak", "hrf_quality", "n_iterations"]
    assert figures[0]["label"] == "time to peak, s"
    figure = figures[2]
    assert figure["title"] == f"{len(rows) // 2} of {len(rows)} converged"
    if n_parcels == 3:
        expected = zip(rows["parcel"], rows["n_iterations"], rows["converged"] == 1, strict=True)
        assert [tuple(point) for point in figure["points"]] == [
            (parcel, value, None, end) for parcel, value, end in expected
        ]
    else:
        assert sum(good + bad for _, _, good, bad in figure["bars"]) == len(rows)
        assert sum(bad for *_, bad in figure["bars"]) == len(rows) // 2


@pytest.mark.parametrize("most", [9, 38, 200])
def test_overview__counts_iterations_in_whole_bars(results, most):
    counts = np.arange(9, most + 1)
    rows = results.parcels.query("status == 'ok'").iloc[[0] * 2 * max(len(counts), 60)].copy()
    rows["n_iterations"] = np.resize(counts, len(rows))
    results.parcels = rows
    bars = overview_of(results)[2]["bars"]
    for left, right, *heights in bars:
        assert (left % 1, right % 1) == (0.5, 0.5)
        assert sum(heights) == rows["n_iterations"].between(left, right).sum()
    assert sum(sum(heights) for _, _, *heights in bars) == len(rows)
    assert len(bars) <= 30


def test_figures__take_a_dollar_for_a_dollar(tmp_path):
    results = make_report_results(tmp_path / "out", estimator="rfir")
    path = results.directory / "hrf.tsv"
    names = ("win $5 or $10", r"$\bad{$")
    text = path.read_text()
    for name, other in zip(CONDITIONS, names, strict=True):
        text = text.replace(name, other)
    path.write_text(text)
    save_figure(hrf_figure(Results(results.directory)), tmp_path / "hrf.svg")
    drawn = (tmp_path / "hrf.svg").read_text()
    assert all(f"<!-- {name} -->" in drawn for name in names)
    maps = results.maps()
    maps["nrl_audio"].rename(results.directory / "nrl___bad__.nii.gz")
    save_map_figure(results, rf"nrl_{names[1]}", tmp_path / "map.svg")
    assert rf"<!-- nrl_{names[1]} -->" in (tmp_path / "map.svg").read_text()


def test_map_figure__of_a_surface_takes_a_dollar_for_a_dollar(tmp_path):
    results = make_cifti_results(tmp_path)
    path = results.maps()["nrl_audio"]
    path.rename(path.with_name(path.name.replace("audio", "__bad__")))
    save_map_figure(results, r"nrl_$\bad{$", tmp_path / "map.svg")
    assert r"<!-- nrl_$\bad{$ -->" in (tmp_path / "map.svg").read_text()


def with_correlations(results, values, **study):
    """Warnings of results with these correlations, of a study that differs so."""
    table = pd.read_csv(results.directory / "parcels.tsv", sep="\t")
    table["neighbour_correlation"] = values
    table.to_csv(results.directory / "parcels.tsv", sep="\t", index=False, na_rep="n/a")
    path = results.directory / "run.json"
    run = json.loads(path.read_text())
    for name, value in study.items():
        run["study"][name] = run["study"][name] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(run))
    return " ".join(warnings_of(Results(results.directory)))


def test_warnings__tell_of_data_that_look_smoothed(results):
    assert "look smoothed" not in " ".join(warnings_of(results))
    words = "in 2 of 3 parcels the noise of neighbouring voxels correlates by more than 0.7"
    assert words in with_correlations(results, [0.8, None, 0.9])
    assert words not in with_correlations(results, [0.8, None, 0.6])  # not in most of them
    assert words not in with_correlations(results, [None, None, None])
    # Nodes of a mesh share the voxels that they were sampled from.
    surface = {"kind": "surface"}
    assert words not in with_correlations(results, [0.8, None, 0.9], data=surface)


def test_warnings__tell_of_shared_noise_that_is_not_modelled(results):
    words = "in 2 of 3 parcels the noise of neighbouring voxels correlates by more than 0.1"
    assert words not in with_correlations(results, [0.3, None, 0.4])
    assert words in with_correlations(results, [0.3, None, 0.4], vem={"shared_noise": "none"})
    assert words not in with_correlations(results, [0.05, None, 0.4])
    measured = {"shared_noise": "measured"}
    given = {"vem": measured, "estimator": "jde-mcmc"}
    assert words in with_correlations(results, [0.3, None, 0.4], **given)


def test_script__declares_each_name_once(results):
    page = write_report(results.directory).read_text("utf-8")
    (script,) = re.findall("<script>(.*)</script>", page, re.DOTALL)
    names = re.findall(r"^(?:const|let|function) +(\w+)", script, re.MULTILINE)
    assert len(names) > 20
    assert len(names) == len(set(names))
