"""Whether commands get through to a login: its start-up files, or sshd, may stand in the way."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyhrf.errors import EngineError
from pyhrf.execution.ssh.shells import NoAnswerError, Reply, Shell

_SECONDS = 30.0
"""For an echo: some start-up files load a lot over the network."""
_FILES = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshenv",
    "tcsh": "~/.tcshrc or ~/.cshrc",
    "csh": "~/.cshrc",
    "fish": "~/.config/fish/config.fish",
}
"""What a shell reads before the command that sshd gives it."""
_ANY = (
    "~/.bashrc there (zsh: ~/.zshenv, csh: ~/.cshrc or ~/.tcshrc) and all that it reads, such as "
    "~/.profile"
)
_HOW = "in bash this as first line of ~/.bashrc is enough: case $- in *i*) ;; *) return;; esac"
_FORCED = (
    "or have ForceCommand taken out of sshd_config there, or command= out of "
    "~/.ssh/authorized_keys, if it is they that run another command"
)


@dataclass(frozen=True)
class StartupOutput:
    """What start-up files print.

    Attributes
    ----------
    before : str
        On the standard output, before that of the command.
    err : str
        On the standard error.
    """

    before: str
    err: str


async def say_hello(
    shell: Shell, *, before: str = "", files: str = _ANY, trial: str = ""
) -> StartupOutput:
    """Have a random word come back, and another one that is sent.

    Parameters
    ----------
    shell : Shell
        Where.
    before : str
        Commands that are as start-up files, such as `shells.AS_SOMA`.
    files : str
        The start-up files, for the message.
    trial : str
        Command that runs another one there, for the message.

    Raises
    ------
    EngineError
        If they do not come back.
    ConnectionError
        If the connection is lost.
    """
    word, sent = (f"pyhrf-{secrets.token_hex(6)}" for _ in range(2))
    must = f"check that {files}, neither wait, read, exit nor exec another shell where there is no "
    must += f"terminal ({_HOW})"
    then = f"; then this prints hello at once: {trial} echo hello" if trial else ""
    try:
        said = await shell.run(
            f"{before}echo {word} $SHELL; cat", text=f"{sent}\n", seconds=_SECONDS
        )
    except NoAnswerError:
        raise EngineError(
            f"the login works, but an echo did not come back within {_SECONDS:g} s: its start-up "
            "files wait for something, or take that long",
            must + then,
        ) from None
    first, came, rest = said.out.partition(word)
    if not came:
        raise EngineError(_why(said, sent), f"{must}; {_FORCED}{then}")
    if sent not in rest:
        if not before:  # what its own shell reads is known now
            name = PurePosixPath(rest.partition("\n")[0].strip()).name
            files = f"{_FILES[name]} there" if name in _FILES else files
        raise EngineError(
            "the login works, but its start-up files read what is sent to a command",
            f"check that {files} reads nothing (read, cat, select) where there is no terminal "
            f"({_HOW}){then}",
        )
    return StartupOutput(first, said.err)


def _why(said: Reply, sent: str) -> str:
    """Say what came in place of an echo."""
    if sent in said.err + said.out:
        how = "another program, such as a second shell (exec), took what was sent"
    elif said.err.strip() or said.out.strip():
        line = "".join(letter for letter in said.reason if letter.isprintable())
        how = f"it said: {line[:200]}"
    else:
        how = f"its shell ended with status {said.status} and said nothing"
    return f"the login works, but a command is not run there: an echo does not come back ({how})"
