"""All that the laws ask about a case: a few compiled calls per float type."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

from tests.laws.cases import Case

PROBS = (1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999, 1 - 1e-6)
MOMENTS = ("mean", "variance", "mode", "entropy")


class Facts(NamedTuple):
    """What the distributions say at `x` and `q`, both of shape (points, sets)."""

    params: tuple[np.ndarray, ...]
    x: np.ndarray
    edge: np.ndarray  # which x are neighbours of an end of the support
    q: np.ndarray
    log_prob: np.ndarray
    grads: dict[int, np.ndarray]  # by parameter; the value's is number -1
    cdf: np.ndarray
    log_cdf: Any  # in float64 only, like the next one
    log_sf: Any
    moments: dict[str, np.ndarray]  # in float32 the entropy only
    icdf: np.ndarray
    icdf_of_cdf: np.ndarray

    def values(self, j: int) -> list[Any]:
        """Parameter set `j`."""
        return [p[j] for p in self.params]


def float_of(x64: bool) -> Any:
    return np.float64 if x64 else np.float32


def rounded(case: Case, x64: bool) -> tuple[np.ndarray, ...]:
    """The parameters as the float type holds them; whole numbers stay whole."""
    return tuple(
        p.astype(float_of(x64) if p.dtype.kind == "f" else np.int32)
        for p in case.params
    )


def points_of(case: Case, x64: bool) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles, extra points, the ends of the support; and the ends' neighbours."""
    dtype = float_of(x64)
    tiny = np.finfo(dtype).tiny  # JAX takes what is smaller for zero
    columns, edges = [], []
    for frozen in case.frozen():
        ends = np.asarray([e for e in frozen.support() if np.isfinite(e)], dtype)
        far = dtype(np.inf)
        near = np.concatenate([np.nextafter(ends, far), np.nextafter(ends, -far)])
        if case.discrete:
            near = np.concatenate([ends - 1, ends + 1, ends + 0.5])
        column = np.concatenate([frozen.ppf(PROBS), case.extra, ends, near])
        column = np.where(abs(column) < 1e38, column, frozen.ppf(0.4)).astype(dtype)
        column = np.where((abs(column) < tiny) & (column != 0), tiny, column)
        edge = (np.arange(len(column)) >= len(column) - len(near)) & ~case.discrete
        columns.append(column)
        edges.append(edge | (abs(column) == tiny))
    longest = max(map(len, columns))
    pad = [np.resize(column, longest) for column in columns]
    pad_edges = [np.resize(edge, longest) for edge in edges]
    return np.stack(pad, 1), np.stack(pad_edges, 1)


@cache
def facts(case: Case, x64: bool) -> Facts:
    """Evaluate a case, with reverse-mode gradients at each point."""
    params, (x, edge) = rounded(case, x64), points_of(case, x64)
    q = np.repeat(np.asarray(PROBS, x.dtype)[:, None], x.shape[1], 1)

    @jax.jit
    def values(params, x):
        flat = [jnp.broadcast_to(p, (len(x), *p.shape)) for p in (*params, x)]
        flat[-1] = x
        by = [i for i, p in enumerate(flat) if p.dtype.kind == "f"]
        by = [i for i in by if not (case.discrete and i == len(params))]

        def total(chosen):
            new = [chosen.get(i, p) for i, p in enumerate(flat)]
            log_prob = case.make(*new[:-1]).log_prob(new[-1])
            return log_prob.sum(), log_prob

        grads, log_prob = jax.grad(total, has_aux=True)({i: flat[i] for i in by})
        d = case.make(*params)
        tails = (d.log_cdf(x), d.log_sf(x)) if x64 else (None, None)
        names = MOMENTS if x64 else ("entropy",)
        moments = {n: v for n in names if (v := closed_form(d, n)) is not None}
        return log_prob, grads, d.cdf(x), *tails, moments

    with jax.enable_x64(x64):
        answers = jax.tree.map(np.asarray, values(params, x))
        both = np.concatenate([q, answers[2].astype(q.dtype)])
        back = np.asarray(jax.jit(lambda p, q: case.make(*p).icdf(q))(params, both))
    return Facts(params, x, edge, q, *answers, back[: len(q)], back[len(q) :])


def closed_form(d: Any, name: str) -> Any:
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


@cache
def truth(case: Case, x64: bool) -> np.ndarray:
    """The log density in mpmath at the very numbers that the float type holds.

    NaN, that is no verdict, at the ends of a support that excludes them.
    """
    known = facts(case, x64)
    result = np.full(known.x.shape, np.nan)
    for j in range(known.x.shape[1]):
        values = known.values(j)
        support = case.make(*values).support
        low, high = case.scipy(*values).support()
        for i, x in enumerate(known.x[:, j]):
            if support(x):
                result[i, j] = case.density(exact(x), *map(exact, values))
            elif not low <= x <= high or case.discrete:
                result[i, j] = -np.inf
    return result


def slope(case: Case, values: list[Any], x: Any, by: int) -> tuple[float, float]:
    """A derivative of the log density in mpmath, and how it moves with its inputs.

    The second number is the sum over all inputs of |input times d slope / d input|:
    times the rounding of a float it is what no computation on floats can avoid. Both
    are NaN where there is no derivative.
    """
    at = [exact(v) for v in (*values, x)]

    def moved(*steps: tuple[int, Any]) -> Any:
        new = list(at)
        for i, h in steps:
            new[i] = new[i] + h
        return case.density(new[-1], *new[:-1])

    h = abs(at[by]) * mp.mpf(10) ** -25 or mp.mpf(10) ** -25

    def first(*steps: tuple[int, Any]) -> Any:
        return (moved((by, h), *steps) - moved((by, -h), *steps)) / (2 * h)

    here = moved()
    sides = [abs((moved((by, s)) - here) / h) for s in (h, -h)]
    kink = abs(moved((by, h)) + moved((by, -h)) - 2 * here) / h
    if mp.isnan(kink) or kink > mp.mpf(10) ** -6 * max(sides):
        return np.nan, np.nan
    result, motion = first(), mp.mpf(0)
    for i, value in enumerate(at):
        inner = i < len(values) and np.asarray(values[i]).dtype.kind == "f"
        judged = inner or (i == len(values) and not case.discrete)
        if np.ndim(value) or value == 0 or not judged:
            continue
        other = first((i, value * mp.mpf(10) ** -12))
        if mp.isfinite(other):
            motion += abs(other - result) * mp.mpf(10) ** 12
    return float(result), float(motion)
