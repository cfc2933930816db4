"""The parameters of joint detection-estimation by Markov chain Monte Carlo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pyhrf.parameters.common import JDE, JDE_REFERENCES, ppm_threshold, smallest_parcel
from pyhrf.parameters.declare import EstimatorSettings, Option, parameter
from pyhrf.parameters.kinds import EstimatorKind

StartKind = Literal["vem", "dispersed"]

# Fewest sweeps that quantiles and the comparison of chains can be taken of.
FEWEST_KEPT = 50


@dataclass(frozen=True, kw_only=True)
class McmcSettings(EstimatorSettings):
    """Markov chain Monte Carlo (MCMC)."""

    n_iterations: int = parameter(
        3000,
        ge=100,
        description="Sweeps of every chain, those of the burn-in included",
        allowed="a whole number of at least 100",
        option=Option(
            "-n",
            "of MCMC, sweeps of every chain, a third of them burn-in",
            metavar="N",
            default="none",
        ),
    )
    n_burn_in: int = parameter(
        1000,
        ge=0,
        description="Sweeps at the start of every chain that are thrown away",
        allowed="a whole number below n_iterations",
    )
    n_chains: int = parameter(
        2,
        ge=1,
        le=64,
        description="Chains of every parcel; two at least are needed to see whether they agree",
        allowed="a whole number from 1 to 64",
    )
    start: StartKind = parameter(
        "vem",
        description="Where the chains start: near the solution of VEM, or far from each other",
        allowed="vem or dispersed",
    )
    beta: float | Literal["estimate"] = parameter(
        "estimate",
        ge=0,
        le=1.2,
        description="Strength of the spatial regularisation of the activation labels, "
        "or estimate to have it sampled for every parcel and condition, close to what VEM chooses",
        allowed="a number from 0 to 1.2, or estimate",
    )
    min_positions: int = smallest_parcel(5)
    ppm_threshold: float | None = ppm_threshold()

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Tell whether the burn-in leaves too little."""
        if self.n_burn_in > self.n_iterations - FEWEST_KEPT:
            yield (
                "n_burn_in",
                f"must leave at least {FEWEST_KEPT} of the {self.n_iterations} iterations",
            )

    @classmethod
    def of_options(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take a third of the sweeps for burn-in."""
        if "n_iterations" not in given:
            return given
        return {"n_burn_in": given["n_iterations"] // 3, **given}


KIND = EstimatorKind(
    name="jde-mcmc",
    settings=McmcSettings,
    section="mcmc",
    home="pyhrf.estimators.mcmc:JDEMCMC",
    design_copies=3.3,
    program=JDE,
    method="Markov chain Monte Carlo",
    short="MCMC",
    report_name="JDE, MCMC",
    report="Haemodynamic responses and response levels were estimated together by joint "
    "detection-estimation (Makni et al. 2008; Vincent et al. 2010), with Gibbs sampling: all "
    "{place}s of a parcel share one response, the levels of each condition follow a mixture "
    "of an active and an inactive class, and an Ising field favours equal classes in "
    "neighbouring {place}s.",
    references=JDE_REFERENCES,
)
