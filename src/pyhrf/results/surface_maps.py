"""Maps on surfaces, GIFTI or CIFTI: the same bytes from the same estimates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.files import replace_file


@dataclass(frozen=True, slots=True)
class NodeGrid:
    """Nodes on which maps lie.

    Attributes
    ----------
    labels : int array, shape (n_nodes,)
        The parcellation: the parcel of each node, 0 for background.
    structure : str
        What the mesh shows, such as ``CortexLeft``, by which viewers find it; may be empty.
    """

    labels: NDArray[np.int32]
    structure: str

    def write(
        self,
        path: Path,
        name: str,
        frames: Iterable[NDArray[Any]],
        *,
        dtype: type[np.float32] | type[np.int32],
        n_samples: int | None,
        step: float | None,
    ) -> Path:
        """Write a map as ``.func.gii``, one array for each sample; see `MapGrid`."""
        from nibabel.gifti.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

        as_array: Any = GiftiDataArray
        make_meta: Any = GiftiMetaData
        make_image: Any = GiftiImage
        intent = "NIFTI_INTENT_NONE" if n_samples is None else "NIFTI_INTENT_TIME_SERIES"
        timing = {} if step is None else {"TimeStep": f"{1000 * step:g}"}  # milliseconds
        arrays = [
            as_array(
                np.ascontiguousarray(frame, dtype=dtype),
                intent=intent,
                datatype=np.dtype(dtype),
                # Named bytes: the order of this machine would else be in the file.
                endian="little",
                meta=make_meta({"Name": name, **timing}),
            )
            for frame in frames
        ]
        structure = {"AnatomicalStructurePrimary": self.structure} if self.structure else {}
        image = make_image(darrays=arrays, meta=make_meta({"Name": f"PyHRF {name}", **structure}))
        path = path.with_name(f"{path.name}.func.gii")
        with replace_file(path) as file:
            file.write(image.to_bytes())
        return path


@dataclass(frozen=True, slots=True)
class GrayordinateGrid:
    """Positions of a CIFTI file on which maps lie.

    Attributes
    ----------
    labels : int array, shape (n_positions,)
        The parcellation: the parcel of each position, 0 for background.
    axis : nibabel BrainModelAxis
        The positions.
    """

    labels: NDArray[np.int32]
    axis: Any

    def write(
        self,
        path: Path,
        name: str,
        frames: Iterable[NDArray[Any]],
        *,
        dtype: type[np.float32] | type[np.int32],
        n_samples: int | None,  # noqa: ARG002 - of MapGrid; the frames tell
        step: float | None,
    ) -> Path:
        """Write a map as ``.dscalar.nii``, one row for each sample; see `MapGrid`.

        A step between samples makes it a ``.dtseries.nii``.
        """
        from nibabel.cifti2.cifti2 import Cifti2Image
        from nibabel.cifti2.cifti2_axes import ScalarAxis, SeriesAxis

        make_scalars: Any = ScalarAxis
        make_series: Any = SeriesAxis
        make_image: Any = Cifti2Image
        values = np.stack(list(frames)).astype(dtype, copy=False)
        if step is None:
            rows, kind = make_scalars([name] * len(values)), "dscalar"
        else:
            rows, kind = make_series(0, step, len(values)), "dtseries"
        image = make_image(values, (rows, self.axis))
        image.nifti_header.set_intent(
            "NIFTI_INTENT_CONNECTIVITY_DENSE_" + ("SCALARS" if step is None else "SERIES")
        )
        path = path.with_name(f"{path.name}.{kind}.nii")
        with replace_file(path) as file:
            file.write(image.to_bytes())
        return path
