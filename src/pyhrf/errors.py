"""The exceptions of PyHRF; each message names the cause and the cure in one sentence."""

__all__ = ["ConfigError", "EngineError", "InputError", "PyhrfError"]


class PyhrfError(Exception):
    """Base of every error that a user can mend; the command prints its text, never a traceback."""


class InputError(PyhrfError):
    """A file or array that is brought in cannot be used as it is."""


class ConfigError(PyhrfError):
    """The study file, the settings file or an option holds a value that is not allowed."""


class EngineError(PyhrfError):
    """An engine could not start, or lost all its workers."""
