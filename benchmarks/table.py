"""A section's figures and the bars they are to reach, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Self

__all__ = ["Table"]


@dataclass
class Table:
    """Rows of figures.

    Attributes
    ----------
    title : str
    note : str
        What was measured, in a sentence or two.
    """

    title: str
    note: str
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(
        self,
        what: str,
        value: float,
        form: str = "{:.2f} s",
        *,
        bar: float | None = None,
        side: Literal["<=", "<", ">="] = "<=",
    ) -> Self:
        """Add a figure.

        Parameters
        ----------
        what : str
        value : float
        form : str
            Format of the figure and of its bar.
        bar : float, optional
            What it is to reach.
        side : {"<=", "<", ">="}
            On which side of the bar.
        """
        if bar is None:
            self.rows.append((what, form.format(value), "", ""))
            return self
        met = {"<=": value <= bar, "<": value < bar, ">=": value >= bar}[side]
        sign = {"<=": "≤", "<": "<", ">=": "≥"}[side]
        self.rows.append(
            (what, form.format(value), f"{sign} {form.format(bar)}", "yes" if met else "**no**")
        )
        return self

    def markdown(self) -> str:
        """Text of the section."""
        lines = [f"## {self.title}", "", self.note, ""]
        if self.rows:
            lines += ["| | measured | bar | met |", "|---|---:|---:|---|"]
            lines += ["| " + " | ".join(row) + " |" for row in self.rows]
            lines.append("")
        return "\n".join(lines)
