"""The share of the variance of trials that conditions explain, against scipy and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway

from pyhrf.model.noise_ceiling import noise_ceiling

NAMES = [*"aabbaccbcab"]  # four of a, four of b, three of c


def draw(n_positions: int, n_conditions: int, n_repeats: int, *, signal: float) -> np.ndarray:
    """Levels of variance 1, of which conditions give a part; a repeat of all after the other."""
    rng = np.random.default_rng(3)
    means = rng.normal(size=(n_positions, n_conditions))
    noise = rng.normal(size=(n_positions, n_conditions * n_repeats))
    return np.sqrt(signal) * np.tile(means, n_repeats) + np.sqrt(1 - signal) * noise


def test_noise_ceiling__is_one_less_the_mean_squares_within_over_the_total() -> None:
    levels = draw(40, 3, 4, signal=0.4)
    conditions = [*"abc"] * 4
    found = noise_ceiling(levels, conditions, [True] * 12)
    assert found is not None
    for mine, share in zip(levels, found, strict=True):
        F = f_oneway(mine[0::3], mine[1::3], mine[2::3]).statistic
        # between = F within, and the sum of squares is that of both
        total = (2 * F + 9) / 11
        assert share == pytest.approx(max(1 - 1 / total, 0), abs=1e-12)
    assert (found == 0).any()
    assert (found > 0).any()


@pytest.mark.parametrize("signal", [0.0, 0.3, 0.8])
def test_noise_ceiling__is_the_share_that_was_put_in(signal: float) -> None:
    n = 60
    levels = draw(500, n, 3, signal=signal).astype(np.float32)
    found = noise_ceiling(levels, [str(k) for k in range(n)] * 3, [True] * 3 * n)
    assert found is not None
    assert np.mean(found) == pytest.approx(signal, abs=0.04)


def test_noise_ceiling__does_not_look_at_what_has_no_level_or_no_repeat() -> None:
    levels = draw(5, 11, 1, signal=0.5)
    plain = noise_ceiling(levels, NAMES, [True] * 11)
    odd = np.hstack([levels, np.full((5, 1), np.nan), np.full((5, 1), 50.0)])
    found = noise_ceiling(odd, [*NAMES, "a", "once"], [*[True] * 11, False, True])
    assert plain is not None
    assert found is not None
    np.testing.assert_array_equal(found, plain)


def test_noise_ceiling__is_nan_in_positions_left_out_and_0_where_nothing_varies() -> None:
    levels = draw(3, 11, 1, signal=0.5)
    levels[0], levels[1] = np.nan, 4.0
    found = noise_ceiling(levels, NAMES, [True] * 11)
    assert found is not None
    assert np.isnan(found).tolist() == [True, False, False]
    assert found[1] == 0


@pytest.mark.parametrize(
    ("names", "has_level"),
    [("aaaabc", [True] * 6), ("aabb", [True, True, True, False]), ("aaaa", [True] * 4)],
)
def test_noise_ceiling__needs_two_conditions_that_are_repeated(
    names: str, has_level: list[bool]
) -> None:
    assert noise_ceiling(np.ones((2, len(names))), list(names), has_level) is None
