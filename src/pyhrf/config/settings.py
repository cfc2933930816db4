"""The settings of a user or machine: ``~/.pyhrf/config.cfg``, read and never written."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from pyhrf.config.messages import problem, section_of
from pyhrf.config.section import not_allowed
from pyhrf.config.settings_text import line_numbers, values_of_text
from pyhrf.errors import ConfigError
from pyhrf.files import read_regular
from pyhrf.wording import did_you_mean

DEFAULT_PATH = "~/.pyhrf/config.cfg"
_LEVELS = (*range(7), 10, 20, 30, 40, 50)
# A leading dash would be an option of ssh.
_HOST = re.compile(r"[\w\[][\w.:@\[\]-]*")
_OF_THE_OLD_PROGRAM = "global"


def _setting(default: object, allowed: str, **options: Any) -> Any:
    return Field(default=default, json_schema_extra={"allowed": allowed}, **options)


def _one_word(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise not_allowed("must be one name, without blanks, that does not start with a dash")
    return text


def _hosts(value: object) -> object:
    """Tell a list of hosts from the path of a file that holds one."""
    if not isinstance(value, str):
        return value
    if "/" in value:
        return Path(_home(value))
    hosts = tuple(host for line in value.splitlines() for host in _names(line))
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise not_allowed(f"{host!r} must be a host name or a path (with a /)")
    if not hosts:
        raise not_allowed("holds no host: write host names, separated by commas")
    return hosts


def _names(line: str) -> list[str]:
    """Split one line of a list of hosts: at commas, or at blanks if it has none."""
    line = line.strip().strip(",").strip()  # a list may go on in the next line
    return [name.strip() for name in line.split(",")] if "," in line else line.split()


def _home(text: str) -> str:
    # Path.expanduser raises where there is no home.
    return os.path.expanduser(text)  # noqa: PTH111 - see above


def _file(value: object) -> object:
    return Path(_home(value)) if isinstance(value, str) else value


def _lines(value: object) -> object:
    """Split a text of several lines; a directive that starts with # would be a comment."""
    if not isinstance(value, str):
        return value
    lines = tuple(line.strip() for line in value.splitlines() if line.strip())
    if any(line.startswith("#") for line in lines):
        raise not_allowed("leave out the mark of the scheduler (#SBATCH, #PBS, …)")
    return lines


def _check_level(level: int) -> int:
    if level not in _LEVELS:
        raise not_allowed("must be 0 (silent) to 6, or 10, 20, 30, 40, 50")
    return level


def _own_path(path: str) -> str:
    home = path.partition("/")[0]
    if home.startswith("~") and home != "~":
        raise not_allowed(f"may begin with ~/, your home there; write {home} as a whole path")
    return path


_Word = Annotated[str, AfterValidator(_one_word)]
_RemotePath = Annotated[str, AfterValidator(_own_path)]
_File = Annotated[Path, BeforeValidator(_file)]
_NICENESS = "a whole number from 0 to 19"


class _SettingsSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LocalSettings(_SettingsSection):
    """``[parallel-local]``: this machine.

    Attributes
    ----------
    nb_procs : int
        Job slots; 0 for all cores that this process may use.
    niceness : int
        Nice level of the workers.
    """

    nb_procs: int = _setting(0, "a whole number of at least 0 (0: all cores)", ge=0)
    niceness: int = _setting(10, _NICENESS, ge=0, le=19)


