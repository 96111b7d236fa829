"""Small networks of several libraries, and traces of models that hold them."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.example_libraries import stax

from ppl import handlers

X = np.linspace(-1.0, 1.0, 15, dtype=np.float32).reshape(5, 3)


@jax.tree_util.register_dataclass
@dataclass
class Affine:
    """A plain callable pytree: a network of no library."""

    weight: jax.Array
    bias: jax.Array

    def __call__(self, x):
        return x @ self.weight + self.bias


def affine():
    return Affine(jnp.arange(3.0).reshape(3, 1), jnp.ones(1))


def nnx_net(batch_norm=False):
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            made = [nnx.Linear(3, 4, rngs=rngs), nnx.Linear(4, 1, rngs=rngs)]
            self.layers = nnx.List(made)
            self.norm = nnx.BatchNorm(4, rngs=rngs) if batch_norm else None

        def __call__(self, x):
            x = jnp.tanh(self.layers[0](x))
            return self.layers[1](self.norm(x) if self.norm is not None else x)

    return Net(nnx.Rngs(0))


def linen_net(batch_norm=False):
    linen = pytest.importorskip("flax.linen")

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x, train=True):
            x = jnp.tanh(linen.Dense(4)(x))
            if batch_norm:
                x = linen.BatchNorm(use_running_average=not train)(x)
                x = linen.Dropout(0.5, deterministic=not train)(x)
            return linen.Dense(1)(x)

    return Net()


def eqx_net():
    equinox = pytest.importorskip("equinox")
    return equinox.nn.MLP(3, 1, 4, 1, key=jax.random.key(0))


def stax_net():
    return stax.serial(stax.Dense(4), stax.Tanh, stax.Dense(1))


def traced(model, seed=0, **data):
    given = handlers.substitute(model, data=data)
    return handlers.trace(handlers.seed(given, rng_seed=seed)).get_trace()


def shapes(tree):
    return sorted(map(np.shape, jax.tree.leaves(tree)))
