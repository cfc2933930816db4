"""The parameters of single trials: levels of single events beside those of conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from pyhrf.parameters.declare import EstimatorSettings, Option, parameter

TrialPrior = Literal["common", "condition"]
TrialHyper = Literal["all", "run"]
Simultaneous = Literal["refused", "pooled"]

ALL = "all"
"""What `TrialSettings.single_trials` is where the events of all conditions are trials."""
_ALLOWED = "all, or names of conditions apart by commas"
# A name apart from others by commas; one in quotes may have commas itself, and quotes twice.
_NAME = re.compile(r"""\s*(?:'((?:[^']|'')+)'|"((?:[^"]|"")+)"|([^,]*))\s*(?:,|$)""")


def names_in(text: str) -> list[str]:
    """Read names apart by commas.

    Examples
    --------
    >>> names_in("audio, 'go, left'")
    ['audio', 'go, left']
    """
    found = []
    for single, double, plain in _NAME.findall(text):
        found.append(single.replace("''", "'") or double.replace('""', '"') or plain.strip())
    return [name for name in found if name]


def names_as_text(names: Iterable[str]) -> str:
    """Write names that `names_in` reads.

    Examples
    --------
    >>> names_as_text(["audio", "go, left", "all"])
    "audio, 'go, left', 'all'"
    """
    return ", ".join(
        name if name != ALL and names_in(name) == [name] else "'" + name.replace("'", "''") + "'"
        for name in names
    )


def trials_as_text(given: object) -> object:
    """Write what says which events are trials as a study file has it, one text for one choice.

    Parameters
    ----------
    given : object
        What is none of what is allowed is given back.
    """
    if given is None or given is False:
        return None
    if given is True:
        return ALL
    if isinstance(given, str):
        names: list[object] = [] if given.strip() == ALL else [*names_in(given)]
        return names_as_text(map(str, names)) if names else given.strip()
    names = list(given) if isinstance(given, Iterable) else []
    if names and all(isinstance(name, str) and name for name in names):
        return names_as_text(map(str, names))
    return given


@dataclass(frozen=True, kw_only=True)
class TrialSettings(EstimatorSettings):
    """Levels of single events."""

    single_trials: Sequence[str] | str | bool | None = parameter(
        None,
        description="Conditions of which each event has a level of its own: all, or names apart "
        "by commas, one with a comma and one that is called all in quotes; the levels of "
        "conditions are there besides",
        allowed=_ALLOWED,
        empty="no event has a level of its own",
        as_text=trials_as_text,
        option=Option(
            "--single-trials",
            "Also estimate the height of the response to each single event, of all conditions or "
            "of those that are named, apart by commas",
            metavar="[NAMES]",
            default="none",
            alone=ALL,
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
            needs="--single-trials",
        ),
    )
    trial_hyper: TrialHyper = parameter(
        "all",
        description="Runs of which variances of single trials, and means of conditions that they "
        "are shrunk to, are estimated: all, or, for the trials of each run, the other runs, for "
        "decoding that leaves runs out",
        allowed="all or run",
        option=Option(
            "--trial-hyper",
            "Estimate variances of single trials, and means of conditions if they are shrunk to "
            "these, from all runs, or for each run from the others",
            needs="--single-trials",
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
            needs="--single-trials",
        ),
    )

    @property
    def trial_conditions(self) -> tuple[str, ...] | None:
        """Conditions whose events are trials; None for all of them, () for none."""
        given = self.single_trials
        if given is None or given is False:
            return ()
        if given is True:
            return None
        if isinstance(given, str):
            return None if given.strip() == ALL else tuple(names_in(given))
        return tuple(given)

    @property
    def has_trials(self) -> bool:
        """Whether single trials are estimated."""
        return self.trial_conditions != ()

    def ignored(self) -> tuple[str, ...]:
        """Pass over what is said of trials where there are none: results do not depend on it."""
        others = ("trial_prior", "trial_hyper", "simultaneous")
        return () if self.has_trials else ("single_trials", *others)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Tell whether a list of conditions names none, or something is said of no trials."""
        if self.single_trials not in (None, False) and self.trial_conditions == ():
            yield "single_trials", f"must be {_ALLOWED}"
        else:
            for one in fields(TrialSettings):
                if one.name in self.ignored() and getattr(self, one.name) != one.default:
                    yield (
                        one.name,
                        "it is about single trials, and there are none: say of which conditions "
                        "(single_trials), or leave it out",
                    )
