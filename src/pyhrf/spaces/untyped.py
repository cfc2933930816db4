"""Libraries without types."""

from __future__ import annotations

from typing import Any


def nib() -> Any:
    """Give nibabel, whose functions have no types; it is imported when a file is read."""
    import nibabel

    return nibabel
