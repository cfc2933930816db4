from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

import pyhrf
from pyhrf.commands.main import pyhrf as program
from pyhrf.parameters.estimators import PROGRAMS


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_import_pyhrf__imports_nothing_heavy():
    heavy = "{'numpy', 'numba', 'nibabel', 'pandas', 'scipy', 'pydantic', 'click'}"
    assert python(f"import sys, pyhrf; print({heavy} & set(sys.modules))") == "set()\n"


ENTRIES = [f"run_{name}_{what}" for name in PROGRAMS for what in ("buildcfg", "estim")]


@pytest.mark.parametrize("entry", [*ENTRIES, "run_maketests"])
def test_help__imports_nothing_heavy(entry):
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from pyhrf.commands import main\n"
        f"try: main.{entry}()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numpy', 'numba', 'nibabel', 'pandas', 'scipy', 'pydantic', 'lxml'}\n"
        "print(heavy & set(sys.modules))"
    )
    assert python(code).splitlines()[-1] == "set()"


def test_help__is_shown_where_only_ascii_can_be():
    for entry in (*ENTRIES, "run_maketests", "run"):
        code = (
            "import io, sys; sys.argv = ['x', '--help']\n"
            "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'ascii')\n"
            f"from pyhrf.commands import main; main.{entry}()"
        )
        assert "Usage" in python(code)


def test_pyhrf__exports_what_it_promises():
    for name in pyhrf.__all__:
        assert getattr(pyhrf, name) is not None
    assert set(pyhrf.__all__) <= set(dir(pyhrf))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pyhrf.nothing


def test_program__lists_its_commands():
    shown = CliRunner().invoke(program, ["--help"])
    assert shown.exit_code == 0
    for name in ("check", "compare", "maketests", "monitor", "simulate", *PROGRAMS):
        assert f"\n  {name} " in shown.output
    for name in PROGRAMS:
        shown = CliRunner().invoke(program, [name, "--help"])
        assert "buildcfg" in shown.output
        assert "estim" in shown.output
    assert CliRunner().invoke(program, ["nothing"]).exit_code == 2


def test_program__tells_its_version():
    assert pyhrf.__version__ in CliRunner().invoke(program, ["--version"]).output


@pytest.mark.parametrize("name", ["pyhrf", *(entry.replace("run", "pyhrf") for entry in ENTRIES)])
def test_entry_points__are_installed(name):
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name=name)
    assert callable(entry.load())


def test_maketests__runs_a_test_by_its_dotted_name(run):
    test = "pyhrf.test.test_treatment.TreatmentTest.test_default_treatment"
    ended = run("pyhrf_maketests", test, "-v", 2)
    assert ended.code == 0, ended.err
    assert "Ran 1 test" in ended.err
    assert "test_default_treatment" in ended.err


def test_maketests__runs_everything_without_a_name(run):
    ended = run("pyhrf_maketests")
    assert ended.code == 0, ended.err
    assert "OK" in ended.err


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("test_default_treatment_parallel_LAN", "LAN"),
        ("test_remote_dir_writable", "LAN"),
        ("test_default_treatment_parallel_cluster", "cluster"),
    ],
)
def test_maketests__says_how_to_switch_the_tests_of_other_machines_on(run, name, engine):
    ended = run("pyhrf_maketests", f"pyhrf.test.test_treatment.TreatmentTest.{name}")
    assert ended.code == 0, ended.err
    assert "skipped=1" in ended.err
    assert f"not tested: the tests of -x {engine} are off: to switch them on, write" in ended.err
    assert f"enable_unit_test = 1 in section [parallel-{engine}]" in ended.err


@pytest.mark.parametrize(
    "name",
    [
        "pyhrf.test.test_treatment.TreatmentTest.test_defualt_treatment",
        "pyhrf.test.test_nothing",
        "nonsense",
        "os.path.join",
        "../x",
    ],
)
def test_maketests__names_the_nearest_test(run, name):
    ended = run("pyhrf_maketests", name)
    assert ended.code == 1
    assert f"no test is called {name}" in ended.err
    assert "pyhrf.test.test_treatment.TreatmentTest.test_default_treatment" in ended.err
    assert "Traceback" not in ended.err
