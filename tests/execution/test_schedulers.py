"""What each batch scheduler is asked for, and how its answers are read."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyhrf.config.settings import QueueSettings
from pyhrf.errors import ConfigError
from pyhrf.execution.queues.jobs import QueueJobs
from pyhrf.execution.queues.schedulers import SCHEDULERS, known_to_soma

FOLDER = Path("/data/out/.journal/slurm")
PYTHON = "/opt/python"


@pytest.fixture(autouse=True)
def _lsf_in_megabytes(tmp_path, monkeypatch):
    (tmp_path / "lsf.conf").write_text("LSF_LIM_PORT=7869\nLSF_UNIT_FOR_LIMITS=MB\n")
    monkeypatch.setenv("LSF_ENVDIR", str(tmp_path))


def make_jobs(name: str, **settings: object) -> QueueJobs:
    wanted = QueueSettings.model_validate(settings)
    return QueueJobs(SCHEDULERS[name], wanted, folder=FOLDER, python=PYTHON, name="pyhrf-abc")


def script(name: str, **settings: object) -> list[str]:
    return make_jobs(name, **settings).script("j7").splitlines()


SETTINGS = {"queue": "long", "account": "neuro", "walltime": "1-02:03:04"}
EXPECTED = {
    "slurm": [
        "#SBATCH -J pyhrf-abc",
        "#SBATCH -p long",
        "#SBATCH -A neuro",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --mem=2G",
        "#SBATCH -t 1-02:03:04",
        f"#SBATCH -e {FOLDER}/pyhrf-abc-%J.err",
    ],
    "pbs": [
        "#PBS -N pyhrf-abc",
        "#PBS -q long",
        "#PBS -A neuro",
        "#PBS -l select=1:ncpus=1:mem=1908MB",
        "#PBS -l walltime=26:03:04",
        f"#PBS -e {FOLDER}/",
    ],
    "sge": [
        "#$ -N pyhrf-abc",
        "#$ -q long",
        "#$ -P neuro",
        "#$ -l h_rt=26:03:04",
        f"#$ -o {FOLDER}/",
    ],
    "lsf": [
        "#BSUB -J pyhrf-abc",
        "#BSUB -q long",
        '#BSUB -P "neuro"',
        "#BSUB -n 1",
        "#BSUB -M 2000",
        "#BSUB -W 26:04",
        f"#BSUB -o {FOLDER}/j7-%J.out",
    ],
    "oar": [
        "#OAR -n pyhrf-abc",
        "#OAR -q long",
        "#OAR --project neuro",
        "#OAR -l /nodes=1/core=1,walltime=26:03:04",
        f"#OAR -O {FOLDER}/%jobid%.out",
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_script__holds_every_setting_in_the_words_of_the_scheduler(name):
    lines = script(name, **SETTINGS)
    for line in EXPECTED[name]:
        assert line in lines


@pytest.mark.parametrize("name", EXPECTED)
def test_script__runs_our_worker_by_plain_words(name):
    *_, command = [line for line in script(name) if line and not line.startswith("#")]
    words = command.split()
    assert words[:4] == [PYTHON, "-m", "pyhrf.execution.queues.worker", str(FOLDER)]
    assert words[words.index("--name") + 1] == "j7"
    assert words[words.index("--workers") + 1] == "1"


@pytest.mark.parametrize("name", ["slurm", "pbs", "lsf", "oar"])
def test_script__has_a_worker_for_each_core(name):
    lines = script(name, cores=4)
    text = "\n".join(lines)
    assert "--workers 4" in text
    asked = {
        "slurm": "--cpus-per-task=4",
        "pbs": "ncpus=4:mem=7630MB",
        "lsf": "#BSUB -n 4",
        "oar": "core=4",
    }
    assert asked[name] in text


@pytest.mark.parametrize("name", EXPECTED)
def test_script__ends_with_the_extra_directives(name):
    mark = EXPECTED[name][0].split()[0]
    lines = script(name, extra_directives=("--one=1", "-two 2"))
    assert f"{mark} --one=1" in lines
    assert f"{mark} -two 2" in lines


@pytest.mark.parametrize("name", EXPECTED)
def test_script__asks_for_nothing_that_is_not_set(name):
    text = "\n".join(script(name))
    for words in ("-q ", "-p ", "-A ", "-P ", "--project", "h_rt", "walltime", "-W ", "-t "):
        assert f" {words}" not in text


def test_jobs__leave_ctrl_c_alone():
    """In any thread."""
    program = (
        "import signal, threading\n"
        "from pyhrf.execution.queues.jobs import QueueJobs\n"
        "from pyhrf.execution.queues.schedulers import SCHEDULERS\n"
        "from pyhrf.config.settings import QueueSettings\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def make():\n"
        "    slurm, settings = SCHEDULERS['slurm'], QueueSettings()\n"
        "    jobs = QueueJobs(slurm, settings, folder=Path('/'), python='p', name='n')\n"
        "    jobs.script('j1')\n"
        "thread = threading.Thread(target=make); thread.start(); thread.join()\n"
        "make()\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_script__of_htcondor_is_a_description():
    lines = script(
        "htcondor",
        account="neuro",
        walltime="01:00:00",
        memory="1GiB",
        cores=2,
        extra_directives=("requirements = (OpSysAndVer == 8)", "+Group = x"),
    )
    assert "accounting_group = neuro" in lines
    assert "requirements = (OpSysAndVer == 8)" in lines
    assert "+Group = x" in lines
    assert "periodic_remove = (JobStatus == 2) && ((time() - EnteredCurrentStatus) > 3600)" in lines
    assert "MY.DaskWorkerCores = 2" in lines
    assert f"MY.DaskWorkerMemory = {2**30}" in lines
    (arguments,) = [line for line in lines if line.startswith("Arguments")]
    assert f"{PYTHON} -m pyhrf.execution.queues.worker {FOLDER}" in arguments
    assert "--name j7" in arguments
    assert "--workers 2" in arguments


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("htcondor", {"queue": "long"}, ["key queue", "has no queues"]),
        (
            "htcondor",
            {"extra_directives": ("nice",)},
            ["extra_directives", "'nice'", "KEY = VALUE"],
        ),
        ("sge", {"memory": "4GB"}, ["key memory", "-l h_vmem=4G"]),
        ("sge", {"cores": 4}, ["key cores", "-pe smp 4"]),
        ("oar", {"memory": "4GB"}, ["key memory", "-p memnode"]),
    ],
)
def test_check__refuses_what_the_scheduler_does_not_know(name, settings, words):
    with pytest.raises(ConfigError) as caught:
        SCHEDULERS[name].check(QueueSettings.model_validate(settings))
    for word in ["[parallel-queue]", *words]:
        assert word in str(caught.value)


def test_check__sge_takes_cores_with_a_parallel_environment():
    settings = QueueSettings(cores=4, extra_directives=("-pe smp 4",))
    SCHEDULERS["sge"].check(settings)


STATES = {
    "slurm": "12 PENDING pyhrf-abc\n13 RUNNING pyhrf-abc\n14 COMPLETING pyhrf-abc\n"
    "15 COMPLETED pyhrf-abc\n16 SUSPENDED pyhrf-abc\n",
    "pbs": """\
