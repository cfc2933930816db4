"""R-hat and effective sample sizes on chains of which both are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from pyhrf.estimators.mcmc_diagnostics import effective_sample_size, split_rhat


def autoregressive(rho: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Stationary AR(1) chains along the second axis."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    noise[:, 0] /= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=1)


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.5, 0.9])
def test_effective_sample_size__of_an_autoregression_is_the_closed_form(rho):
    chains = autoregressive(rho, (4, 5000, 6))
    expected = 4 * 5000 * (1 - rho) / (1 + rho)
    found = effective_sample_size(chains)
    assert found.shape == (6,)
    assert found.mean() == pytest.approx(expected, rel=0.12)


def test_effective_sample_size__does_not_depend_on_the_scale_of_the_draws():
    chains = autoregressive(0.6, (2, 500))
    assert effective_sample_size(np.exp(3 * chains)) == effective_sample_size(chains)


def test_split_rhat__is_one_where_chains_agree():
    assert np.all(split_rhat(autoregressive(0.3, (4, 2000, 5))) < 1.01)


def test_split_rhat__finds_other_means_other_widths_and_trends():
    chains = autoregressive(0.0, (4, 1000))
    elsewhere, wider, trend = chains.copy(), chains.copy(), chains + np.linspace(0, 2, 1000)
    elsewhere[0] += 1
    wider[0] *= 4
    for each in (elsewhere, wider, trend):
        assert split_rhat(each) > 1.05


def test_split_rhat__of_one_chain_compares_its_halves():
    chains = autoregressive(0.0, (1, 1000))
    assert split_rhat(chains) < 1.02
    chains[0, 500:] += 3
    assert split_rhat(chains) > 1.5


def test_both__take_what_never_changes_for_known():
    chains = np.ones((2, 100, 1))
    assert split_rhat(chains).tolist() == [1.0]
    assert effective_sample_size(chains).tolist() == [200.0]


def test_split_rhat__of_chains_that_each_stay_elsewhere_is_infinite():
    chains = np.stack([np.zeros(50), np.ones(50)])
    assert split_rhat(chains) == np.inf
    # each chain tells one thing
    assert effective_sample_size(chains) < 5
