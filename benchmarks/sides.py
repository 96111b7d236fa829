"""The samplers that are compared, each ready to draw again and again without compiling.

A side is made with a problem, chains and draws: that warms up and compiles. `sample`
then draws from where the warm-up ended, with another seed each time, and times nothing
but that.

- **ppl**: `MCMC.warmup`, then `MCMC.run` from its `post_warmup_state`; the seconds are
  those of the sampling loop, in which the draws also reach the host.
- **NumPyro**: `MCMC.warmup`, then its kernel's `sample` in a `lax.scan` that is jitted
  once, because `MCMC.run` compiles anew in each call; the loop takes as long as `run`
  less its compiling. Chains are vectorized; where there are few, they are also tried
  one after another, and the faster way is kept. Draws stay on the device.
- **BlackJAX**: its window adaptation under `vmap`, then its NUTS, on ppl's density; few
  chains are tried one after another as well.
"""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ppl
from benchmarks.models import Problem
from ppl.infer import MCMC, NUTS
from ppl.infer.engine import driver
from ppl.target import LogDensity, constrain, trace_model

Values = dict[str, np.ndarray]
FEW_CHAINS = 8


@dataclass(frozen=True)
class Size:
    """How much is sampled."""

    chains: int
    warmup: int
    draws: int


@dataclass(frozen=True)
class Sampled:
    """What one run of the sampling phase gave.

    Attributes:
        seconds: Wall time.
        values: Constrained values of the latent sites, (chains, draws, *event).
        leapfrogs: Of each draw, (chains, draws).
        sequential: Leapfrogs that the device did after one another.
        divergences: Draws that diverged.
        acceptance: Mean acceptance probability.
    """

    seconds: float
    values: Values
    leapfrogs: np.ndarray
    sequential: int
    divergences: int
    acceptance: float

    @property
    def per_chain(self) -> float:
        """Leapfrogs of a chain, on average."""
        return float(self.leapfrogs.sum(1).mean())

    @property
    def imbalance(self) -> float:
        """Sequential leapfrogs over those of the average chain; 1 is perfect."""
        return self.sequential / self.per_chain


class Side(ABC):
    """A sampler, warmed up and compiled.

    Attributes:
        name: For tables.
        warmup_leapfrogs: Of a chain in the warm-up, on average.
        step_size: Mean over the chains.
    """

    name: str
    warmup_leapfrogs: float
    step_size: float

    @abstractmethod
    def sample(self, seed: int) -> Sampled:
        """Draw from where the warm-up ended."""


# --- ppl ------------------------------------------------------------------------------


@contextmanager
def chunks() -> Iterator[list[Any]]:
    """The number of steps of each chunk that the driver starts meanwhile."""
    found: list[Any] = []
    original = driver.dispatch

    def dispatch(*args: Any, **kwargs: Any) -> Any:
        buffer = original(*args, **kwargs)
        found.append(np.asarray(buffer.steps).max())
        return buffer

    driver.dispatch = dispatch
    try:
        yield found
    finally:
        driver.dispatch = original


@contextmanager
def leapfrogs() -> Iterator[list[int]]:
    """The leapfrogs of the draws that the driver collects meanwhile, of all chains."""
    found: list[int] = []
    original = driver.Collector.take

    def take(self: driver.Collector, buffer: Any) -> Any:
        result = original(self, buffer)
        done = np.asarray(buffer.done)[: int(np.asarray(buffer.steps).max())]
        rows, chains = np.nonzero(done)
        column = self.names.index("n_steps")
        found.append(int(np.asarray(buffer.statistics)[rows, column, chains].sum()))
        return result

    driver.Collector.take = take
    try:
        yield found
    finally:
        driver.Collector.take = original


class PPL(Side):
    """This library."""

    name = "ppl"

    def __init__(self, problem: Problem, size: Size):
        self.mcmc = MCMC(
            NUTS(problem.write(ppl)),
            num_warmup=size.warmup,
            num_samples=size.draws,
            num_chains=size.chains,
            progress_bar=False,
        )
        self.args = problem.data()
        with leapfrogs() as found:
            self.mcmc.warmup(0, *self.args)
        self.warmup_leapfrogs = sum(found) / size.chains
        first = self.sample(1)  # compiles what only sampling needs
        statistics = self.mcmc.posterior.sample_stats
        self.step_size = float(np.mean(statistics["step_size"]))
        del first

    def sample(self, seed: int) -> Sampled:
        with warnings.catch_warnings(), chunks() as steps:
            warnings.simplefilter("ignore")  # of R-hat and divergences: they are shown
            self.mcmc.run(seed, *self.args)
        posterior = self.mcmc.posterior
        return Sampled(
            seconds=float(posterior.attrs["sampling_time"]),
            values={
                n: posterior[n] for n in posterior if n not in posterior.deterministic
            },
            leapfrogs=posterior.sample_stats["n_steps"],
            sequential=sum(int(s) for s in steps),
            divergences=int(posterior.sample_stats["diverging"].sum()),
            acceptance=float(posterior.sample_stats["acceptance_rate"].mean()),
        )


