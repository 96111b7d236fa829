"""All that the laws ask about a case, computed in one compiled call per float type."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

from tests.laws.cases import Case

PROBS = (1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999, 1 - 1e-9)


class Facts(NamedTuple):
    """What the distributions say at `x` and `q`, both of shape (points, sets)."""

    params: tuple[np.ndarray, ...]
    x: np.ndarray
    q: np.ndarray
    log_prob: np.ndarray
    grads: dict[int, np.ndarray]  # by parameter; the value's is number -1
    cdf: np.ndarray
    log_cdf: np.ndarray
    log_sf: np.ndarray
    icdf: np.ndarray
    cdf_of_icdf: np.ndarray
    icdf_of_cdf: np.ndarray
    moments: dict[str, np.ndarray]


def float_of(x64: bool) -> Any:
    return np.float64 if x64 else np.float32


def rounded(case: Case, x64: bool) -> tuple[np.ndarray, ...]:
    """The parameters as the float type holds them; whole numbers stay whole."""
    kinds = (p.dtype.kind for p in case.params)
    return tuple(
        p.astype(float_of(x64)) if k == "f" else p.astype(np.int32)
        for p, k in zip(case.params, kinds, strict=True)
    )


def points_of(case: Case, x64: bool) -> np.ndarray:
    """Quantiles, the extra points, and the ends of the support with their neighbours."""
    columns = []
    dtype = float_of(x64)
    for frozen in case.frozen():
        points = [frozen.ppf(PROBS), np.asarray(case.extra, float)]
        ends = np.asarray([e for e in frozen.support() if np.isfinite(e)], dtype)
        if case.discrete:
            points += [ends, ends - 1, ends + 1, ends + 0.5]
        else:
            tiny = np.finfo(dtype).tiny
            up, down = (np.nextafter(ends, dtype(s)) for s in (np.inf, -np.inf))
            near = np.concatenate([ends, up, down])
            points += [np.where((near == 0) | (abs(near) > tiny), near, tiny)]
        column = np.concatenate(points)
        fine = np.isfinite(column) & (abs(column) < np.finfo(np.float32).max)
        columns.append(np.where(fine, column, np.nan))
    longest = max(map(len, columns))
    middle = [frozen.ppf(0.4) for frozen in case.frozen()]
    table = np.full((longest, len(columns)), np.nan)
    for j, column in enumerate(columns):
        table[: len(column), j] = column
    return np.where(np.isnan(table), middle, table).astype(dtype)


def spread(value: Any, points: int) -> Any:
    """A parameter of a batch of sets, repeated for each point."""
    return jnp.broadcast_to(value, (points, *value.shape))


@cache
def facts(case: Case, x64: bool) -> Facts:
    """Evaluate everything about a case, with reverse-mode gradients at each point."""
    params, x = rounded(case, x64), points_of(case, x64)
    q = np.repeat(np.asarray(PROBS, x.dtype)[:, None], x.shape[1], 1)
    by = [i for i, p in enumerate(params) if p.dtype.kind == "f"]
    by += [] if case.discrete else [-1]

    @jax.jit
    def ask(params, x, q):
        flat = {i: spread(p, len(x)) for i, p in enumerate(params)} | {-1: x}

        def total(chosen):
            *values, point = (flat | chosen).values()
            log_prob = case.make(*values).log_prob(point)
            return log_prob.sum(), log_prob

        chosen = {i: flat[i] for i in by}
        grads, log_prob = jax.grad(total, has_aux=True)(chosen)
        d = case.make(*params)
        cdf, quantile = d.cdf(x), d.icdf(q)
        names = ("mean", "variance", "mode")
        moments = {n: v for n in names if (v := optional(d, n)) is not None}
        if (entropy := optional(d, "entropy")) is not None:
            moments["entropy"] = entropy
        tails = (d.log_cdf(x), d.log_sf(x))
        inverse = (quantile, d.cdf(quantile), d.icdf(cdf))
        return (log_prob, grads, cdf, *tails, *inverse, moments)

    with jax.enable_x64(x64):
        answers = jax.tree.map(np.asarray, ask(params, x, q))
    return Facts(params, x, q, *answers)


def optional(d: Any, name: str) -> Any:
    """A moment, or None where there is no closed form."""
    try:
        value = getattr(d, name)
        return value() if callable(value) else value
    except TypeError:
        return None


# --- the truth ------------------------------------------------------------------------


def exact(value: Any) -> Any:
    """A NumPy number (or vector) in mpmath, without rounding."""
    if np.ndim(value):
        return [mp.mpf(float(v)) for v in value]
    return mp.mpf(float(value))


def truth(case: Case, facts: Facts) -> np.ndarray:
    """The log density in mpmath at the very numbers that the float type holds.

    NaN, that is no verdict, at the ends of a support that excludes them.
    """
    result = np.full(facts.x.shape, np.nan)
    for j in range(facts.x.shape[1]):
        values = [p[j] for p in facts.params]
        support = case.make(*values).support
        low, high = case.scipy(*values).support()
        for i, x in enumerate(facts.x[:, j]):
            if support(x):
                result[i, j] = case.density(exact(x), *map(exact, values))
            elif not low <= x <= high or case.discrete:
                result[i, j] = -np.inf
    return result


def slope(case: Case, values: list[Any], x: Any, by: int) -> Any:
    """A derivative of the log density in mpmath, by central difference."""
    point = [exact(v) for v in (*values, x)]

    def moved(step: Any) -> Any:
        new = list(point)
        new[by] = point[by] + step
        return case.density(new[-1], *new[:-1])

    h = mp.mpf(10) ** -25 * (abs(point[by]) or 1)
    return (moved(h) - moved(-h)) / (2 * h)