Job id            Name             User              Time Use S Queue
----------------  ---------------- ----------------  -------- - -----
12.head           pyhrf-abc        ann               0        Q workq
13.head           pyhrf-abc        ann               00:00:01 R workq
14.head           pyhrf-abc        ann               00:00:01 E workq
15.head           pyhrf-abc        ann               00:00:01 F workq
16.head           pyhrf-abc        ann               00:00:01 S workq
""",
    "sge": """\
job-ID  prior   name       user         state submit/start at     queue            slots
-----------------------------------------------------------------------------------------
     12 0.00000 pyhrf-abc  ann          qw    11/22/2026 23:32:28                      1
     13 0.55500 pyhrf-abc  ann          r     11/22/2026 23:32:28 all.q@n1             1
     14 0.55500 pyhrf-abc  ann          dr    11/22/2026 23:32:28 all.q@n1             1
     16 0.55500 pyhrf-abc  ann          s     11/22/2026 23:32:28 all.q@n1             1
""",
    "lsf": """\
JOBID   USER    STAT  QUEUE      FROM_HOST   EXEC_HOST   JOB_NAME   SUBMIT_TIME
12      ann     PEND  normal     head                    pyhrf-abc  Nov 22 23:32
13      ann     RUN   normal     head        n1          pyhrf-abc  Nov 22 23:32
15      ann     EXIT  normal     head        n1          pyhrf-abc  Nov 22 23:32
16      ann     SSUSP normal     head        n1          pyhrf-abc  Nov 22 23:32
""",
    "htcondor": "12.0 1\n13.0 2\n14.0 3\n15.0 4\n16.0 7\n",
    "oar": '{"12": {"state": "Waiting"}, "13": {"state": "Running"}, "14": {"state": "Finishing"},'
    ' "15": {"state": "Terminated"}, "16": {"state": "Suspended"}}',
}


@pytest.mark.parametrize("name", STATES)
def test_read_states__tells_waiting_running_and_over(name):
    kind = SCHEDULERS[name]
    found = kind.read_states(STATES[name])
    suffix = ".0" if name == "htcondor" else ""
    assert found[f"12{suffix}"] == "waiting"
    assert found[f"13{suffix}"] == "running"
    assert found.get(f"14{suffix}", "ending") == "ending"
    assert f"15{suffix}" not in found
    assert found[f"16{suffix}"] == "suspended"
    assert kind.read_states("") == {}


def test_read_states__of_a_name_are_those_of_no_other_job():
    found = SCHEDULERS["slurm"].read_states(
        STATES["slurm"] + "17 RUNNING other\n", name="pyhrf-abc"
    )
    assert set(found) == {"12", "13", "14", "16"}


@pytest.mark.parametrize(
    "line",
    [
        *("--job-name=x", "--job-name x", "-J x", "-Jx", "--nice=3 -J x", "--job=x"),
        *("-M far", "--clusters=far", "-a 1-9", "--array=1-9", "-o log", "--output=log", "-e log"),
    ],
)
def test_check__of_slurm_leave_the_job_to_be_found(line):
    settings = QueueSettings(extra_directives=("--nice=7", line))
    with pytest.raises(ConfigError, match=r"\[parallel-queue\], key extra_directives: -.*leave it"):
        SCHEDULERS["slurm"].check(settings)


def test_check__of_slurm_may_be_any_other():
    lines = ("--exclusive", "--comment='x -Jo -M'", "--export=ALL", "-C gpu --nice=5")
    lines += ("--exclude=n1", "--cluster-constraint=x", "--account=ann", "-N 1 --open-mode=append")
    settings = QueueSettings(extra_directives=lines)
    SCHEDULERS["slurm"].check(settings)


def test_key__of_pbs_is_without_the_server():
    assert SCHEDULERS["pbs"].key("12.head.lab.org") == "12"


REASONS = {
    "slurm": ("Resources\n", "Resources"),
    "pbs": (
        "Job Id: 12.head\n    job_state = Q\n    comment = Not Running: Insufficient amount of\n"
        "\t resource: ncpus\n    etime = Sun\n",
        "Not Running: Insufficient amount of resource: ncpus",
    ),
    "sge": (
        'job_number:   12\nscheduling info:   queue instance "all.q@n1" dropped: it is full\n',
        'queue instance "all.q@n1" dropped: it is full',
    ),
    "lsf": (
        "JOBID   USER   STAT  QUEUE  FROM_HOST  JOB_NAME  SUBMIT_TIME\n"
        "12      ann    PEND  normal head       pyhrf     Nov 22 23:32\n"
        " Job slot limit reached: 3 hosts;\n",
        "Job slot limit reached: 3 hosts",
    ),
    "htcondor": ("Disk is full\n", "Disk is full"),
    "oar": (
        "Job_Id: 12\n    state = Waiting\n    message = FIFO scheduling OK\n",
        "FIFO scheduling OK",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_read_reason__takes_what_the_scheduler_says(name):
    text, reason = REASONS[name]
    assert SCHEDULERS[name].read_reason(text) == reason
    assert SCHEDULERS[name].read_reason("") == ""


def test_read_reason__of_slurm_is_empty_before_it_looked():
    assert SCHEDULERS["slurm"].read_reason("None\n") == ""


@pytest.mark.parametrize("name", SCHEDULERS)
def test_commands__use_the_programs_of_the_scheduler(name):
    kind = SCHEDULERS[name]
    for command in (kind.states_command(["12"]), kind.reason_command("12")):
        assert command[0] in kind.programs


@pytest.mark.parametrize("reason", ["PartitionNodeLimit", "BadConstraints"])
def test_hopeless__holds_no_reason_that_may_pass(reason):
    """Nodes that are down for a while make Slurm say these."""
    assert reason not in SCHEDULERS["slurm"].hopeless


ORACLE = """
import importlib, json, sys
from importlib.resources import files
import dask, yaml
defaults = yaml.safe_load(files("dask_jobqueue").joinpath("jobqueue.yaml").read_text())["jobqueue"]
module, name, options = json.loads(sys.argv[1])
with dask.config.set(jobqueue={**defaults, module: {**defaults[module], "walltime": None}}):
    job = getattr(importlib.import_module(f"dask_jobqueue.{module}"), name)
    print(job(**options).job_script())
