"""What tests of objectives share: many estimates of a gradient, and a z-test."""

import jax
import jax.numpy as jnp
import numpy as np


def estimates(objective, model, guide, params, args=(), count=2000):
    """Values and gradients of many keys."""

    def loss(params, key):
        return objective.loss(key, params, model, guide, *args)

    both = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0)))
    return both(params, jax.random.split(jax.random.key(3), count))


def assert_unbiased(found, truth):
    """Each mean is within five standard errors of the truth."""
    for mean, exact in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
        error = np.std(mean, 0) / np.sqrt(len(mean))
        away = np.abs(np.mean(mean, 0) - exact)
        assert np.all(away <= 5 * error + 1e-9 * (1 + np.abs(exact))), (away, error)


def exact(params):
    return jax.tree.map(lambda a: jnp.asarray(a, float), params)
