"""A few draws from the prior, and what data would look like under each of them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import PPLError
from ppl._pytree import pytree, replace
from ppl._sites import Handler, Sample, Site, perform
from ppl._typing import Array, Key
from ppl.checks._flow import scale_of
from ppl.checks._probe import counted, quickly, unwrapped
from ppl.distributions.transforms import biject_to
from ppl.distributions.unit import Unit
from ppl.target import LogDensity, Traced

DRAWS = 200
_FEWEST = 20
_NUMBERS = 4_000_000  # that all draws together may have


@pytree
class Simulated:
    """Draws from the prior; all leaves have the draws first.

    Attributes:
        positions: Unconstrained, (draws, dim).
        scales: Of free sites on the real line, (draws, *site shape), by name.
        simulated: Of observed sites with a sampler, (draws, *site shape), by name.
        given: The observed values of these, likewise.
        counted: Whether they are numbers and no mask switches them off, likewise.
    """

    positions: Any
    scales: dict[str, Any]
    simulated: dict[str, Any]
    given: dict[str, Any]
    counted: dict[str, Any]


def draws_from_prior(traced: Traced) -> Simulated | str:
    """Draws from the prior with simulated data, or why there are none."""
    density = traced.density
    sizes = [math.prod(site.shape) for site in traced.sites.values()]
    total = max(1, sum(sizes))
    if total * _FEWEST > _NUMBERS:
        return f"draws from the prior: each has {total} numbers, which is too many"
    count = min(DRAWS, _NUMBERS // total)
    names = tuple(n for n, site in traced.sites.items() if site.type == "sample")
    try:
        made = _program(density, _keys(names, count))
    except Exception as error:  # noqa: BLE001  (a model need not be one to draw from)
        reason = str(error).partition("\n")[0].partition(". ")[0].strip(". ")
        return f"draws from the prior: {reason or type(error).__name__}"
    return jax.tree.map(np.asarray, made)


def _keys(names: tuple[str, ...], draws: int) -> dict[str, np.ndarray]:
    """A key for each site and draw, made at once: hashing takes long to compile."""
    bits = np.random.default_rng(0).integers(2**32, size=(len(names), draws, 2))
    return dict(zip(names, bits.astype(np.uint32), strict=True))


@quickly
def _program(density: LogDensity, keys: dict[str, Array]) -> Simulated:
    return jax.vmap(partial(_draw, density))(keys)


def _draw(density: LogDensity, keys: dict[str, Key]) -> Simulated:
    args, kwargs = density.spec.arguments.rebuild(density.data)
    with jax.default_matmul_precision("highest"), _Simulate(keys) as made:
        density.spec.model(*args, **kwargs)
    free, scales = {}, {}
    for entry in density.layout.entries:
        site = made.free[entry.name]
        value = jnp.asarray(site.value)
        free[entry.name] = biject_to(site.fn.support).inv(value)
        if (scale := scale_of(site)) is not None:
            scales[entry.name] = jnp.broadcast_to(scale, jnp.shape(value))
    parts = [jnp.ravel(part) for part in free.values()]
    flat = jnp.concatenate(parts) if parts else jnp.zeros(0)
    return Simulated(flat, scales, made.simulated, made.given, made.counted)


class _Simulate(Handler):
    """Draws every site, the observed ones too, and keeps the data beside them."""

    starts_anew = True

    def __init__(self, keys: dict[str, Key]):
        super().__init__()
        self.keys = keys

    def start(self) -> _Simulate:
        """Begin with no sites."""
        self.free: dict[str, Any] = {}
        self.simulated: dict[str, Array] = {}
        self.given: dict[str, Array] = {}
        self.counted: dict[str, Array] = {}
        return self

    def gathered(self) -> Any:
        """What a step has drawn."""
        return self.free, self.simulated, self.given, self.counted

    def absorb(self, gathered: Any) -> None:
        """Take what all steps have drawn."""
        own = self.free, self.simulated, self.given, self.counted
        for mine, theirs in zip(own, gathered, strict=True):
            mine.update(theirs)

    def handle(self, site: Site) -> Site:
        """Draw a sample site; an observed one keeps its value where it cannot."""
        match site:
            case Sample(value=None, is_observed=False):
                key = self.folded(self.keys[site.name])
                out = perform(replace(site, rng_key=key))
                self.free[site.name] = out
                return out
            case Sample(is_observed=True):
                return self._simulated(perform(site))
        return perform(site)

    def _simulated(self, site: Any) -> Any:
        fn = site.fn
        if isinstance(unwrapped(fn), Unit) or math.prod(fn.shape()) == 0:
            return site
        try:
            value = fn.sample(self.folded(self.keys[site.name]))
        except (PPLError, TypeError):  # it has no sampler
            return site
        given = jnp.asarray(site.value)
        where = counted(fn if site.mask is None else fn.mask(site.mask))
        finite = jnp.isfinite(given)
        self.simulated[site.name] = value
        self.given[site.name] = given
        self.counted[site.name] = finite if where is None else where & finite
        return replace(site, value=value.astype(given.dtype))
