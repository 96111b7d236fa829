"""Markov chain Monte Carlo under NumPyro's names."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ArgumentTypeError, ModelError, unknown_name
from ppl._pytree import replace
from ppl.diagnostics import warn_findings
from ppl.diagnostics.classic import print_summary
from ppl.infer.engine.interrupt import Interrupts
from ppl.infer.engine.progress import Progress
from ppl.infer.engine.randomness import chain_keys
from ppl.infer.engine.run import Run, placed
from ppl.infer.samplers import AbstractSampler
from ppl.infer.sampling import Session, Settings, open_session
from ppl.infer.seeding import Words, seed_words
from ppl.posterior import Posterior
from ppl.target import Traced

_NUMPYRO_FIELDS = {
    "potential_energy": ("lp", -1),
    "num_steps": ("n_steps", 1),
    "accept_prob": ("acceptance_rate", 1),
    "adapt_state.step_size": ("step_size", 1),
}


@dataclass(frozen=True)
class MCMCState:
    """Where a run is, for continuing it: give it to `MCMC.post_warmup_state`.

    Attributes:
        run: The engine's state; its arrays belong to this object.
        rng_key: The seed that the run began with.
    """

    run: Run
    rng_key: int

    @classmethod
    def of(cls, session: Session) -> MCMCState:
        """A copy of a session's present state, on the host."""
        run = copy.copy(session.run)
        run.state = jax.tree.map(np.array, run.state)
        run.randomness = jax.tree.map(np.array, run.randomness)
        return cls(run, session.seed[0] + (session.seed[1] << 32))


