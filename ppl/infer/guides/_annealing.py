"""Annealed importance sampling with Langevin steps that can be differentiated.

Geffner & Domke, "MCMC variational inference via uncorrected Hamiltonian annealing",
2021; Zhang, Hsu, Li, Finn, Grosse, "Differentiable annealed importance sampling and the
perils of gradient noise", 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ppl._counts import as_count
from ppl._errors import ArgumentError
from ppl._sites import Handler, Param, PlateEntry, Sample, Site, perform
from ppl._typing import Array, Shape
from ppl.distributions import constraints
from ppl.distributions.normal import Normal
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import check_scale
from ppl.primitives import param, sample
from ppl.visiting import placeholder

Force = Callable[[Array], Array]


class Annealing(NamedTuple):
    """Settings of the steps, of K of them and vectors of length D.

    Attributes:
        rate: Step size at the beginning, (...).
        rate_slope: What the step size gains up to the end, (...).
        kept: Share of the momentum that each step keeps, (...).
        increments: Of the inverse temperature, up to a factor, (..., K).
        mass: Variances of the momenta, (..., D).
        most: The largest step size.
    """

    rate: Array
    rate_slope: Array
    kept: Array
    increments: Array
    mass: Array
    most: float

    def schedule(self) -> tuple[Array, Array]:
        """Inverse temperatures and step sizes of the steps, (..., K) each."""
        total = jnp.cumsum(self.increments, -1)
        betas = total / total[..., -1:]
        rates = self.rate[..., None] + self.rate_slope[..., None] * betas
        return betas, jnp.clip(rates, 0.0, self.most)

    def run(
        self, start: Array, noise: Array, base: Force, target: Force
    ) -> tuple[Array, Array]:
        """Move from a draw of the base to about one of the target.

        Args:
            start: Draws of the base, (..., D).
            noise: Standard normal numbers, (..., K, D).
            base: Gradient of the log density of the base, (..., D).
            target: Gradient of that of the target.

        Returns:
            Where it ends, (..., D), and the sum over the steps of the log densities of
            the momenta after each kick less that before, (...).
        """
        fresh = jnp.moveaxis(noise, -2, 0) * jnp.sqrt(self.mass)
        betas, rates = (jnp.moveaxis(a, -1, 0) for a in self.schedule())
        kept = self.kept[..., None]

        def half_square(momentum: Array) -> Array:
            return 0.5 * jnp.sum(momentum**2 / self.mass, -1)

        def step(carry: Any, given: Any) -> tuple[Any, None]:
            place, momentum, gain = carry
            beta, rate, new = (given[0][..., None], given[1][..., None], given[2])
            middle = place + 0.5 * rate * momentum / self.mass
            force = (1.0 - beta) * base(middle) + beta * target(middle)
            kicked = momentum + rate * force
            gain = gain + half_square(momentum) - half_square(kicked)
            place = middle + 0.5 * rate * kicked / self.mass
            momentum = kept * kicked + jnp.sqrt(1.0 - kept**2) * new
            return (place, momentum, gain), None

        # What the last step is given is not used, so the first momentum is of that.
        carry = start, fresh[-1], jnp.zeros(start.shape[:-1], start.dtype)
        (end, _, gain), _ = jax.lax.scan(step, carry, (betas, rates, fresh))
        return end, gain


def check_annealing(
    *, K: Any, eta_init: Any, eta_max: Any, gamma_init: Any
) -> dict[str, Any]:
    """The options of a guide that anneals.

    Raises:
        ArgumentError: A number is out of range.
    """
    most = check_scale(eta_max, "eta_max")
    for name, value, end in (
        ("eta_init", eta_init, most),
        ("gamma_init", gamma_init, 1.0),
    ):
        if not 0 < value < end:
            raise ArgumentError(
                f"{name} must be between 0 and {end}, got {value!r}.", value=value
            )
    rates = {"eta_init": float(eta_init), "eta_max": most}
    return {"K": as_count("K", K), **rates, "gamma_init": float(gamma_init)}


def declared(options: Mapping[str, Any], prefix: str, batch: Shape, dim: int) -> Any:
    """Perform the params of the steps, each with a batch shape; see `Annealing`."""
    most = options["eta_max"]

    def one(what: str, value: float, end: Shape, constraint: Any) -> Array:
        init = jnp.full((*batch, *end), value)
        return jnp.asarray(param(f"{prefix}_{what}", init, constraint=constraint))

    rates, shares = constraints.interval(0.0, most), constraints.unit_interval
    positive = constraints.positive
    return Annealing(
        one("eta0", options["eta_init"], (), rates),
        one("eta_coeff", 0.0, (), constraints.real),
        one("gamma", options["gamma_init"], (), shares),
        one("beta_increments", 1.0, (options["K"],), positive),
        one("mass_matrix", 1.0, (dim,), positive),
        most,
    )


def momenta(prefix: str, batch: Shape, count: int, dim: int) -> Array:
    """Perform standard normal noise, (*batch, count, dim), without a density.

    That of the momenta is in what `Annealing.run` gives.
    """
    noise = Normal(jnp.zeros((*batch, count, dim)), 1.0).to_event(2)
    infer = {"is_auxiliary": True}
    return sample(f"{prefix}_momentum", noise.mask(mask=False), infer=infer)


class ParamsOnly(Handler):
    """Lets the params and plates of a model be performed, and nothing else.

    Entering gives the dict of their values.

    Args:
        values: Of the latent sites; those of others are any in the support.
    """

    def __init__(self, values: Mapping[str, Array] | None = None):
        super().__init__()
        self.values = values or {}

    def start(self) -> dict[str, Any]:
        """Begin with no params."""
        self.found: dict[str, Any] = {}
        return self.found

    def handle(self, site: Site) -> Site:
        """Perform a param or a plate; do the default action of all else."""
        match site:
            case PlateEntry():
                return perform(site)
            case Param():
                out = perform(site)
                self.found[site.name] = out.value
                return out
            case Sample(value=None):
                given = self.values.get(site.name)
                value = (
                    placeholder(site) if given is None else self.here(given, site.name)
                )
                return Sample(site.name, value, fn=site.fn)
        return site.resolve()


def with_params(prototype: Prototype, model: Any) -> Prototype:
    """What is known of `model`, with its own params performed here, if it has any."""
    if not prototype.params:
        return prototype
    density = prototype.density
    args, kwargs = density.spec.arguments.rebuild(density.data)
    with ParamsOnly() as found:
        model(*args, **kwargs)
    return prototype.fixed(found)
