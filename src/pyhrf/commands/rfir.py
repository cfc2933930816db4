"""``pyhrf rfir``: make the study file, and run it."""

from __future__ import annotations

import click

from pyhrf.commands.likewise import buildcfg_like_jde, estim_like_jde
from pyhrf.commands.options import CONTEXT

_STUDY_FILE = "rfir.xml"


@click.group(
    short_help="Regularised finite impulse responses: buildcfg, estim.",
    context_settings=CONTEXT,
)
def rfir() -> None:
    """Regularised finite impulse responses: a smooth HRF of each voxel and condition."""


buildcfg = buildcfg_like_jde(
    "rfir",
    study_file=_STUDY_FILE,
    without=(),
)
estim = estim_like_jde("pyhrf_rfir_estim", study_file=_STUDY_FILE)
rfir.add_command(buildcfg)
rfir.add_command(estim)