# --- peers ----------------------------------------------------------------------------


class Peer(Side):
    """A side whose draws come from one compiled loop, of all chains or of each in turn.

    Attributes:
        loops: By method; where chains are few there are two.
        method: The fastest.
    """

    loops: dict[str, Callable[..., Any]]
    method: str

    def choose(self, name: str, loops: dict[str, Callable[..., Any]]) -> None:
        """Compile the loops and keep the fastest."""
        self.loops = {method: jax.jit(loop) for method, loop in loops.items()}
        self.method = "vectorized"
        if len(loops) > 1:
            self.method = min(loops, key=self._seconds)
        self.name = f"{name} ({self.method})"
        self.sample(1)

    def _seconds(self, method: str) -> float:
        self.method = method
        return min(self.sample(seed).seconds for seed in (1, 2, 3))

    def timed(self, *args: Any) -> tuple[float, Any]:
        """Seconds of the loop, and what it gave, on the host."""
        args = jax.block_until_ready(args)
        began = time.perf_counter()
        found = jax.block_until_ready(self.loops[self.method](*args))
        seconds = time.perf_counter() - began
        return seconds, jax.tree.map(np.asarray, found)

    def sequential(self, steps: np.ndarray) -> int:
        """Leapfrogs after one another, from those of each draw, (chains, draws)."""
        each = steps.sum(1) if self.method == "sequential" else steps.max(0)
        return int(each.sum())


# --- NumPyro --------------------------------------------------------------------------


class NumPyro(Peer):
    """The peer."""

    def __init__(self, problem: Problem, size: Size):
        import numpyro
        from numpyro import infer

        args, model = problem.data(), problem.write(numpyro)
        kernel = infer.NUTS(model)
        mcmc = infer.MCMC(
            kernel,
            num_warmup=size.warmup,
            num_samples=size.draws,
            num_chains=size.chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        fields = ("num_steps",)
        mcmc.warmup(
            jax.random.PRNGKey(0), *args, extra_fields=fields, collect_warmup=True
        )
        steps = mcmc.get_extra_fields(group_by_chain=True)["num_steps"]
        self.warmup_leapfrogs = float(np.asarray(steps).sum(1).mean())
        self.state, self.chains = mcmc.post_warmup_state, size.chains
        self.step_size = float(np.mean(self.state.adapt_state.step_size))
        to_constrained = kernel.get_constrain_fn(args, {})
        self.constrain = jax.jit(jax.vmap(jax.vmap(to_constrained)))

        loops = {"vectorized": _scan(kernel, args, size.draws)}
        if 1 < size.chains <= FEW_CHAINS:
            single = infer.NUTS(model)
            single.init(jax.random.PRNGKey(0), size.warmup, None, args, {})
            loops["sequential"] = _one_by_one(_scan(single, args, size.draws))
        self.choose("NumPyro", loops)

    def sample(self, seed: int) -> Sampled:
        keys = jax.random.split(jax.random.PRNGKey(seed), self.chains)
        seconds, found = self.timed(self.state._replace(rng_key=keys))
        free, steps, diverging, rate = jax.tree.map(_chains_first, found)
        values = jax.tree.map(np.asarray, self.constrain(free))
        counts = self.sequential(steps), int(diverging.sum())
        return Sampled(seconds, values, steps, *counts, float(rate.mean()))


def _scan(kernel: Any, args: tuple[Any, ...], draws: int) -> Callable[[Any], Any]:
    """NumPyro's sampling loop: what `MCMC.run` compiles, without what surrounds it."""

    def draw(state: Any, _: None) -> tuple[Any, Any]:
        state = kernel.sample(state, args, {})
        return state, (state.z, state.num_steps, state.diverging, state.accept_prob)

    return lambda state: jax.lax.scan(draw, state, None, length=draws)[1]


def _one_by_one(loop: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(states: Any) -> Any:
        found = jax.lax.map(loop, states)
        return jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), found)

    return run


