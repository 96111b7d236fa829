"""Where chains start: strategies under NumPyro's names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ShapeError, SupportError, unknown_name
from ppl._sites import Sample
from ppl._typing import Array, Key
from ppl.distributions.transforms import biject_to
from ppl.handlers.seed import fold_in_name
from ppl.infer.engine.randomness import threefry
from ppl.infer.seeding import Words
from ppl.target import LogDensity
from ppl.visiting import Visit

_TRIES = 100
_CANDIDATES = 10  # where only one point is needed, and no one can be asked again
_STREAM = 2  # streams 0 and 1 of a chain belong to its kernel


class AbstractInitStrategy(ABC):
    """A way to choose starting points."""

    @abstractmethod
    def propose(
        self, density: LogDensity, seed: Words, chains: int, attempt: int
    ) -> np.ndarray:
        """Candidates for all chains, (chains, dim), other ones at each attempt."""

    @abstractmethod
    def retry(self) -> bool:
        """Whether another attempt gives other candidates."""

    @property
    def tries(self) -> int:
        """How many attempts to make before giving up."""
        return _TRIES if self.retry() else 1


@dataclass(frozen=True)
class InitStrategy(AbstractInitStrategy):
    """Starting points from what is known of each site by itself.

    Attributes:
        kind: "uniform", "median", "mean", "sample" or "feasible".
        radius: Of the uniform draw in unconstrained space.
        num_samples: Prior draws of which the median is taken.
        values: Values of some sites, which take precedence.
    """

    kind: str
    radius: float = 2.0
    num_samples: int = 15
    values: Mapping[str, Any] | None = None

    def propose(
        self, density: LogDensity, seed: Words, chains: int, attempt: int
    ) -> np.ndarray:
        """Candidates for all chains, (chains, dim); those of chain c depend on c alone.

        Raises:
            UnknownNameError: A given value belongs to no latent site.
            ShapeError: A given value has the wrong shape.
            SupportError: A given value is not finite or outside of its support.
        """
        if self.kind == "uniform" and not self.values:
            return self._uniform(density, seed, chains, attempt)
        values = self._checked_values(density)
        words = jnp.asarray(np.array(seed, np.uint32))
        static = replace(self, values=None)
        positions, supported = _propose(
            density, words, np.int32(attempt), values, strategy=static, chains=chains
        )
        for name, ok in supported.items():
            if not np.asarray(ok).all():
                raise SupportError(
                    "the given starting value is outside of its support.",
                    site=name,
                    value=values[name],
                    hint="Give a constrained value, as the model sees it.",
                )
        return np.asarray(positions)

    def retry(self) -> bool:
        return self.kind not in ("mean", "feasible") or bool(self.values)

    def _uniform(
        self, density: LogDensity, seed: Words, chains: int, attempt: int
    ) -> np.ndarray:
        dim = density.layout.size
        word = [np.uint32(w) for w in seed]
        chain = np.arange(chains, dtype=np.uint32)[:, None]
        with np.errstate(over="ignore"):
            key = threefry(word[0], word[1], chain, np.full_like(chain, _STREAM))
            index = np.arange(dim, dtype=np.uint32)[None, :]
            word0, _ = threefry(*key, np.full_like(index, attempt), index)
        unit = ((word0 >> np.uint32(8)).astype(np.float64) + 0.5) * 2.0**-24
        return np.asarray(self.radius * (2 * unit - 1), jnp.result_type(float))

    def _checked_values(self, density: LogDensity) -> dict[str, np.ndarray]:
        shapes = {entry.name: entry.shape for entry in density.layout.entries}
        checked = {}
        for name, value in (self.values or {}).items():
            if name not in shapes:
                raise unknown_name("site in init_to_value", name, shapes)
            array = np.asarray(value, jnp.result_type(float))
            if array.shape != shapes[name]:
                raise ShapeError(
                    f"starting value has shape {array.shape}, expected {shapes[name]}.",
                    site=name,
                    value=value,
                )
            if not np.isfinite(array).all():
                raise SupportError(
                    "starting value is not finite.", site=name, value=value
                )
            checked[name] = array
        return checked


@partial(jax.jit, static_argnames=("strategy", "chains"))
def _propose(
    density: LogDensity,
    words: Array,
    attempt: Array,
    values: dict[str, Array],
    *,
    strategy: InitStrategy,
    chains: int,
) -> tuple[Array, dict[str, Array]]:
    """Candidates (chains, dim), and whether the given values lie in their supports."""
    base = jax.random.wrap_key_data(words, impl="threefry2x32")

    def one(chain: Array) -> tuple[Array, dict[str, Array]]:
        key = jax.random.fold_in(jax.random.fold_in(base, chain), attempt)
        return proposed(density, strategy, key, values)

    return jax.vmap(one)(jnp.arange(chains))


def proposed(
    density: LogDensity, strategy: InitStrategy, key: Key, values: Mapping[str, Any]
) -> tuple[Array, dict[str, Array]]:
    """A candidate (dim,), and whether the given values lie in their supports."""

    def value_of(site: Sample, visited: Visit) -> Array:
        support, name = site.fn.support, site.name
        bijector = biject_to(support)
        if name in values:
            given = visited.here(values[name], name)
            free = bijector.inverse_and_log_det(given)[0]
            visited.note(site, free=free, supported=jnp.all(support(given)))
        else:
            own = visited.folded(fold_in_name(key, name))
            free = _free_value(strategy, site, own)
            visited.note(site, free=free)
        return bijector.forward_and_log_det(free)[0]

    args, kwargs = density.spec.arguments.rebuild(density.data)
    with Visit(value_of) as visited:
        density.spec.model(*args, **kwargs)
    notes = visited.notes
    parts = [notes[e.name]["free"].reshape(-1) for e in density.layout.entries]
    supported = {name: jnp.all(notes[name]["supported"]) for name in values}
    return jnp.concatenate(parts), supported


def first_finite(density: LogDensity, strategy: InitStrategy, key: Key) -> Array:
    """The first of some candidates (dim,) where the log density is finite."""
    values = {n: jnp.asarray(v) for n, v in (strategy.values or {}).items()}
    static = replace(strategy, values=None)
    keys = jax.random.split(key, _CANDIDATES)
    candidates = jax.vmap(lambda k: proposed(density, static, k, values)[0])(keys)
    finite = jnp.isfinite(jax.vmap(density)(candidates))
    return candidates[jnp.argmax(finite)]


def _free_value(strategy: InitStrategy, site: Sample, key: Key) -> Array:
    """An unconstrained value of a site; uniform where its prior gives none."""
    fn, bijector = site.fn, biject_to(site.fn.support)
    shape = bijector.inverse_shape(fn.shape())
    radius = strategy.radius
    spread = jax.random.uniform(key, shape, minval=-radius, maxval=radius)
    try:
        match strategy.kind:
            case "median":
                draws = fn.sample(key, (strategy.num_samples,))
                value = jnp.median(draws, axis=0)
            case "mean":
                value = jnp.broadcast_to(fn.mean, fn.shape())
            case "sample":
                value = fn.sample(key)
            case "feasible":
                value = fn.support.feasible_like(jnp.zeros(fn.shape()))
            case _:
                return spread
    except TypeError:  # the family has no sampler or no mean
        return spread
    given = bijector.inverse_and_log_det(value)[0]
    return jnp.where(jnp.isfinite(given), given, spread)


def given_positions(
    density: LogDensity, given: Mapping[str, Any], chains: int, dtype: np.dtype
) -> np.ndarray:
    """Starting points (chains, dim) from unconstrained values by site.

    Args:
        density: The target.
        given: A value for every latent site, of its unconstrained shape, or with a
            leading dim of chains.
        chains: How many chains.
        dtype: Of the result.

    Raises:
        UnknownNameError: A name belongs to no latent site.
        ShapeError: A value has the wrong shape, or a site has none.
        SupportError: A value is not finite.
    """
    entries = {entry.name: entry for entry in density.layout.entries}
    for name in given:
        if name not in entries:
            raise unknown_name("site in init_params", name, entries)
    parts = []
    for name, entry in entries.items():
        if name not in given:
            raise ShapeError("has no value in init_params.", site=name)
        value = np.asarray(given[name], dtype)
        if value.shape not in (entry.free_shape, (chains, *entry.free_shape)):
            raise ShapeError(
                f"init shape {value.shape}, expected {entry.free_shape} or "
                f"{(chains, *entry.free_shape)}.",
                site=name,
                value=value.shape,
                hint="init_params are unconstrained; init_to_value takes values as the "
                "model sees them.",
            )
        if not np.isfinite(value).all():
            raise SupportError("init value is not finite.", site=name, value=value)
        full = np.broadcast_to(value, (chains, *entry.free_shape))
        parts.append(full.reshape(chains, -1))
    return np.concatenate(parts, axis=1)


def init_to_uniform(site: Any = None, radius: float = 2.0) -> InitStrategy:
    """Uniform on (-radius, radius) in unconstrained space, as Stan does."""
    return _made("uniform", site, radius=radius)


def init_to_median(site: Any = None, num_samples: int = 15) -> InitStrategy:
    """The median of `num_samples` prior draws of each site, in each chain anew."""
    return _made("median", site, num_samples=num_samples)


def init_to_mean(site: Any = None) -> InitStrategy:
    """The prior mean of each site, or a uniform draw where it has none."""
    return _made("mean", site)


def init_to_sample(site: Any = None) -> InitStrategy:
    """A prior draw of each site."""
    return _made("sample", site)


def init_to_feasible(site: Any = None) -> InitStrategy:
    """Any point inside the support of each site, the same in all chains."""
    return _made("feasible", site)


def init_to_value(
    site: Any = None, values: Mapping[str, Any] | None = None
) -> InitStrategy:
    """The given constrained `values` by site; the other sites start uniformly."""
    return _made("uniform", site, values=dict(values or {}))


def _made(kind: str, site: Any, **options: Any) -> InitStrategy:
    check_no_site(site)
    return InitStrategy(kind, **options)


def check_no_site(site: Any) -> None:
    """A strategy is given to a sampler.

    Raises:
        ArgumentError: It was given a site.
    """
    if site is not None:
        raise ArgumentError(
            "initialisation strategies are passed to a sampler and take no site.",
            value=site,
            hint="Write init_strategy=init_to_median(num_samples=15).",
        )


def as_strategy(
    given: AbstractInitStrategy | Callable[..., AbstractInitStrategy],
) -> AbstractInitStrategy:
    """A strategy from itself or from a function that makes one, called or not."""
    strategy = given() if callable(given) else given
    if not isinstance(strategy, AbstractInitStrategy):
        raise ArgumentError(
            f"unknown init_strategy {given!r}.",
            value=given,
            hint="Use init_to_uniform, init_to_median, init_to_value(values=…), …",
        )
    return strategy
