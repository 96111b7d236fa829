"""One simple variable in the place of all sites, by a transform that was learned."""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentTypeError, ModelError, ShapeError
from ppl._typing import Array, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution
from ppl.distributions.transforms import Transform, biject_to
from ppl.distributions.transforms.base import sum_rightmost
from ppl.handlers import reparam
from ppl.infer.reparam.base import AbstractAround, Reparam
from ppl.primitives import Sample, factor, sample


class TransformingGuide(Protocol):
    """What a guide must have for NeuTra: its sites as a transform of simple noise.

    Attributes:
        prefix: Begins the name of the noise, `{prefix}_shared_latent`.
        latent_dim: The length of the noise, and of the unconstrained values.
    """

    prefix: str
    latent_dim: int

    def get_base_dist(self) -> Distribution:
        """The distribution of the noise, of event shape `(latent_dim,)`."""
        ...

    def get_transform(self, params: Any) -> Transform:
        """From the noise to the unconstrained values of all sites, in one vector."""
        ...

    def unpack_latent(self, flat: Array) -> dict[str, Array]:
        """The unconstrained value of each site, from their vector, `(latent_dim,)`."""
        ...

    def constrain(self, flat: Array) -> dict[str, Array]:
        """Values of the sites, `(n, …)`, from vectors, `(n, latent_dim)`."""
        ...


class NeuTraReparam(Reparam):
    """Sample the noise of a guide in the place of all sites that it guides.

    A guide that fits well makes the posterior of its noise nearly normal, which is easy
    for HMC; the posterior itself is not changed. (M. Hoffman et al., 2019,
    "NeuTra-lizing bad geometry in Hamiltonian Monte Carlo using neural transport".)
    Use it around a model, `neutra.reparam(model)`.

    Args:
        guide: A fitted guide; see `TransformingGuide` for what it must have.
        params: Its fitted parameters.

    Raises:
        ArgumentTypeError: `guide` has no transform.
        ModelError: This is used as the strategy of one site.
    """

    def __init__(self, guide: TransformingGuide, params: Any):
        if not callable(getattr(guide, "get_transform", None)):
            raise ArgumentTypeError(
                f"NeuTraReparam needs a guide with get_transform(params), got "
                f"{guide!r}.",
                value=guide,
                hint="Use a guide that transforms noise, such as a normal one.",
            )
        self.guide = guide
        self.transform = guide.get_transform(params)

    def reparam(self, fn: Any = None) -> reparam:
        """The model with the noise in the place of its sites."""
        return reparam(fn, config=self)

    def for_model(self, model: Any, args: Any, kwargs: Any) -> _Run:
        """A config for one run, in which the noise is sampled once."""
        del model, args, kwargs
        return _Run(self)

    def __call__(self, name: Any, fn: Any = None, obs: Any = None) -> Any:
        """Refuse to be asked for one site."""
        del fn, obs
        raise ModelError(
            "NeuTraReparam replaces all sites together.",
            site=getattr(name, "name", name),
            hint="Wrap the model: NeuTraReparam(guide, params).reparam(model).",
        )

    def transform_sample(self, latent: Array) -> dict[str, Array]:
        """Values of the sites by name, from draws of the noise, `(…, latent_dim)`."""
        latent = jnp.asarray(latent)
        batch = latent.shape[:-1]
        flat = jax.vmap(self.transform)(latent.reshape(-1, latent.shape[-1]))
        values = self.guide.constrain(flat)
        return {k: v.reshape(*batch, *v.shape[1:]) for k, v in values.items()}


class _Run:
    """The strategy of all sites in one run of the model."""

    def __init__(self, neutra: NeuTraReparam):
        self.neutra = neutra
        self.free: dict[str, Array] | None = None

    def __call__(self, site: Sample) -> Any:
        """The strategy of a site: none if it is observed, or the guide lacks it."""
        if site.is_observed:
            return None
        if self.free is None:
            self.free = self._unpacked(site)
        return self._place if site.name in self.free else None

    def _unpacked(self, site: Sample) -> dict[str, Array]:
        """Sample the noise, and transform it; `site` is the first that needs it."""
        guide, transform = self.neutra.guide, self.neutra.transform
        key = site.rng_key
        key = None if key is None else jax.random.fold_in(key, 0)
        noise = _Pulled(guide.get_base_dist(), transform)
        name = f"{guide.prefix}_shared_latent"
        return guide.unpack_latent(transform(sample(name, noise, rng_key=key)))

    def _place(self, name: str, fn: Any, obs: Any) -> tuple[None, Array]:
        """The value of a site, with its density as a factor."""
        del obs
        free = {} if self.free is None else self.free
        bijector = biject_to(fn.support)
        wanted = bijector.inverse_shape(fn.shape())
        if shape_of(free[name]) != wanted:
            raise ShapeError(
                f"the guide has unconstrained values of shape {shape_of(free[name])} "
                f"for it, and the model needs {wanted}.",
                site=name,
                value=wanted,
                hint="Fit the guide to this model, with data of these shapes.",
            )
        value, log_det = bijector.forward_and_log_det(free[name])
        log_det = sum_rightmost(log_det, log_det.ndim - len(fn.batch_shape))
        factor(f"{name}_factor", fn.log_prob(value) + log_det)
        return None, value


@distribution
class _Pulled(AbstractAround):
    """Noise whose log density is the log-determinant of what transforms it.

    What is made of it has a flat density then, which the factors of the sites complete.
    """

    base_dist: Distribution
    transform: Transform
    support = constraints.real_vector

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self.base_dist.sample(key, sample_shape)

    def log_prob(self, value: Any) -> Array:
        _, log_det = self.transform.forward_and_log_det(value)
        rest = log_det.ndim - (jnp.ndim(value) - 1)
        return sum_rightmost(log_det, rest)
