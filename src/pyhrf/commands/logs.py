"""Where the messages of the modules go while a study is run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyhrf.commands.verbosity import DETAILS, logging_level
from pyhrf.errors import ConfigError

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def logging_to(verbosity: int, path: Path | None) -> Iterator[None]:
    """Show what modules log from level 2 on, and keep it in a file if that is set.

    Parameters
    ----------
    verbosity : int
        Level, 0 to 6.
    path : Path or None
        The file, ``log_to_file`` of the settings.

    Raises
    ------
    ConfigError
        When the file cannot be written.
    """
    log = logging.getLogger("pyhrf")
    handlers = list(_handlers(verbosity, path))
    level, propagate = log.level, log.propagate
    log.setLevel(min([logging.WARNING, *(handler.level for handler in handlers)]))
    # Not on to the root logger, whose last resort prints on the screen.
    log.propagate = False
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
        log.setLevel(level)
        log.propagate = propagate


def _handlers(verbosity: int, path: Path | None) -> Iterator[logging.Handler]:
    level = logging_level(verbosity)
    if path is not None:
        try:
            file = logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"section [log], key log_to_file: {path} cannot be written: {error.strerror}"
            ) from error
        file.setFormatter(logging.Formatter(_FORMAT))
        file.setLevel(min(logging.WARNING, level))
        yield file
    if verbosity >= DETAILS:
        screen = logging.StreamHandler()
        screen.setFormatter(logging.Formatter("%(message)s"))
        screen.setLevel(level)
        yield screen
