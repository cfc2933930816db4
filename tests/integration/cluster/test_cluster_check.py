"""``pyhrf check cluster`` on a real Slurm: every fault is named with its cure."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from bed_parts import wait_until
from cluster_bed import CLIENT, CLUSTER, RESOURCE, Bed
from runs import PROGRAM, settings

pytestmark = pytest.mark.timeout(180)


def configure(bed: Bed, **keys: object) -> None:
    """Write ``[parallel-cluster]`` of the client; None leaves a key out."""
    given: dict[str, object] = {
        "server_id": RESOURCE,
        "server": "login",
        "user": CLUSTER,
        "remote_path": bed.home(CLUSTER) / "runs",
        "python": sys.executable,
        **keys,
    }
    (bed.home(CLUSTER) / "runs").mkdir(exist_ok=True)
    bed.give(bed.home(CLUSTER) / "runs", CLUSTER)
    bed.write(CLIENT, ".pyhrf/config.cfg", settings("parallel-cluster", given))


def check(bed: Bed, user: str = CLIENT) -> tuple[int, str]:
    """Run the program; return its exit code and what it said."""
    done = bed.run(user, [*PROGRAM, "check", "cluster"], check=False)
    assert done.stderr == ""
    assert bed.jobs() == {}
    assert list((bed.home(CLUSTER) / "runs").glob("*")) == []
    assert list((bed.home(CLUSTER) / "runs").glob(".*")) == []
    return done.returncode, done.stdout


def steps(said: str) -> dict[str, str]:
    """Read the mark of each step."""
    lines = said[: said.index("\n\n")].splitlines()
    marks = {}
    for line in lines:
        words = line.split()
        mark = next(word for word in words if word in ("yes", "NO", "–"))
        marks[line[: line.index(f" {mark}")].strip()] = mark
    return marks


def assert_fails(bed: Bed, step: str, cause: str, cure: str) -> str:
    """Check that one step fails, and what is said of it."""
    code, said = check(bed)
    assert code == 1, said
    marks = steps(said)
    assert [name for name, mark in marks.items() if mark == "NO"] == [step], said
    assert marks["a job, there and back"] == "–"
    (line,) = [line for line in said.splitlines() if line.startswith(f"{step}: ")]
    assert cause in line
    after = said[said.index(line) :].splitlines()[1]
    assert cure in after
    assert said.endswith("cannot be used\n")
    return said


def test_check__finds_nothing_amiss(bed: Bed) -> None:
    configure(bed, client_host="desk", remote_path="~/new/runs")
    code, said = check(bed)
    assert "\nremote_path: remote_path ~/new/runs cannot be written there" in said
    (cure,) = [line for line in said.splitlines() if "run: ssh" in line]
    # the cure works
    bed.run(CLIENT, ["bash", "-c", cure.rpartition("run: ")[2]])
    code, said = check(bed)
    assert code == 0, said
    assert set(steps(said).values()) == {"yes"}
    assert "Slurm answers" in said
    assert f"{CLIENT}@desk" in said
    # soma-workflow's servers stay; a second check finds them
    code, again = check(bed)
    assert code == 0, again
    assert re.search(r"database server +yes  answers\n", again)


def test_check__needs_a_whole_section(bed: Bed) -> None:
    configure(bed, remote_path=None)
    assert_fails(bed, "settings", "remote_path is not set", "[parallel-cluster]")
    configure(bed, server_id=None)
    assert_fails(bed, "settings", "server and user are set, but not server_id", "server_id = NAME")


def test_check__needs_the_section_of_soma_workflow_here(bed: Bed) -> None:
    configure(bed)
    file = bed.home(CLIENT) / ".soma-workflow.cfg"
    file.unlink()
    step = "soma-workflow's file here"
    assert_fails(bed, step, f"{file} is not there", f"[{RESOURCE}], cluster_address = login")
    bed.write(CLIENT, ".soma-workflow.cfg", "[OTHER]\nlogin = me\n")
    assert_fails(bed, step, f"{file} has no section [{RESOURCE}]", "submitting_machines = login")
    bed.write(CLIENT, ".soma-workflow.cfg", f"[{RESOURCE}]\ncluster_address = login\n")
    assert_fails(bed, step, "submitting_machines missing", "submitting_machines = login")


def test_check__takes_the_own_login_if_no_other_is_named(bed: Bed) -> None:
    address = f"[{RESOURCE}]\ncluster_address = login\nsubmitting_machines = login\n"
    bed.write(CLIENT, ".soma-workflow.cfg", address)
    configure(bed, user=None)
    assert_fails(bed, "ssh", f"your key is refused for {CLIENT}", f"ssh-copy-id {CLIENT}@login")


@pytest.mark.parametrize(
    ("keys", "cause", "cure"),
    [
        ({"server": "gone"}, "gone", "check that it is switched on"),
        ({"server": "nowhere"}, "the name nowhere cannot be resolved", "correct server in"),
        ({"user": "somebody"}, "your key is refused for somebody", "ssh-copy-id somebody@login"),
    ],
)
def test_check__names_what_is_amiss_with_ssh(
    bed: Bed, keys: dict[str, str], cause: str, cure: str
) -> None:
    configure(bed, **keys)
    assert_fails(bed, "ssh", cause, cure)


def test_check__names_a_key_that_is_not_accepted(bed: Bed) -> None:
    configure(bed)
    bed.give_key(CLIENT, stranger=True)
    assert_fails(bed, "ssh", f"your key is refused for {CLUSTER}", f"ssh-copy-id {CLUSTER}@login")


def test_check__names_a_key_that_soma_workflow_does_not_see(bed: Bed) -> None:
    configure(bed)
    ssh = bed.home(CLIENT) / ".ssh"
    (ssh / "id_rsa").rename(ssh / "other")
    bed.write(CLIENT, ".ssh/config", f"Host login\n  IdentityFile {ssh}/other\n")
    assert_fails(bed, "ssh", "soma-workflow finds no key", "ssh-keygen -t rsa -b 4096 -m PEM")


def test_check__names_a_login_that_talks(bed: Bed) -> None:
    configure(bed)
    bed.write(CLUSTER, ".profile", "echo 'quota exceeded' >&2\n")
    assert_fails(bed, "login is silent", "quota exceeded", "/dev/null")


def test_check__names_start_up_files_through_which_no_command_gets(bed: Bed) -> None:
    configure(bed)
    step = "login is silent"
    bed.write(CLUSTER, ".profile", "exit 0\n")
    assert_fails(bed, step, "an echo does not come back", "~/.profile, ~/.bash_profile")
    bed.write(CLUSTER, ".profile", "read answer\n")
    assert_fails(bed, step, "read what is sent to a command", "reads nothing")
    bed.write(CLUSTER, ".profile", "printf '\\033]0;my title\\007'\n")
    assert_fails(bed, step, "a line without an end", "write nothing")
    (bed.home(CLUSTER) / ".profile").unlink()
    bed.write(CLUSTER, ".bashrc", "exec sh\n")
    assert_fails(bed, "ssh", "an echo does not come back", "~/.bashrc")


def test_check__names_a_server_that_forwards_no_ports(bed: Bed) -> None:
    configure(bed)
    keys = bed.home(CLUSTER) / ".ssh" / "authorized_keys"
    keys.write_text(f"no-port-forwarding {keys.read_text()}")
    cause = "forwards no ports from here to it, through which soma-workflow talks"
    assert_fails(bed, "ssh", cause, "the administrator of login set AllowTcpForwarding yes")


def script(bed: Bed, text: str) -> Path:
    path = bed.write(CLUSTER, "fake/python3", f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_check__names_an_old_python(bed: Bed) -> None:
    old = script(bed, '[ "$1" = -V ] && echo Python 3.6.8 && exit\necho SyntaxError >&2; exit 1')
    configure(bed, python=old)
    assert_fails(
        bed, "python and versions", f"{old} there is Python 3.6.8: PyHRF needs 3.11", "set python"
    )


def test_check__names_another_version(bed: Bed) -> None:
    about = bed.write(
        CLUSTER, "lib/numpy-1.0.0.dist-info/METADATA", "Name: numpy\nVersion: 1.0.0\n"
    )
    other = script(bed, f'PYTHONPATH="{about.parent.parent}" exec "{sys.executable}" "$@"')
    configure(bed, python=other)
    assert_fails(bed, "python and versions", "numpy 1.0.0 (here ", "install the same there")


def test_check__takes_a_script_for_python(bed: Bed) -> None:
    # such as one that starts a container, or loads an environment module
    configure(bed, python=script(bed, f'export LOADED=yes; exec "{sys.executable}" "$@"'))
    code, said = check(bed)
    assert code == 0, said


def test_check__names_a_cluster_without_soma_workflow(bed: Bed) -> None:
    configure(bed)
    bed.write(
        CLIENT,
        ".soma-workflow.cfg",
        f"[{RESOURCE}]\ncluster_address = login\nsubmitting_machines = login\n"
        "python_command = /usr/bin/python3\n",
    )
    said = assert_fails(
        bed, "soma-workflow there", "has no soma-workflow", f"python_command = {sys.executable}"
    )
    assert "pip install 'soma-workflow[client]'" in said


def test_check__needs_the_section_of_soma_workflow_there(bed: Bed) -> None:
    configure(bed)
    bed.write(CLUSTER, ".soma-workflow.cfg", f"[{RESOURCE}]\ncluster_address = login\n")
    step = "soma-workflow's file there"
    cause = "server_name and submitting_machines and scheduler_type missing"
    assert_fails(bed, step, cause, "scheduler_type = slurm")
    (bed.home(CLUSTER) / ".soma-workflow.cfg").unlink()
    assert_fails(bed, step, "is not there on the cluster", f"server_name = {RESOURCE}_db")


def test_check__names_a_sacct_that_lacks_what_is_asked(bed: Bed) -> None:
    configure(bed)
    bed.write(CLUSTER, ".profile", f"export PATH={Path(sys.executable).parent}:/usr/bin:/bin\n")
    # as many systems have it: nothing after this counts for soma-workflow
    bed.write(CLUSTER, ".bashrc", "case $- in *i*) ;; *) return;; esac\n")
    said = assert_fails(
        bed,
        "scheduler",
        "sacct there cannot say what soma-workflow asks",
        "/pyhrf-sacct ~/bin/sacct",
    )
    # the cure works
    (cure,) = [line for line in said.splitlines() if "pyhrf-sacct" in line]
    bed.run(CLUSTER, ["bash", "-c", cure.strip().removeprefix("run there: ")])
    code, said = check(bed)
    assert code == 0, said


def test_check__names_a_silent_scheduler(bed: Bed) -> None:
    configure(bed)
    bed.write(
        CLUSTER, "bin/sinfo", "#!/bin/sh\necho 'Unable to contact slurm' >&2; exit 1\n"
    ).chmod(0o755)
    with (bed.home(CLUSTER) / ".bashrc").open("a") as file:
        file.write("export PATH=$HOME/bin:$PATH\n")
    assert_fails(bed, "scheduler", "Unable to contact slurm", "on the PATH of that login")


def test_check__names_a_folder_that_cannot_be_written(bed: Bed) -> None:
    configure(bed, remote_path="/proc/runs")
    # no command makes it
    cause = "/proc/runs cannot be written there"
    cure = "set another remote_path in section [parallel-cluster]"
    assert_fails(bed, "remote_path", cause, cure)


def test_check__names_a_closed_way_back(bed: Bed) -> None:
    configure(bed, client_host="desk")
    bed.give_key(CLUSTER, stranger=True)
    assert_fails(bed, "ssh back", f"cannot log in to {CLIENT}@desk", "leave client_host out")


def test_check__names_a_database_server_that_does_not_start(bed: Bed) -> None:
    configure(bed)
    (bed.home(CLUSTER) / ".soma-workflow").write_text("a file where a folder has to be\n")
    assert_fails(
        bed,
        "database server",
        "the database server does not start there",
        f"-m soma_workflow.start_database_server {RESOURCE}",
    )


def test_check__starts_a_database_server_that_was_killed(bed: Bed) -> None:
    configure(bed)
    code, said = check(bed)
    assert code == 0, said
    servers = [p for p in bed.processes(CLUSTER) if "start_database_server" in p.command]
    assert servers
    for process in bed.processes(CLUSTER):
        if "soma_workflow" in process.command:
            process.kill()
    wait_until(
        lambda: not [p for p in bed.processes(CLUSTER) if "soma_workflow" in p.command],
        seconds=10,
        what="the end of soma-workflow's servers",
    )
    code, said = check(bed)
    assert code == 0, said
    assert f"was not there; started by: {sys.executable} -m soma_workflow" in said


def test_check__works_on_the_login_node_itself(bed: Bed) -> None:
    configure(bed, server=None, user=None)
    settings = (bed.home(CLIENT) / ".pyhrf" / "config.cfg").read_text()
    bed.write(CLUSTER, ".pyhrf/config.cfg", settings)
    code, said = check(bed, CLUSTER)
    assert code == 0, said
    assert "not needed: the cluster's login node is this machine" in said


def test_check__works_on_this_machine_without_a_cluster(bed: Bed) -> None:
    bed.write(CLIENT, ".pyhrf/config.cfg", "[parallel-cluster]\n")
    (bed.home(CLUSTER) / "runs").mkdir(exist_ok=True)
    code, said = check(bed)
    assert code == 0, said
    assert "works on this machine alone" in said
