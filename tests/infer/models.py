"""Small models with data, shared by the tests of the front."""

import numpy as np

import ppl
import ppl.distributions as dist

Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
SCHOOLS = [
    "Choate",
    "Deerfield",
    "Andover",
    "Exeter",
    "Hill",
    "St P",
    "Lawrence",
    "Mt H",
]


def eight_schools(y, sigma):
    mu = ppl.sample("mu", dist.Normal(0, 5))
    tau = ppl.sample("tau", dist.HalfCauchy(5))
    with ppl.plate("school", 8, coords=SCHOOLS):
        z = ppl.sample("z", dist.Normal(0, 1))
        theta = ppl.deterministic("theta", mu + tau * z)
        ppl.sample("y", dist.Normal(theta, sigma), obs=y)


def eight_schools_centred(y, sigma):
    mu = ppl.sample("mu", dist.Normal(0, 5))
    tau = ppl.sample("tau", dist.HalfCauchy(5))
    with ppl.plate("school", 8):
        theta = ppl.sample("theta", dist.Normal(mu, tau))
        ppl.sample("y", dist.Normal(theta, sigma), obs=y)


def gaussian(y):
    """Conjugate: m ~ N(0, 1), y ~ N(m, 1), so m has variance 1 / (n + 1) given y."""
    m = ppl.sample("m", dist.Normal(0, 1))
    with ppl.plate("n", len(y)):
        ppl.sample("y", dist.Normal(m, 1), obs=y)


X = np.linspace(-1.0, 1.0, 12).reshape(4, 3).astype(np.float32)


def regression(x, y=None):
    """Linear, with a deterministic site, and observations that may be predicted."""
    slope = ppl.sample("slope", dist.Normal(0, 1).expand([3]).to_event(1))
    noise = ppl.sample("noise", dist.HalfNormal(1))
    line = ppl.deterministic("line", x @ slope)
    with ppl.plate("row", len(x)):
        return ppl.sample("y", dist.Normal(line, noise), obs=y)


def draws(*shape, seed=0):
    """Some values of the latent sites of `regression`, with leading dims `shape`."""
    rng = np.random.default_rng(seed)
    return {
        "slope": rng.normal(size=(*shape, 3)).astype(np.float32),
        "noise": rng.gamma(2, size=shape).astype(np.float32) + 0.1,
    }
