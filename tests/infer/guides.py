"""All guides, and what tests need to look into them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ppl
from ppl.distributions.transforms import biject_to
from ppl.handlers import replay, seed, substitute, trace
from ppl.infer import autoguide
from ppl.infer.elbo import Trace_ELBO
from ppl.primitives import Param, Sample

NORMALS = [
    "AutoNormal",
    "AutoDiagonalNormal",
    "AutoMultivariateNormal",
    "AutoLowRankMultivariateNormal",
    "AutoBatchedMultivariateNormal",
    "AutoBatchedLowRankMultivariateNormal",
]
FLOWS = [
    *("AutoIAFNormal", "AutoBNAFNormal", "AutoSplineCouplingNormal"),
    "AutoContinuousFlow",
]
POINTS = ["AutoDelta", "AutoLaplaceApproximation"]
ANNEALED = ["AutoDAIS", "AutoSurrogateLikelihoodDAIS"]
ALL = [*NORMALS, *FLOWS, *POINTS, *ANNEALED]


def some(*at_once, later):
    """Cases of a test, of which the `later` ones are slow together."""
    slow = (pytest.param(name, marks=pytest.mark.slow) for name in later)
    return pytest.mark.parametrize("name", [*at_once, *slow])


def made(name, model, *args, **options):
    """A guide by its name; the surrogate is the model with its arguments."""
    kind = getattr(autoguide, name)
    if name == "AutoSurrogateLikelihoodDAIS":
        return kind(model, lambda: model(*args), **options)
    return kind(model, **options)


def started(guide, *args, key=0):
    """Initial params of a guide, and their constraints."""
    constraints = {}

    @jax.jit
    def run(key):
        sites = trace(seed(guide, rng_seed=key)).get_trace(*args)
        params = {n: s for n, s in sites.items() if isinstance(s, Param)}
        constraints.update({n: s.constraint for n, s in params.items()})
        return {n: s.value for n, s in params.items()}

    return run(jax.random.key(key)), constraints


def moved(guide, *args, size=0.3, key=1):
    """Params away from where they begin, but satisfying their constraints."""
    values, constraints = started(guide, *args)
    rng = np.random.default_rng(key)
    found = {}
    for name, value in values.items():
        if constraints[name] is ppl.distributions.constraints.real:
            transform = None
        else:
            transform = biject_to(constraints[name])
        free = value if transform is None else transform.inv(value)
        free = jax.tree.map(lambda a: a + size * rng.normal(size=jnp.shape(a)), free)
        found[name] = free if transform is None else transform(free)
    return found


def guided(guide, params, *args, key=0, **given):
    """Sites of one run of a guide at params, with some sites' values given."""
    fixed = substitute(guide, data={**params, **given})
    return trace(seed(fixed, rng_seed=key)).get_trace(*args)


def log_weights(model, guide, params, *args, count, key=3):
    """log p(x, z) - log q(z) for draws z of a guide, (count,)."""

    @jax.jit
    def one(key):
        return -Trace_ELBO().loss(key, params, model, guide, *args)

    return np.asarray(jax.vmap(one)(jax.random.split(jax.random.key(key), count)))


def log_density(sites):
    """The sum over all sample sites."""
    return sum(jnp.sum(s.log_prob()) for s in sites.values() if isinstance(s, Sample))


def bound_at(model, guide, params, *args, **given):
    """log p(x, z) - log q(z) where the guide's sites have the given values."""
    sites = guided(guide, params, *args, **given)
    run = substitute(replay(seed(model, rng_seed=0), trace=sites), data=params)
    return log_density(trace(run).get_trace(*args)) - log_density(sites)


def free_vector(values, constraints):
    """Unconstrained params as a vector, and what takes it back."""
    transforms = {n: biject_to(c) for n, c in constraints.items()}
    flat, back = ravel_pytree({n: transforms[n].inv(v) for n, v in values.items()})
    return flat, lambda x: {n: transforms[n](v) for n, v in back(x).items()}
