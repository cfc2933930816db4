"""The parameters of single trials: levels of single events beside those of conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pyhrf.parameters.declare import EstimatorSettings, Option, parameter

TrialPrior = Literal["common", "condition"]
TrialHyper = Literal["all", "run"]
Simultaneous = Literal["refused", "pooled"]

ALL = "all"
"""What `TrialSettings.single_trials` is where the events of all conditions are trials."""


@dataclass(frozen=True, kw_only=True)
class TrialSettings(EstimatorSettings):
    """Levels of single events."""

    single_trials: Sequence[str] | str | bool | None = parameter(
        None,
        description="Conditions of which each event has a level of its own: all, or names apart "
        "by commas; the levels of conditions are there besides",
        allowed="all, or names of conditions apart by commas",
        empty="no event has a level of its own",
        as_text=True,
        option=Option(
            "--single-trials",
            "Also estimate the height of the response to each single event, of all conditions or "
            "of those that are named, apart by commas",
            metavar="[NAMES]",
            default="none",
            flag=ALL,
        ),
    )
    trial_prior: TrialPrior = parameter(
        "common",
        description="What single trials are shrunk to: the mean of all of them, which knows "
        "nothing of conditions, or the mean of their condition, which makes repeats alike, so that "
        "decoding is circular",
        allowed="common or condition",
        option=Option(
            "--trial-prior",
            "Shrink single trials to the mean of all, or to that of their condition, after which "
            "decoding is circular",
        ),
    )
    trial_hyper: TrialHyper = parameter(
        "all",
        description="Runs of which means and variances of single trials are estimated: all, or, "
        "for the trials of each run, the other runs, for decoding that leaves runs out",
        allowed="all or run",
        option=Option(
            "--trial-hyper",
            "Estimate means and variances of single trials from all runs, or for each run from "
            "the others",
        ),
    )
    simultaneous: Simultaneous = parameter(
        "refused",
        description="Events of two conditions at one time, whose single levels cannot be told "
        "apart: refused, or pooled as one trial",
        allowed="refused or pooled",
        option=Option(
            "--pool-simultaneous",
            "Take events at one time for one trial, instead of refusing them",
            flag="pooled",
            default="none",
        ),
    )

    @property
    def trial_conditions(self) -> tuple[str, ...] | None:
        """Conditions whose events are trials; None for all of them, () for none."""
        given = self.single_trials
        if given is None or given is False:
            return ()
        if isinstance(given, str):
            given = [part.strip() for part in given.split(",") if part.strip()]
        if given is True or list(given) == [ALL]:
            return None
        return tuple(given)

    @property
    def has_trials(self) -> bool:
        """Whether single trials are estimated."""
        return self.trial_conditions != ()

    def ignored(self) -> tuple[str, ...]:
        """Pass over what is said of trials where there are none."""
        return () if self.has_trials else ("trial_prior", "trial_hyper", "simultaneous")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Tell whether a list of conditions names none."""
        if self.single_trials not in (None, False) and self.trial_conditions == ():
            yield "single_trials", "must be all, or names of conditions apart by commas"