def _chains_first(array: Any) -> np.ndarray:
    return np.swapaxes(np.asarray(array), 0, 1)


# --- BlackJAX -------------------------------------------------------------------------


class BlackJAX(Peer):
    """The other peer; it has no models, so it gets ppl's density."""

    def __init__(self, problem: Problem, size: Size):
        import blackjax

        self.density = target(problem)
        self.size = size
        dim = self.density.layout.size
        adaptation = blackjax.window_adaptation(blackjax.nuts, self.density)
        step = blackjax.nuts.build_kernel()

        @jax.jit
        def warm_up(key: Any) -> Any:
            keys = jax.random.split(key, size.chains)
            starts = jax.random.uniform(key, (size.chains, dim), minval=-2, maxval=2)
            found, info = jax.vmap(lambda k, x: adaptation.run(k, x, size.warmup))(
                keys, starts
            )
            return found, info.info.num_integration_steps

        def chain(key: Any, state: Any, settings: Any) -> Any:
            def draw(state: Any, key: Any) -> Any:
                state, info = step(key, state, self.density, **settings)
                numbers = info.num_integration_steps, info.is_divergent
                return state, (state.position, *numbers, info.acceptance_rate)

            return jax.lax.scan(draw, state, jax.random.split(key, size.draws))[1]

        (self.state, self.settings), steps = warm_up(jax.random.PRNGKey(0))
        self.warmup_leapfrogs = float(np.asarray(steps).sum(1).mean())
        self.step_size = float(np.mean(self.settings["step_size"]))
        loops: dict[str, Any] = {"vectorized": jax.vmap(chain)}
        if 1 < size.chains <= FEW_CHAINS:
            loops["sequential"] = lambda *each: jax.lax.map(lambda a: chain(*a), each)
        self.choose("BlackJAX", loops)

    def sample(self, seed: int) -> Sampled:
        keys = jax.random.split(jax.random.PRNGKey(seed), self.size.chains)
        seconds, found = self.timed(keys, self.state, self.settings)
        positions, steps, diverging, rate = found
        flat = positions.reshape(-1, positions.shape[-1])
        latent = {entry.name for entry in self.density.layout.entries}
        shape = self.size.chains, self.size.draws
        values = {
            name: np.asarray(value).reshape((*shape, *value.shape[1:]))
            for name, value in constrain(self.density, flat)[0].items()
            if name in latent
        }
        counts = self.sequential(steps), int(diverging.sum())
        return Sampled(seconds, values, steps, *counts, float(rate.mean()))


# --- the target alone -----------------------------------------------------------------


def target(problem: Problem) -> LogDensity:
    """The log density of a problem in ppl."""
    return trace_model(problem.write(ppl), problem.data(), {}).density


class BareGradient:
    """Value and gradient of all chains at once, in a loop that does nothing else.

    Chains are laid out along the first or the last axis, whichever is faster here.
    """

    def __init__(self, problem: Problem, chains: int, count: int = 256):
        self.density, self.count = target(problem), count
        shape = chains, self.density.layout.size
        start = 0.1 * np.random.default_rng(0).normal(size=shape).astype(np.float32)
        self.starts = {
            axis: jnp.asarray(np.moveaxis(start, 0, axis)) for axis in (0, 1)
        }
        self.loops = {axis: jax.jit(self._loop(axis)) for axis in (0, 1)}
        self.seconds()

    def _loop(self, axis: int) -> Callable[[LogDensity, Any], Any]:
        def loop(density: LogDensity, positions: Any) -> Any:
            gradients = jax.vmap(
                density.value_and_grad, in_axes=axis, out_axes=(0, axis)
            )

            def body(_: Any, carry: Any) -> Any:
                positions, total = carry
                logp, gradient = gradients(positions)
                return positions + 1e-6 * gradient, total + logp

            carry = positions, jnp.zeros(positions.shape[axis])
            return jax.lax.fori_loop(0, self.count, body, carry)

        return loop

    def seconds(self, repeats: int = 5) -> float:
        """Of one gradient of all chains: the best of a few."""
        found = []
        for axis, loop in self.loops.items():
            for _ in range(repeats):
                began = time.perf_counter()
                jax.block_until_ready(loop(self.density, self.starts[axis]))
                found.append((time.perf_counter() - began) / self.count)
        return min(found)
