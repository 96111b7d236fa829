"""What the tests of the language share: joint densities, here and in NumPyro."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import handlers

Model = Callable[..., Any]


def sites(model: Model, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return handlers.trace(model).get_trace(*args, **kwargs)


def draw(model: Model, *args: Any, seed: int = 0, **kwargs: Any) -> dict[str, Any]:
    return sites(handlers.seed(model, rng_seed=seed), *args, **kwargs)


def terms(trace: Mapping[str, Any]) -> dict[str, float]:
    """The log density of each sample site."""
    return {
        name: float(jnp.sum(site.log_prob()))
        for name, site in trace.items()
        if site["type"] == "sample"
    }


def total(trace: Mapping[str, Any]) -> float:
    return sum(terms(trace).values())


def latent(trace: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the free sites."""
    return {
        name: site["value"]
        for name, site in trace.items()
        if site["type"] == "sample" and not site["is_observed"]
    }


def joint(model: Model, values: Mapping[str, Any], *args: Any, **kwargs: Any) -> float:
    """The log joint density of a model at the given values of its free sites."""
    return total(draw(handlers.substitute(model, data=values), *args, **kwargs))


def same(left: Any, right: Any) -> bool:
    return np.array_equal(np.asarray(left), np.asarray(right))


def both(build: Callable[[Any], Model]) -> tuple[Model, Model]:
    """One model in this language and in NumPyro's; `build` gets the library."""
    return build(ppl), build(peer())


def peer() -> Any:
    numpyro = pytest.importorskip("numpyro")
    pytest.importorskip("numpyro.distributions")
    return numpyro


def peer_joint(model: Model, values: Mapping[str, Any], *args: Any) -> float:
    infer = pytest.importorskip("numpyro.infer.util")
    seeded = peer().handlers.seed(model, rng_seed=0)
    return float(infer.log_density(seeded, args, {}, dict(values))[0])
