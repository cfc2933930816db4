"""Lists of censored scans, and masks that look like them."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.errors import InputError
from pyhrf.inputs.scan_lists import read_scans

N = 12
BAD = (3, 4, 9)
ARE_BAD = [int(scan in BAD) for scan in range(N)]


def column(values, end="\n"):
    return "".join(f"{value}{end}" for value in values)


@pytest.mark.parametrize(
    "text", ["3 4 9", "3\n4\n9\n", "3-4,9", "9 # late\n# none\n3-4", "3 4 9 4", "\ufeff3\r\n4\r\n9"]
)
def test_read_scans__takes_numbers_and_ranges(tmp_path, text):
    path = tmp_path / "bad.txt"
    path.write_text(text, "utf-8")
    assert read_scans(path, N).tolist() == list(BAD)


@pytest.mark.parametrize(
    ("text", "scans"), [("0 1", [0, 1]), ("1", [1]), ("0-1", [0, 1]), ("", [])]
)
def test_read_scans__the_first_two_scans_may_be_listed(tmp_path, text, scans):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    assert read_scans(path, N).tolist() == scans


MASKS = {
    "AFNI": (column(1 - x for x in ARE_BAD), 0),
    "AFNI, with comments": ("# <matrix\n" + column(1 - x for x in ARE_BAD) + "# >\n", 0),
    "AFNI, in a row": (" ".join(str(1 - x) for x in ARE_BAD), 0),
    "AFNI, in a row with tabs": ("\t".join(str(1 - x) for x in ARE_BAD) + "\n", 0),
    "FSL": (column(ARE_BAD, "  \n"), 1),
    "FSL, blanks before": ("".join(f"  {x}\n" for x in ARE_BAD), 1),
    "decimals": (column(f"{x:.6e}" for x in ARE_BAD), 1),
    "Windows": (column(ARE_BAD, "\r\n"), 1),
    "header": ("censored\n" + column(ARE_BAD), 1),
    "fsl_motion_outliers": (
        column("  ".join(str(int(scan == bad)) for bad in BAD) for scan in range(N)),
        None,
    ),
    "fsl_motion_outliers, decimals": (
        column("\t".join(f"{scan == bad:.6e}" for bad in BAD) for scan in range(N)),
        None,
    ),
}


@pytest.mark.parametrize(("text", "bad"), MASKS.values(), ids=MASKS)
def test_read_scans__refuses_a_mask_and_its_cure_works(tmp_path, text, bad):
    path = tmp_path / "it's a {mask}.txt"
    path.write_bytes(text.encode())
    with pytest.raises(InputError, match=r"times 0 and .* times 1, as a mask") as refused:
        read_scans(path, N)
    commands = re.findall(r"(?:tr|awk) .*? > bad_scans.txt", str(refused.value))
    command = commands[bad or 0]
    if bad is not None:
        assert f"where {bad} is bad with {command}" in str(refused.value)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert read_scans(tmp_path / "bad_scans.txt", N).tolist() == list(BAD)


@pytest.mark.parametrize("n_scans", [N - 2, N + 2, 2 * N])
def test_read_scans__refuses_the_mask_of_another_run(tmp_path, n_scans):
    path = tmp_path / "mask.1D"
    path.write_text(column(ARE_BAD))
    with pytest.raises(InputError, match="as a mask"):
        read_scans(path, n_scans)


def test_read_scans__refuses_one_number_for_each_scan(tmp_path):
    path = tmp_path / "weights.txt"
    path.write_text(column([0, 2, 2, *range(N - 3)]))
    with pytest.raises(InputError, match="12 numbers, one for each scan of the run"):
        read_scans(path, N)


@given(scans=st.sets(st.integers(0, 99)))
def test_read_scans__takes_every_list_that_names_each_scan_once(tmp_path_factory, scans):
    path: Path = tmp_path_factory.mktemp("list") / "bad.txt"
    path.write_text(column(scans))
    np.testing.assert_array_equal(read_scans(path, 100), sorted(scans))
