"""A cluster on one machine: real Slurm with four nodes behind a real ssh server, and a desktop.

How to use it
-------------
``conftest.py`` makes it once for all tests of a process; a test asks for it by ``bed: Bed``::

    def test_something(bed: Bed):
        done = bed.run(CLUSTER, [sys.executable, "-m", "pyhrf.commands.main", "--help"])
        done = bed.run(CLIENT, ["ssh", "-o", "BatchMode=yes", f"{CLUSTER}@login", "sinfo"])
        with bed.started(CLUSTER, [sys.executable, "script.py"]) as process:  # in the background
            os.kill(process.pid, signal.SIGKILL)  # the id is that of the program itself
        bed.slurm("scancel", 12)  # Slurm's programs as root
        bed.jobs()  # {12: "RUNNING", 13: "PENDING"}
        bed.kill_node("n2")  # its slurmd and all that it runs are gone; bed.start_node("n2")
        bed.processes(CLUSTER)  # what that user runs: to check that nothing was left behind

There are two machines and two users, whose homes are fixed (`Bed.home`), since ssh asks for them:

- ``desk`` (10.79.0.1), with the user `CLIENT`: whoever sits there; no Slurm; an ssh server
- ``login`` (10.79.0.2), with the user `CLUSTER`: the login node; Slurm's nodes n1 … n4 are on it,
  and reach it by 127.0.0.1; an ssh server; ``sacct`` is the stand-in that PyHRF ships

Either user logs in as the other by a key (``~/.ssh/id_rsa``), and knows the host. Both have
soma-workflow's configuration of the resource ``SW_CLUSTER_ID``. Run programs as `CLIENT` on
``desk`` and as `CLUSTER` on ``login``: `Bed.run` does. `Bed.reset` makes the homes as new (the
fixture ``bed`` does so before each test; compiled kernels stay) and ends what ran and was queued.

It needs root, slurm-wlm, munge, openssh-server and iproute2 (`PROGRAMS`). All of it is in
namespaces: nothing is seen outside, no file of the machine is changed, two beds do not meet, and
`Bed.down` takes all of it away, as does the end of the tests' process, whatever its manner.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bed_etc import make_etc
from bed_parts import (
    PATH,
    NoBedError,
    Process,
    as_user,
    cause_of,
    command_of,
    give,
    is_of_ssh,
    keygen,
    public_key,
    run,
    sshd_conf,
    start,
    wait_until,
    ways_in,
)

CLIENT, CLUSTER = "pyhrfcli", "pyhrfclu"
RESOURCE = "SW_CLUSTER_ID"
MACHINES = {"desk": "10.79.0.1", "login": "10.79.0.2"}
MACHINE_OF = {CLIENT: "desk", CLUSTER: "login"}
_UIDS = {CLIENT: 61077, CLUSTER: 61079}
_KEPT = {".cache", ".ssh"}
"""What stays in a home between tests; the files of ``.ssh`` are written anew."""
PROGRAMS = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "munged": "munge",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
"""Of which packages."""

# Run at the end of the keeper, also if one of its lines failed: nothing may outlive the bed.
_END_OF_ALL = """
end() {
  set +e
  mine=$(readlink /proc/$$/ns/mnt)
  [ "$mine" != "$(readlink /proc/$PPID/ns/mnt)" ] || return
  for round in $(seq 50); do
    left=
    for each in /proc/[0-9]*; do
      pid=${each#/proc/}
      [ "$(readlink $each/ns/mnt 2>/dev/null)" = "$mine" ] || continue
      [ $pid = $$ ] || ! kill -9 $pid 2>/dev/null || left=yes
    done
    [ -n "$left" ] || return
    sleep .1
  done
}
trap end EXIT
"""
# Outside of the namespaces, in which the checkout is mounted below the folder, the folder of a bed
# whose tests were killed (then their child has another parent) is removed.
_OUTER = """
unshare --mount --net --uts --ipc "$1/keeper"
read -r _ _ _ parent _ </proc/$$/stat
[ "$parent" = "$PPID" ] || rm -rf --one-file-system "$1"
"""


class Bed:
    """Two machines and a cluster; `up` makes it, `down` ends it.

    Attributes
    ----------
    folder : Path
        All its files; below ``shared`` everyone may write.
    nodes : tuple of str
        Names of the nodes, of one core each.
    broken : str
        Why it could not be made as new for a test; empty while it can.
    """

    def __init__(self, *, n_nodes: int = 4) -> None:
        self.nodes = tuple(f"n{i}" for i in range(1, n_nodes + 1))
        self.folder = Path(tempfile.mkdtemp(prefix="pyhrf-cluster-"))
        self.broken = ""
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pids: dict[str, int] = {}
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._logged: dict[str, int] = {}  # how long the log of a node was when it was started

    # --- up and down

    def up(self) -> None:
        """Make it.

        Raises
        ------
        NoBedError
            If this machine does not allow it; nothing is left behind then.
        """
        try:
            self._make_files()
            self._make_machines()
            for name in MACHINES:
                self._start_sshd(name)
            self._start_slurm()
            self._check()
        except subprocess.CalledProcessError as error:
            self.down()
            raise cause_of(error) from error
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Take all of it away."""
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            self._keeper.wait(60)
        for server in self._servers.values():
            server.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_files(self) -> None:
        self.folder.chmod(0o755)
        for name, mode in (("shared", 0o1777), ("log", 0o755), ("state", 0o700), ("bin", 0o755)):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(mode)
        hosts = [f"{address} {name}\n" for name, address in MACHINES.items()]
        # The nodes have names too; what is called "gone" does not answer.
        hosts += [f"127.0.0.1 {' '.join(self.nodes)}\n", "10.79.0.99 gone\n"]
        homes = {user: (number, self.home(user)) for user, number in _UIDS.items()}
        make_etc(self.folder / "etc", homes=homes, hosts=hosts, slurm_conf=self._slurm_conf())
        rsa = ("rsa", "-b", "3072", "-m", "PEM")
        for user in _UIDS:
            keygen(self.folder / f"key_{user}", user, *rsa)
            keygen(self.folder / f"key_stranger_{user}", "stranger", *rsa)
        for name in MACHINES:
            keygen(self.folder / f"host_{name}", name)
        self._write_sacct()
        for user in _UIDS:
            self._furnish(user)

    def _slurm_conf(self) -> str:
        folder, first = self.folder, 17001
        lines = {
            "ClusterName": "bed",
            "SlurmctldHost": "login(127.0.0.1)",
            "SlurmUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": "cred_expire=5",  # a job of a lost node waits for that long
            "StateSaveLocation": folder / "state",
            "SlurmdSpoolDir": f"{folder}/spool.%n",
            "SlurmctldPidFile": folder / "log" / "slurmctld.pid",
            "SlurmdPidFile": f"{folder}/log/%n.pid",
            "SlurmctldLogFile": folder / "log" / "slurmctld.log",
            "SlurmdLogFile": f"{folder}/log/%n.log",
            "ProctrackType": "proctrack/linuxproc",  # no cgroups
            "TaskPlugin": "task/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "MpiDefault": "none",
            "SwitchType": "switch/none",
            "SlurmdParameters": "config_overrides",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "sched_min_interval=0,bf_interval=1,batch_sched_delay=0",
            "ReturnToService": 2,
            "SlurmdTimeout": 5,  # a dead node is seen soon
            "SlurmctldTimeout": 10,
            "MessageTimeout": 3,
            "InactiveLimit": 0,
            "KillWait": 2,
            "MinJobAge": 3600,  # the stand-in for sacct asks for finished jobs
            "MaxArraySize": 10001,
            "MaxJobCount": 20000,
        }
        last = first + len(self.nodes) - 1
        node = (
            f"NodeName=n[1-{len(self.nodes)}] NodeHostname=login NodeAddr=127.0.0.1 "
            f"Port=[{first}-{last}] CPUs=1 RealMemory=4000 State=UNKNOWN"
        )
        queue = "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
        text = [f"{key}={value}" for key, value in lines.items()]
        return "\n".join([*text, node, queue, ""])

    def _write_sacct(self) -> None:
        """Put the stand-in that PyHRF ships where a user of the cluster has to put it."""
        path = self.folder / "bin" / "sacct"
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -m pyhrf.execution.soma.sacct "$@"\n')
        path.chmod(0o755)

    def _make_machines(self) -> None:
        """Make the namespaces, and a process that keeps them until its standard input ends."""
        keeper = self.folder / "keeper"
        keeper.write_text(self._keeper_script())
        keeper.chmod(0o755)
        log = self.folder / "log" / "keeper"
        with log.open("wb") as out:
            self._keeper = subprocess.Popen(
                ["bash", "-c", _OUTER, "bash", self.folder],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the tests: they take it down
                env={"PATH": PATH},
            )
        ready = self.folder / "pids"
        keeper_pid = self._keeper

        def there() -> bool:
            if keeper_pid.poll() is not None:
                raise NoBedError(f"no namespaces can be made: {log.read_text().strip()}")
            return ready.exists()

        wait_until(there, seconds=20, what="the namespaces")
        login, desk = map(int, ready.read_text().split())
        self._pids = {"login": login, "desk": desk}

    def _keeper_script(self) -> str:
        """Write what the first process does: mounts, network, and an end of all at its end."""
        lines = ["#!/bin/bash", "set -e", _END_OF_ALL]
        lines += [f'cd "{self.folder}"', "mount --bind etc /etc"]
        lines += ["mount -t tmpfs -o mode=755 tmpfs /run", "mkdir -p /run/sshd /run/munge"]
        lines += ways_in(self.folder)
        desk, login = MACHINES["desk"], MACHINES["login"]
        lines += [
            "hostname login",
            "ip link set lo up",
            "unshare --net --uts sleep infinity &",
            "desk=$!",
            "mine=$(readlink /proc/self/ns/uts)",
            "until there=$(readlink /proc/$desk/ns/uts) && [ $there != $mine ]; do sleep .02; done",
            "ip link add eth0 type veth peer name eth0 netns $desk",
            f"ip addr add {login}/24 dev eth0",
            "ip link set eth0 up",
            'desk() { nsenter --target $desk --net --uts "$@"; }',
            "desk hostname desk",
            "desk ip link set lo up",
            f"desk ip addr add {desk}/24 dev eth0",
            "desk ip link set eth0 up",
            "echo $$ $desk >pids.new; mv pids.new pids",
            "cat >/dev/null || true",
        ]
        return "\n".join(lines) + "\n"

    def _start_sshd(self, machine: str) -> None:
        conf = self.folder / f"sshd_{machine}"
        more = ("MaxSessions 50", "MaxStartups 100")
        conf.write_text(sshd_conf(MACHINES[machine], self.folder / f"host_{machine}", *more))
        self._daemon(machine, f"sshd_{machine}", "sshd", "-D", "-e", "-f", conf)

    def _daemon(self, machine: str, name: str, *command: object) -> None:
        """Start a server; it stays our child, so that its end leaves nothing."""
        program, *arguments = map(str, command)
        path = str(shutil.which(program, path=PATH))
        with (self.folder / "log" / f"{name}.out").open("ab") as out:
            self._servers[name] = subprocess.Popen(
                [*self._enter(machine), path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=_environment(),
            )

    def _start_slurm(self) -> None:
        log = self.folder / "log"
        files = ["--log-file", log / "munged", "--seed-file", log / "munged.seed"]
        files += ["--pid-file", log / "munged.pid"]
        self._daemon("login", "munged", "munged", "--foreground", "--force", *files)
        there = Path("/proc", str(self._pids["login"]), "root")
        socket = there / "run" / "munge" / "munge.socket.2"
        wait_until(socket.exists, seconds=10, what="munged")
        self._daemon("login", "slurmctld", "slurmctld", "-D")
        for node in self.nodes:
            self.start_node(node, wait=False)
        self._wait_for_nodes(*self.nodes)

    def _check(self) -> None:
        for user, other in ((CLIENT, CLUSTER), (CLUSTER, CLIENT)):
            self._wait_for_sshd(MACHINE_OF[other])
            address = f"{other}@{MACHINE_OF[other]}"
            self.run(user, ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", address, "id"])
            code = "import pyhrf.data, asyncssh, distributed"
            done = self.run(user, [sys.executable, "-c", code], check=False)
            if done.returncode != 0:
                said = done.stderr.strip()[-300:]
                raise NoBedError(f"another user cannot run this Python: {said}")

    def _wait_for_sshd(self, machine: str) -> None:
        log = self.folder / "log" / f"sshd_{machine}.out"
        wait_until(lambda: "listening" in log.read_text(), seconds=10, what=f"ssh on {machine}")

    # --- programs

    def home(self, user: str) -> Path:
        """Return the home of a user."""
        return self.folder / f"home_{user}"

    def _enter(self, machine: str) -> list[str]:
        namespaces = ("--mount", "--net", "--uts", "--ipc")
        return ["nsenter", "--target", str(self._pids[machine]), *namespaces]

    def command(
        self,
        user: str,
        arguments: Sequence[object],
        *,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> list[str]:
        """Return the command that runs a program as a user on the machine where that user is."""
        programs = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        environment = {
            "PATH": programs if user == CLIENT else f"{self.folder}/bin:{programs}",
            **(env or {}),
        }
        return [
            *self._enter(MACHINE_OF[user]),
            *as_user(user, _UIDS[user], self.home(user), environment),
            *("env", "-C", str(cwd or self.home(user))),
            *map(str, arguments),
        ]

    def run(
        self,
        user: str,
        arguments: Sequence[object],
        *,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 120,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as a user, in the user's home if nothing else is said; wait for its end."""
        command = self.command(user, arguments, cwd=cwd, env=env)
        return run(command, timeout=timeout, check=check)

    def start(
        self,
        user: str,
        arguments: Sequence[object],
        *,
        stdout: Path,
        stderr: Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program as a user; its id is that of the program itself."""
        return start(self.command(user, arguments, cwd=cwd, env=env), stdout, stderr)

    @contextlib.contextmanager
    def started(
        self, user: str, arguments: Sequence[object], **options: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program as a user; it is killed at the end. What it says is in its home."""
        files = {name: self.home(user) / name for name in ("stdout", "stderr")}
        process = self.start(user, arguments, **{**files, **options})  # type: ignore[arg-type]  # paths
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)

    def run_root(
        self, machine: str, arguments: Sequence[object], **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as root on a machine."""
        return run([*self._enter(machine), *arguments], **{"env": _environment(), **options})

    def processes(self, *users: str) -> list[Process]:
        """Return the processes of users (by default of both), but for those of ssh sessions."""
        uids = {_UIDS[user] for user in users or _UIDS}
        found = [process for process in self._processes() if process.user in uids]
        return [process for process in found if not is_of_ssh(process.command)]

    def _processes(self) -> list[Process]:
        """Return all processes of the bed."""
        mine = _mount_space(self._pids["login"])
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            with contextlib.suppress(OSError, ProcessLookupError):
                command = command_of(int(entry.name))
                if command and _mount_space(int(entry.name)) == mine:
                    found.append(Process(int(entry.name), command, entry.stat().st_uid))
        return found

    # --- the cluster

    def slurm(self, *command: object, check: bool = True) -> str:
        """Run a program of Slurm as root; return what it says."""
        return self.run_root("login", command, check=check).stdout

    def jobs(self) -> dict[int, str]:
        """Return the jobs that are not over, and the state of each: RUNNING, PENDING ..."""
        lines = self.slurm("squeue", "-h", "-o", "%A %T").splitlines()
        return {int(number): state for number, state in map(str.split, lines)}

    def node_of(self, job: int) -> str:
        """Return the node on which a job runs."""
        return self.slurm("squeue", "-h", "-j", job, "-o", "%N").strip()

    def kill_node(self, node: str) -> None:
        """Switch a node off: nothing of it runs any more, and nobody tells Slurm."""
        jobs = self.slurm("squeue", "-h", "-w", node, "-t", "R,CG", "-o", "%A").split()
        steps = {f"slurmstepd: [{job}." for job in jobs}
        doomed = {p.pid for p in self._processes() if p.command.startswith(tuple(steps))}
        assert self._servers[node].poll() is None, f"{node} runs no more: its id may be another's"
        doomed.add(self._servers[node].pid)
        children = True
        while children:
            children = {pid for pid in map(_pid_and_parent, _all_pids()) if pid[1] in doomed}
            children = {pid for pid, _ in children} - doomed
            doomed |= children
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._servers[node].wait(10)

    def start_node(self, node: str, *, wait: bool = True) -> None:
        """Switch a node on."""
        (self.folder / f"spool.{node}").mkdir(exist_ok=True)
        log = self._log_of(node)
        self._logged[node] = log.stat().st_size if log.exists() else 0
        self._daemon("login", node, "slurmd", "-D", "-N", node)
        if wait:
            self._wait_for_nodes(node)

    def _wait_for_nodes(self, *nodes: str) -> None:
        """Wait until Slurm uses nodes; one that does not come is switched off and on, once."""
        late = self._late(nodes)
        for node in late:
            self._revive(node)
        late = self._late(late)
        if late:
            said = "\n".join(self._end_of_log(name) for name in (*late, "slurmctld"))
            raise NoBedError(f"Slurm does not use {' and '.join(late)}:\n{said}")

    def _late(self, nodes: Sequence[str]) -> list[str]:
        """Wait up to 40 s; return the nodes that Slurm does not use, or whose server ended.

        Of a node that was lost Slurm may still say that it is idle: its server says itself that it
        listens.
        """

        def unusable() -> list[str]:
            lines = self.slurm("sinfo", "-h", "-N", "-o", "%N %t", check=False).splitlines()
            states = dict(line.split() for line in lines)
            used = {node for node in nodes if states.get(node) in ("idle", "alloc", "mix")}
            return [node for node in nodes if node not in used or not self._listens(node)]

        def dead() -> bool:
            return any(self._servers[node].poll() is not None for node in nodes)

        with contextlib.suppress(AssertionError):
            wait_until(lambda: dead() or not unusable(), seconds=40, what="Slurm's nodes")
        ended = {node for node in nodes if self._servers[node].poll() is not None}
        return sorted(ended.union(unusable()))

    def _listens(self, node: str) -> bool:
        """Tell whether the server of a node has said so since it was started."""
        log = self._log_of(node)
        return log.exists() and b"slurmd started on" in log.read_bytes()[self._logged[node] :]

    def _log_of(self, node: str) -> Path:
        return self.folder / "log" / f"{node}.log"

    def _revive(self, node: str) -> None:
        """Switch a node off, if it runs, and on, and tell Slurm that it may be used again."""
        if self._servers[node].poll() is None:
            self.kill_node(node)
        self.start_node(node, wait=False)
        # What is not down is not to be resumed: Slurm says so, and that is well.
        self.slurm("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)

    def _end_of_log(self, name: str) -> str:
        """Return the last lines of a server: of its log, and what it said before it had one."""
        logs = [self.folder / "log" / f"{name}.{suffix}" for suffix in ("log", "out")]
        said = "".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())
        return f"--- the log of {name}:\n{said.strip()}"

    # --- between tests

    def reset(self) -> None:
        """End all jobs and what the users run, start lost nodes, make the homes as new.

        Raises
        ------
        NoBedError
            If a node cannot be revived; the text has its log.
        """
        try:
            self._reset()
        except Exception as error:
            self.broken = str(error).partition("\n")[0]
            raise

    def _reset(self) -> None:
        self.slurm("scancel", f"--user={CLUSTER}", check=False)
        for process in self._processes():
            if process.user in _UIDS.values():
                process.kill()
        lost = [node for node in self.nodes if self._servers[node].poll() is not None]
        for node in lost:
            self.start_node(node, wait=False)
        if lost or self.jobs():
            wait_until(lambda: not self.jobs(), seconds=40, what=f"an empty queue: {self.jobs()}")
        self._take_back_drained()
        self._wait_for_nodes(*self.nodes)
        for user in _UIDS:
            self._furnish(user)
        for path in (self.folder / "shared").iterdir():
            _remove(path)

    def _take_back_drained(self) -> None:
        """Have Slurm use nodes again that it has put aside, as when a task was slow to die."""
        for line in self.slurm("sinfo", "-h", "-N", "-o", "%N %t").splitlines():
            node, state = line.split()
            if state.startswith("dr"):
                self.slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def _furnish(self, user: str) -> None:
        """Make the home of a user as new; what was compiled stays."""
        home, other = self.home(user), CLUSTER if user == CLIENT else CLIENT
        for path in home.iterdir() if home.exists() else ():
            if path.name not in _KEPT:
                _remove(path)
        for name in (".ssh", ".pyhrf", ".cache"):
            (home / name).mkdir(parents=True, exist_ok=True)
        (home / ".ssh").chmod(0o700)
        for path in (home / ".ssh").iterdir():
            _remove(path)
        self.give_key(user)
        shutil.copy(self.folder / f"key_{other}.pub", home / ".ssh" / "authorized_keys")
        keys = {name: public_key(self.folder / f"host_{name}") for name in MACHINES}
        known = [f"{name},{MACHINES[name]} {key}\n" for name, key in keys.items()]
        (home / ".ssh" / "known_hosts").write_text("".join(known))
        (home / ".soma-workflow.cfg").write_text(_SOMA[user])
        if user == CLUSTER:
            path = f"export PATH={self.folder}/bin:{Path(sys.executable).parent}:$PATH\n"
            for name in (".profile", ".bashrc"):
                (home / name).write_text(path)
        self.give(home, user)

    def give_key(self, user: str, *, stranger: bool = False) -> None:
        """Give a user the key that the other user accepts, or one that nobody knows."""
        for suffix in ("", ".pub"):
            key = self.folder / f"key_{'stranger_' if stranger else ''}{user}{suffix}"
            shutil.copy(key, self.home(user) / ".ssh" / f"id_rsa{suffix}")
        self.give(self.home(user) / ".ssh", user)

    def give_caches(self, fill: Callable[[Path], None]) -> None:
        """Have a function put into the caches of both users what need not be compiled again."""
        for user in _UIDS:
            fill(self.home(user) / ".cache")
            self.give(self.home(user) / ".cache", user)

    def give(self, path: Path, user: str) -> None:
        """Make a user the owner of a file or of a folder with all in it."""
        give(path, _UIDS[user])

    def write(self, user: str, name: str, text: str) -> Path:
        """Write a file in the home of a user, such as ``.pyhrf/config.cfg``."""
        path = self.home(user) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.give(path.parent if path.parent != self.home(user) else path, user)
        return path


_SOMA = {
    CLIENT: f"[{RESOURCE}]\ncluster_address = login\nsubmitting_machines = login\n"
    f"login = {CLUSTER}\npython_command = {sys.executable}\n",
    CLUSTER: f"[{RESOURCE}]\nserver_name = {RESOURCE}_db\nscheduler_type = slurm\n"
    "cluster_address = login\nsubmitting_machines = login\n",
}
"""``~/.soma-workflow.cfg`` of each user."""


def _environment() -> dict[str, str]:
    """Return the environment for root: with ``SLURM_CONF`` the servers would be the site's."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "MUNGE"))}


def _remove(path: Path) -> None:
    """Remove a file or a folder, even while someone still writes into it."""
    if path.is_dir() and not path.is_symlink():
        for _ in range(20):
            shutil.rmtree(path, ignore_errors=True)
            if not path.exists():
                return
            time.sleep(0.1)
    else:
        path.unlink(missing_ok=True)


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _pid_and_parent(pid: int) -> tuple[int, int]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return pid, 0
    return pid, int(fields[1])


def _mount_space(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/mnt").readlink())
