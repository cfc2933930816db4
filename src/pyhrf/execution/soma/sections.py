"""The section of a cluster in soma-workflow's configuration file, here and there."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyhrf.errors import EngineError

_HERE = ("cluster_address", "submitting_machines")
_THERE = ("server_name", *_HERE, "scheduler_type")


def read_section_here(server_id: str, address: str) -> tuple[Path, dict[str, str]]:
    """Read the section of a cluster in soma-workflow's file on this machine.

    Returns
    -------
    path : Path
        The file.
    section : dict of str to str

    Raises
    ------
    EngineError
        If it is not there, or not complete.
    """
    path = Path(os.environ.get("SOMA_WORKFLOW_CONFIG") or "~/.soma-workflow.cfg").expanduser()
    cure = (
        f"write there: [{server_id}], cluster_address = {address}, "
        f"submitting_machines = {address}, each on a line of its own"
    )
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8"), source=str(path))
    except FileNotFoundError:
        raise EngineError(f"{path} is not there", cure) from None
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        text = " ".join(str(error).split())
        raise EngineError(f"{path} cannot be read: {text}", "correct it") from error
    if not parser.has_section(server_id):
        raise EngineError(f"{path} has no section [{server_id}]", cure)
    section = dict(parser[server_id])
    if missing := [key for key in _HERE if key not in section]:
        raise EngineError(f"{path}, section [{server_id}]: {' and '.join(missing)} missing", cure)
    return path, section


def check_section_there(facts: Mapping[str, Any], server_id: str, address: str) -> str:
    """See that soma-workflow's file on the cluster has the section too.

    Returns
    -------
    str
        What was found.

    Raises
    ------
    EngineError
        If it is not there, or not complete.
    """
    cure = (
        f"write into ~/.soma-workflow.cfg there: [{server_id}], server_name = {server_id}_db, "
        f"scheduler_type = slurm (or pbspro), cluster_address = {address}, "
        f"submitting_machines = {address}, each on a line of its own"
    )
    if facts["file"] is None:
        raise EngineError("~/.soma-workflow.cfg is not there on the cluster", cure)
    where = f"{facts['file']} on the cluster"
    section = facts["section"]
    if section is None:
        raise EngineError(f"{where} has no section [{server_id}]", cure)
    if missing := [key for key in _THERE if key not in section]:
        raise EngineError(f"{where}, section [{server_id}]: {' and '.join(missing)} missing", cure)
    if facts["hostname"] == server_id:
        raise EngineError(
            f"server_id = {server_id} is the host name of the cluster, which soma-workflow "
            "takes for light mode there",
            "give the resource another name on both sides",
        )
    return f"{where}, scheduler_type = {section['scheduler_type']}"