class LanSettings(_SettingsSection):
    """``[parallel-LAN]``: machines that are reached by ssh.

    Attributes
    ----------
    hosts : tuple of str, or Path
        Host names, each as often as it has slots; or the file that holds such a list.
    user : str, optional
        Login on all hosts.
    niceness : int
        Nice level of the workers.
    remote_path : str, optional
        Folder that all hosts see, for temporary results.
    remote_host : str, optional
        Host from which results are fetched.
    enable_unit_test : bool
        Whether the self-test tries this engine.
    python : str, optional
        Interpreter on the hosts; without it the path of this one.
    """

    hosts: Annotated[tuple[str, ...] | Path, BeforeValidator(_hosts)] = Field(
        default=Path("~/.pyhrf/hosts_LAN"),
        json_schema_extra={"allowed": "a comma list of host names, or the path of a file"},
    )
    user: _Word | None = _setting(None, "a login name")
    niceness: int = _setting(10, _NICENESS, ge=0, le=19)
    remote_path: _RemotePath | None = _setting(None, "a path")
    remote_host: _Word | None = _setting(None, "a host name")
    enable_unit_test: bool = _setting(False, "0 or 1")
    python: str | None = _setting(None, "a path")

    def slots(self) -> tuple[str, ...]:
        """Give the host of each job slot; the list of hosts is read if it is in a file.

        Raises
        ------
        ConfigError
            If that file cannot be read or holds no host or no host name.
        """
        if not isinstance(self.hosts, Path):
            return self.hosts
        path = Path(_home(str(self.hosts)))
        try:
            lines = read_regular(path).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text in UTF-8"
            raise ConfigError(
                f"{path}: cannot be read: {reason}; write the hosts there, or as hosts in "
                "section [parallel-LAN] of the settings"
            ) from error
        slots: list[str] = []
        for number, line in enumerate(lines, start=1):
            for host in filter(None, _names(line.partition("#")[0])):
                if not _HOST.fullmatch(host):
                    raise ConfigError(f"{path}, line {number}: {host!r} is not a host name")
                slots.append(host)
        if not slots:
            raise ConfigError(f"{path}: holds no host: write host names, separated by commas")
        return tuple(slots)


class ClusterSettings(_SettingsSection):
    """``[parallel-cluster]``: a cluster that soma-workflow drives.

    Attributes
    ----------
    server_id : str, optional
        Name of the resource in ``~/.soma-workflow.cfg``.
    server : str, optional
        Host to which the data go by ssh; without it that of the section of soma-workflow.
    user : str, optional
        Login there; without it that of the section of soma-workflow.
    remote_path : str, optional
        Folder on the cluster for temporary results.
    python : str, optional
        Interpreter on the cluster.
    enable_unit_test : bool
        Whether the self-test tries this engine.
    client_host : str, optional
        If set, results are also pushed back to this host.
    """

    server_id: str | None = _setting(None, "a name of ~/.soma-workflow.cfg")
    server: _Word | None = _setting(None, "a host name")
    user: _Word | None = _setting(None, "a login name")
    remote_path: _RemotePath | None = _setting(None, "a path")
    python: str | None = _setting(None, "a path")
    enable_unit_test: bool = _setting(False, "0 or 1")
    client_host: _Word | None = _setting(None, "a host name")


class QueueSettings(_SettingsSection):
    """``[parallel-queue]``: what a batch scheduler is asked for.

    Attributes
    ----------
    queue : str, optional
        Queue or partition; without it the scheduler's own choice.
    account : str, optional
        Account or project to which the jobs are charged.
    walltime : str, optional
        Longest time of a job, ``HH:MM:SS`` or ``D-HH:MM:SS``.
    memory : str, optional
        Memory of a job, as ``4GB``.
    cores : int, optional
        Cores of a job, each of them a worker; without it 1.
    max_jobs : int, optional
        Jobs at one time; without it 10.
    python : str, optional
        Interpreter on the nodes.
    extra_directives : tuple of str
        Further directives, one a line, without the mark of the scheduler.
    """

    queue: _Word | None = _setting(None, "the name of a queue")
    account: _Word | None = _setting(None, "the name of an account")
    walltime: str | None = _setting(
        None,
        "a time as 12:00:00 or 1-00:00:00",
        pattern=r"^([0-9]+-)?[0-9]+:[0-5][0-9]:[0-5][0-9]$",
    )
    memory: str | None = _setting(
        None, "a size as 500MB or 4GB", pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$"
    )
    cores: int | None = _setting(None, "a whole number of at least 1", ge=1)
    max_jobs: int | None = _setting(None, "a whole number of at least 1", ge=1)
    python: str | None = _setting(None, "a path")
    extra_directives: Annotated[tuple[str, ...], BeforeValidator(_lines)] = Field(default=())


