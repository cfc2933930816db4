"""The report as notebooks and browsers take it, with the methods that nilearn's has."""

from __future__ import annotations

import shutil
import tempfile
import weakref
import webbrowser
from html import escape
from pathlib import Path
from typing import Any

from pyhrf.errors import InputError

_HEIGHT = 800  # pixels


class ReportPage(str):
    """An HTML page that a notebook shows when it is the last value of a cell.

    It is the text of the page, with the methods of nilearn's ``HTMLReport``.

    Attributes
    ----------
    width : int or str
        Of the frame in a notebook: pixels, or part of the cell; all of it.
    height : int
        Pixels.
    """

    width: int | str = "100%"
    height: int = _HEIGHT

    @property
    def html(self) -> str:
        """The page as a plain text."""
        return str.__str__(self)

    def get_standalone(self) -> str:
        """Give the page as a plain text."""
        return self.html

    def resize(self, width: int | str, height: int) -> ReportPage:
        """Set the size of the frame in a notebook.

        Parameters
        ----------
        width : int or str
            Pixels, or part of the cell as ``"80%"``.
        height : int
            Pixels.

        Returns
        -------
        self
        """
        self.width, self.height = width, height
        return self

    def get_iframe(self, width: int | str | None = None, height: int | None = None) -> str:
        """Give HTML with the page in a frame, to be put into another page.

        Parameters
        ----------
        width, height : optional
            As of `resize`; by default those that are set.

        Returns
        -------
        str
        """
        return (
            f'<iframe srcdoc="{escape(self.html)}" title="PyHRF report" '
            f'width="{self.width if width is None else width}" '
            f'height="{self.height if height is None else height}" style="border: 0"></iframe>'
        )

    def save_as_html(self, file_name: str | Path) -> None:
        """Write the page to a file, which a browser opens without this program.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        try:
            Path(file_name).write_text(self.html, "utf-8")
        except OSError as error:
            raise InputError(
                f"{file_name}: cannot be written: {error.strerror or error}; give another path"
            ) from error

    def open_in_browser(self, file_name: str | Path | None = None) -> None:
        """Show the page in the browser of this machine.

        Parameters
        ----------
        file_name : path, optional
            Where the page is written for that; by default a temporary file, which is removed when
            Python ends.

        Raises
        ------
        InputError
            If the file cannot be written, or there is no browser.
        """
        if file_name is None:
            folder = tempfile.mkdtemp(prefix="pyhrf-report-")
            weakref.finalize(ReportPage, shutil.rmtree, folder, ignore_errors=True)
            file_name = Path(folder) / "report.html"
        self.save_as_html(file_name)
        if not webbrowser.open(Path(file_name).absolute().as_uri()):
            raise InputError(
                "no browser can be opened from here: write the page with save_as_html(file), and "
                "open that file"
            )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        # alone: the text of the page would be kept in the notebook a second time
        return {"text/html": self.get_iframe()}

    def _repr_html_(self) -> str:
        return self.get_iframe()

    def __repr__(self) -> str:
        return f"<report, {len(self.html.encode()) / 1e6:.2g} MB: save_as_html(file) writes it>"
