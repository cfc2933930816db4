"""How commands take the names of engines, and settings that are wrong."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pyhrf.commands.check import check
from pyhrf.commands.exits import run_command
from pyhrf.commands.maketests import maketests
from pyhrf.commands.study_commands import GROUPS
from pyhrf.config.settings import Settings
from pyhrf.execution.engines import make_engine


@pytest.mark.parametrize("name", ["lan", "Lan", "LAN", "SLURM", "Cluster"])
def test_check__takes_names_in_any_case(name):
    done = CliRunner().invoke(check, [name, "--help"])
    assert done.exit_code == 0, done.output


def test_check__names_what_it_does_not_know():
    done = CliRunner().invoke(check, ["wan"])
    assert done.exit_code == 2
    assert "'wan'" in done.output


@pytest.mark.parametrize("name", ["lan", "Lan", "SLURM", "Serial"])
def test_estim__takes_engines_in_any_case(name, tmp_path):
    with pytest.raises(Exception, match=r"no\.xml"):  # the name was understood
        GROUPS["jde"].commands["estim"].main(
            ["-x", name, "-c", str(tmp_path / "no.xml")], standalone_mode=False
        )


def test_make_engine__takes_names_in_any_case():
    assert make_engine("SERIAL", Settings(), tell=print).name == "serial"


def test_maketests__says_what_is_wrong_with_the_settings_in_a_sentence(
    tmp_path, monkeypatch, capfd
):
    file = tmp_path / "config.cfg"
    file.write_text("[parallel-local]\nniceness = fast\n")
    monkeypatch.setenv("PYHRF_CONFIG", str(file))
    with pytest.raises(SystemExit) as caught:
        run_command(maketests, "pyhrf_maketests", [])
    assert caught.value.code == 1
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith(f"pyhrf_maketests: {file}, line 2, section [parallel-local]")
