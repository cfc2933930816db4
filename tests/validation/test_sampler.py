"""The summary of the sampler's long tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from validation.sampler import BLOCKS, draw_prior, make_model, quantities, summary


def test_summary__has_every_quantity_in_one_block() -> None:
    model = make_model()
    drawn = quantities(draw_prior(model, np.random.default_rng(0)), model)
    names = {name.partition("[")[0] for name in drawn}
    listed = [name for block in BLOCKS.values() for name in block]
    assert sorted(listed) == sorted(names)


def test_summary__shows_the_worst_of_a_block() -> None:
    names = [name for block in BLOCKS.values() for name in block]
    joint = pd.DataFrame({"p": 0.5, "mean_prior": 0.5, "mean_chain": 0.501}, index=names)
    joint["mean_ess"] = 10_000.0
    joint.loc["v1", ["p", "mean_chain", "mean_ess"]] = [0.0021, 0.493, 1234.0]
    ranks = pd.DataFrame({"p": 0.9}, index=names)
    ranks.loc["mu", "p"] = 0.012
    text = summary(ranks, joint)
    assert "| mixtures | 3 | 0.012 | 0.0021 | 0.0070 | 1,234 |" in text
    assert "| noise | 2 | 0.900 | 0.5000 | 0.0010 | 10,000 |" in text
    assert f"below {0.05 / len(names):.4f}" in text
