"""Many studies as one pool: the bytes of each alone, and nobody is stopped by another."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pyhrf.analysis import analyse, analyse_all, cancel_all
from pyhrf.config.data_sections import RunFiles
from pyhrf.config.settings import load_settings
from pyhrf.config.study import Study
from pyhrf.data import ParcelId
from pyhrf.errors import ConfigError, InputError
from pyhrf.execution.runner import Interrupted
from pyhrf.execution.serial import SerialEngine
from pyhrf.execution.soma.notes import WorkflowNotes
from pyhrf.execution.watch import Watch
from pyhrf.results import Results
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.examples import example_spec
from pyhrf.simulation.simulate import simulate


@pytest.fixture(scope="session")
def subjects(tmp_path_factory) -> Path:
    """Data of three subjects, of three parcels each."""
    folder = tmp_path_factory.mktemp("subjects")
    for i in range(3):
        spec = replace(example_spec("small"), seed=10 + i, n_scans=60 + 5 * i)
        write_dataset(simulate(spec), folder / f"s{i}")
    return folder


@pytest.fixture
def studies(subjects, tmp_path) -> dict[str, Study]:
    """Their studies, whose data and results are in a folder of the test."""
    shutil.copytree(subjects, tmp_path / "data")
    return {f"sub-{i}": study_of(tmp_path, i) for i in range(3)}


def study_of(folder: Path, i: int, *, estimator: str = "jde-vem") -> Study:
    data = folder / "data" / f"s{i}"
    return Study.build(
        estimator=estimator,
        data={
            "kind": "volume",
            "runs": (RunFiles(bold=data / "bold.nii.gz", paradigm=data / "paradigm.tsv"),),
            "parcellation": data / "parcellation.nii.gz",
        },
        vem={"n_iterations": 5},
        output=folder / "out" / f"sub-{i}",
    )


class Told(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)

    def __contains__(self, part: object) -> bool:
        return any(str(part) in text for text in self)


def files_of(folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    del files["run.json"]
    return files


class CountingEngine(SerialEngine):
    """Works one after the other, notes what it was given, and may be interrupted."""

    def __init__(self, *, end_after: int | None = None) -> None:
        super().__init__()
        self.batch_seconds = 1e-9  # every parcel is a batch
        self.end_after, self.seen = end_after, list[tuple[int, ...]]()

    def run(self, batches, *, load, studies):
        for i, result in enumerate(super().run(batches, load=load, studies=studies)):
            self.seen.append(result.batch.parcels)
            yield result
            if i + 1 == self.end_after:
                raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_analyse_all__gives_the_bytes_of_each_study_alone(studies, tmp_path, engine):
    answer = analyse_all(studies, directory=tmp_path / "out", engine=engine, tell=Told())
    assert list(answer) == list(studies)
    for i, (name, study) in enumerate(studies.items()):
        alone = analyse(study, engine="serial", output=tmp_path / "alone" / name, tell=Told())
        assert isinstance(answer[name], Results)
        assert answer[name].directory == study.output
        ours, theirs = files_of(study.output), files_of(alone.directory)
        assert ours.keys() == theirs.keys()
        # The report names the output directory; all else is the same.
        del ours["report.html"], theirs["report.html"]
        assert ours == theirs
        assert answer[name].n_parcels == 3
        assert (study.output / "report.html").is_file(), i


def test_analyse_all__a_study_that_cannot_be_used_stops_no_other(studies, tmp_path):
    (tmp_path / "data" / "s1" / "paradigm.tsv").unlink()
    told = Told()
    answer = analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=told)
    assert isinstance(answer["sub-1"], InputError)
    assert "s1/paradigm.tsv" in str(answer["sub-1"])
    assert "sub-1 is left out: " in told
    assert not (tmp_path / "out" / "sub-1").exists()
    assert [isinstance(answer[name], Results) for name in studies] == [True, False, True]


def test_analyse_all__data_that_end_too_early_are_found_while_the_others_go_on(studies, tmp_path):
    bold = tmp_path / "data" / "s1" / "bold.nii.gz"
    content = gzip.decompress(bold.read_bytes())
    bold.write_bytes(gzip.compress(content)[: len(content) // 4])
    told = Told()
    answer = analyse_all(studies, directory=tmp_path / "out", engine="local", tell=told)
    assert isinstance(answer["sub-1"], InputError)
    assert str(bold) in str(answer["sub-1"])
    assert [isinstance(answer[name], Results) for name in studies] == [True, False, True]
    assert list((tmp_path / "out" / "sub-1" / ".journal").glob("batch-*")) == []
    assert not (tmp_path / "out" / "sub-1" / "parcels.tsv").exists()


def test_analyse_all__an_internal_error_has_its_traceback_in_the_log(
    studies, tmp_path, monkeypatch
):
    def broken(study, data):
        if study.output.name == "sub-0":
            raise ZeroDivisionError("by nothing")
        return prepare(study, data)

    from pyhrf.analysis.pool import prepare

    monkeypatch.setattr("pyhrf.analysis.pool.prepare", broken)
    logging.getLogger("pyhrf").propagate = True
    answer = analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=Told())
    (log,) = (tmp_path / "out" / ".journal").rglob("pyhrf.log")
    assert str(answer["sub-0"]).endswith(f"by nothing (traceback in {log})")
    assert "ZeroDivisionError" in log.read_text()
    assert isinstance(answer["sub-2"], Results)


def test_analyse_all__again_does_what_is_missing(studies, tmp_path):
    first = CountingEngine(end_after=4)
    with pytest.raises(Interrupted, match="4 of 9 parcels are done"):
        analyse_all(studies, directory=tmp_path / "out", engine=first, tell=Told())
    assert (tmp_path / "out" / "sub-0" / "report.html").is_file()
    assert not (tmp_path / "out" / "sub-1" / "parcels.tsv").exists()
    written = (tmp_path / "out" / "sub-0" / "run.json").stat().st_mtime_ns
    second, told, done = CountingEngine(), Told(), []
    answer = analyse_all(
        studies,
        directory=tmp_path / "out",
        engine=second,
        tell=told,
        done=lambda name, _: done.append(name),
    )
    assert len(second.seen) == 5
    assert not set(first.seen) & set(second.seen)
    assert "4 of 9 parcels were already done" in told
    assert done == ["sub-0", "sub-1", "sub-2"]
    assert all(isinstance(results, Results) for results in answer.values())
    assert (tmp_path / "out" / "sub-0" / "run.json").stat().st_mtime_ns == written
    third = CountingEngine()
    analyse_all(studies, directory=tmp_path / "out", engine=third, tell=Told())
    assert third.seen == []


def test_analyse_all__begins_anew_when_asked(studies, tmp_path):
    analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=Told())
    engine, told = CountingEngine(), Told()
    analyse_all(studies, directory=tmp_path / "out", engine=engine, fresh=True, tell=told)
    assert len(engine.seen) == 9
    assert (tmp_path / "out" / "sub-1.old-1" / "parcels.tsv").is_file()
    assert "older results are kept in" in told


def test_analyse_all__refuses_two_studies_in_one_place(studies, tmp_path):
    studies["sub-1"] = studies["sub-1"].replaced(output=studies["sub-0"].output)
    with pytest.raises(InputError, match="sub-1 and sub-0 have the same output directory"):
        analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=Told())


def test_analyse_all__other_studies_may_run_beside_it(studies, tmp_path):
    one = {"sub-0": studies["sub-0"]}
    others = {name: studies[name] for name in ("sub-1", "sub-2")}

    def meanwhile(*_: object) -> None:
        answer = analyse_all(others, directory=tmp_path / "out", engine="serial", tell=Told())
        assert all(isinstance(results, Results) for results in answer.values())
        with pytest.raises(InputError, match="in use"):
            analyse_all(one, directory=tmp_path / "out", engine="serial", tell=Told())

    answer = analyse_all(
        one, directory=tmp_path / "out", engine="serial", tell=Told(), done=meanwhile
    )
    assert isinstance(answer["sub-0"], Results), answer


def test_analyse_all__what_fails_after_a_study_is_its_own(studies, tmp_path):
    def done(name: str, _: Results) -> None:
        if name == "sub-1":
            raise InputError("the disk is full")

    answer = analyse_all(
        studies, directory=tmp_path / "out", engine="serial", tell=Told(), done=done
    )
    assert str(answer["sub-1"]) == "the disk is full"
    assert isinstance(answer["sub-2"], Results)


def test_analyse_all__data_that_change_meanwhile_are_not_mixed(studies, tmp_path):
    paradigm = tmp_path / "data" / "s1" / "paradigm.tsv"

    def done(name: str, _: Results) -> None:
        if name == "sub-0":
            os.utime(paradigm, (0, 0))

    answer = analyse_all(
        studies, directory=tmp_path / "out", engine="serial", tell=Told(), done=done
    )
    assert "paradigm.tsv was changed while the run worked on it" in str(answer["sub-1"])
    assert isinstance(answer["sub-2"], Results)


def test_analyse_all__can_be_watched(studies, tmp_path):
    seen = []

    def done(*_: object) -> None:
        watch = Watch(tmp_path / "out")
        seen.append((watch.n_done, watch.n_total, watch.is_running))

    analyse_all(
        studies, directory=tmp_path / "out", engine=CountingEngine(), tell=Told(), done=done
    )
    assert seen == [(3, 9, True), (6, 9, True), (9, 9, True)]
    # A run of one of them alone, later: it is the one that is shown then.
    one = {"sub-0": studies["sub-0"]}
    analyse_all(one, directory=tmp_path / "out", engine="serial", fresh=True, tell=Told())
    watch = Watch(tmp_path / "out")
    assert (watch.n_done, watch.n_total, watch.how_it_stands()) == (3, 3, "ended")


def test_analyse_all__several_estimators_in_one_pool(studies, tmp_path):
    studies["sub-1"] = study_of(tmp_path, 1, estimator="glm")
    answer = analyse_all(studies, directory=tmp_path / "out", engine="local", tell=Told())
    assert "z_cond1" in answer["sub-1"].maps()
    assert "z_cond1" not in answer["sub-2"].maps()


class FarEngine(SerialEngine):
    """Works elsewhere: where results stay for the run that asks for their study."""

    resumes = True

    def __init__(self, far: dict[str, list], *, cut_off: bool = False) -> None:
        super().__init__()
        self.far, self.cut_off, self.worked = far, cut_off, 0

    def resume(self, study: str, *, fresh: bool) -> list:
        self.study = study
        if fresh:
            self.far.pop(study, None)
        return list(self.far.get(study, []))

    def run(self, batches, *, load, studies):
        results = list(super().run(batches, load=load, studies=studies))
        self.worked += sum(len(result.estimates) for result in results)
        self.far.setdefault(self.study, []).extend(results)
        if self.cut_off:
            raise KeyboardInterrupt
        yield from results


def test_analyse_all__takes_over_what_others_finished_before_a_study_changed(studies, tmp_path):
    paradigm = tmp_path / "data" / "s0" / "paradigm.tsv"
    content = paradigm.read_text()
    paradigm.unlink()
    far: dict[str, list] = {}
    first = FarEngine(far, cut_off=True)
    with pytest.raises(Interrupted):
        analyse_all(studies, directory=tmp_path / "out", engine=first, tell=Told())
    assert first.worked == 6
    (old,) = far
    # The study that was left out is mended: all parcels have other numbers now.
    paradigm.write_text(content)
    second = FarEngine(far)
    answer = analyse_all(studies, directory=tmp_path / "out", engine=second, tell=Told())
    assert second.worked == 3
    assert old not in far
    for name, study in studies.items():
        alone = analyse(study, engine="serial", output=tmp_path / "alone" / name, tell=Told())
        assert isinstance(answer[name], Results)
        ours, theirs = files_of(study.output), files_of(alone.directory)
        del ours["report.html"], theirs["report.html"]
        assert ours == theirs


def test_analyse_all__takes_over_what_an_older_version_numbered_through(studies, tmp_path):
    far: dict[str, list] = {}
    first = FarEngine(far, cut_off=True)
    with pytest.raises(Interrupted):
        analyse_all(studies, directory=tmp_path / "out", engine=first, tell=Told())
    ((key, results),) = far.items()
    where, identity = json.loads(key)
    far.clear()
    old = far[json.dumps([where, [1000, identity]])] = []
    for result in results[:4]:  # of more than one study
        numbers = [(study + 1) * 1000 + number for study, number in result.batch.parcels]
        batch = replace(result.batch, parcels=tuple(ParcelId(0, number) for number in numbers))
        pairs = zip(result.estimates, numbers, strict=True)
        estimates = [replace(estimate, parcel=number) for estimate, number in pairs]
        old.append(replace(result, batch=batch, estimates=estimates))
    (path,) = (tmp_path / "out" / ".journal").glob("run-*/identity-serial.json")
    path.write_text(json.dumps([1000, identity]))
    n_there = sum(len(result.estimates) for result in old)
    second = FarEngine(far)
    answer = analyse_all(studies, directory=tmp_path / "out", engine=second, tell=Told())
    assert all(isinstance(results, Results) for results in answer.values())
    assert second.worked == 9 - n_there
    assert list(far) == [key], "what is of the older version is removed there"


def test_analyse_all__takes_over_what_a_run_of_fewer_studies_finished(studies, tmp_path):
    far: dict[str, list] = {}
    two = {name: studies[name] for name in ("sub-1", "sub-2")}
    first = FarEngine(far, cut_off=True)
    with pytest.raises(Interrupted):
        analyse_all(two, directory=tmp_path / "out", engine=first, tell=Told())
    (old,) = far
    second = FarEngine(far)
    answer = analyse_all(studies, directory=tmp_path / "out", engine=second, tell=Told())
    assert second.worked == 3
    assert old not in far
    assert all(isinstance(results, Results) for results in answer.values())


def test_analyse_all__leaves_to_a_run_of_more_studies_what_is_not_its_own(studies, tmp_path):
    far: dict[str, list] = {}
    first = FarEngine(far, cut_off=True)
    with pytest.raises(Interrupted):
        analyse_all(studies, directory=tmp_path / "out", engine=first, tell=Told())
    (old,) = far
    second = FarEngine(far)
    one = {"sub-2": studies["sub-2"]}
    answer = analyse_all(one, directory=tmp_path / "out", engine=second, tell=Told())
    assert second.worked == 0
    assert isinstance(answer["sub-2"], Results)
    assert old in far
    third = FarEngine(far)
    analyse_all(studies, directory=tmp_path / "out", engine=third, tell=Told())
    assert third.worked == 0


def test_analyse_all__says_that_a_workflow_may_go_on(studies, tmp_path):
    analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=Told())
    (run,) = (tmp_path / "out" / ".journal").glob("run-*")
    (run / "cluster").mkdir()
    WorkflowNotes("study", "/somewhere", "pyhrf_out_1234").save(run / "cluster")
    told = Told()
    analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=told)
    assert "(pyhrf_out_1234) may still be running" in told


@pytest.mark.parametrize("lost", ["parcels.tsv", "hrf.nii.gz", "report.html", "run.json"])
def test_analyse_all__writes_a_lost_file_again(studies, tmp_path, lost):
    one = {"sub-0": studies["sub-0"]}
    analyse_all(one, directory=tmp_path / "out", engine="serial", tell=Told())
    whole = files_of(studies["sub-0"].output)
    (studies["sub-0"].output / lost).unlink()
    engine = CountingEngine()
    analyse_all(one, directory=tmp_path / "out", engine=engine, tell=Told())
    assert engine.seen == []
    assert files_of(studies["sub-0"].output) == whole


def test_analyse_all__a_study_whose_data_were_damaged_is_taken_when_they_are_mended(
    studies, tmp_path
):
    bold = tmp_path / "data" / "s1" / "bold.nii.gz"
    content = bold.read_bytes()
    bold.write_bytes(content[: len(content) // 2])
    answer = analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=Told())
    assert isinstance(answer["sub-1"], InputError)
    bold.write_bytes(content)
    engine = CountingEngine()
    answer = analyse_all(studies, directory=tmp_path / "out", engine=engine, tell=Told())
    assert isinstance(answer["sub-1"], Results), answer["sub-1"]
    assert len(engine.seen) == 3


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("out/sub-0/deeper", "sub-1, .*, lies in that of sub-0"),
        ("out", "sub-., .*lies in that of sub-1|sub-1, .*, holds the one that all share"),
    ],
)
def test_analyse_all__refuses_outputs_inside_each_other(studies, tmp_path, place, said):
    studies["sub-1"] = studies["sub-1"].replaced(output=tmp_path / place)
    with pytest.raises(InputError, match=said):
        analyse_all(studies, directory=tmp_path / "out", engine="serial", tell=Told())
    assert not (tmp_path / "out").exists()


def test_analyse_all__refuses_an_output_that_holds_the_state_of_the_run(studies, tmp_path):
    one = {"sub-1": studies["sub-1"].replaced(output=tmp_path / "out")}
    with pytest.raises(InputError, match="holds the one that all share"):
        analyse_all(one, directory=tmp_path / "out" / "runs", engine="serial", tell=Told())


def test_analyse_all__is_watched_while_it_prepares(studies, tmp_path, monkeypatch):
    seen = []

    def tell(_text):
        watch = Watch(tmp_path)
        seen.append((watch.is_running, watch.how_it_stands().partition(" (")[0]))

    bold = studies["sub-1"].data.runs[0].bold
    bold.write_bytes(bold.read_bytes()[:-999])
    analyse_all(studies, directory=tmp_path, engine="serial", tell=tell)
    assert seen[0] == (True, "preparing")
    assert Watch(tmp_path).how_it_stands() == "ended"
    analyse_all(studies, directory=tmp_path, engine="serial", tell=tell)  # nothing is left to do
    assert not Watch(tmp_path).is_running
    monkeypatch.setattr("pyhrf.analysis.pool.prepare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        analyse_all(studies, directory=tmp_path, engine="serial", tell=tell, fresh=True)
    assert "interrupted" in Watch(tmp_path).how_it_stands()


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_analyse_all__refuses_more_studies_than_files_may_be_open(studies, tmp_path, monkeypatch):
    def no_change(*_):
        raise AssertionError("the limit is not to be touched")

    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 256))
    monkeypatch.setattr("resource.setrlimit", no_change)
    with pytest.raises(InputError, match=r"3 analyses .* need 259 open files.* allows 256"):
        analyse_all(studies, directory=tmp_path, engine="serial")
    assert not any(study.output.exists() for study in studies.values())


def test_cancel_all__only_what_goes_on_without_its_command(studies, tmp_path):
    settings = load_settings()
    with pytest.raises(ConfigError, match='engine="local" leaves nothing running'):
        cancel_all(
            studies, directory=tmp_path / "out", engine="local", settings=settings, tell=Told()
        )
