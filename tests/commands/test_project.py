"""``pyhrf project``: volumes of which the value at any place is known."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from pyhrf.commands.exits import run_command
from pyhrf.commands.project import project
from pyhrf.spaces.kinds import open_data
from pyhrf.spaces.parcellations import open_placed

# The first axis runs to the left, and voxels are no cubes.
AFFINE = np.array([[-3.0, 0, 0, 30], [0, 2, 0, -20], [0, 0, 4, -24], [0, 0, 0, 1]])
SHAPE = (20, 20, 12)


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call_it(*args):
        with pytest.raises(SystemExit) as caught:
            run_command(project, "pyhrf project", [str(arg) for arg in args])
        out, err = capfd.readouterr()
        return int(caught.value.code or 0), out + err

    return call_it


def sphere(radius):
    """An octahedron whose faces were cut in four, three times: points and triangles."""
    points = [np.array(p, float) for p in np.vstack([np.eye(3), -np.eye(3)])]
    faces = [(a, b, c) for a in (0, 3) for b in (1, 4) for c in (2, 5)]
    for _ in range(3):
        cut = []
        middle: dict[tuple[int, int], int] = {}
        for a, b, c in faces:
            made = []
            for one, other in ((a, b), (b, c), (c, a)):
                key = (min(one, other), max(one, other))
                if key not in middle:
                    middle[key] = len(points)
                    points.append(points[one] + points[other])
                made.append(middle[key])
            cut += [(a, made[0], made[2]), (b, made[0], made[1]), (c, *made[1:]), tuple(made)]
        faces = cut
    unit = np.array([p / np.linalg.norm(p) for p in points])
    # outwards, as the normals of nilearn expect
    turned = [f if np.linalg.det(unit[list(f)]) > 0 else (f[0], f[2], f[1]) for f in faces]
    return radius * unit, np.array(turned)


def write_mesh(name, points, triangles):
    image = nib.GiftiImage(
        darrays=[
            nib.gifti.GiftiDataArray(points.astype(np.float32), intent="pointset"),
            nib.gifti.GiftiDataArray(triangles.astype(np.int32), intent="triangle"),
        ],
        meta=nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexRight"}),
    )
    image.to_filename(name)
    return name


def linear(place):
    """What the volume holds at a place: scans by positions."""
    x, y, z = place
    return np.stack([2 * x - y + 0.5 * z, np.full_like(x, 7), 100 + x, -z])


@pytest.fixture
def files(tmp_path):
    voxels = np.indices(SHAPE).reshape(3, -1)
    place = (AFFINE @ np.vstack([voxels, np.ones(voxels.shape[1])]))[:3]
    bold = linear(place).T.reshape(*SHAPE, 4).astype(np.float32)
    image = nib.Nifti1Image(bold, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 1.5
    image.to_filename(tmp_path / "bold.nii.gz")
    atlas = np.where(place[0] > 0, 4, 9).reshape(SHAPE).astype(np.int16)
    nib.Nifti1Image(atlas, AFFINE).to_filename(tmp_path / "atlas.nii")
    points, triangles = sphere(12.0)
    write_mesh(tmp_path / "outer.surf.gii", points, triangles)
    write_mesh(tmp_path / "inner.surf.gii", points * 0.75, triangles)
    write_mesh(tmp_path / "away.surf.gii", points + 500, triangles)
    return points, triangles


def test_project__a_linear_volume_has_its_value_at_each_node(call, files):
    points, _ = files
    code, text = call("bold.nii.gz", "-g", "outer.surf.gii")
    assert code == 0, text
    assert "bold.func.gii: 258 nodes, 4 scans, every 1.5 s" in text
    image = nib.load("bold.func.gii")
    found = np.stack([array.data for array in image.darrays])
    np.testing.assert_allclose(found, linear(points.T), atol=2e-4)  # symmetric about the node
    assert image.meta["AnatomicalStructurePrimary"] == "CortexRight"


def test_project__between_two_meshes_it_is_the_middle(call, files):
    points, _ = files
    code, text = call(
        *("bold.nii.gz", "-g", "outer.surf.gii", "-g", "inner.surf.gii", "-o", "ribbon.func.gii")
    )
    assert code == 0, text
    found = np.stack([array.data for array in nib.load("ribbon.func.gii").darrays])
    np.testing.assert_allclose(found, linear(0.875 * points.T), atol=2e-4)


def test_project__nodes_outside_are_nan_and_counted(call, files, tmp_path):
    points, triangles = files
    moved = points + np.array([0, 0, 26.0])  # above the last voxel at z = 20
    write_mesh("high.surf.gii", moved, triangles)
    code, text = call("bold.nii.gz", "-g", "high.surf.gii", "--radius", 1, "-o", "h.func.gii")
    assert code == 0, text
    first = nib.load("h.func.gii").darrays[0].data
    lost = np.isnan(first)
    assert f"note: {lost.sum()} of 258 nodes lie outside the volume" in text
    assert lost[moved[:, 2] > 25].all()
    assert not lost[moved[:, 2] < 20].any()


def test_project__what_it_writes_is_what_an_analysis_reads(call, files, tmp_path):
    points, _ = files
    assert call("bold.nii.gz", "-g", "outer.surf.gii", "-I", 2.25)[0] == 0
    code, text = call("atlas.nii", "--atlas", "-g", "outer.surf.gii")
    assert code == 0, text
    assert "2 of 2 parcels, on 258 of 258 nodes" in text
    atlas, mesh = tmp_path / "atlas.label.gii", tmp_path / "outer.surf.gii"
    opened = open_data([tmp_path / "bold.func.gii"], atlas, [mesh])
    assert opened.series[0].tr == 2.25
    assert opened.parcels.numbers == (4, 9)
    labels = open_placed(atlas, [mesh]).labels()
    sure = np.abs(points[:, 0]) > 3  # a sample reaches 3 mm along the normal
    np.testing.assert_array_equal(labels[sure], np.where(points[sure, 0] > 0, 4, 9))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["bold.nii.gz"], 2, "-g"),
        (["bold.nii.gz", "-g", "away.surf.gii"], 1, "no node of away.surf.gii lies in bold"),
        (["atlas.nii", "--atlas", "-g", "away.surf.gii"], 1, "are both in the same space?"),
        (["bold.nii.gz", "-g", "outer.surf.gii", "-o", "a.gii"], 1, "is written as .func.gii"),
        (["bold.nii.gz", "-g", "outer.surf.gii", "-g", "few.surf.gii"], 1, "few.surf.gii: has 6"),
        (["bold.nii.gz", *["-g", "outer.surf.gii"] * 2, "--radius", 2], 2, "goes with one mesh"),
        (["bold.nii.gz", *["-g", "outer.surf.gii"] * 3], 2, "at most twice"),
        (["atlas.nii", "-g", "outer.surf.gii"], 1, "a 4D series is needed"),
        (["bold.nii.gz", "--atlas", "-g", "outer.surf.gii"], 1, "4 dimensions"),
        (["atlas.nii", "--atlas", "-I", 2, "-g", "outer.surf.gii"], 2, "leave it out"),
    ],
)
def test_project__refuses_and_writes_nothing(call, files, tmp_path, arguments, code, message):
    points, triangles = np.vstack([np.eye(3), -np.eye(3)]), np.array([[0, 1, 2], [3, 4, 5]])
    write_mesh("few.surf.gii", points, triangles)
    before = sorted(tmp_path.iterdir())
    ended, text = call(*arguments)
    assert ended == code, text
    assert message in text
    assert sorted(tmp_path.iterdir()) == before
