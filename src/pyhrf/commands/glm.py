"""``pyhrf glm``: make the study file, and run it."""

from __future__ import annotations

import click

from pyhrf.commands.likewise import buildcfg_like_jde, estim_like_jde
from pyhrf.commands.options import CONTEXT

_STUDY_FILE = "glm.xml"


@click.group(
    short_help="General linear model: buildcfg, estim.",
    context_settings=CONTEXT,
)
def glm() -> None:
    """General linear model, by nilearn: tests of every voxel, with an HRF that is given or free."""


buildcfg = buildcfg_like_jde(
    "glm",
    study_file=_STUDY_FILE,
    without=("n_iterations",),
    extra=(
        click.Option(
            ["-m", "--model"],
            type=click.Choice(["canonical", "derivatives", "fir"]),
            help="Responses: SPM's HRF, with its derivatives, or FIR.  [default: canonical]",
        ),
        click.Option(
            ["--fir-delays"],
            metavar="SECONDS",
            help='Where the bins of the FIR end, as "0 1.5 3 4.5".  [default: 0, TR, 2 TR ...]',
        ),
    ),
)
estim = estim_like_jde("pyhrf_glm_estim", study_file=_STUDY_FILE)
glm.add_command(buildcfg)
glm.add_command(estim)