"""
JOB_CLASSES = {"slurm": "SLURMJob", "pbs": "PBSJob", "sge": "SGEJob", "lsf": "LSFJob"} | {
    "htcondor": "HTCondorJob",
    "oar": "OARJob",
}


@pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="dask-jobqueue is not installed")
@pytest.mark.parametrize("name", JOB_CLASSES)
def test_script__asks_for_what_dask_jobqueue_asks_for(name, tmp_path):
    settings = {"account": "neuro", "extra_directives": ("requirements = x",)}
    options = {"cores": 1, "processes": 1, "memory": "2GB", "log_directory": str(tmp_path)}
    options |= {"job_name": "pyhrf-abc", "name": "j7", "death_timeout": 30}
    account = "account" if name in ("slurm", "pbs") else "project"
    if name == "htcondor":
        options |= {"job_extra_directives": {"requirements": "x", "accounting_group": "neuro"}}
        options |= {"disk": "1GB"}
    else:
        settings["queue"] = "long"
        options |= {"queue": "long", account: "neuro"}
        options |= {"job_extra_directives": ["requirements = x"]}
    if name == "oar":
        logs = [f"-O {tmp_path}/%jobid%.out", f"-E {tmp_path}/%jobid%.err"]
        options["job_extra_directives"] = [*logs, *options["job_extra_directives"]]
        options["memory_per_core_property_name"] = "not_applicable"
    done = subprocess.run(
        [sys.executable, "-c", ORACLE, json.dumps([name, JOB_CLASSES[name], options])],
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = QueueSettings.model_validate(settings)
    ours = QueueJobs(SCHEDULERS[name], wanted, folder=tmp_path, python="p", name="pyhrf-abc")

    def asked(text: str) -> list[str]:
        lines = [line.strip() for line in text.splitlines()]
        return [line for line in lines if " -m " not in line and line]

    assert asked(ours.script("j7")) == asked(done.stdout)


def test_known_to_soma__goes_by_the_names_of_soma_workflow():
    assert known_to_soma("pbspro") is SCHEDULERS["pbs"]
    assert known_to_soma("slurm") is SCHEDULERS["slurm"]
    assert known_to_soma("local_basic") is None
    assert known_to_soma("") is None
