"""Every kind of bad input: one clear sentence, exit 1, and nothing that was there is touched."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest

Damage = Callable[[Any], object]


def _replace_event(study: Any, line: int, text: str) -> None:
    study.paradigm[line - 1] = text
    study.write_events()


def _events(*lines: str) -> Damage:
    def damage(study: Any) -> None:
        study.paradigm += lines
        study.write_events()

    return damage


def _labels(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(study: Any) -> None:
        study.write_parcellation(change(np.ones(study.shape)))

    return damage


def _header_tr(tr: float | None) -> Damage:
    def damage(study: Any) -> None:
        study.tr = tr
        study.write_bold(nib.load(study.bold).get_fdata().astype(np.float32))

    return damage


def _truncated_gz(study: Any) -> None:
    packed = gzip.compress(study.bold.read_bytes())
    study.bold.unlink()
    study.bold.write_bytes(packed[: len(packed) // 2])


def _shifted_labels(study: Any) -> None:
    affine = np.diag([3.0, 3, 3, 1])
    affine[0, 3] = 1.5
    study.write_parcellation(np.ones(study.shape, np.int16), affine=affine)


def _half(study: Any) -> None:
    study.bold.write_bytes(study.bold.read_bytes()[:-1000])


def _same_events_twice(study) -> None:
    study.paradigm += [line.replace("audio", "echo") for line in study.paradigm if "audio" in line]
    study.write_events()


FILE_CASES: dict[str, tuple[Damage, str]] = {
    "missing BOLD": (lambda s: s.bold.unlink(), r"bold\.nii: there is no such file"),
    "missing parcellation": (lambda s: s.parcellation.unlink(), r"parcels\.nii: there is no such"),
    "missing paradigm": (lambda s: s.events.unlink(), r"paradigm\.csv.*no such file"),
    "empty BOLD": (lambda s: s.bold.write_bytes(b""), r"bold\.nii: the file is empty"),
    "empty parcellation file": (
        lambda s: s.parcellation.write_bytes(b""),
        r"parcels\.nii: the file is empty",
    ),
    "empty paradigm": (lambda s: s.events.write_text(""), r"paradigm\.csv: the file is empty"),
    "truncated BOLD": (_half, r"bold\.nii: the file is truncated: its header promises \d+ bytes"),
    "truncated gzip": (_truncated_gz, r"bold\.nii: the .*file is truncated"),
    "no NIfTI": (
        lambda s: s.bold.write_bytes(b"a text, not an image " * 50),
        r"bold\.nii: this is not a NIfTI file",
    ),
    "3D BOLD": (
        lambda s: s.write_bold(np.ones(s.shape, np.float32)),
        r"bold\.nii: holds one volume \(6x5x3\) where a 4D series is needed",
    ),
    "other grid": (
        lambda s: s.write_parcellation(np.ones((6, 5, 4), np.int16)),
        r"parcels\.nii: does not lie on the grid of .*: its grid is 6x5x4 voxels instead of 6x5x3",
    ),
    "other affine": (
        _shifted_labels,
        r"parcels\.nii: does not lie on the grid of .*: its affine .* 1\.5 mm away",
    ),
    "no parcel": (_labels(np.zeros_like), r"parcels\.nii: the parcellation is empty"),
    "labels that are no whole numbers": (
        _labels(lambda ones: ones * 1.5),
        r"parcels\.nii: .*not whole numbers, such as 1\.5",
    ),
    "negative labels": (
        _labels(lambda ones: -3 * ones.astype(np.int16)),
        r"parcels\.nii: .*negative labels, such as -3",
    ),
    "condition with no event left": (
        _events('0 "late" 500 0 1'),
        r'paradigm\.csv: the condition "late" has no event within the scan time',
    ),
    "conditions with the same events": (
        _same_events_twice,
        r"the conditions 'audio' and 'echo' have the same events",
    ),
    "unreadable onset": (
        lambda s: _replace_event(s, 3, '0 "video" 21,4x 0 1'),
        r'paradigm\.csv, line 3, column onset: "21,4x" is not a finite number',
    ),
    "onset NaN": (
        lambda s: _replace_event(s, 2, '0 "audio" nan 0 1'),
        r'paradigm\.csv, line 2, column onset: "nan" is not a finite number',
    ),
    "negative duration": (
        lambda s: _replace_event(s, 2, '0 "audio" 9.0 -1 1'),
        r"paradigm\.csv, line 2, column duration",
    ),
    "the same event twice": (
        _events('0 "audio" 60.2 0 1', '0 "audio" 60.2 0 1'),
        r"paradigm\.csv, lines 15 and 16: .*twice",
    ),
    "no TR": (
        _header_tr(None),
        r"bold\.nii: the header gives no TR: .*seconds \((-I|<tr>)\)",
    ),
    "TR in milliseconds": (
        _header_tr(2000.0),
        r"bold\.nii: .*2000 s, which looks like milliseconds.*did you mean 2 s\?",
    ),
}


@pytest.mark.parametrize(("damage", "expected"), FILE_CASES.values(), ids=FILE_CASES)
def test_buildcfg__names_the_bad_file_and_writes_nothing(run, study, damage, expected):
    damage(study)
    before = study.snapshot()
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    _is_one_clear_refusal(ended, expected)
    assert study.snapshot() == before


@pytest.mark.parametrize(("damage", "expected"), FILE_CASES.values(), ids=FILE_CASES)
def test_estim__names_the_bad_file_and_writes_nothing(run, study, damage, expected):
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    damage(study)
    before = study.snapshot()
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    _is_one_clear_refusal(ended, expected)
    assert study.snapshot() == before
    assert not study.output.exists()


OPTION_CASES: dict[str, tuple[list[str], str]] = {
    "TR zero": (["-I", "0"], r"<tr>: 0\S* is not allowed: must be > 0"),
    "TR negative": (["-I", "-2"], r"<tr>: -2\S* is not allowed: must be > 0"),
    "TR in milliseconds": (["-I", "2400"], r"2400\S* is not allowed.*did you mean 2\.4 s\?"),
    "TR far too large": (["-I", "50"], r"<tr>: 50\S* is not allowed"),
    "unknown condition in a contrast": (
        ["-C", "diff = audio - vidoe"],
        r"contrast.*diff.*vidoe.*video",
    ),
    "contrast that is not linear": (["-C", "x = audio * video"], r"contrast.*x"),
    "contrast without a name": (["-C", "audio - video"], r"NAME=EXPRESSION"),
    "two contrasts of one name": (
        ["-C", "a=audio", "-C", "a=video"],
        r"another contrast has this name too",
    ),
    "two contrasts in one file": (
        ["-C", "a b=audio", "-C", "a/b=video"],
        r"contrast 'a b' and contrast 'a/b' would both be written to contrast_a_b\.nii\.gz",
    ),
    "no iteration": (["-n", "0"], r"<n_iterations>: 0 is not allowed"),
    "missing file of contrasts": (["--contrasts-file", "none.json"], r"none\.json: cannot be read"),
}


@pytest.mark.parametrize(("options", "expected"), OPTION_CASES.values(), ids=OPTION_CASES)
def test_buildcfg__names_the_bad_value_and_writes_nothing(run, study, options, expected):
    study.options = options
    before = study.snapshot()
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    _is_one_clear_refusal(ended, expected)
    assert study.snapshot() == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": }', r"contrasts\.json, line 1.*JSON"),
        ("[1, 2]", r"contrasts\.json: "),
        ('{"a": 3}', r"contrasts\.json.*a"),
        ('{"a": "audio", "a": "video"}', r"contrasts\.json.*a"),
        ('{"d": "audio - nothing"}', r"contrast.*d.*nothing"),
    ],
)
def test_buildcfg__names_the_bad_file_of_contrasts(run, study, content, expected):
    path = study.folder / "contrasts.json"
    path.write_text(content)
    study.options = ["--contrasts-file", str(path)]
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    _is_one_clear_refusal(ended, expected)
    assert not study.xml.exists()


XML_CASES: dict[str, tuple[str, str, str]] = {
    "dt zero": ("<dt>1.0</dt>", "<dt>0</dt>", r"<hrf><dt>: 0\S* is not allowed: must be > 0"),
    "dt negative": ("<dt>1.0</dt>", "<dt>-1</dt>", r"<hrf><dt>: -1\S* is not allowed"),
    "dt over twice the TR": ("<dt>1.0</dt>", "<dt>4.5</dt>", r"<hrf><dt>: 4\.5.*at most twice"),
    "dt no number": ("<dt>1.0</dt>", "<dt>fast</dt>", r"<hrf><dt>: fast is not allowed"),
    "unknown element": ("<dt>1.0</dt>", "<dtt>1.0</dtt>", r"line \d+.*dtt.*dt"),
    "TR zero": ("<tr>2.0</tr>", "<tr>0</tr>", r"<tr>: 0\S* is not allowed: must be > 0"),
    "TR in milliseconds": ("<tr>2.0</tr>", "<tr>2000</tr>", r"<tr>: 2000.*did you mean 2 s\?"),
    "no XML": ("<dt>1.0</dt>", "<dt>1.0", r"detectestim\.xml, line \d+"),
}


@pytest.mark.parametrize(("old", "new", "expected"), XML_CASES.values(), ids=XML_CASES)
def test_estim__names_the_bad_element_and_writes_nothing(run, study, old, new, expected):
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "-I", 2).code == 0
    text = study.xml.read_text()
    assert old in text
    study.xml.write_text(text.replace(old, new))
    before = study.snapshot()
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    _is_one_clear_refusal(ended, expected)
    assert study.snapshot() == before


def test_estim__refuses_a_time_step_over_twice_the_tr_of_the_header(run, study):
    run("pyhrf_jde_buildcfg", *study.arguments())
    study.xml.write_text(study.xml.read_text().replace("<dt>1.0</dt>", "<dt>4.5</dt>"))
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    _is_one_clear_refusal(ended, r"<hrf><dt>: 4\.5 is not allowed: must be at most twice")
    assert not study.output.exists()


def test_estim__asks_for_a_study_file(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("pyhrf_jde_estim")
    _is_one_clear_refusal(ended, r"detectestim\.xml: no such file; write one with pyhrf_jde_build")


def test_estim__names_the_bad_setting(run, study, monkeypatch):
    run("pyhrf_jde_buildcfg", *study.arguments())
    settings = study.folder / "config.cfg"
    settings.write_text("[parallel-local]\nnb_proc = 2\n")
    monkeypatch.setenv("PYHRF_CONFIG", str(settings))
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    _is_one_clear_refusal(ended, r"config\.cfg, line 2, section \[parallel-local\].*nb_procs")
    assert not study.output.exists()


def test_estim__refuses_an_output_below_a_file(run, study):
    run("pyhrf_jde_buildcfg", *study.arguments())
    before = study.snapshot()
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-u", study.events / "out")
    _is_one_clear_refusal(ended, r"paradigm\.csv/out cannot be written.*-u")
    assert study.snapshot() == before


def test_estim__refuses_an_output_that_is_a_file(run, study):
    run("pyhrf_jde_buildcfg", *study.arguments())
    before = study.snapshot()
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-u", study.events)
    _is_one_clear_refusal(ended, r"paradigm\.csv.* cannot be written.*-u")
    assert study.snapshot() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_estim__refuses_an_output_that_cannot_be_written(run, study):
    run("pyhrf_jde_buildcfg", *study.arguments())
    study.output.mkdir(mode=0o500)
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    _is_one_clear_refusal(ended, r"out cannot be written.*Permission denied.*-u")


def test_estim__refuses_a_folder_of_other_files(run, study):
    run("pyhrf_jde_buildcfg", *study.arguments())
    study.output.mkdir()
    (study.output / "thesis.txt").write_text("years of work")
    before = study.snapshot()
    for options in ([], ["--fresh"]):
        ended = run("pyhrf_jde_estim", "-c", study.xml, *options)
        _is_one_clear_refusal(ended, r"out (already )?holds other files.*-u")
        assert study.snapshot() == before


def _is_one_clear_refusal(ended, expected: str) -> None:
    assert ended.code == 1, ended
    assert ended.out == ""
    assert re.search(expected, ended.err), ended.err
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
