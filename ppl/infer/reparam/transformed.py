"""Variables in the place of those that they are transformed to."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ppl import distributions as dist
from ppl._errors import ArgumentTypeError, ModelError, ShapeError
from ppl._typing import Array
from ppl.distributions import constraints, transforms
from ppl.distributions.transforms import ComposeTransform, Transform, biject_to
from ppl.infer.reparam.base import (
    Reparam,
    does_not_fit,
    must_be_latent,
    unwrapped,
)
from ppl.primitives import sample


class TransformReparam(Reparam):
    """Sample the base of a transformed distribution, `{name}_base`, and transform it.

    Besides `TransformedDistribution` this knows `InverseGamma`, `LogNormal`,
    `LogUniform`, `LogitNormal` and `Pareto` as what they transform.

    Raises:
        ModelError: The site is observed, or its distribution is not transformed.
    """

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_base`, and transform it."""
        must_be_latent(self, name, obs)
        whole, wrap = unwrapped(fn)
        parts = _parts(whole)
        if parts is None:
            raise does_not_fit(
                self,
                name,
                whole,
                "is for transformed distributions",
                "LocScaleReparam is for those with a location and a scale.",
            )
        base, transform = parts
        x = sample(f"{name}_base", wrap(base.expand(whole.batch_shape)))
        return None, transform(x)


def _parts(fn: Any) -> tuple[Any, Transform] | None:
    """What a distribution transforms, and how; None if it is not transformed."""
    match fn:
        case dist.TransformedDistribution():
            return fn.base_dist, ComposeTransform(fn.transforms)
        case dist.LogNormal():
            return dist.Normal(fn.loc, fn.scale), transforms.ExpTransform()
        case dist.LogitNormal():
            return dist.Normal(fn.loc, fn.scale), transforms.SigmoidTransform()
        case dist.LogUniform():
            base = dist.Uniform(jnp.log(fn.low), jnp.log(fn.high))
            return base, transforms.ExpTransform()
        case dist.InverseGamma():
            base = dist.Gamma(fn.concentration, fn.rate)
            return base, transforms.PowerTransform(-1.0)
        case dist.Pareto():
            side = transforms.AffineTransform(0.0, fn.scale)
            base = dist.Exponential(jnp.asarray(fn.alpha))
            return base, ComposeTransform((transforms.ExpTransform(), side))
    return None


class ExplicitReparam(Reparam):
    """Sample `transform` of the site, `{name}_base`, and transform it back.

    Args:
        transform: A bijection from the support of the site.

    Raises:
        ArgumentTypeError: `transform` is no transform.
        ModelError: The site is observed, or its support is not what is transformed.
    """

    def __init__(self, transform: Transform):
        self.transform = _checked(self, transform)

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_base`, and transform it back."""
        must_be_latent(self, name, obs)
        return None, _through(name, "base", fn, self.transform)


class UnitJacobianReparam(Reparam):
    """Sample `{name}_{suffix}`, a transform of the unconstrained value of the site.

    Meant for transforms that turn without stretching, along an axis that is an event
    dim, of real or positive values: others have their log-determinant, too, but may
    help little.

    Args:
        transform: From the unconstrained value.
        suffix: Ends the name of what is sampled.

    Raises:
        ArgumentTypeError: `transform` is no transform.
        ModelError: The site is observed, or the transform does not fit its support.
        ShapeError: What is transformed is a batch dim.
    """

    def __init__(self, transform: Transform, suffix: str = "transformed"):
        self.transform = _checked(self, transform)
        self.suffix = suffix

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_{suffix}`, and transform it back."""
        must_be_latent(self, name, obs)
        return None, _unconstrained(name, self.suffix, fn, self.transform)


class HaarReparam(Reparam):
    """Sample `{name}_haar`, the Haar wavelets of the unconstrained value of the site.

    For values that hang together along an axis, such as a random walk: the coarse and
    the fine differences hang together less.

    Args:
        dim: The axis, negative; it and all on its right are event dims.
        flip: Whether to reverse the axis first.

    Raises:
        ModelError: The site is observed.
        ShapeError: The axis is a batch dim.
    """

    def __init__(self, dim: int = -1, flip: bool = False):
        self.transform = transforms.HaarTransform(dim=dim, flip=flip)

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_haar`, and transform it back."""
        must_be_latent(self, name, obs)
        return None, _unconstrained(name, "haar", fn, self.transform)


class DiscreteCosineReparam(Reparam):
    """Sample `{name}_dct`, the cosine transform of the site's unconstrained value.

    For values that hang together along an axis, such as a random walk: frequencies
    hang together less.

    Args:
        dim: The axis, negative; it and all on its right are event dims.
        smooth: 0 if neighbours are independent, 1 if the values are continuous along
            the axis, as a random walk is, 2 if their slope is; any number.

    Raises:
        ModelError: The site is observed.
        ShapeError: The axis is a batch dim.
    """

    def __init__(self, dim: int = -1, smooth: float = 0.0):
        self.transform = transforms.DiscreteCosineTransform(dim=dim, smooth=smooth)

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_dct`, and transform it back."""
        must_be_latent(self, name, obs)
        return None, _unconstrained(name, "dct", fn, self.transform)


def _checked(strategy: Reparam, transform: Any) -> Transform:
    if not isinstance(transform, Transform):
        raise ArgumentTypeError(
            f"{type(strategy).__name__} needs a transform, got {transform!r}.",
            value=transform,
            hint="They are in ppl.distributions.transforms.",
        )
    return transform


def _unconstrained(name: str, suffix: str, fn: Any, transform: Transform) -> Array:
    """Like `_through`, from the unconstrained value."""
    free = biject_to(fn.support).inv
    return _through(name, suffix, fn, ComposeTransform((free, transform)))


def _through(name: str, suffix: str, fn: Any, transform: Transform) -> Array:
    """Sample the transform of a site, and transform it back."""
    needed = ComposeTransform((transform,)).domain_dims()
    if needed > fn.event_dim:
        raise ShapeError(
            f"{needed} event dims are transformed, but {type(fn).__name__} has "
            f"{fn.event_dim}.",
            site=name,
            value=fn.event_dim,
            hint=f"Say fn.to_event({needed - fn.event_dim}).",
        )
    made = dist.TransformedDistribution(fn, transform)
    if constraints.is_dependent(made.support):
        raise ModelError(
            f"a transform of {transform.domain!r} does not fit the support "
            f"{fn.support!r}.",
            site=name,
            value=fn.support,
            hint="Give the transform of just that set.",
        )
    return transform.inv(sample(f"{name}_{suffix}", made))