class MCMC:
    """Run a sampler: warm up, draw, keep the results.

    Args:
        sampler: `NUTS(model)` or `HMC(model)`.
        num_warmup: Warm-up draws of each chain.
        num_samples: Draws of each chain, before thinning.
        num_chains: Chains; all run together, each in its own trajectory.
        thinning: Keep every so many-th draw.
        superchains: In how many groups of equal size chains begin at one point, for
            nested R-hat in the summary; `init_params` then have one value for each.
        chain_method: "parallel" spreads chains over all devices, "vectorized" and
            "sequential" keep them on one. It changes no draw but by rounding.
        progress_bar: Whether to show a bar.
        progress_rate: Accepted for NumPyro's sake; the bar moves as chunks end.
        jit_model_args: Accepted likewise; data are always arguments.

    Raises:
        ArgumentTypeError: A count is not an int.
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        sampler: AbstractSampler,
        *,
        num_warmup: int,
        num_samples: int,
        num_chains: int = 1,
        thinning: int = 1,
        chain_method: Any = "parallel",
        progress_bar: bool = True,
        progress_rate: int | None = None,
        jit_model_args: bool = False,
        superchains: int | None = None,
    ):
        del progress_rate, jit_model_args
        if not isinstance(sampler, AbstractSampler):
            raise ArgumentTypeError(
                f"MCMC needs a sampler such as NUTS(model), got {sampler!r}.",
                value=sampler,
            )
        known = ("parallel", "vectorized", "sequential")
        if not callable(chain_method) and chain_method not in known:
            raise ArgumentError(
                f"chain_method must be one of {known}, got {chain_method!r}.",
                value=chain_method,
            )
        self.sampler = sampler
        self.settings = Settings(
            num_warmup,
            num_samples,
            num_chains,
            thinning,
            progress=bool(progress_bar),
            parallel=chain_method == "parallel",
            superchains=superchains,
        )
        self.num_warmup, self.num_samples = num_warmup, num_samples
        self.num_chains, self.thinning = num_chains, thinning
        self.post_warmup_state: MCMCState | None = None
        self._last_state: MCMCState | None = None
        self._posterior: Posterior | None = None
        self._fields: tuple[str, ...] = ()

    @property
    def posterior(self) -> Posterior:
        """The draws with all that is known about them."""
        if self._posterior is None:
            raise ModelError(
                "there are no draws yet.", hint="Call run(rng_key, …) first."
            )
        return self._posterior

    @property
    def last_state(self) -> MCMCState | None:
        """The state after the last draw."""
        return self._last_state

    def warmup(
        self,
        rng_key: Any,
        *args: Any,
        extra_fields: Sequence[str] = (),
        collect_warmup: bool = False,
        init_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Adapt only; `run` then goes on from `post_warmup_state`.

        Args:
            rng_key: An int or a JAX key.
            *args: Arguments of the model.
            extra_fields: Names for `get_extra_fields`.
            collect_warmup: Keep the warm-up's draws as samples.
            init_params: Unconstrained starting values by site.
            **kwargs: Keyword arguments of the model.
        """
        fields = self._checked_fields(extra_fields)
        seed, data = seed_words(rng_key), (args, kwargs)
        with Interrupts() as stop, self._bar(self.num_warmup) as bar:
            session = open_session(
                self.sampler, self.settings, seed, data, init_params=init_params
            )
            session.warmup = [] if collect_warmup else None
            session.warm_up(bar, stop)
        self.post_warmup_state = self._last_state = MCMCState.of(session)
        if session.warmup:
            self._posterior, self._fields = session.warmup_posterior(), fields

    def run(
        self,
        rng_key: Any,
        *args: Any,
        extra_fields: Sequence[str] = (),
        init_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Warm up unless `post_warmup_state` is set, and draw.

        Args:
            rng_key: An int or a JAX key. Going on from a state with its own `rng_key`
                gives the draws that one longer run would have given.
            *args: Arguments of the model.
            extra_fields: Names for `get_extra_fields`, ArviZ's or NumPyro's.
            init_params: Unconstrained starting values by site.
            **kwargs: Keyword arguments of the model.

        Raises:
            PPLError: The model check found something; see its classes.
            KeyboardInterrupt: Ctrl-C came before every chain had a draw.
        """
        self._fields = self._checked_fields(extra_fields)
        state, seed = self.post_warmup_state, seed_words(rng_key)
        draws = self.num_samples + (0 if state else self.num_warmup)
        with Interrupts() as stop, self._bar(draws) as bar:
            session = open_session(
                self.sampler,
                self.settings,
                seed,
                (args, kwargs),
                init_params=init_params,
                resume=None if state is None else partial(self._resumed, state, seed),
            )
            if state is None:
                session.warm_up(bar, stop)
            self._posterior = session.sample(bar, stop)
        self._last_state = MCMCState.of(session)
        warn_findings(self._posterior.findings)

    def _bar(self, draws: int) -> Progress:
        return Progress(draws * self.num_chains, visible=self.settings.progress)

    def _resumed(self, state: MCMCState, seed: Words, traced: Traced) -> Run:
        """The run of `state`, with the data at hand and, if it is new, the seed."""
        run, dim = copy.copy(state.run), traced.density.layout.size
        if run.dim != dim or run.chains != self.num_chains:
            raise ArgumentError(
                f"post_warmup_state has {run.chains} chains and {run.dim} coordinates, "
                f"this run {self.num_chains} and {dim}.",
                hint="Set post_warmup_state = None to start anew.",
            )
        run.target = placed(traced.density.lowered(run.base), run.mesh)
        words = np.array(seed, np.uint32)
        if not np.array_equal(words, run.randomness.seed):
            stale = run.state.draw - run.randomness.bank.shape[0]  # refilled at once
            keys = chain_keys(words, np.arange(run.chains))
            run.randomness = replace(run.randomness, seed=words, keys=keys, base=stale)
        return run

    def get_samples(self, group_by_chain: bool = False) -> dict[str, Any]:
        """Draws by site, (chains * draws, *event), or (chains, draws, *event)."""
        return {
            name: jnp.asarray(values if group_by_chain else _merged(values))
            for name, values in self.posterior.samples.items()
        }

    def get_extra_fields(self, group_by_chain: bool = False) -> dict[str, Any]:
        """The statistics asked for by `extra_fields`, and `diverging`."""
        statistics = self.posterior.sample_stats
        out = {}
        for name in dict.fromkeys(("diverging", *self._fields)):
            ours, sign = _NUMPYRO_FIELDS.get(name, (name, 1))
            values = statistics[ours] if sign == 1 else -statistics[ours]
            out[name] = jnp.asarray(values if group_by_chain else _merged(values))
        return out

    def print_summary(
        self,
        prob: float = 0.9,
        exclude_deterministic: bool = True,
    ) -> None:
        """Print mean, sd, median, interval, effective sample size and R-hat by site."""
        left_out = self.posterior.deterministic if exclude_deterministic else ()
        samples = {k: v for k, v in self.posterior.samples.items() if k not in left_out}
        print_summary(samples, prob=prob, group_by_chain=True)
        diverging = int(np.sum(self.posterior.sample_stats["diverging"]))
        print(f"Number of divergences: {diverging}")

    def _checked_fields(self, names: Sequence[str]) -> tuple[str, ...]:
        depth = () if self.sampler.max_tree_depth is None else _TREE_FIELDS
        known = (*_FIELDS, *depth, *_NUMPYRO_FIELDS)
        for name in names:
            if name not in known:
                raise unknown_name("statistic in extra_fields", name, known)
        return tuple(names)


_FIELDS = ("lp", "energy", "diverging", "acceptance_rate", "step_size", "n_steps")
_TREE_FIELDS = ("tree_depth", "reached_max_treedepth")


def _merged(values: np.ndarray) -> np.ndarray:
    return values.reshape((-1, *values.shape[2:]))
