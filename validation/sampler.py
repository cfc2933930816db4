"""Whether the Gibbs sampler draws from the posterior that it promises: two exact tests.

Both need nothing but the prior and the likelihood, which are written down here a second time,
densely and with a time axis.

- Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788): of parameters drawn from
  the prior, and data drawn given them, the rank among draws from the posterior is uniform.
- The joint distribution test (Geweke 2004, JASA 99(467):799): a chain that draws parameters
  given data by one sweep, and data given parameters, has the prior as its distribution.

``python -m validation.sampler`` runs both for long; the tests do for seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click
import numpy as np
import pandas as pd
from scipy.linalg import block_diag
from scipy.special import logsumexp
from scipy.stats import chi2, norm

from pyhrf.data import FloatArray
from pyhrf.estimators.mcmc_diagnostics import effective_sample_size
from pyhrf.estimators.mcmc_kernels import run_chain
from pyhrf.estimators.mcmc_problem import compressed_design
from pyhrf.estimators.mcmc_solver import empty_draws, moments_of
from pyhrf.estimators.mcmc_state import Chain, Design, ParcelMoments, Priors, Steps
from pyhrf.model.graph import NeighbourGraph, grid_edges
from pyhrf.model.statistics import (
    Projector,
    design_statistics,
    parcel_moments,
    without_nuisance,
)

__all__ = ["Model", "calibration", "joint_distribution", "make_model", "summary"]

RUNS = (16, 12)
RHO = np.array([-0.3, 0.0, 0.3, 0.6])
V, M, D = 8, 2, 4
RANK_BINS = 8
BLOCKS = {
    "HRF, and its product with a level": ("h", "response"),
    "HRF's scale": ("v_h",),
    "levels": ("level",),
    "labels": ("label", "active"),
    "mixtures": ("mu", "v0", "v1"),
    "field's log odds and strength": ("alpha", "beta"),
    "noise": ("s", "rho"),
}
"""The quantities of each block of the sampler, by what stands before the index."""
ABOUT = """Of parameters from the prior, the ranks among
draws given their data are uniform (simulation-based calibration); and a chain that draws parameters
and data in turns has the prior as its distribution (Geweke's joint test). Both with every block, in
a parcel so small that all is written down."""


@dataclass(frozen=True)
class Model:
    """A parcel so small that its field can be enumerated.

    Attributes
    ----------
    X : array, shape (n_scans, n_conditions, n_hrf)
    projector, design, graph, hyper
        As the sampler takes them.
    labels : array, shape (2 ** n_positions, n_positions)
        All labels that there are.
    agreement : array, shape (2 ** n_positions,)
        Pairs of neighbours that agree.
    log_prior : array, shape (n_alphas, n_betas)
        Of the fields, up to a constant: by enumeration of all labels.
    coloured : array, shape (n_rho, n_scans, n_scans)
        Makes autoregressive noise, stationary in every run, of white noise.
    """

    X: FloatArray
    projector: Projector
    design: Design
    graph: NeighbourGraph
    hyper: Priors
    labels: np.ndarray
    agreement: FloatArray
    log_prior: FloatArray
    coloured: FloatArray


@cache
def make_model(noise: float = 20.0, seed: int = 0) -> Model:
    """Random design in two runs with drifts, a cube of voxels, informative priors.

    `noise` is the scale of the prior of the noise's variance.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(sum(RUNS), M, D))
    P = np.zeros((sum(RUNS), 2 * len(RUNS)))
    for run, (n, stop) in enumerate(zip(RUNS, np.cumsum(RUNS), strict=True)):
        P[stop - n : stop, 2 * run : 2 * run + 2] = np.vander(np.arange(n) / n, 2)
    projector, statistics = design_statistics(X, P, RUNS, RHO)
    root = rng.normal(size=(D, D)) / np.sqrt(D)
    design = compressed_design(statistics, root @ root.T + 0.5 * np.eye(D))
    edges = grid_edges(np.array(list(itertools.product((0, 1), repeat=3))))
    labels = np.array(list(itertools.product((0, 1), repeat=V)))
    agreement = np.sum([labels[:, i] == labels[:, j] for i, j in edges], axis=0).astype(float)
    alphas, betas = np.array([0.0, -0.8]), np.array([0.0, 0.3, 0.6])
    log_prior = np.log([[0.3, 0.2, 0.2], [0.1, 0.1, 0.1]])
    log_z = np.array(
        [
            [logsumexp(beta * agreement + alpha * labels.sum(axis=1)) for beta in betas]
            for alpha in alphas
        ]
    )
    hyper = Priors(
        mean=np.array([1.2, -0.8]),
        variance=np.array([[0.2, 0.3], [0.6, 0.8]]),
        weight=9.0,
        hrf_scale=np.array([4.0, 4.0]),
        noise=np.array([4.0, noise]),
        alphas=alphas,
        betas=betas,
        field=np.repeat((log_prior - log_z)[None], M, axis=0),
        inflation=1.0,
    )
    graph = NeighbourGraph.from_edges(edges, V)
    coloured = np.stack([block_diag(*(_coloured(n, rho) for n in RUNS)) for rho in RHO])
    return Model(X, projector, design, graph, hyper, labels, agreement, log_prior, coloured)


def _coloured(n: int, rho: float) -> FloatArray:
    """Make the matrix that turns white noise of a run into an autoregression of order 1."""
    time = np.arange(n)
    matrix = np.tril(rho ** np.abs(time[:, None] - time))
    matrix[:, 0] /= np.sqrt(1 - rho**2)  # the first scan has the variance of all
    return np.asarray(matrix)


def draw_prior(model: Model, rng: np.random.Generator) -> Chain:
    """Draw every unknown from the prior."""
    hyper = model.hyper
    shape = hyper.weight / 2
    mu, v = np.empty(M), np.empty((2, M))
    label = np.empty((V, M), dtype=np.int8)
    field = np.empty((2, M), dtype=np.int64)
    size = (len(hyper.alphas), len(hyper.betas))
    counts = model.labels.sum(axis=1)
    for m in range(M):
        while True:
            v[:, m] = hyper.weight * hyper.variance[:, m] / 2 / rng.gamma(shape, size=2)
            mu[m] = rng.normal(hyper.mean[m], np.sqrt(v[1, m] / hyper.weight))
            if v[0, m] < v[1, m] + mu[m] ** 2:
                break
        field[:, m] = np.unravel_index(_choose(rng, model.log_prior.ravel()), size)
        alpha, beta = hyper.alphas[field[0, m]], hyper.betas[field[1, m]]
        label[:, m] = model.labels[_choose(rng, beta * model.agreement + alpha * counts)]
    v_h = hyper.hrf_scale[1] / rng.gamma(hyper.hrf_scale[0], size=1)
    h = rng.multivariate_normal(np.zeros(D), v_h * np.linalg.inv(model.design.R_inv))
    active = label == 1
    level = rng.normal(np.where(active, mu, 0.0), np.sqrt(np.where(active, v[1], v[0])))
    noise = hyper.noise[1] / rng.gamma(hyper.noise[0], size=V)
    return Chain(h, v_h, label, level, noise, rng.integers(len(RHO), size=V), mu, v, field)


def _choose(rng: np.random.Generator, log_weight: FloatArray) -> int:
    weight = np.exp(log_weight - log_weight.max())
    return int(rng.choice(len(weight), p=weight / weight.sum()))


def draw_data(model: Model, chain: Chain, rng: np.random.Generator) -> ParcelMoments:
    """Draw the data given every unknown, and turn them into statistics."""
    Y = np.einsum("nmd,d,vm->nv", model.X, chain.h, chain.level)
    for v in range(V):
        innovations = np.sqrt(chain.noise[v]) * rng.standard_normal(sum(RUNS))
        Y[:, v] += model.coloured[chain.rho_index[v]] @ innovations
    moments = parcel_moments(model.projector, without_nuisance(model.projector, Y))
    return moments_of(moments, model.design, model.graph)


def quantities(chain: Chain, model: Model) -> dict[str, float]:
    """What is tested, at least one quantity of every block."""
    values = {f"h[{d}]": chain.h[d] for d in range(D)}
    values["v_h"] = chain.v_h[0]
    for m in range(M):
        values |= {
            f"mu[{m}]": chain.mu[m],
            f"v0[{m}]": chain.v[0, m],
            f"v1[{m}]": chain.v[1, m],
            f"alpha[{m}]": model.hyper.alphas[chain.field[0, m]],
            f"beta[{m}]": model.hyper.betas[chain.field[1, m]],
            f"label[0, {m}]": chain.label[0, m],
            f"active[{m}]": chain.label[:, m].sum(),
            f"level[0, {m}]": chain.level[0, m],
            f"level[7, {m}]": chain.level[7, m],
            f"response[{m}]": chain.level[3, m] * chain.h[1],
        }
    for v in (0, 5):
        values[f"s[{v}]"] = chain.noise[v]
        values[f"rho[{v}]"] = RHO[chain.rho_index[v]]
    return {name: float(value) for name, value in values.items()}


def sweeps(
    rng: np.random.Generator, model: Model, data: ParcelMoments, chain: Chain, n_sweeps: int
) -> None:
    """Move a chain on; each call begins with a draw of the autocorrelations."""
    steps = Steps(n_sweeps, 0, 1, np.nan)
    draws = empty_draws(steps, n_positions=V, n_conditions=M, n_hrf=D)
    run_chain(rng, data, model.design, model.hyper, chain, steps, draws)


def calibration(
    n_simulations: int,
    *,
    seed: int = 0,
    n_draws: int = 63,
    thinning: int = 12,
    burn_in: int = 300,
    believed: Priors | None = None,
) -> pd.DataFrame:
    """Simulation-based calibration.

    Parameters
    ----------
    n_simulations : int
    seed : int
    n_draws, thinning, burn_in : int
        Draws of the posterior, sweeps from one to the next, and sweeps before the first.
    believed : Priors, optional
        Other priors than the true ones, for the sampler to be wrong.

    Returns
    -------
    DataFrame
        By quantity: ``p``, of the chi-square test that ranks are uniform, and how often they
        lie in each of `RANK_BINS` bins. Ties are broken at random.
    """
    model = make_model()
    sampled = model if believed is None else replace(model, hyper=believed)
    rng = np.random.default_rng(seed)
    ranks: dict[str, list[int]] = {}
    for _ in range(n_simulations):
        truth = draw_prior(model, rng)
        data = draw_data(model, truth, rng)
        chain = draw_prior(model, rng)
        sweeps(rng, sampled, data, chain, burn_in)
        found = []
        for _ in range(n_draws):
            sweeps(rng, sampled, data, chain, thinning)
            found.append(quantities(chain, model))
        for name, value in quantities(truth, model).items():
            others = np.array([one[name] for one in found])
            ties = int(np.sum(others == value))
            rank = int(np.sum(others < value)) + int(rng.integers(ties + 1))
            ranks.setdefault(name, []).append(rank)
    rows = {}
    for name, values in ranks.items():
        count = np.bincount(np.array(values) * RANK_BINS // (n_draws + 1), minlength=RANK_BINS)
        expected = n_simulations / RANK_BINS
        statistic = np.sum((count - expected) ** 2) / expected
        rows[name] = {"p": chi2.sf(statistic, RANK_BINS - 1)} | dict(enumerate(count))
    return pd.DataFrame.from_dict(rows, orient="index")


def _successive(model: Model, rng: np.random.Generator) -> Iterator[dict[str, float]]:
    """Parameters given data, data given parameters, and so on for ever."""
    chain = draw_prior(model, rng)
    while True:
        sweeps(rng, model, draw_data(model, chain, rng), chain, 1)
        yield quantities(chain, model)


def joint_distribution(n_prior: int, n_chains: int, n_draws: int, *, seed: int = 0) -> pd.DataFrame:
    """Joint distribution test, on ranks among the prior's draws, which have all moments.

    Returns
    -------
    DataFrame
        By quantity: mean rank, of 1, under the prior and in the chains; the same of the squared
        distance from a half; effective draws; and ``p``, that the two differ no more by chance.
    """
    # data that say less let the chain move faster
    model = make_model(noise=200.0)
    rng = np.random.default_rng(seed)
    prior = pd.DataFrame([quantities(draw_prior(model, rng), model) for _ in range(n_prior)])
    chains = [
        pd.DataFrame(itertools.islice(_successive(model, rng), n_draws)) for _ in range(n_chains)
    ]
    rows = {}
    for name in prior:
        ordered = np.sort(prior[name].to_numpy())
        mine = _mid_rank(ordered, ordered)
        theirs = np.stack([_mid_rank(ordered, one[name].to_numpy()) for one in chains])
        row: dict[str, float] = {"p": 1.0}
        for moment, mean, values in (
            ("mean", mine, theirs),
            ("spread", (mine - 0.5) ** 2, (theirs - 0.5) ** 2),
        ):
            n_effective = float(effective_sample_size(values))
            error = np.sqrt(mean.var() / n_prior + values.var() / n_effective)
            z = (values.mean() - mean.mean()) / error
            row |= {
                f"{moment}_prior": mean.mean(),
                f"{moment}_chain": values.mean(),
                f"{moment}_ess": n_effective,
            }
            row["p"] = min(row["p"], 2 * norm.sf(abs(z)))
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _mid_rank(ordered: FloatArray, values: FloatArray) -> FloatArray:
    """Ranks among ordered values, of 1, ties in the middle."""
    below = np.searchsorted(ordered, values, side="left")
    above = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + above) / (2 * len(ordered)))


