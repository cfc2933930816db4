"""Who runs this, where a machine may not know."""

from __future__ import annotations

import getpass

from pyhrf.errors import EngineError


def login_name() -> str:
    """Give the login of who runs this program.

    Raises
    ------
    EngineError
        If neither the environment nor the machine knows it, as in a container.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise EngineError(
            "this machine does not know your login (it has no passwd entry, and USER is not "
            "set): set it, for example by export USER=NAME"
        ) from error
