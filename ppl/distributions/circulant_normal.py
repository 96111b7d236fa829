"""The multivariate normal distribution with a circulant covariance."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ParameterError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import same_size
from ppl.distributions._parameters import as_parameter, known, one_of
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.constraints import namespace, shape_of
from ppl.distributions.distribution import Distribution, distribution, param


def _spectrum(row: Any, *, check: bool) -> Any:
    """The distinct eigenvalues of the circulant matrix with a given first row."""
    given = known(row)
    if isinstance(given, jax.Array):
        return jnp.fft.rfft(as_floats(row)[0]).real
    given = np.asarray(given, np.float64)
    spectrum = np.fft.rfft(given)
    off = abs(spectrum.imag).max(initial=0.0)
    if check and off > 1e-5 * abs(given).sum(-1).max(initial=0.0):
        raise ParameterError(
            "CirculantNormal.covariance_row must read the same in both directions: "
            "entry i equal to entry n - i.",
            value=given,
        )
    return spectrum.real.astype(row.dtype)


@distribution
class CirculantNormal(Distribution):
    r"""A normal vector on a ring: each covariance depends on the distance alone.

    It is kept by the eigenvalues of the covariance, which are the discrete Fourier
    transform of its first row: a density or a draw costs `n log n`. (A. T. A. Wood, G.
    Chan, 1994, "Simulation of stationary Gaussian processes in $[0, 1]^d$".)

    Args:
        loc: The mean, shape `(..., n)`.
        covariance_row: The first row of the covariance, shape `(..., n)`; entries `i`
            and `n - i` are equal.
        covariance_rfft: Instead, the real Fourier transform of that row: the first
            `n // 2 + 1` eigenvalues, positive.
        validate_args: False skips the check of the parameters.
    """

    loc: ArrayLike = param(constraints.real_vector)
    covariance_rfft: ArrayLike = param(constraints.independent(constraints.positive, 1))
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: ArrayLike,
        covariance_row: ArrayLike | None = None,
        covariance_rfft: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        given = {"covariance_row": covariance_row, "covariance_rfft": covariance_rfft}
        name = one_of("CirculantNormal", **given)
        loc = as_parameter(loc, constraints.real_vector)
        spectrum = as_parameter(given[name], constraints.real_vector)
        if name == "covariance_row":
            size = shape_of(spectrum)[-1:]
            spectrum = _spectrum(spectrum, check=validate_args is not False)
            if not shape_of(loc):
                loc = namespace(loc).broadcast_to(loc, size)
            same_size("CirculantNormal", loc=shape_of(loc)[-1], covariance_row=size[0])
        self._set(loc=loc, covariance_rfft=spectrum, validate_args=validate_args)

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        super()._prepare(validate_args)
        half = shape_of(self.loc)[-1] // 2 + 1
        given = shape_of(self.covariance_rfft)[-1]
        if given != half:
            raise ParameterError(
                f"CirculantNormal.covariance_rfft must have n // 2 + 1 = {half} "
                f"entries for loc of n = {shape_of(self.loc)[-1]}, got {given}.",
                value=given,
            )

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.loc)[-1:]

    def _multiplicity(self) -> np.ndarray:
        """How often each eigenvalue occurs: all twice but the real ones."""
        (n,) = self.event_shape
        counts = np.full(n // 2 + 1, 2.0, np.float32)
        counts[0] = 1.0
        if n % 2 == 0:
            counts[-1] = 1.0
        return counts

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        (n,) = self.event_shape
        eps = jax.random.normal(key, self.shape(sample_shape))
        root = jnp.sqrt(self.covariance_rfft)
        return self.loc + jnp.fft.irfft(root * jnp.fft.rfft(eps), n)

    def _half_log_det(self) -> Array:
        return 0.5 * (self._multiplicity() * jnp.log(self.covariance_rfft)).sum(-1)

    def log_prob(self, value: ArrayLike) -> Array:
        (away,) = as_floats(value - self.loc)
        (n,) = self.event_shape
        waves = jnp.fft.rfft(away)
        power = jnp.square(waves.real) + jnp.square(waves.imag)
        square = (self._multiplicity() * power / self.covariance_rfft).sum(-1) / n
        return -0.5 * square - self._half_log_det() - n * HALF_LOG_2PI

    @property
    def covariance_row(self) -> Array:
        """The first row of the covariance, shape `batch_shape + (n,)`."""
        (n,) = self.event_shape
        row = jnp.fft.irfft(jnp.asarray(self.covariance_rfft), n)
        return jnp.broadcast_to(row, (*self.batch_shape, n))

    @property
    def covariance_matrix(self) -> Array:
        """Of shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        i = np.arange(n)
        return self.covariance_row[..., (i[:, None] - i) % n]

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        (n,) = self.event_shape
        total = (self._multiplicity() * self.covariance_rfft).sum(-1, keepdims=True)
        return jnp.broadcast_to(total / n, self.batch_shape + self.event_shape)

    def entropy(self) -> Array:
        (n,) = self.event_shape
        entropy = n * (0.5 + HALF_LOG_2PI) + self._half_log_det()
        return jnp.broadcast_to(entropy, self.batch_shape)
