"""Analyse the example data with the two commands that a user types, in the folder ``demo/``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "demo"
COMMANDS = Path(sys.executable).parent


def main() -> int:
    """Run the demonstration; return the exit status."""
    FOLDER.mkdir(exist_ok=True)
    for made_before in (FOLDER / "results", FOLDER / "detectestim.xml"):
        if made_before.is_dir():
            shutil.rmtree(made_before)
        else:
            made_before.unlink(missing_ok=True)
    print(f"In the folder {FOLDER}:", flush=True)
    started = time.monotonic()
    for command in (["pyhrf_jde_buildcfg"], ["pyhrf_jde_estim", "-v1"]):
        print("$", *command, flush=True)
        status = subprocess.run([str(COMMANDS / command[0]), *command[1:]], cwd=FOLDER).returncode
        if status != 0:
            return status
    seconds = time.monotonic() - started
    print(f"\nDone in {seconds:.0f} s. The results are in {FOLDER / 'results'}:")
    for name, content in (
        ("hrf.tsv", "the haemodynamic response of every parcel"),
        ("parcels.tsv", "one row per parcel: status, time to peak, ..."),
        ("conditions.tsv", "one row per parcel and condition"),
        ("active_*.nii.gz", "maps: the probability that a voxel is active"),
        ("nrl_*.nii.gz", "maps: the height of the response"),
    ):
        print(f"  {name:<16} {content}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
