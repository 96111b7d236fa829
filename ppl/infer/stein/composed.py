"""Kernels made of other kernels, of the guide, or of the target's gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ArgumentTypeError, unknown_name
from ppl._typing import Array, Key
from ppl.distributions.transforms import biject_to
from ppl.infer.guides.normal import AutoNormal
from ppl.infer.stein.base import (
    Blocks,
    Bound,
    Info,
    Kernel,
    Mode,
    SteinKernel,
    check_kernel,
    check_mode,
)
from ppl.infer.stein.kernels import RBFKernel


class AbstractComposed(SteinKernel):
    """A kernel that is known by what it is made of."""

    def _key(self) -> tuple[Any, ...]:
        return (type(self), *vars(self).values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbstractComposed) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


class MixtureKernel(AbstractComposed):
    """A weighted sum of kernels of one mode (Ai et al., Cognitive Computation 2023).

    Args:
        ws: Weights, positive.
        kernel_fns: As many kernels.
        mode: Theirs.

    Raises:
        ArgumentError: Numbers or modes differ, or a weight is not positive.
    """

    def __init__(
        self,
        ws: Sequence[float],
        kernel_fns: Sequence[SteinKernel],
        mode: Mode = "norm",
    ):
        self.mode = mode
        self.ws = tuple(float(w) for w in ws)
        self.kernel_fns = tuple(kernel_fns)
        if not self.ws or len(self.ws) != len(self.kernel_fns):
            raise ArgumentError(
                f"there are {len(self.ws)} weights in ws and {len(self.kernel_fns)} "
                "kernels in kernel_fns.",
                value=self.ws,
                hint="Give one weight for each kernel.",
            )
        if not all(0 < w < math.inf for w in self.ws):
            raise ArgumentError(f"ws must be > 0, got {self.ws}.", value=self.ws)
        for kernel in self.kernel_fns:
            check_kernel("each of kernel_fns", kernel)
            if kernel.mode != mode:
                raise ArgumentError(
                    f"{kernel!r} has mode {kernel.mode!r}, and the mixture {mode!r}.",
                    value=kernel.mode,
                    hint="Give all of them the mode of the mixture.",
                )

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        keys = jax.random.split(rng_key, len(self.ws))
        parts = [
            part.compute(key, particles, particle_info, loss_fn)
            for part, key in zip(self.kernel_fns, keys, strict=True)
        ]

        def kernel(x: Array, y: Array) -> Array:
            terms = [w * part(x, y) for w, part in zip(self.ws, parts, strict=True)]
            return sum(terms[1:], terms[0])

        return kernel


class GraphicalKernel(AbstractComposed):
    """One kernel for each param: what is far apart in one may be near in another.

    Wang, Zeng, Liu, "Stein variational message passing for continuous graphical
    models", ICML 2018.

    Args:
        mode: "matrix".
        local_kernel_fns: Kernels by the name of params, none in mode "matrix" of a
            graphical kernel itself.
        default_kernel_fn: That of the others.
    """

    def __init__(
        self,
        mode: Mode = "matrix",
        local_kernel_fns: Mapping[str, SteinKernel] | None = None,
        default_kernel_fn: SteinKernel | None = None,
    ):
        check_mode(self, mode, ("matrix",))
        self.mode = mode
        given = dict(local_kernel_fns or {})
        self.default_kernel_fn = default_kernel_fn or RBFKernel()
        for kernel in (*given.values(), self.default_kernel_fn):
            check_kernel("each kernel of GraphicalKernel", kernel)
        self.local_kernel_fns = tuple(given.items())

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        given = dict(self.local_kernel_fns)
        for name in given:
            if name not in particle_info:
                raise unknown_name("param in local_kernel_fns", name, particle_info)
        keys = jax.random.split(rng_key, len(particle_info))
        parts = []
        for key, (name, (start, end)) in zip(keys, particle_info.items(), strict=True):
            part = given.get(name, self.default_kernel_fn)
            kernel = part.compute(
                key,
                particles[:, start:end],
                {name: (0, end - start)},
                _of_a_part(loss_fn, particles, start),
            )
            parts.append((kernel, part.mode, start, end))
        return Blocks(tuple(parts))


def _of_a_part(loss_fn: Bound, particles: Array, start: int) -> Bound:
    """What is climbed, as a function of some coordinates of a particle."""

    def of_part(key: Key, part: Array, number: Array) -> Array:
        whole = jax.lax.dynamic_update_slice(particles[number], part, (start,))
        return loss_fn(key, whole, number)

    return of_part


class ProbabilityProductKernel(AbstractComposed):
    """The overlap of two normal guides, a kernel of distributions and not of params.

    The integral of the product of both densities to the power `scale`, over the root of
    those of either guide with itself, so that it is one for equal guides; with
    `scale=0.5` it is Bhattacharyya's coefficient (Jebara, Kondor, Howard, JMLR 2004).

    Args:
        guide: An `AutoNormal`, that of the fit.
        scale: Above; positive.
        mode: "norm".

    Raises:
        ArgumentTypeError: `guide` is no `AutoNormal`.
    """

    def __init__(self, guide: AutoNormal, scale: float = 1.0, mode: Mode = "norm"):
        check_mode(self, mode, ("norm",))
        if not isinstance(guide, AutoNormal):
            raise ArgumentTypeError(
                f"ProbabilityProductKernel is for AutoNormal, got {guide!r}.",
                value=guide,
                hint="Take RBFKernel() for other guides.",
            )
        if not 0 < scale < math.inf:
            raise ArgumentError(f"scale must be > 0, got {scale!r}.", value=scale)
        self.mode = mode
        self.guide = guide
        self.scale = float(scale)

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        end = f"_{self.guide.prefix}_"
        spans = [
            (particle_info[name], particle_info[name.removesuffix("loc") + "scale"])
            for name in particle_info
            if name.endswith(f"{end}loc")
        ]
        positive = biject_to(self.guide.scale_constraint)

        def kernel(x: Array, y: Array) -> Array:
            log = jnp.zeros((), x.dtype)
            for (i, j), (k, m) in spans:
                one, other = positive(x[k:m]), positive(y[k:m])
                total = jnp.square(one) + jnp.square(other)
                log += 0.5 * jnp.sum(jnp.log(2 * one * other / total))
                log -= self.scale / 2 * jnp.sum(jnp.square(x[i:j] - y[i:j]) / total)
            return jnp.exp(log)

        return kernel


class RadialGaussNewtonKernel(AbstractComposed):
    """A Gaussian kernel in the metric of the target, exp(-(x - y)ᵀ M (x - y) / 2d).

    M is the mean of the outer products of the particles' gradients, the curvature that
    Gauss and Newton take (Detommaso et al., "A Stein variational Newton method",
    NeurIPS 2018; Maken, Ramos, Ott 2022).
    """

    mode: Mode = "norm"

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        count, dim = particles.shape
        keys = jax.random.split(rng_key, count)
        slope = jax.vmap(jax.grad(loss_fn, argnums=1))
        slopes = jax.lax.stop_gradient(slope(keys, particles, jnp.arange(count)))

        def kernel(x: Array, y: Array) -> Array:
            along = jnp.sum(slopes * (x - y), -1)
            return jnp.exp(-jnp.mean(jnp.square(along)) / (2 * dim))

        return kernel
