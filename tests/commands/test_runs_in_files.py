"""Runs, confounds and censored scans in files: the same numbers as the same data by hand."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag

TR, LENGTHS, GAP = 2.0, (100, 85), 300
SHAPE = (6, 5, 3)
PROGRAMS = {
    "vem": ("jde", []),
    "mcmc": ("jde", ["--mcmc", "-n", "120"]),
    "rfir": ("rfir", []),
    "glm": ("glm", []),
}


def response(time):
    """A response that peaks at 5 s; 0 before the event and from 25 s on."""
    late = np.clip(time, 0, 25)
    return (late / 5) ** 5 * np.exp(5 - late) * (time < 25)


@pytest.fixture
def parts(study):
    """Signal (n_scans, n_voxels) and onsets of two runs; responses end before their run does."""
    rng = np.random.default_rng(21)
    n_voxels = int(np.prod(SHAPE))
    level = {"a": np.where(np.arange(n_voxels) % 2, 2.0, 0.0), "b": np.full(n_voxels, 1.0)}
    found = []
    for n in LENGTHS:
        onsets = {
            name: np.round(np.arange(first, n * TR - 40, 15.3), 1)
            for name, first in (("a", 3.0), ("b", 9.1))
        }
        time = TR * np.arange(n)
        signal = 200 + rng.normal(size=(n, n_voxels))
        for name, each in onsets.items():
            signal += response(time[:, None] - each).sum(axis=1)[:, None] * level[name]
        found.append((signal.astype(np.float32), onsets))
    study.write_parcellation(np.ones(SHAPE, np.int16))
    return found


def write_run(study, name, signal, onsets, confounds=None, censored=""):
    """Write the files of a run; give the options that name them."""
    bold, events = study.folder / f"{name}.nii", study.folder / f"{name}.csv"
    study.write_bold(signal.T.reshape(*SHAPE, -1), path=bold)
    events.write_text("\n".join(f"0 {c} {t!r} 0 1" for c in onsets for t in onsets[c].tolist()))
    options = ["-f", bold, "-r", events]
    if confounds is not None:
        table = study.folder / f"{name}.tsv"
        pd.DataFrame(confounds).add_prefix("x").to_csv(table, sep="\t", index=False)
        options += ["--confounds", table, "--confound-columns", "all"]
    if censored:
        listed = study.folder / f"{name}.txt"
        listed.write_text(censored)
        options += ["--censored", listed]
    return options


def analyse(run, study, name, kind, files, **settings):
    """Write a study, change settings in its file, run it; give the folder of the results."""
    program, options = PROGRAMS[kind]
    xml, output = study.folder / f"{name}.xml", study.folder / name
    given = [*files, "-k", study.parcellation, "-o", xml, "-u", output, *options]
    ended = run(f"pyhrf_{program}_buildcfg", *given)
    assert ended.code == 0, ended.err
    text = xml.read_text()
    for old, new in settings.items():
        assert f"<kind>{old}</kind>" in text
        text = text.replace(f"<kind>{old}</kind>", f"<kind>{new}</kind>")
    xml.write_text(text)
    ended = run(f"pyhrf_{program}_estim", "-c", xml, "-x", "serial", "-v1")
    assert ended.code == 0, ended.err
    return output


def assert_equal_results(one: Path, other: Path) -> None:
    """Equal to the digits of the files: nine in tables, seven in maps."""
    for table in ("hrf.tsv", "conditions.tsv", "parcels.tsv"):
        found, expected = (pd.read_csv(folder / table, sep="\t") for folder in (one, other))
        # diagnostics of chains rank draws, of which the last digit decides the order
        kept = [column for column in found if not column.startswith(("rhat", "ess"))]
        found, expected = found[kept], expected[kept]
        pd.testing.assert_frame_equal(found, expected, rtol=1e-8, atol=1e-8)
    maps = sorted(path.name for path in one.glob("*.nii.gz"))
    assert maps == sorted(path.name for path in other.glob("*.nii.gz"))
    for name in maps:
        found, expected = (nib.load(folder / name).get_fdata() for folder in (one, other))
        scale = np.nanmax(np.abs(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * scale, err_msg=name)


@pytest.mark.parametrize("noise", ["white", "ar1"])
@pytest.mark.parametrize("kind", ["vem", "rfir", "mcmc"])
def test_two_runs__are_as_one_file_put_together_by_hand(run, study, parts, kind, noise):
    """With autocorrelated noise a long censored gap parts the runs; without, they join."""
    gap = GAP if noise == "ar1" else 0
    confounds = [np.random.default_rng(k).normal(size=(n, 2)) for k, n in enumerate(LENGTHS)]
    files = [
        part
        for k, (signal, onsets) in enumerate(parts)
        for part in write_run(study, f"run{k}", signal, onsets, confounds[k])
    ]
    (first, before), (second, after) = parts
    start = LENGTHS[0] + gap
    together = write_run(
        study,
        "together",
        np.vstack([first, np.zeros((gap, first.shape[1]), np.float32), second]),
        {name: np.concatenate([before[name], after[name] + start * TR]) for name in before},
        block_diag(
            *(
                np.hstack([np.ones((len(c), 1)), c]) if len(c) else c
                for c in (confounds[0], np.zeros((gap, 0)), confounds[1])
            )
        ),
        f"{LENGTHS[0]}-{start - 1}" if gap else "",
    )
    own = {"ar1": noise, "cosine": "none"}
    one, other = (
        analyse(run, study, name, kind, each, **own)
        for name, each in (("two", files), ("one", together))
    )
    assert_equal_results(one, other)


@pytest.mark.parametrize("kind", ["vem", "rfir", "mcmc"])
def test_censored_ends__are_as_files_without_these_scans(run, study, parts, kind):
    (signal, onsets), _ = parts
    n, first, last = LENGTHS[0], 4, 93
    onsets = {name: each[each > first * TR] for name, each in onsets.items()}
    confounds = np.random.default_rng(0).normal(size=(n, 3))
    spoilt = signal.copy()
    spoilt[:first] = spoilt[last + 1 :] = np.nan
    long = write_run(study, "long", spoilt, onsets, confounds, f"0-{first - 1}, {last + 1}-{n - 1}")
    short = write_run(
        study,
        "short",
        signal[first : last + 1],
        {name: each - first * TR for name, each in onsets.items()},
        confounds[first : last + 1],
    )
    one, other = (
        analyse(run, study, name, kind, each, cosine="polynomial")
        for name, each in (("censored", long), ("removed", short))
    )
    assert_equal_results(one, other)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_values_of_censored_scans__change_nothing(run, study, parts, kind):
    (signal, onsets), _ = parts
    spoilt = signal.copy()
    spoilt[[7, 8, 50]] = 30000.0
    one, other = (
        analyse(
            run, study, name, kind, write_run(study, f"{name}_run", each, onsets, None, "7 8 50")
        )
        for name, each in (("clean", signal), ("spoilt", spoilt))
    )
    assert_equal_results(one, other)
