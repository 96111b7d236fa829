"""Models for tests of Stein's method, and fits of them."""

import math

import jax.numpy as jnp
import numpy as np

import ppl
import ppl.distributions as dist
from ppl import optim
from ppl.contrib.einstein import RBFKernel
from ppl.infer import SVGD

MEAN = np.array([1.0, -2.0])
COVARIANCE = np.array([[1.0, 0.6], [0.6, 0.8]])
Y = np.array([0.5, 1.5, -0.3, 2.0], np.float32)


def normal():
    factor = jnp.array([[1.0, 0.0], [0.6, math.sqrt(0.44)]])
    ppl.sample("z", dist.MultivariateNormal(jnp.array([1.0, -2.0]), scale_tril=factor))


def mean_of(y, size=None):
    m = ppl.sample("m", dist.Normal(0.0, 1.0))
    with ppl.plate("i", size or len(y), subsample_size=len(y)):
        ppl.sample("y", dist.Normal(m, 1.0), obs=y)


def two_sites(y):
    m = ppl.sample("m", dist.Normal(0.0, 1.0))
    s = ppl.sample("s", dist.Gamma(3.0, 2.0))
    ppl.sample("y", dist.Normal(m, s).expand([len(y)]), obs=y)


TWO = dist.MixtureSameFamily(
    dist.Categorical(jnp.array([0.5, 0.5])), dist.Normal(jnp.array([-4.0, 4.0]), 1.0)
)


def bimodal():
    ppl.sample("x", TWO)


def point_mixture(seed=0, steps=300, count=20, kernel=None, model=normal, **kwargs):
    svgd = SVGD(model, optim.Adagrad(0.5), kernel or RBFKernel(), count)
    args = kwargs.pop("args", ())
    return svgd, svgd.run(seed, steps, *args, progress_bar=False, **kwargs)
