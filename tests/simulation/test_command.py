import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pyhrf import InputError
from pyhrf.commands.simulate import simulate
from pyhrf.simulation.examples import example_spec
from pyhrf.simulation.spec import SimulationSpec

SMALL = "--region box --shape 5 4 3 --parcels 2 --scans 60 --tr 1.5 --conditions 2 --seed 7"


def run(*args):
    return CliRunner().invoke(simulate, [str(arg) for arg in args], catch_exceptions=False)


def written(directory):
    return SimulationSpec.from_json((directory / "simulation.json").read_text())


def test_simulate__options_reach_the_description(tmp_path):
    result = run(
        tmp_path / "data", *SMALL.split(), "--snr", 0.25, "--ar1", 0.1, 0.3, "--noise-dof", 5
    )
    assert result.exit_code == 0
    assert "60 voxels in 2 parcels, 60 scans, 2 conditions" in result.output
    assert written(tmp_path / "data") == SimulationSpec(
        region="box",
        shape=(5, 4, 3),
        n_parcels=2,
        n_scans=60,
        tr=1.5,
        n_conditions=2,
        seed=7,
        snr=0.25,
        ar1=(0.1, 0.3),
        noise_dof=5.0,
    )


def test_simulate__shows_how_to_analyse(tmp_path):
    output = run(tmp_path / "data", *SMALL.split(), "--runs", 2).output
    options = output.split("To analyse: pyhrf_jde_buildcfg ")[1].split()
    names = [word.rsplit("/", 1)[-1] for word in options]
    assert " ".join(names) == (
        "-f bold_run-1.nii.gz -r paradigm_run-1.tsv -f bold_run-2.nii.gz -r paradigm_run-2.tsv "
        "-k parcellation.nii.gz"
    )
    assert all((tmp_path / "data" / name).is_file() for name in names if name[0] != "-")


def test_simulate__example_with_a_change(tmp_path):
    assert run(tmp_path / "data", "--example", "small", "--seed", 9).exit_code == 0
    expected = json.loads(example_spec("small").to_json()) | {"seed": 9}
    assert json.loads(written(tmp_path / "data").to_json()) == expected


def test_simulate__bad_value_is_one_sentence_and_writes_nothing(tmp_path):
    with pytest.raises(InputError, match=r"n_scans \(--scans\) = 3 must be >= 10"):
        run(tmp_path / "data", "--scans", 3)
    assert list(tmp_path.iterdir()) == []


def test_simulate__unknown_option_is_a_usage_error(tmp_path):
    assert run(tmp_path / "data", "--colour", "blue").exit_code == 2
    assert run(tmp_path / "data", "--region", "sphere").exit_code == 2


def test_simulate__help_needs_no_heavy_library():
    code = (
        "import sys, pyhrf.commands.simulate\n"
        "heavy = {'numpy', 'scipy', 'nibabel', 'nilearn', 'numba', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
