"""The batch schedulers: their programs, and a question that each answers when it is there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scheduler:
    """A batch scheduler.

    Attributes
    ----------
    title : str
        Its name in a sentence.
    programs : tuple of str
        What submits, lists and removes jobs.
    question : str
        Command of the shell that ends with status 0 if the scheduler answers.
    queue_question : str
        Command that prints something if the queue ``{queue}`` is there, and nothing or an error
        otherwise; empty where there are no queues.
    queues : str
        Command that prints the names of all queues, one a line.
    """

    title: str
    programs: tuple[str, ...]
    question: str
    queue_question: str = ""
    queues: str = ""


SCHEDULERS = {
    "slurm": Scheduler(
        "Slurm",
        ("sbatch", "squeue", "scancel"),
        "sinfo -h -o %P",
        "sinfo -h -p {queue} -o %a",
        "sinfo -h -o %R",
    ),
    "pbs": Scheduler(
        "PBS",
        ("qsub", "qstat", "qdel"),
        "qstat -B",
        "qstat -Q {queue}",
        "qstat -Q | awk 'NR > 2 {print $1}'",
    ),
    "sge": Scheduler(
        "Grid Engine", ("qsub", "qstat", "qdel"), "qconf -sql", "qconf -sq {queue}", "qconf -sql"
    ),
    "lsf": Scheduler(
        "LSF",
        ("bsub", "bjobs", "bkill"),
        "bqueues",
        "bqueues {queue}",
        "bqueues | awk 'NR > 1 {print $1}'",
    ),
    "htcondor": Scheduler(
        "HTCondor", ("condor_submit", "condor_q", "condor_rm"), "condor_status -schedd"
    ),
    "oar": Scheduler("OAR", ("oarsub", "oarstat", "oardel"), "oarnodes -s"),
}
"""By the name of the engine."""
