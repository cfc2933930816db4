"""Whether what a model was fitted to is still what it was."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.errors import InputError
from pyhrf.files import state_of
from pyhrf.interface.images import is_image, is_surface_image
from pyhrf.spaces.untyped import nib


@dataclass(frozen=True)
class States:
    """What files and images were like at the time of the fit.

    Attributes
    ----------
    given : dict of str to object
        Files and images by what they are, as ``run_imgs of run 1``.
    states : dict of str to object
        What each of them was like.
    """

    given: dict[str, Any]
    states: dict[str, object]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> States:
        """Look at files and images; what is something else is left out."""
        some = {name: one for name, one in given.items() if _is_path(one) or is_image(one)}
        return cls(some, {name: _state(one) for name, one in some.items()})

    def check(self) -> None:
        """Refuse what has changed, for nothing that is fitted would go with it.

        Raises
        ------
        InputError
            Naming what has.
        """
        for name, state in self.states.items():
            if _state(self.given[name]) != state:
                raise InputError(
                    f"{name} has been changed or removed since the fit, and what is asked for "
                    "needs it as it was: fit the model again"
                )

    def __getstate__(self) -> dict[str, Any]:
        # a copy has images of its own, whose values may be stored in another way
        kept = [name for name, one in self.given.items() if _is_path(one)]
        return {
            "given": {name: self.given[name] for name in kept},
            "states": {name: self.states[name] for name in kept},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _is_path(value: object) -> bool:
    return isinstance(value, str | Path)


def _state(value: Any) -> object:
    if _is_path(value):
        return state_of(Path(value).absolute())
    if is_surface_image(value):
        return [_sum(part) for part in value.data.parts.values()]
    if isinstance(value, nib().GiftiImage):
        return [_sum(array.data) for array in value.darrays]
    affine = getattr(value, "affine", None)
    about = None if affine is None else affine.tobytes()
    if not nib().is_proxy(value.dataobj):
        return about, _sum(value.dataobj)
    file = value.dataobj.file_like
    there = state_of(Path(file)) if _is_path(file) else None
    return about, there, _sum(value.get_fdata()) if _differs(value, there) else None


def _differs(image: Any, there: object) -> bool:
    """Tell whether values in memory are others than those of the file."""
    if not image.in_memory:
        return False
    return there is None or not np.array_equal(
        image.get_fdata(), np.asarray(image.dataobj), equal_nan=True
    )


def _sum(values: Any) -> int:
    # transposed, for images have their first axis fastest
    return zlib.crc32(np.ascontiguousarray(np.asarray(values).T).data)
