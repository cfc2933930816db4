"""The family of artificial experiments: the reference, and what differs from it one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyhrf.simulation.examples import reference_spec
from pyhrf.simulation.simulate import Simulated, simulate
from pyhrf.simulation.spec import SimulationSpec
from validation.other_noise import SHARED, OtherNoise, with_noise

__all__ = ["SCENARIOS", "Scenario", "choose_scenarios"]


@dataclass(frozen=True)
class Scenario:
    """One kind of experiment.

    Attributes
    ----------
    name : str
    text : str
        What differs from the reference, for a table.
    changes : dict
        Fields of `SimulationSpec` that differ from the reference.
    group : str
        Heading under which tables show it.
    noise : OtherNoise, optional
        In the place of the simulator's.
    """

    name: str
    text: str
    changes: dict[str, Any] = field(default_factory=dict)
    group: str = "reference"
    noise: OtherNoise | None = None

    def spec(self, seed: int) -> SimulationSpec:
        """Describe its data for one seed."""
        return replace(reference_spec(seed), **self.changes)

    def data(self, seed: int) -> Simulated:
        """Make its data for one seed."""
        data = simulate(self.spec(seed))
        return data if self.noise is None else with_noise(data, self.noise)


def _group(group: str, *scenarios: tuple[str, str, dict[str, Any]]) -> list[Scenario]:
    return [Scenario(name, text, changes, group) for name, text, changes in scenarios]


def _other(
    name: str, text: str, noise: OtherNoise, changes: dict[str, Any] | None = None
) -> Scenario:
    return Scenario(name, text, changes or {}, "Other noise", noise)


MANY = {"n_conditions": 20, "event_interval": 66.0, "n_scans": 400}

SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        *_group(
            "Signal",
            ("half", "the reference: amplitude 1/2 of the noise sd", {}),
            ("quarter", "amplitude 1/4", {"snr": 0.25}),
            ("eighth", "amplitude 1/8", {"snr": 0.125}),
            ("one", "amplitude 1", {"snr": 1.0}),
            ("two", "amplitude 2", {"snr": 2.0}),
        ),
        *_group(
            "Activation",
            ("rough", "active voxels scattered, no blobs", {"smoothness": 0.0}),
            (
                "rough-quarter",
                "scattered, amplitude 1/4",
                {"smoothness": 0.0, "snr": 0.25},
            ),
            ("weakly-smooth", "small blobs (0.7 voxels)", {"smoothness": 0.7}),
            ("smooth", "large blobs (3 voxels)", {"smoothness": 3.0}),
            ("smooth-quarter", "large blobs, amplitude 1/4", {"smoothness": 3.0, "snr": 0.25}),
            ("active-0", "no active voxel at all", {"active_fraction": 0.0}),
            ("active-10", "10 % active", {"active_fraction": 0.1}),
            ("active-60", "60 % active", {"active_fraction": 0.6}),
            (
                "active-60-quarter",
                "60 % active, amplitude 1/4",
                {"active_fraction": 0.6, "snr": 0.25},
            ),
            (
                "uneven-levels",
                "levels of active voxels spread by half, of inactive by a tenth of the mean",
                {"level_spread": 0.5, "inactive_level_spread": 0.1},
            ),
            ("negative", "30 % of the active conditions negative", {"negative_fraction": 0.3}),
        ),
        *_group(
            "Design",
            ("conditions-1", "1 condition", {"n_conditions": 1}),
            (
                "conditions-10",
                "10 conditions, 8 to 10 events of each",
                {"n_conditions": 10, "event_interval": 40.0},
            ),
            (
                "conditions-12",
                "12 conditions, 300 scans",
                {"n_conditions": 12, "event_interval": 48.0, "n_scans": 300},
            ),
            (
                "blocks",
                "blocks of 15 s, amplitude 1/10",
                {
                    "event_duration": (15.0, 15.0),
                    "event_interval": 80.0,
                    "n_scans": 240,
                    "snr": 0.1,
                },
            ),
            (
                "durations",
                "events of 0.5 to 3 s, amplitude 1/4",
                {"event_duration": (0.5, 3.0), "snr": 0.25},
            ),
            ("tr-short", "TR 0.8 s, 500 scans", {"tr": 0.8, "n_scans": 500}),
            ("tr-long", "TR 3 s, 133 scans", {"tr": 3.0, "n_scans": 133}),
            ("runs-2", "two runs of 100 scans", {"n_runs": 2, "n_scans": 100}),
            (
                "parcels-small",
                "30 voxels a parcel",
                {"shape": (12, 12, 10)},
            ),
            (
                "parcels-large",
                "6 parcels of 2,000 voxels",
                {"shape": (30, 30, 26), "n_parcels": 6},
            ),
        ),
        *_group(
            "HRF",
            ("hrf-early", "peaks from 2.5 to 3.5 s", {"hrf_peak": (2.5, 3.5)}),
            ("hrf-late", "peaks from 8 to 10 s", {"hrf_peak": (8.0, 10.0)}),
            ("hrf-wide", "8 to 10 s wide", {"hrf_fwhm": (8.0, 10.0)}),
            ("hrf-narrow", "3 to 4 s wide", {"hrf_fwhm": (3.0, 4.0)}),
            ("hrf-undershoot", "undershoot of 0.5 to 0.8", {"hrf_undershoot": (0.5, 0.8)}),
        ),
        *_group(
            "Noise",
            ("noise-white", "white noise", {"ar1": (0.0, 0.0)}),
            ("noise-correlated", "AR(1) coefficient from 0.4 to 0.8", {"ar1": (0.4, 0.8)}),
            ("noise-heavy", "Student's t with 4 degrees of freedom", {"noise_dof": 4.0}),
            ("noise-uneven", "noise sd differs by half between voxels", {"noise_sd_spread": 0.5}),
            (
                "noise-smooth",
                "noise correlated between voxels (0.8 voxels)",
                {"noise_smoothness": 0.8},
            ),
            ("drift-strong", "drifts three times as large", {"drift": 3.0}),
        ),
        _other("shared", "noise that voxels share", SHARED),
        _other("shared-quarter", "the same, amplitude 1/4", SHARED, {"snr": 0.25}),
        _other("shared-nothing", "the same, nothing active", SHARED, {"active_fraction": 0.0}),
        _other("shared-many", "the same, 20 conditions of 12 events", SHARED, MANY),
        _other("shared-many-quarter", "the same, amplitude 1/4", SHARED, {**MANY, "snr": 0.25}),
        *(
            _other(
                f"smoothed-{fwhm}",
                f"shared noise, data smoothed by {fwhm} mm",
                replace(SHARED, fwhm=float(fwhm)),
            )
            for fwhm in (4, 6, 8)
        ),
        _other("oscillation", "a sine of 80 s, 1 sd", OtherNoise(oscillation=1.0)),
        _other(
            "arma",
            "ARMA(1, 1) noise, TR 0.7 s",
            OtherNoise(spectrum="arma"),
            {"tr": 0.7, "n_scans": 570},
        ),
        _other(
            "one-over-f",
            "1/f noise, TR 0.7 s",
            OtherNoise(spectrum="long"),
            {"tr": 0.7, "n_scans": 570},
        ),
        _other("spike", "one scan is off by 10 sd", OtherNoise(spikes=(1, 10.0))),
        _other("spikes", "five scans are off by 4 sd", OtherNoise(spikes=(5, 4.0))),
        _other("movements", "movements that nobody knows of", OtherNoise(movements=1.0)),
    )
}


def choose_scenarios(names: Sequence[str]) -> list[Scenario]:
    """Find scenarios by name; ``all`` are all of them.

    Raises
    ------
    KeyError
        There is none of that name.
    """
    if "all" in names:
        return list(SCENARIOS.values())
    return [SCENARIOS[name] for name in names]
