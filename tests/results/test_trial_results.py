"""Single trials as maps and a table, and back: of volumes, meshes and CIFTI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis
from nilearn.masking import apply_mask

from pyhrf.bids.map_files import squared_map
from pyhrf.data import Events, Experiment, ParcelEstimate, Run
from pyhrf.errors import InputError
from pyhrf.model.noise_ceiling import noise_ceiling
from pyhrf.model.trials import Trial
from pyhrf.results import Results, write_results
from pyhrf.results.fit_tables import Design
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.grid import Grid
from pyhrf.spaces.kinds import kind_of_file
from pyhrf.spaces.nodes import Nodes
from pyhrf.spaces.space import Space

AFFINE = np.diag([3.0, 3.0, 3.5, 1.0])
LABELS = np.array([0, 4, 4, 9, 0, 4, 2, 2], np.int32)
LOST = 2  # a position of parcel 4 of which nothing is known; parcel 9 was not estimated
TRIALS = [
    Trial(0, "audio", 3.5, 0.0, 1.0, 12, ""),
    Trial(0, "a b", 10.0, 2.0, 0.5, 13, ""),
    Trial(0, "audio", 21.0, 0.0, 0.0, 12, "its amplitude is 0"),
    Trial(1, "a b", 0.25, 2.0, 1.0, 12, ""),
    Trial(1, "audio", 8.0, 0.0, 1.0, 11, ""),
]
TIME = np.arange(0, 4, 0.5)
INFORMATION = {
    4: np.array([0.9, 0.25, np.nan, 0.4, 0.0]),
    2: np.array([0.3, 0.25, np.nan, 0.4, 0.0]),
}


def spaces() -> dict[str, Space]:
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2, 40))
    header.set_zooms((3, 3, 3.5, 2))
    header.set_xyzt_units("mm", "sec")
    axis = BrainModelAxis.from_surface(range(8), 9, name="CortexLeft")
    return {
        "volume": Grid((2, 2, 2), AFFINE, header),
        "nodes": Nodes(LABELS.shape, "CortexRight"),
        "cifti": Grayordinates.of(axis),
    }


KINDS = pytest.mark.parametrize("kind", list(spaces()))


def level(position: int, trial: int) -> float:
    """Say what a level is, NaN where there is none."""
    if position == LOST or TRIALS[trial].reason or LABELS[position] in (0, 9):
        return float("nan")
    return position + trial**2 / 4


def make_estimates() -> list[ParcelEstimate]:
    found = [ParcelEstimate(9, "failed", "no signal", np.array([3]))]
    for number in (4, 2):
        places = np.flatnonzero(number == LABELS)
        n, known = len(places), places != LOST
        levels = [[level(int(place), k) for k in range(len(TRIALS))] for place in places]
        error = np.where(np.isnan(levels), np.nan, np.arange(1, 6) / 4)
        spread = np.where(known, 0.0 if number == 2 else 1.0, np.nan)
        maps = {("nrl", "audio"): np.where(known, 1.0, np.nan), ("trials", ""): np.array(levels)}
        maps |= {("trials_sd", ""): error, ("trial_sd", ""): spread}
        found.append(
            ParcelEstimate(
                number,
                "ok",
                "",
                places,
                summary={"time_to_peak": 5.5},
                conditions={"mean_active": np.ones(2)},
                hrf={"time": TIME, "hrf": np.sin(TIME), "sd": TIME},
                maps={key: each.reshape(n, *each.shape[1:]) for key, each in maps.items()},
                trials={"information": INFORMATION[number]},
            )
        )
    return [
        replace(one, maps={key: each.astype(np.float32) for key, each in one.maps.items()})
        for one in found
    ]


def make_design(trials: list[Trial]) -> Design:
    some = Events(np.array([3.5]), np.zeros(1), np.ones(1))
    run = Run(40, 2.0, {"audio": some, "a b": some})
    return Design(
        experiment=Experiment(("audio", "a b"), (run, run)),
        regressors=[{}, {}],
        confound_names=[(), ()],
        displacement=[None, None],
        trials=trials,
    )


def write(
    folder: Path,
    kind: str = "volume",
    trials: list[Trial] = TRIALS,
    estimates: list[ParcelEstimate] | None = None,
) -> Results:
    return write_results(
        folder,
        make_estimates() if estimates is None else estimates,
        conditions=("audio", "a b"),
        space=spaces()[kind],
        design=make_design(trials),
    )


@KINDS
def test_trials__are_samples_without_a_time_between_them(tmp_path: Path, kind: str) -> None:
    maps = write(tmp_path, kind).maps()
    for name in ("trials", "trials_sd"):
        assert kind_of_file(maps[name]).map_step(maps[name]) is None
    assert kind_of_file(maps["hrf"]).map_step(maps["hrf"]) == 0.5
    values = kind_of_file(maps["trials"]).map_values(maps["trials"]).reshape(8, 5)
    expected = [[level(place, k) for k in range(5)] for place in range(8)]
    inside = LABELS > 0
    np.testing.assert_array_equal(values[inside], np.float32(expected)[inside])
    assert not values[~inside].any()
    if kind == "volume":
        assert nib.load(maps["trials"]).header.get_xyzt_units() == ("mm", "unknown")


@KINDS
def test_trials__come_back_as_array_and_table(tmp_path: Path, kind: str) -> None:
    results = write(tmp_path, kind)
    found = results.trials()
    levels, table = found
    places = [1, 5, 6, 7]
    assert found.positions.tolist() == places
    assert found.parcels.tolist() == [4, 4, 2, 2]
    assert levels.dtype == np.float32
    expected = [[level(place, k) for place in places] for k in range(5)]
    np.testing.assert_array_equal(levels, np.float32(expected))
    np.testing.assert_array_equal(found.sd[:2], [[0.25] * 4, [0.5] * 4])
    assert np.isnan(found.sd[2]).all()
    assert table["run"].tolist() == [1, 1, 1, 2, 2]
    assert table["onset"].tolist() == [trial.onset for trial in TRIALS]
    assert table["condition"].tolist() == [trial.condition for trial in TRIALS]
    assert table["reason"].isna().tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("condition", "rows"), [("a b", [1, 3]), (["audio"], [0, 2, 4]), (("a b", "audio"), range(5))]
)
def test_trials__of_some_conditions(tmp_path: Path, condition: object, rows: list[int]) -> None:
    results = write(tmp_path)
    levels, table = results.trials(condition)
    np.testing.assert_array_equal(levels, results.trials().levels[list(rows)])
    assert table["trial"].tolist() == list(rows)
    assert table.index.tolist() == list(range(len(rows)))


def test_trials__has_the_columns_of_a_masker(tmp_path: Path) -> None:
    results = write(tmp_path)
    labels, left_out = results.labels, results.map_values("left_out")
    mask = nib.Nifti1Image(((labels > 0) & (left_out == 0)).astype(np.uint8), AFFINE)
    image = results.load_map("trials")
    some = [0, 1, 3, 4]  # nilearn takes no NaN
    kept = nib.Nifti1Image(np.asarray(image.dataobj)[..., some], image.affine)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(results.trials().levels[some], apply_mask(kept, mask))


@KINDS
def test_trials__of_one_event(tmp_path: Path, kind: str) -> None:
    few = [
        replace(
            one,
            maps={key: x[:, :1] if x.ndim > 1 else x for key, x in one.maps.items()},
        )
        for one in make_estimates()
    ]
    results = write(tmp_path, kind, TRIALS[:1], few)
    assert results.trials().levels.tolist() == [[1, 5, 6, 7]]
    assert "noise_ceiling" not in results.maps()


def test_trial_table__information_is_the_mean_over_positions_of_what_parcels_tell(
    tmp_path: Path,
) -> None:
    table = write(tmp_path).trial_table
    # 3 positions in parcel 4, 2 in parcel 2; what is lost has none
    expected = [0.66, 0.25, np.nan, 0.4, 0.0]
    np.testing.assert_allclose(table["information"], expected, atol=1e-12)
    text = (tmp_path / "trials.tsv").read_text().splitlines()
    assert text[0].split("\t") == list(table)
    assert text[2].split("\t")[:8] == ["1", "1", "a b", "10", "2", "0.5", "13", "0.25"]
    assert text[3].split("\t")[7:] == ["n/a", "its amplitude is 0"]


def test_trial_table__has_no_information_if_no_parcel_tells_it(tmp_path: Path) -> None:
    table = write(tmp_path, estimates=[replace(one, trials={}) for one in make_estimates()])
    assert table.trial_table["information"].isna().all()


def test_trial_table__goes_with_the_results_that_had_it(tmp_path: Path) -> None:
    write(tmp_path)
    without = [replace(one, maps={("nrl", "audio"): x}) for one, x in levels_alone()]
    results = write(tmp_path, trials=[], estimates=without)
    assert not (tmp_path / "trials.tsv").exists()
    assert results.trial_table.empty
    with pytest.raises(InputError, match=r"have no single trials: .* --single-trials"):
        results.trials()


def levels_alone() -> list[tuple[ParcelEstimate, np.ndarray]]:
    return [(one, one.maps["nrl", "audio"]) for one in make_estimates() if one.maps]


def test_trials__of_an_unknown_condition_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"of a condition 'Audio': did you mean audio\?"):
        write(tmp_path).trials(["audio", "Audio"])
    with pytest.raises(InputError, match="of a condition 3: known are audio, a b"):
        write(tmp_path).trials(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="name a condition of single trials: known are audio, a b"):
        write(tmp_path).trials([])


def test_trials__of_parcels_that_all_failed_are_refused(tmp_path: Path) -> None:
    failed = [one for one in make_estimates() if not one.maps]
    with pytest.raises(InputError, match="no parcel was estimated, so that no trial has a level"):
        write(tmp_path, estimates=failed).trials()


def test_noise_ceiling__is_a_map_of_the_levels_by_condition(tmp_path: Path) -> None:
    results = write(tmp_path)
    values = results.map_values("noise_ceiling").reshape(-1)
    assert np.isnan(values[[LOST, 3]]).all()
    levels = results.trials().levels.T
    names, has_level = zip(*((t.condition, not t.reason) for t in TRIALS), strict=True)
    expected = noise_ceiling(levels, names, has_level)
    np.testing.assert_array_equal(values[[1, 5, 6, 7]], np.float32(expected))


@KINDS
def test_variance__of_every_trial(tmp_path: Path, kind: str) -> None:
    results = write(tmp_path / "out", kind)
    path = results.maps()["trials_sd"]
    other = tmp_path / path.name
    other.write_bytes(squared_map(path, tmp_path))
    space = kind_of_file(other)
    np.testing.assert_array_equal(space.map_values(other), results.map_values("trials_sd") ** 2)
    assert space.map_step(other) is None


@KINDS
def test_open_map__gives_the_samples_of_any_map(tmp_path: Path, kind: str) -> None:
    results = write(tmp_path, kind)
    for name, path in results.maps().items():
        opened = kind_of_file(path).open_map(path)
        values = results.map_values(name)
        expected = values.reshape(8, -1).T
        assert opened.n_samples == (None if values.size == 8 else len(expected))
        assert opened.space.shape == spaces()[kind].shape
        for frame, sample in zip(opened.frames, expected, strict=True):
            np.testing.assert_array_equal(frame, sample)


def test_volume__is_read_trial_by_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No array of all volumes is made, which would be larger than all else."""
    results = write(tmp_path)
    monkeypatch.setattr(Grid, "map_values", forbidden)
    monkeypatch.setattr(Grid, "read_map", forbidden)
    path = results.maps()["trials_sd"]
    assert len(list(Grid.open_map(path).frames)) == 5
    assert squared_map(path, tmp_path)


def forbidden(*_: object) -> None:
    raise AssertionError


def test_trials__that_were_damaged_are_refused(tmp_path: Path) -> None:
    results = write(tmp_path)
    table = tmp_path / "trials.tsv"
    text = table.read_text()
    for broken, reason in {
        text.replace("\n1\t", "\n7\t"): "not numbered from 0",
        text.replace("condition", "c"): "parse string 'audio'",
        text + text.splitlines()[-1].replace("4", "5", 1) + "\n": "fewer volumes than",
        text.replace("\n1\t", "\nword\t"): "word",
    }.items():
        table.write_text(broken)
        with pytest.raises(InputError, match=f"was changed since the analysis .*{reason}"):
            Results(tmp_path).trials()
    table.write_text(text)
    path = results.maps()["trials_sd"]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"trials_sd\.nii\.gz is damaged or was changed"):
        Results(tmp_path).trials()
