"""Files of a small surface: one of the two flat hemispheres of the simulator, and a real one."""

from __future__ import annotations

from pathlib import Path

from pyhrf.simulation.bids_surfaces import hemispheres_of, write_gifti
from pyhrf.simulation.datasets import events_tsv
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec


def simulated_surface(folder: Path, spec: SimulationSpec) -> dict[str, Path]:
    """Write a hemisphere of a simulated box."""
    made = simulate(spec)
    half = next(hemispheres_of(made))
    names = {"bold": "bold.func.gii", "parcellation": "all.label.gii", "mesh": "flat.surf.gii"}
    files = {name: folder / file for name, file in names.items()}
    write_gifti(files["bold"], half.structure, time_series=half.series(made.bold))
    write_gifti(files["parcellation"], half.structure, label=half.labels)
    write_gifti(files["mesh"], half.structure, pointset=half.points, triangle=half.triangles)
    files["paradigm"] = folder / "events.tsv"
    files["paradigm"].write_text(events_tsv(made.experiment.runs[0]))
    return files


def real_surface(shared_data: Path) -> dict[str, Path]:
    """Name the files of parcels 36, 38 and 39."""
    names = ("bold", "parcellation", "mesh")
    files = {name: shared_data / f"real_data_surf_tiny_{name}.gii" for name in names}
    return files | {"paradigm": shared_data / "paradigm_loc_av.csv"}
