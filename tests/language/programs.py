"""Random programs, and a third way to run them: NumPy and SciPy, one formula a family.

A program is data. `run` makes its statements in any library that has NumPyro's names;
`Reference` is such a library, which shares no code with the one under test.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

# Few shapes, because each costs a compilation of each operation.
PATHS = [(), ("A",), ("A", "B"), ("B",)]
SIZES = {"A": 2, "B": 3}
DIMS = [{"A": None, "B": None}, {"A": -2, "B": -1}]


@dataclass(frozen=True)
class Statement:
    """One site: its family, the site that it depends on, the plates around it."""

    name: str
    kind: str
    parent: int
    path: tuple[str, ...]
    observed: bool


@dataclass(frozen=True)
class Program:
    """Statements in order, and the dims of the plates, if these are explicit."""

    statements: tuple[Statement, ...]
    dims: dict[str, int | None]


@dataclass(frozen=True)
class Family:
    """How a family is written, and an observed value of it."""

    make: Any
    obs: Any
    discrete: bool = False


def triple(xp: Any, link: Any) -> Any:
    return xp.exp(link)[..., None] * np.array([1.0, 2.0, 3.0])


FAMILIES = {
    "normal": Family(lambda d, xp, x: d.Normal(x, 0.5), 0.7),
    "laplace": Family(lambda d, xp, x: d.Laplace(x, 2.0), -0.4),
    "gamma": Family(lambda d, xp, x: d.Gamma(xp.exp(x), 2.0), 0.7),
    "beta": Family(lambda d, xp, x: d.Beta(xp.exp(x), 2.0), 0.7),
    "half": Family(lambda d, xp, x: d.HalfNormal(xp.exp(x)), 0.7),
    "uniform": Family(lambda d, xp, x: d.Uniform(x - 2.0, x + 2.0), 0.7),
    "dirichlet": Family(lambda d, xp, x: d.Dirichlet(triple(xp, x)), (0.2, 0.3, 0.5)),
    "vector": Family(
        lambda d, xp, x: d.Normal(triple(xp, x), 1.5).to_event(1), (1, 2, 3)
    ),
    "bernoulli": Family(lambda d, xp, x: d.Bernoulli(logits=x), 1, discrete=True),
    "poisson": Family(lambda d, xp, x: d.Poisson(xp.exp(x)), 2, discrete=True),
}


# Values inside of the supports, whatever the parameters.
INSIDE = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "laplace": lambda rng, shape: rng.normal(size=shape),
    "gamma": lambda rng, shape: rng.gamma(2.0, size=shape),
    "beta": lambda rng, shape: rng.beta(2.0, 2.0, size=shape),
    "half": lambda rng, shape: rng.gamma(2.0, size=shape),
    "uniform": lambda rng, shape: rng.uniform(-1.0, 1.0, size=shape),
    "dirichlet": lambda rng, shape: rng.dirichlet([2.0, 2.0, 2.0], size=shape),
    "vector": lambda rng, shape: rng.normal(size=(*shape, 3)),
}
COSTLY = ("gamma", "beta", "dirichlet")  # samplers that take seconds to compile


@st.composite
def programs(draw: Any, largest: int = 6) -> Program:
    statements: list[Statement] = []
    for i in range(draw(st.integers(1, largest))):
        kind = draw(st.sampled_from([*FAMILIES, "factor"]))
        discrete = kind in FAMILIES and FAMILIES[kind].discrete
        path = draw(st.sampled_from(PATHS))
        parent = draw(st.integers(-1, i - 1))
        observed = kind != "factor" and (discrete or draw(st.booleans()))
        statements.append(Statement(f"{kind}{i}", kind, parent, path, observed))
    return Program(tuple(statements), draw(st.sampled_from(DIMS)))


def values_of(program: Program, seed: int) -> dict[str, np.ndarray]:
    """A value for each free site."""
    rng = np.random.default_rng(seed)
    return {
        s.name: INSIDE[s.kind](rng, batch_shape(program, s.path))
        for s in program.statements
        if s.kind in INSIDE and not s.observed
    }


def given_values(program: Program, seed: int) -> dict[str, np.ndarray]:
    """Values for the free sites that are costly to draw."""
    values = values_of(program, seed)
    return {name: v for name, v in values.items() if name[:-1] in COSTLY}


def run(program: Program, p: Any, xp: Any, start: Any = 0.2) -> Any:
    """Make the statements of a program in library `p`, with the functions of `xp`.

    The first ones depend on `start`; the mean of the last one's values is returned.
    """
    values: list[Any] = []
    for s in program.statements:
        with ExitStack() as stack:
            for name in s.path:
                plate = p.plate(name, SIZES[name], dim=program.dims[name])
                stack.enter_context(plate)
            seen = _seen(program, s, values) if s.parent >= 0 else xp.asarray(start)
            link = xp.tanh(seen)
            if s.kind == "factor":
                p.factor(s.name, 0.3 * link)
                values.append(link)
                continue
            family = FAMILIES[s.kind]
            fn = family.make(p.distributions, xp, link)
            shape = batch_shape(program, s.path) + np.shape(family.obs)
            obs = np.broadcast_to(family.obs, shape) if s.observed else None
            value = p.sample(s.name, fn, obs=obs)
        event = s.kind in ("dirichlet", "vector")
        values.append(value.mean(-1) if event else value * 1.0)
        p.deterministic(f"{s.name}_seen", values[-1])
    return values[-1].mean()


def _seen(program: Program, s: Statement, values: list[Any]) -> Any:
    """The value that a site depends on: member by member where the plates allow it."""
    above = program.statements[s.parent].path
    value = values[s.parent]
    return value if above == s.path[: len(above)] else value.mean()


def batch_shape(program: Program, path: tuple[str, ...]) -> tuple[int, ...]:
    """What the plates around a site make of its batch."""
    frames: dict[int, int] = {}
    for name in path:
        frames[program.dims[name] or -len(frames) - 1] = SIZES[name]
    return tuple(frames.get(dim, 1) for dim in range(min(frames, default=0), 0))


# --- the reference --------------------------------------------------------------------


@dataclass(frozen=True)
class Density:
    """Log density of a value, and log-determinant of its unconstraining."""

    log_prob: Any
    log_det: Any = None
    event_dim: int = 0

    def to_event(self, n: int) -> "Density":
        return Density(lambda v: self.log_prob(v).sum(-1), None, n)


def _stick_breaking(x: np.ndarray) -> np.ndarray:
    """Log-determinant of stick-breaking by logistic fractions, at a simplex value."""
    before = np.cumsum(x, -1) - x
    taken = x[..., :-1] / (1 - before[..., :-1])
    return (np.log(x[..., :-1]) + np.log1p(-taken)).sum(-1)


def _dirichlet(a: np.ndarray) -> Density:
    def log_prob(x: np.ndarray) -> np.ndarray:
        a_, x_ = np.broadcast_arrays(a, x)
        rows = zip(x_.reshape(-1, 3), a_.reshape(-1, 3), strict=True)
        each = [stats.dirichlet.logpdf(r / r.sum(), b) for r, b in rows]
        return np.reshape(each, x_.shape[:-1])

    return Density(log_prob, _stick_breaking, 1)


REFERENCE = SimpleNamespace(
    Normal=lambda m, s: Density(lambda v: stats.norm.logpdf(v, m, s)),
    Laplace=lambda m, s: Density(lambda v: stats.laplace.logpdf(v, m, s)),
    Gamma=lambda a, b: Density(lambda v: stats.gamma.logpdf(v, a, scale=1 / b), np.log),
    HalfNormal=lambda s: Density(lambda v: stats.halfnorm.logpdf(v, scale=s), np.log),
    Beta=lambda a, b: Density(
        lambda v: stats.beta.logpdf(v, a, b), lambda v: np.log(v) + np.log1p(-v)
    ),
    Uniform=lambda low, high: Density(
        lambda v: stats.uniform.logpdf(v, low, high - low),
        lambda v: np.log(v - low) + np.log(high - v) - np.log(high - low),
    ),
    Dirichlet=_dirichlet,
    Bernoulli=lambda logits: Density(
        lambda v: stats.bernoulli.logpmf(v, expit(logits))
    ),
    Poisson=lambda rate: Density(lambda v: stats.poisson.logpmf(v, rate)),
)


class Reference:
    """A library that has all values beforehand and adds up log densities in NumPy."""

    distributions = REFERENCE

    def __init__(self, values: dict[str, Any]):
        self.values = {name: np.asarray(v, float) for name, v in values.items()}
        self.terms: dict[str, float] = {}
        self.log_dets: dict[str, float] = {}
        self.seen: dict[str, Any] = {}
        self.frames: list[tuple[int, int]] = []

    @contextmanager
    def plate(self, name: str, size: int, dim: int | None = None) -> Iterator[None]:
        taken = [d for d, _ in self.frames]
        dim = (
            next(d for d in range(-1, -9, -1) if d not in taken) if dim is None else dim
        )
        self.frames.append((dim, size))
        yield
        self.frames.pop()

    def batch(self) -> tuple[int, ...]:
        shape = [1] * -min([0, *(d for d, _ in self.frames)])
        for dim, size in self.frames:
            shape[dim] = size
        return tuple(shape)

    def sample(self, name: str, fn: Density, obs: Any = None) -> np.ndarray:
        value = self.values[name] if obs is None else np.asarray(obs)
        event_shape = value.shape[value.ndim - fn.event_dim :]
        assert value.shape == self.batch() + event_shape, name
        self.terms[name] = float(fn.log_prob(value).sum())
        if obs is None and fn.log_det is not None:
            self.log_dets[name] = float(fn.log_det(value).sum())
        return value

    def factor(self, name: str, log_factor: Any) -> None:
        self.terms[name] = float(np.broadcast_to(log_factor, self.batch()).sum())

    def deterministic(self, name: str, value: Any) -> None:
        self.seen[name] = value
