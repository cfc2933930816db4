"""A job of the cluster goes on where it was, and leaves whole files only."""

from __future__ import annotations

import logging
import subprocess
import sys
import tarfile

import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, make_parcels, packed

from pyhrf.execution.packing import unpack_estimates
from pyhrf.execution.recipe import to_recipe
from pyhrf.execution.soma import job as cluster_job
from pyhrf.execution.soma.job import (
    ESTIMATOR,
    RESULTS,
    JobSettings,
    main,
    name_of_input,
    name_of_mark,
)


class Estimator(FakeEstimator):
    """Can be sent; what it does is written into a file."""

    def __init__(self, log="", broken=()):
        super().__init__(broken=broken)
        self.path, self.n_compiled = log, 0

    def recipe(self):
        return {"log": self.path, "broken": tuple(self.broken)}

    def compile(self):
        self.n_compiled += 1
        logging.getLogger("pyhrf.estimators").warning("its code is not kept")

    def fit_parcel(self, parcel):
        with open(self.path, "a") as file:  # noqa: PTH123 - a name as the recipe has it
            file.write(f"{parcel.number} ")
        return super().fit_parcel(parcel)


@pytest.fixture
def folder(tmp_path):
    """The folder of a run with one job, 7, of the parcels 3, 1 and 2."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ESTIMATOR).write_bytes(to_recipe(Estimator(str(tmp_path / "log"))))
    (folder / JobSettings.FILE).write_bytes(JobSettings("study", 100.0).to_json())
    (folder / name_of_input(7)).write_bytes(packed(3, 1, 2))
    return folder


def test_job__notes_once_what_it_has_to_say_of_its_node(folder):
    (folder / JobSettings.FILE).write_bytes(JobSettings("study", 0.0).to_json())
    main([str(folder), "7"])
    abouts = [unpack_estimates(path.read_bytes())[1] for path in folder.glob("result-7-*.npz")]
    assert len(abouts) == 3
    assert [about["notes"] for about in abouts if "notes" in about] == ["its code is not kept"]


def results(folder):
    found = {}
    for path in sorted(folder.glob("result-7-*.npz")):
        estimates, about = unpack_estimates(path.read_bytes())
        assert about["study"] == "study"
        found.update((estimate.parcel, estimate) for estimate in estimates)
    return found


def test_job__estimates_its_parcels(folder):
    main([str(folder), "7"])
    found = results(folder)
    for parcel in make_parcels(1, 2, 3):
        assert_same_estimate(found[parcel.number], FakeEstimator().fit_parcel(parcel))
    assert len(list(folder.glob("result-7-*"))) == 1
    assert not list(folder.glob("*.tmp"))
    assert int((folder / name_of_mark(7)).read_text()) == 2


def test_job__saves_now_and_then_and_goes_on_where_it_was(folder, tmp_path):
    (folder / JobSettings.FILE).write_bytes(JobSettings("study", 0.0).to_json())
    main([str(folder), "7"])
    saved = sorted(folder.glob("result-7-*"))
    assert len(saved) == 3
    saved[1].unlink()
    (folder / "result-7-9-damaged.npz").write_bytes(b"PK")
    main([str(folder), "7"])
    assert (tmp_path / "log").read_text() == "3 1 2 2 ", "what was there is not done again"
    assert sorted(folder.glob("result-7-?-????????????????.npz")) == saved
    main([str(folder), "7"])
    assert (tmp_path / "log").read_text() == "3 1 2 2 "


def test_job__error_of_the_estimator_is_told_with_the_result(folder, tmp_path):
    estimator = Estimator(str(tmp_path / "log"), broken=[1])
    (folder / ESTIMATOR).write_bytes(to_recipe(estimator))
    main([str(folder), "7"])
    (path,) = folder.glob("result-7-*")
    estimates, about = unpack_estimates(path.read_bytes())
    assert [estimate.status for estimate in estimates] == ["ok", "failed", "ok"]
    assert "ZeroDivisionError" in str(about["log"])


def test_pack__one_file_of_all_results(folder):
    main([str(folder), "7"])
    main([str(folder), "pack"])
    with tarfile.open(folder / RESULTS) as archive:
        assert archive.getnames() == [path.name for path in folder.glob("result-*")]
    assert not list(folder.glob("*.tmp"))


def test_pack__copies_to_the_client_and_says_why_not(folder, tmp_path, monkeypatch):
    target = tmp_path / "it's here.tar"
    settings = JobSettings("study", 1.0, "user@desk", str(target))
    (folder / JobSettings.FILE).write_bytes(settings.to_json())
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    main([str(folder), "pack"])
    assert target.read_bytes() == (folder / RESULTS).read_bytes()
    assert target.stat().st_mode & 0o077 == 0
    program.write_text("#!/bin/sh\necho no route >&2\nexit 255\n")
    with pytest.raises(SystemExit, match="cannot be copied to user@desk: no route"):
        main([str(folder), "pack"])


def test_job__needs_no_more_than_the_package(folder):
    """The nodes may lack what only the client needs: no soma-workflow, no asyncssh, no Dask."""
    lacking = "import sys; sys.modules.update(dict.fromkeys(%r)); import %s"
    names = ["soma_workflow", "asyncssh", "distributed", "dask", "cloudpickle"]
    command = [sys.executable, "-c", lacking % (names, cluster_job.__name__)]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize(
    ("first", "arrives"),
    [("", True), ("printf '\\033]0;t\\007'; ", True), ("exit 0; ", False), ("read x; ", False)],
)
def test_push__sees_whether_the_other_shell_took_it_all(tmp_path, monkeypatch, first, arrives):
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(f'#!/bin/bash\nexec bash -c "{first}${{*: -1}}"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    results = tmp_path / "results.tar"
    results.write_bytes(b"first\nsecond\n")
    if arrives:
        cluster_job._push(results, "ann@desk", str(tmp_path / "my copy"))
        assert (tmp_path / "my copy").read_bytes() == results.read_bytes()
    else:
        with pytest.raises(
            SystemExit, match=r"did not get to ann@desk in full: check .*~/\.bashrc"
        ):
            cluster_job._push(results, "ann@desk", str(tmp_path / "my copy"))