def summary(ranks: pd.DataFrame, joint: pd.DataFrame) -> str:
    """Sum up both tests, as Markdown.

    Parameters
    ----------
    ranks, joint : DataFrame
        What `calibration` and `joint_distribution` give.

    Returns
    -------
    str
        One row per block, and what could be expected of all of them.
    """
    lines = [
        "| block | quantities | ranks: smallest p | joint test: smallest p "
        "| largest difference of mean ranks | fewest effective draws |",
        "|---|---|---|---|---|---|",
    ]
    for block, names in BLOCKS.items():
        rows = [name for name in joint.index if name.partition("[")[0] in names]
        one = joint.loc[rows]
        difference = (one["mean_chain"] - one["mean_prior"]).abs().max()
        cells = [f"{ranks.loc[rows, 'p'].min():.3f}", f"{one['p'].min():.4f}"]
        cells += [f"{difference:.4f}", f"{one['mean_ess'].min():,.0f}"]
        lines.append(f"| {' | '.join([block, str(len(rows)), *cells])} |")
    n = len(joint)
    lines += [
        "",
        f"Of a sampler without fault, the smallest of {n} values of p is below {0.05 / n:.4f}, and",
        f"that of {2 * n} (the joint test compares two moments) below {0.025 / n:.5f}, in at most",
        "one run of twenty.",
    ]
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.option("--simulations", default=4000, help="Data sets of the calibration.")
@click.option("--sweeps", "n_sweeps", default=200_000, help="Sweeps of the joint test.")
@click.option("--seed", default=0)
@click.option(
    "--out",
    default="build/validation",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the summary, sampler.md.",
)
def main(simulations: int, n_sweeps: int, seed: int, out: Path) -> None:
    """Test the sampler for long, and show every quantity."""
    pd.set_option("display.width", 160)
    click.echo("Simulation-based calibration: ranks by bin")
    ranks = calibration(simulations, seed=seed)
    click.echo(ranks.to_string(float_format="{:.4f}".format))
    click.echo("\nJoint distribution test: prior against successive draws")
    joint = joint_distribution(n_sweeps // 4, 4, n_sweeps // 4, seed=seed)
    click.echo(joint.to_string(float_format="{:.4f}".format))
    command = f"python -m validation.sampler --simulations {simulations} --sweeps {n_sweeps}"
    text = f"Made by `{command} --seed {seed}`.\n{ABOUT}\n\n{summary(ranks, joint)}\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "sampler.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
