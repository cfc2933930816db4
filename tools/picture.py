"""Draw ``docs/example.svg``, the README's picture, from the results of ``make demo``.

    make demo && .venv/bin/python tools/picture.py

The example data are simulated, so that the picture can show the truth beside what was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pyhrf.results import Results

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "example.svg"

COLOURS = ("#3366cc", "#dc3912", "#b8860b", "#109618", "#990099", "#0a8a9a")
CELL = 11  # pixels of a voxel
LEFT, TOP = 16, 44  # of the first panel
GAP = 36
STYLE = """<style>
text { font: 13px sans-serif; fill: #222 } .small { font-size: 11px; fill: #555 }
path.curve { fill: none; stroke-width: 1.8 } path.truth { fill: none; stroke-dasharray: 2 3 }
</style>"""


def main() -> None:
    """Draw parcels, true activation, found activation and responses side by side."""
    results = Results(ROOT / "demo" / "results")
    data = results.directory / "example-data"
    parcels = np.asarray(nib.load(data / "parcellation.nii.gz").dataobj).astype(int)
    with np.load(data / "truth.npz") as truth:
        condition = str(truth["conditions"][0])
        active = np.zeros(parcels.size)
        active[truth["positions"]] = truth["labels"][0]
        true_time, true_hrf = truth["hrf_time"], truth["hrf"]
    found = np.asarray(results.load_map(f"active_{condition}").dataobj)
    z = max(range(parcels.shape[2]), key=lambda z: len(np.unique(parcels[:, :, z])))
    inside = parcels[:, :, z] > 0
    width = CELL * parcels.shape[0] + GAP
    panels = [
        _panel(0, "1. Parcels of the data", _colours(parcels[:, :, z])),
        _panel(
            width, "2. Truly active voxels", _greys(active.reshape(parcels.shape)[:, :, z], inside)
        ),
        _panel(2 * width, "3. Found: P(active)", _greys(found[:, :, z], inside)),
        "".join(_curves(3 * width, results, true_time, true_hrf)),
    ]
    right, height = LEFT + 3 * width + 330, TOP + CELL * parcels.shape[1] + 34
    note = f"Simulated example data, one slice, condition {condition}. Dashed: the true responses."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {height}">',
        STYLE,
        f'<rect width="{right}" height="{height}" fill="#fff"/>',
        *panels,
        f'<text class="small" x="{LEFT}" y="{height - 12}">{note}</text>',
        "</svg>",
    ]
    PICTURE.write_text("\n".join(lines) + "\n")
    print(f"{PICTURE} ({PICTURE.stat().st_size / 1000:.0f} kB)")


def _panel(x: int, title: str, colours: NDArray[np.str_]) -> str:
    """Draw a slice; voxels of one colour are one path."""
    paths = []
    for colour in np.unique(colours[colours != ""]):
        squares = "".join(
            f"M{LEFT + x + CELL * i} {TOP + CELL * (colours.shape[1] - 1 - j)}"
            f"h{CELL}v{CELL}h-{CELL}z"
            for i, j in np.argwhere(colours == colour)
        )
        paths.append(f'<path fill="{colour}" shape-rendering="crispEdges" d="{squares}"/>')
    return f'<text x="{LEFT + x}" y="{TOP - 16}">{title}</text>' + "".join(paths)


def _colours(labels: NDArray[np.int_]) -> NDArray[np.str_]:
    return np.array(["", *COLOURS])[labels]


def _greys(values: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.str_]:
    """Turn probabilities into eleven colours from light grey to red."""
    low, high = np.array([232, 232, 236]), np.array([200, 24, 24])
    steps = np.round(np.nan_to_num(values) * 10).astype(int)
    palette = [low + (high - low) * step / 10 for step in range(11)]
    names = np.array(["#{:02x}{:02x}{:02x}".format(*colour.astype(int)) for colour in palette])
    return np.where(inside, names[steps], "")


def _curves(
    x: int, results: Results, true_time: NDArray[np.float64], true_hrf: NDArray[np.float64]
) -> Iterator[str]:
    """Draw the response of each parcel with its axes."""
    left, bottom, per_second, unit = LEFT + x + 14, TOP + 136, 11, 120
    yield f'<text x="{left}" y="{TOP - 16}">4. Found: the response of each parcel</text>'
    yield f'<path stroke="#999" fill="none" d="M{left} {bottom}h{25 * per_second}"/>'
    for second in range(0, 26, 5):
        yield (
            f'<text class="small" x="{left + per_second * second}" y="{bottom + 46}" '
            f'text-anchor="middle">{second}{" s" if second == 25 else ""}</text>'
        )
    for index, (_, samples) in enumerate(results.hrf.groupby("parcel")):
        for time, values, kind, stroke in (
            (true_time[::5], true_hrf[index, ::5], "truth", 1),
            (samples["time"].to_numpy(), samples["hrf"].to_numpy(), "curve", 1.8),
        ):
            points = " ".join(
                f"{left + per_second * t:.1f},{bottom - unit * value:.1f}"
                for t, value in zip(time, values, strict=True)
            )
            yield (
                f'<path class="{kind}" stroke="{COLOURS[index]}" stroke-width="{stroke}" '
                f'd="M{points}"/>'
            )


if __name__ == "__main__":
    main()
