"""The sampler draws from the posterior of its model: all blocks together, against the prior."""

from __future__ import annotations

import numpy as np
import pytest
from validation.sampler import calibration, joint_distribution, make_model

# one false alarm in ten thousand runs, for all quantities together
ALARM = 1e-4


def test_sampler__ranks_of_the_truth_are_uniform():
    table = calibration(250, seed=1)
    assert {"h[0]", "v_h", "level[0, 0]", "label[0, 0]", "mu[0]", "v0[0]", "v1[0]"} <= set(
        table.index
    )
    assert {"s[0]", "rho[0]", "alpha[0]", "beta[0]"} <= set(table.index)
    assert table["p"].min() > ALARM / len(table)


def test_sampler__successive_draws_of_parameters_and_data_have_the_prior():
    table = joint_distribution(6_000, 2, 4_000, seed=1)
    assert table["p"].min() > ALARM / (2 * len(table))
    # the test says something: standard errors of three hundredths at most
    assert table["mean_ess"].min() > 75


HYPER = make_model().hyper
WRONG = {
    "noise": ({"noise": HYPER.noise * [1, 2]}, "s[0]"),
    "mean": ({"mean": HYPER.mean + 1}, "mu[0]"),
    "width": ({"variance": HYPER.variance * 2}, "v0[0]"),
    "scale": ({"hrf_scale": HYPER.hrf_scale * [1, 3]}, "v_h"),
    "strength": ({"field": HYPER.field + 4 * HYPER.betas}, "beta[0]"),
    "odds": ({"field": HYPER.field + 4 * HYPER.alphas[:, None]}, "alpha[0]"),
    "inflation": ({"inflation": 40.0}, "s[0]"),
}


# the others take as long and are found as surely
QUICK = ("noise", "width", "strength")


@pytest.mark.parametrize(
    "block",
    [
        block if block in QUICK else pytest.param(block, marks=pytest.mark.integration)
        for block in WRONG
    ],
)
def test_calibration__finds_a_sampler_that_is_wrong(block):
    fields, name = WRONG[block]
    # all are found by p below 1e-10
    table = calibration(100, seed=2, believed=HYPER._replace(**fields))
    assert table["p"][name] < 1e-3


def test_model__has_a_prior_that_its_labels_follow():
    model = make_model()
    assert model.agreement.max() == model.graph.n_edges == 12
    assert np.unique(model.labels, axis=0).shape == (256, 8)