class LogSettings(_SettingsSection):
    """``[log]``: how much is said, and where.

    Attributes
    ----------
    level : int, optional
        0 (silent) to 6, or a level of `logging`; without it that of the command.
    log_to_file : Path, optional
        File to which the log is written too.
    """

    level: Annotated[int, AfterValidator(_check_level)] | None = _setting(
        None, "a whole number: 0 (silent) to 6, or 10, 20, 30, 40, 50"
    )
    log_to_file: _File | None = _setting(None, "the path of a file")


class Settings(_SettingsSection):
    """All settings; each has a default.

    Attributes
    ----------
    parallel_local : LocalSettings
    parallel_LAN : LanSettings
    parallel_cluster : ClusterSettings
    parallel_queue : QueueSettings
    log : LogSettings
    """

    parallel_local: LocalSettings = LocalSettings()
    parallel_LAN: LanSettings = LanSettings()
    parallel_cluster: ClusterSettings = ClusterSettings()
    parallel_queue: QueueSettings = QueueSettings()
    log: LogSettings = LogSettings()


def load_settings(path: Path | str | None = None) -> Settings:
    """Load the settings.

    Parameters
    ----------
    path : Path or str, optional
        The file; without it that of ``PYHRF_CONFIG``, else ``~/.pyhrf/config.cfg`` if there is
        one. ``/dev/null`` stands for no settings.

    Raises
    ------
    ConfigError
        If a file that is asked for is not there, or holds an unknown section or key or a value
        that is not allowed; with line, section, key, value and what is allowed.
    """
    asked = path or os.environ.get("PYHRF_CONFIG")
    file = Path(asked) if asked else Path(_home(DEFAULT_PATH))
    if str(file) == os.devnull:
        return Settings()
    try:
        text = read_regular(file).decode("utf-8-sig")
    except FileNotFoundError as error:
        if not asked:
            return Settings()
        how = "" if path else ", which PYHRF_CONFIG names"
        raise ConfigError(f"{file}: no such settings file{how}") from error
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not a text in UTF-8") from error
    return _settings(values_of_text(text, file), line_numbers(text), file)


def _settings(
    values: dict[str, dict[str, str]], lines: dict[tuple[str, str], int], file: Path
) -> Settings:
    fields = {name.replace("_", "-"): name for name in Settings.model_fields}
    if values.pop(_OF_THE_OLD_PROGRAM, None) is not None:
        logging.getLogger(__name__).warning(
            "%s, section [%s]: it is of PyHRF 0.5 and is ignored: you can remove it",
            _place(file, lines, _OF_THE_OLD_PROGRAM),
            _OF_THE_OLD_PROGRAM,
        )
    for section in values:
        if section not in fields:
            known = did_you_mean(section, fields)
            raise ConfigError(
                f"{_place(file, lines, section)}, section [{section}]: unknown section: {known}"
            )
    try:
        return Settings.model_validate({fields[name]: keys for name, keys in values.items()})
    except ValidationError as error:
        sentences = [_sentence(details, lines, file) for details in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(sentences))) from error


def _sentence(details: Any, lines: dict[tuple[str, str], int], file: Path) -> str:
    name, key = details["loc"][:2]
    section = name.replace("_", "-")
    where = f"{_place(file, lines, section, key)}, section [{section}], key {key}"
    model = section_of(Settings.model_fields[name])[0]
    known = model.model_fields if model else {}
    if details["type"] == "extra_forbidden":
        return f"{where}: unknown key: {did_you_mean(key, known)}"
    return f"{where}: {problem(details, known[key])}"


def _place(file: Path, lines: dict[tuple[str, str], int], section: str, key: str = "") -> str:
    line = lines.get((section, key))
    return f"{file}, line {line}" if line else str(file)
