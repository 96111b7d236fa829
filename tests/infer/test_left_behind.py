"""Of many chains none is left behind in a place that is too narrow for the others."""

import warnings

import numpy as np

import ppl
import ppl.distributions as dist
from ppl.infer import MCMC, NUTS

GROUPS, CHAINS = 12, 64


def groups(group, y):
    """Groups of many rows each: mean and spread are on a ridge with the units."""
    mean = ppl.sample("mean", dist.Normal(0.0, 5.0))
    spread = ppl.sample("spread", dist.HalfNormal(1.0))
    with ppl.plate("group", GROUPS):
        unit = ppl.sample("unit", dist.Normal(0.0, 1.0))
    with ppl.plate("row", len(y)):
        ppl.sample("y", dist.Normal((mean + spread * unit)[group], 0.3), obs=y)


def test_a_chain_that_begins_on_a_ridge_comes_to_the_others():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(GROUPS), 200)
    level = (1.5 + 0.3 * rng.normal(size=GROUPS))[group]
    y = level + 0.3 * rng.normal(size=len(group))
    mean = rng.normal(1.5, 0.1, size=CHAINS)
    spread = rng.uniform(0.2, 0.4, size=CHAINS)
    unit = rng.normal(size=(CHAINS, GROUPS))
    mean[0], spread[0], unit[0] = 0.1, 6.0, 1.4 / 6.0  # as good a fit, and narrow
    mcmc = MCMC(
        NUTS(groups),
        num_warmup=150,
        num_samples=100,
        num_chains=CHAINS,
        progress_bar=False,
    )
    begin = {"mean": mean, "spread": np.log(spread), "unit": unit}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of chains that have yet to mix
        mcmc.run(0, group, y, init_params=begin, extra_fields=("diverging",))
    diverging = np.asarray(mcmc.get_extra_fields(group_by_chain=True)["diverging"])
    assert diverging[0].sum() < 20
    assert mcmc.get_samples(group_by_chain=True)["spread"][0].max() < 2.0
