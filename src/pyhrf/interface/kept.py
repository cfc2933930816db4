"""Results that a model keeps."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from pyhrf.errors import InputError
from pyhrf.results import Results

_NOT_KEPT = (".journal",)


class Kept:
    """Results in a folder of the user's, or kept with the model.

    Kept with the model they are files in a temporary folder, which goes with it; a copy of the
    model by pickle has their contents.

    Parameters
    ----------
    directory : Path
        The user's.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._is_own = False
        self._results: Results | None = None

    @classmethod
    def of(cls, results: Results) -> Kept:
        """Take the results out of a folder that goes."""
        kept = cls(Path())
        files = {
            str(path.relative_to(results.directory)): path.read_bytes()
            for path in sorted(results.directory.rglob("*"))
            if path.is_file() and path.relative_to(results.directory).parts[0] not in _NOT_KEPT
        }
        kept._put(files)
        return kept

    @property
    def results(self) -> Results:
        """Tables and maps."""
        if self._results is None:
            self._results = Results(self.directory)
        return self._results

    def copied(self, directory: Path) -> Path:
        """Copy the files to a folder that is not there.

        Raises
        ------
        InputError
            If it is there, or cannot be made.
        """
        if directory.exists():
            raise InputError(f"{directory} exists and is not overwritten: give another folder")
        try:
            shutil.copytree(self.directory, directory, ignore=shutil.ignore_patterns(*_NOT_KEPT))
        except OSError as error:
            raise InputError(
                f"{directory}: cannot be written: {error.strerror or error}"
            ) from error
        return directory

    def _put(self, files: dict[str, bytes]) -> None:
        self.directory, self._results = Path(tempfile.mkdtemp(prefix="pyhrf-results-")), None
        self._is_own = True
        weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True)
        for name, content in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def __getstate__(self) -> dict[str, Any]:
        if not self._is_own:
            return {"directory": self.directory}
        files = [path for path in sorted(self.directory.rglob("*")) if path.is_file()]
        return {"files": {str(p.relative_to(self.directory)): p.read_bytes() for p in files}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state.get("directory", Path()))  # type: ignore[misc]
        if "files" in state:
            self._put(state["files"])
