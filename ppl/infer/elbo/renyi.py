"""Bounds from several draws: Renyi's, and that of importance weighting."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ModelError
from ppl._sites import Sample
from ppl._typing import Array, Key, Model
from ppl.infer.elbo.base import (
    ELBO,
    Mutable,
    check_estimator,
    check_particles,
    over_particles,
)
from ppl.infer.elbo.plates import Frames, common, share, summed_to
from ppl.infer.elbo.runs import Runs, Sites, check_differentiable


@dataclass(frozen=True)
class RenyiELBO(ELBO):
    """Renyi's bound, log(mean over draws of (p / q)^(1 - alpha)) / (1 - alpha).

    Li & Turner, "Renyi divergence variational inference", 2016. At alpha = 0 it is that
    of importance weighted autoencoders (Burda, Grosse, Salakhutdinov 2016); towards 1
    the evidence lower bound. Members of a plate that all sites are in have bounds of
    their own, which are added: that is tighter.

    Attributes:
        alpha: Not 1.
        num_particles: How many draws.
        estimator: "pathwise", the derivative of all that depends on the params; or
            "dreg", doubly reparameterised, whose noise does not grow beside the signal
            with the number of draws (Tucker et al. 2019).
    """

    alpha: float = 0.0
    num_particles: int = 2
    estimator: Literal["pathwise", "dreg"] = dataclasses.field(
        default="pathwise", kw_only=True
    )

    def __post_init__(self):
        check_particles(self.num_particles)
        check_estimator(self.estimator, ("pathwise", "dreg"))
        if self.alpha == 1 or not math.isfinite(self.alpha):
            raise ArgumentError(
                f"alpha must be a number other than 1, got {self.alpha!r}.",
                value=self.alpha,
                hint="At 1 the bound is that of Trace_ELBO().",
            )

    def loss_with_mutable_state(
        self,
        rng_key: Key,
        param_map: Mapping[str, Any],
        model: Model,
        guide: Model,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        runs = Runs(rng_key, param_map, model, guide, args, kwargs)
        (logs, scale), mutable = over_particles(
            partial(_weights, runs), rng_key, self.num_particles
        )
        bound = jnp.sum(scale[0] * self._mean(logs))
        if self.estimator == "dreg":
            weights = jax.lax.stop_gradient(jax.nn.softmax((1 - self.alpha) * logs, 0))
            surrogate = self._dreg(runs, weights, scale[0])
            held = jax.lax.stop_gradient
            bound = surrogate + held(bound - surrogate)
        return {"loss": -bound, "mutable_state": mutable}

    def _mean(self, logs: Array) -> Array:
        """The bound from log weights, (num_particles, …)."""
        power = 1 - self.alpha
        tops = jax.scipy.special.logsumexp(power * logs, 0)
        return (tops - math.log(self.num_particles)) / power

    def _dreg(self, runs: Runs, weights: Array, scale: Array) -> Array:
        """A number whose derivative is the doubly reparameterised one.

        The derivative of the bound by a log weight is its share w of all; that through
        the draws is to be w (alpha + (1 - alpha) w) once the score is rewritten as a
        derivative by the draw. So w is outside, and the rest between draws and params.
        """

        def particle(key: Key, weight: Array) -> Array:
            through = self.alpha + (1 - self.alpha) * weight
            again = dataclasses.replace(runs, rng_key=key)
            first = again.guided()
            guide = again.scoreless(first, partial(_damped, through))
            model = again.modelled(guide)
            return jnp.sum(scale * weight * _log_weight(model, guide)[0])

        if self.num_particles == 1:
            return particle(runs.rng_key, weights[0])
        keys = jax.random.split(runs.rng_key, self.num_particles)
        return jnp.sum(jax.vmap(particle)(keys, weights))


def _weights(runs: Runs, key: Key) -> tuple[tuple[Array, Array], Mutable]:
    """The log weights of one draw, their scale, and mutable state."""
    pair = dataclasses.replace(runs, rng_key=key).pair()
    check_differentiable(pair.guide)
    logs, scale = _log_weight(*pair)
    return (logs, jnp.asarray(scale)), pair.mutable_state()


def _log_weight(model: Sites, guide: Sites) -> tuple[Array, float]:
    """Log p / q of each member of the plates that all sites are in, and its scale."""
    signed = [(1, s) for s in _samples(model)] + [(-1, s) for s in _samples(guide)]
    frames = common(site for _, site in signed)
    for _, site in signed:
        _check_subsampled(site, frames)
    scale = share(frames)
    terms = [sign * summed_to(site.log_prob(), frames) for sign, site in signed]
    return sum(terms, jnp.zeros(())) / scale, scale


def _check_subsampled(site: Sample, frames: Frames) -> None:
    """A share of members stands for all only in a sum, not in a mean of products.

    Raises:
        ModelError: The site is in a subsampled plate that other sites are not in.
    """
    for frame in site.plates:
        if frame.subsample_size < frame.size and frame not in frames:
            raise ModelError(
                f"is in plate '{frame.name}', which uses {frame.subsample_size} of "
                f"{frame.size} members, and other sites are not ({site.line}): there "
                "is no such bound of Renyi's.",
                site=site.name,
                value=frame.name,
                hint="Use the whole plate, or Trace_ELBO().",
            )


def _samples(sites: Sites) -> list[Sample]:
    return [site for site in sites.values() if isinstance(site, Sample)]


def _damped(through: Array, site: Sample) -> Array:
    """The value of a site, of whose derivative some share goes through.

    Args:
        through: The share, of each member of the plates that all sites are in.
        site: The site.
    """
    share = through.reshape(through.shape + (1,) * site.fn.event_dim)
    held = jax.lax.stop_gradient(site.value)
    return held + share.astype(held.dtype) * (site.value - held)
