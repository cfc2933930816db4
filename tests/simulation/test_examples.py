from dataclasses import replace

import numpy as np
import pytest

from pyhrf import InputError
from pyhrf.simulation import simulate as module
from pyhrf.simulation.examples import EXAMPLES, example_spec, make_example
from pyhrf.simulation.simulate import simulate


def test_example_spec__names():
    assert EXAMPLES == ("default", "small", "realistic")
    assert len({example_spec(name) for name in EXAMPLES}) == 3
    with pytest.raises(InputError, match="'tiny'; there are default, small, realistic"):
        example_spec("tiny")


@pytest.mark.parametrize(("name", "n_voxels"), [("default", 1360), ("small", 240)])
def test_make_example__sizes_and_bytes(tmp_path, name, n_voxels):
    one = make_example(name, tmp_path / "one")
    other = make_example(name, tmp_path / "other")
    for first, second in zip(one.all, other.all, strict=True):
        assert first.read_bytes() == second.read_bytes()
    with np.load(one.truth) as truth:
        assert truth["labels"].shape == (example_spec(name).n_conditions, n_voxels)


def test_make_example__is_reused(tmp_path, monkeypatch):
    first = make_example("small", tmp_path)
    times = [path.stat().st_mtime_ns for path in first.all]

    def refuse(spec):
        raise AssertionError("made again")

    monkeypatch.setattr(module, "simulate", refuse)
    assert make_example("small", tmp_path) == first
    assert [path.stat().st_mtime_ns for path in first.all] == times


def test_make_example__never_mixes(tmp_path):
    paths = make_example("small", tmp_path)
    with pytest.raises(InputError, match="exists already"):
        make_example("default", tmp_path)
    paths.truth.unlink()
    with pytest.raises(InputError, match="exists already"):
        make_example("small", tmp_path)


def test_example_spec__realistic_is_the_grey_matter():
    # Coarser and shorter than the real one, to be quick.
    spec = replace(example_spec("realistic"), voxel_size=8, n_parcels=20, n_scans=30)
    simulated = simulate(spec)
    assert len(simulated.positions) == pytest.approx(64_292 * (3 / 8) ** 3, rel=0.1)
    assert np.all(np.diag(simulated.affine)[:3] == 8)
    # Nilearn's template lies in MNI space: the origin is inside the grid.
    corner = simulated.affine[:3, 3]
    assert (corner < 0).all()
    assert (corner + 8 * np.array(simulated.parcellation.shape) > 0).all()
    assert (simulated.bold == np.rint(simulated.bold)).all()
