"""Healthy models with a hand-written density, and what people do to their arguments.

A density here is that of the unconstrained parameters at zero, in float64 and with
SciPy, so that an answer to damaged data is right or wrong by another's account.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy import stats

import ppl.distributions as dist
from ppl import plate, sample

N = 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
Y = RNG.normal(size=N)
COUNTS = np.array([0, 3, 1, 7, 2, 2])
TRIALS = np.array([3, 4, 9, 9, 2, 5])
PRIOR = float(stats.norm.logpdf(0.0))


@dataclass(frozen=True)
class Healthy:
    """A model, its arguments by name, and its density where all coordinates are 0."""

    model: Callable[..., Any]
    data: dict[str, Any]
    truth: Callable[..., float]

    def __str__(self) -> str:
        return self.model.__name__


def regression(X, y, width=1.0):
    beta = sample("beta", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
    with plate("N", N):
        sample("y", dist.Normal(X @ beta, width), obs=y)


def regression_truth(X, y, width=1.0):
    need(X.shape == (N, 2) and y.shape == (N,) and np.isfinite(X).all())
    need(np.size(width) == 1 or np.shape(width) == (N,))
    return 2 * PRIOR + stats.norm.logpdf(y, 0.0, width).sum()


def schools(sigma, y):
    mu = sample("mu", dist.Normal(0.0, 1.0))
    tau = sample("tau", dist.HalfNormal(1.0))
    with plate("school", N):
        theta = sample("theta", dist.Normal(mu, tau))
        sample("y", dist.Normal(theta, sigma), obs=y)


def schools_truth(sigma, y):
    need(np.shape(sigma) in ((), (N,)) and y.shape == (N,) and (sigma > 0).all())
    positive = stats.halfnorm.logpdf(1.0)  # and a log-determinant of zero
    return (1 + N) * PRIOR + positive + stats.norm.logpdf(y, 0.0, sigma).sum()


def counts(y, exposure=1.0):
    rate = sample("rate", dist.Gamma(2.0, 1.0))
    sample("y", dist.Poisson(rate * exposure), obs=y)


def counts_truth(y, exposure=1.0):
    need(np.all(np.mod(y, 1) == 0) and np.all(y >= 0))
    np.broadcast_shapes(np.shape(exposure), y.shape)
    need(np.size(exposure) == 1 or np.shape(exposure) == y.shape)
    return stats.gamma.logpdf(1.0, 2.0) + stats.poisson.logpmf(y, exposure).sum()


def binomial(n, y):
    p = sample("p", dist.Beta(2.0, 2.0))
    sample("y", dist.Binomial(n, p), obs=y)


def binomial_truth(n, y):
    need(np.broadcast_shapes(np.shape(n), y.shape) == y.shape)
    need(np.all(np.mod(n, 1) == 0))
    need(np.all(np.mod(y, 1) == 0) and np.all(y >= 0) and np.all(y <= n))
    prior = stats.beta.logpdf(0.5, 2.0, 2.0) + np.log(0.25)
    return prior + stats.binom.logpmf(y, n, 0.5).sum()


def waits(y, shape=2.0):
    rate = sample("rate", dist.LogNormal(0.0, 1.0))
    sample("y", dist.Gamma(shape, rate), obs=y)


def waits_truth(y, shape=2.0):
    need(np.all(y > 0) and np.shape(shape) in ((), (1,), y.shape) and np.all(shape > 0))
    return PRIOR + stats.gamma.logpdf(y, shape).sum()


def need(fits: Any) -> None:
    if not fits:
        raise ValueError("these data fit no density")


HEALTHY = [
    Healthy(regression, {"X": X, "y": Y, "width": 1.0}, regression_truth),
    Healthy(schools, {"sigma": np.full(N, 2.0), "y": Y}, schools_truth),
    Healthy(counts, {"y": COUNTS, "exposure": 1.0}, counts_truth),
    Healthy(binomial, {"n": TRIALS, "y": COUNTS % 3}, binomial_truth),
    Healthy(waits, {"y": np.abs(Y) + 0.1, "shape": 2.0}, waits_truth),
]


# --- what is done to an argument ------------------------------------------------------


def at_random(new: Any) -> Callable[[Any, np.random.Generator], Any]:
    """One element becomes another value."""

    def change(value: Any, rng: np.random.Generator) -> Any:
        changed = np.array(value, float)
        if changed.ndim == 0:
            return float(new)
        changed[tuple(rng.integers(changed.shape))] = new
        return changed

    change.__name__ = f"one element {new}"
    return change


def as_dtype(dtype: Any) -> Callable[[Any, np.random.Generator], Any]:
    """All elements in another type."""

    def change(value: Any, rng: np.random.Generator) -> Any:
        del rng
        return np.asarray(value).astype(dtype)

    change.__name__ = f"as {np.dtype(dtype)}"
    return change


def plain(name: str, change: Callable[[Any], Any]) -> Callable[..., Any]:
    def changed(value: Any, rng: np.random.Generator) -> Any:
        del rng
        return change(np.asarray(value))

    changed.__name__ = name
    return changed


def _objects(value: Any, *, last: Any) -> Any:
    need(np.ndim(value))
    changed = np.array(value, object).reshape(-1)
    changed[-1] = last
    return changed.reshape(np.shape(value))


ELEMENTS = [np.nan, np.inf, -np.inf, -1.0, 0.0, 0.5, 1e30, 1e300, 3e9, -0.0, 1e-30]
DTYPES = [np.float16, np.float64, np.int8, np.int64, np.uint8, bool]
DTYPES += [np.complex64, object, str, "datetime64[s]"]
SHAPES = [
    plain("shorter", lambda v: v.reshape(-1)[:-1] if v.ndim < 2 else v[:-1]),
    plain("longer", lambda v: np.concatenate([np.atleast_1d(v)] * 2)),
    plain("a column", lambda v: v[..., None]),
    plain("a row", lambda v: v[None]),
    plain("transposed", lambda v: v.T),
    plain("flat", lambda v: v.reshape(-1)),
    plain("empty", lambda v: v.reshape(-1)[:0]),
    plain("one number", lambda v: v.reshape(-1)[0]),
    plain("a square", lambda v: np.broadcast_to(v[..., None], (*v.shape, N)).copy()),
]
KINDS = [
    plain("a list", lambda v: v.tolist()),
    plain("a tuple", lambda v: tuple(np.atleast_1d(v).tolist())),
    plain("a ragged list", lambda v: [[1.0], np.atleast_1d(v).tolist()]),
    plain("a series", lambda v: pd.Series(v.reshape(-1))),
    plain("a frame", lambda v: pd.DataFrame(np.atleast_1d(v))),
    plain("categories", lambda v: pd.Series(list("abcdef"), dtype="category") + ""),
    plain("nullable", lambda v: pd.Series(v.reshape(-1)).astype("Float64")),
    plain(
        "masked",
        lambda v: (
            np.ma.masked_array(v, np.arange(v.size) == 0)
            if v.ndim == 1
            else np.ma.masked_array(v)
        ),
    ),
    plain("none", lambda v: None),
    plain("text", lambda v: "seven"),
    plain("a dict", lambda v: {"value": v}),
    plain("a set", lambda v: {1.0, 2.0}),
    plain("a function", lambda v: np.mean),
    plain("an iterator", lambda v: iter(np.atleast_1d(v).tolist())),
    plain("an object", lambda v: object()),
    plain("one of them none", lambda v: _objects(v, last=None)),
    plain("one of them text", lambda v: _objects(v, last="seven")),
    plain("one of them a list", lambda v: _objects(v, last=[1.0])),
    plain("large integers", lambda v: np.full(v.shape, 3_000_000_000)),
    plain("negative", lambda v: -np.abs(v) - 1),
    plain("a large int", lambda v: 10**12),
    plain("a huge int", lambda v: 10**30),
    plain("true", lambda v: True),
    plain("bytes", lambda v: b"seven"),
    plain("a jax array", lambda v: jnp.asarray(v)),
    plain("reversed", lambda v: v[::-1] if v.ndim else v),
    plain("strided", lambda v: np.repeat(v, 2, axis=0)[::2] if v.ndim else v),
]
CHANGES = [*map(at_random, ELEMENTS), *map(as_dtype, DTYPES), *SHAPES, *KINDS]


def clean(value: Any) -> np.ndarray:
    """The numbers that somebody who passes `value` has in mind, in float64.

    Raises:
        ValueError: There are none.
    """
    if isinstance(value, str | bytes | dict | set) or value is None:
        raise ValueError("no numbers")
    if isinstance(value, np.ma.MaskedArray) or hasattr(value, "to_numpy"):
        value = (
            np.ma.filled(np.ma.asarray(value, float), np.nan)
            if isinstance(value, np.ma.MaskedArray)
            else np.asarray(value, float)
        )
    array = np.asarray(value)
    if array.dtype.kind not in "biufO":
        raise ValueError("no numbers")
    return array.astype(float)
