"""Variables in the place of those whose location and scale are unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl import distributions as dist
from ppl._errors import ArgumentError, ShapeError, unknown_name
from ppl._pytree import replace
from ppl._typing import Array, ArrayLike
from ppl.distributions import constraints, transforms
from ppl.distributions.constraints import shape_of
from ppl.distributions.transforms.base import bare
from ppl.infer.reparam.base import (
    Reparam,
    does_not_fit,
    must_be_latent,
    unwrapped,
)
from ppl.primitives import param, sample

# Families in which `loc + scale * x` is of the family when x is, the rest fixed.
REAL: set[type] = {
    dist.AsymmetricLaplace,
    dist.AsymmetricLaplaceQuantile,
    dist.Cauchy,
    dist.GeneralizedNormal,
    dist.Gumbel,
    dist.Laplace,
    dist.Logistic,
    dist.Moyal,
    dist.Normal,
    dist.SkewNormal,
    dist.SoftLaplace,
    dist.StudentT,
}
# The same for `scale * x`.
POSITIVE: set[type] = {
    dist.HalfCauchy,
    dist.HalfNormal,
    dist.HalfStudentT,
    dist.LogLogistic,
    dist.Weibull,
}
# Of these it is true after the inverse of a transform.
THROUGH: dict[type, transforms.Transform] = {
    dist.LogNormal: transforms.ExpTransform(),
    dist.LogitNormal: transforms.SigmoidTransform(),
}
# Vectors `loc + scale_tril @ x`.
VECTORS: set[type] = {dist.MultivariateNormal, dist.MultivariateStudentT}

# These have a `loc` and a `scale`, and other parameters that scale along.
_NOT_LOC_SCALE: set[type] = {dist.ExGaussian}


class LocScaleReparam(Reparam):
    r"""Take location and scale out of a site, wholly or partly.

    With centring $c$, the site `{name}_decentered` is of the family with the location
    $c \mu$ and the scale $\sigma^c$, and the value is
    $\mu + \sigma^{1 - c} (x - c \mu)$. (M. I. Gorinova, D. Moore, M. D. Hoffman, 2020,
    "Automatic reparameterisation of probabilistic programs".) Families with a `scale`
    only have the location 0; `LogNormal` and `LogitNormal` are reparameterised as the
    normal that they transform, and `MultivariateNormal` and `MultivariateStudentT` by
    their `scale_tril`, with a centring of 0 or 1.

    Args:
        centered: A number or an array in [0, 1]: 1 leaves the site as it is, 0 takes
            location and scale out. If None, it is a `param` named `{name}_centered` of
            the site's event shape, which starts at 0.5: for variational inference, or
            to be lifted.
        shape_params: The names of further parameters, which stay as they are. Needed
            only for families that `ppl` does not know.

    Raises:
        ArgumentError: `centered` is not in [0, 1].
        ModelError: The site is observed, or its family has no location and scale.
        UnknownNameError: The family has not one of the `shape_params`.
    """

    def __init__(
        self,
        centered: ArrayLike | None = None,
        shape_params: Sequence[str] = (),
    ):
        if not _is_centring(centered):
            raise ArgumentError(
                f"centered must be in [0, 1], got {centered!r}.",
                value=centered,
                hint="0 takes location and scale out, 1 changes nothing.",
            )
        self.centered = centered
        self.shape_params = tuple(shape_params)

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_decentered`, and shift and scale it."""
        must_be_latent(self, name, obs)
        base, wrap = unwrapped(fn)
        self._check_family(name, base)
        # What is learned, or sampled, takes part whatever its value: the sites of a
        # model must not depend on values.
        given = self.centered
        fixed = given is not None and not isinstance(given, Tracer)
        constant = np.asarray(given) if fixed else None
        if constant is not None and (constant == 1).all():
            return fn, None
        if type(base) in VECTORS:
            return None, self._of_vector(name, base, wrap, constant)
        centered = self._learned(name, fn) if given is None else given
        whole = constant is not None and bool((constant == 0).all())
        _check_shape(name, base, centered)
        loc, scale = getattr(base, "loc", None), base.scale
        kept = jnp.zeros(shape_of(loc)) if whole or loc is None else centered * loc
        left = jnp.ones(shape_of(scale)) if whole else scale**centered
        changes = {"scale": left} if loc is None else {"loc": kept, "scale": left}
        x = sample(f"{name}_decentered", wrap(replace(base, **changes)))
        through = THROUGH.get(type(base), transforms.IdentityTransform())
        rest = scale if whole else scale ** (1 - centered)
        shifted = rest * (through.inv(x) - kept)
        return None, through(shifted if loc is None else loc + shifted)

    def _learned(self, name: str, fn: Any) -> Array:
        start = jnp.full(fn.event_shape, 0.5)
        return param(f"{name}_centered", start, constraint=constraints.unit_interval)

    def _of_vector(self, name: str, base: Any, wrap: Any, centered: Any) -> Array:
        if centered is None or (centered != 0).any():
            raise does_not_fit(
                self,
                name,
                base,
                "takes the covariance of a vector out wholly or not at all",
                "Give centered=0 or 1.",
            )
        eye = jnp.broadcast_to(jnp.eye(base.event_shape[0]), shape_of(base.scale_tril))
        plain = replace(base, loc=jnp.zeros(shape_of(base.loc)), scale_tril=eye)
        x = sample(f"{name}_decentered", wrap(plain))
        return transforms.LowerCholeskyAffine(base.loc, base.scale_tril)(x)

    def _check_family(self, name: str, base: Any) -> None:
        """Whether location and scale are all that there is, but for the shape."""
        family, own = type(base), base.parameter_constraints()
        for given in self.shape_params:
            if given not in own:
                raise unknown_name(f"parameter of {family.__name__}", given, own)
        if is_loc_scale(base):
            return
        scaled = {"loc", "scale"} <= set(own) and family not in _NOT_LOC_SCALE
        if not scaled or bare(base.support) != constraints.real:
            raise does_not_fit(
                self,
                name,
                base,
                "is for families with a location and a scale",
                "TransformReparam and ExplicitReparam are for others.",
            )
        others = set(own) - {"loc", "scale", *self.shape_params}
        if others:
            raise does_not_fit(
                self,
                name,
                base,
                f"cannot know whether {sorted(others)} may stay as they are",
                f"If so, say shape_params={sorted(others)}.",
            )


def _is_centring(centered: Any) -> bool:
    if centered is None or isinstance(centered, Tracer):
        return True
    values = np.asarray(centered)
    return values.dtype.kind in "iuf" and bool(((values >= 0) & (values <= 1)).all())


def is_loc_scale(base: Any) -> bool:
    """Whether location and scale can be taken out of an unwrapped distribution."""
    family = type(base)
    return family in REAL | POSITIVE | VECTORS or family in THROUGH


def _check_shape(name: str, base: Any, centered: Any) -> None:
    shape, wanted = shape_of(centered), base.batch_shape
    try:
        fits = np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"centered has shape {shape}, which does not broadcast to the site's "
            f"{wanted}.",
            site=name,
            value=shape,
            hint="Give one number, or one for each element.",
        )
