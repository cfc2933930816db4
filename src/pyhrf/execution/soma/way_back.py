"""The way from the nodes of a cluster to this machine, by which results get to ``client_host``."""

from __future__ import annotations

import secrets
import shlex

from pyhrf.errors import EngineError
from pyhrf.execution.login import login_name
from pyhrf.execution.ssh.shells import Reply, Shell

_SECONDS = 10
_WITHOUT = "leave client_host out (the results are fetched then), or"


def login_here(client_host: str) -> str:
    """Give login and host by which a node gets here, from ``client_host`` of the settings."""
    return client_host if "@" in client_host else f"{login_name()}@{client_host}"


def ssh_back(client_host: str) -> list[str]:
    """Give the words that log in here from a node, up to the command."""
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_SECONDS}"]
    return ["ssh", *options, login_here(client_host)]


async def check_way_back(shell: Shell, client_host: str) -> str:
    """See that the cluster can log in here, and that commands are run then.

    Returns
    -------
    str
        Login and host.

    Raises
    ------
    EngineError
        If it cannot.
    """
    words = ssh_back(client_host)
    login = words[-1]
    mark = secrets.token_hex(8)
    said = await shell.run(shlex.join([*words, f"echo {mark}"]))
    if said.status == 0 and mark not in said.out:
        raise EngineError(
            f"client_host: the login to {login} works, but runs no command",
            f"check that start-up files such as ~/.bashrc of {login} neither end the shell nor "
            "start another one where there is no terminal",
        )
    if said.status:
        cause = f"client_host: the cluster cannot log in to {login}: {said.reason}"
        raise EngineError(cause, f"{_WITHOUT} {_cure(said, words)}")
    return login


def _cure(said: Reply, words: list[str]) -> str:
    login, host = shlex.quote(words[-1]), shlex.quote(words[-1].rpartition("@")[2])
    again = shlex.join([*words, "true"])
    if "ost key verification failed" in said.err:
        learn = f"mkdir -p -m 700 ~/.ssh && ssh-keyscan {host} >> ~/.ssh/known_hosts"
        return f"have it learn the key of this machine; run there: {learn} && {again}"
    if "ermission denied" in said.err:
        # A key with a passphrase would be of no use on a node.
        key = "~/.ssh/id_rsa"
        make = f"[ -e {key} ] || ssh-keygen -t rsa -b 4096 -N '' -f {key}"
        copy = f"ssh-copy-id -i {key} {login}"
        return f"have this machine accept its key; run there: {{ {make}; }} && {copy} && {again}"
    return (
        "check that this machine has an ssh server (apt install openssh-server), and that its "
        f"firewall lets the cluster in; then this works; run there: {again}"
    )
