"""The short way: a model and data in, a posterior out."""

from __future__ import annotations

import dataclasses
import logging
import sys
from typing import Any, Literal, overload

from ppl._typing import Model
from ppl.diagnostics import warn_findings
from ppl.infer.adapted import Adapted
from ppl.infer.choosing import choose
from ppl.infer.engine.interrupt import Interrupts
from ppl.infer.engine.progress import Progress
from ppl.infer.samplers import AbstractSampler
from ppl.infer.sampling import Settings, open_session
from ppl.infer.seeding import fresh_seed, seed_words
from ppl.infer.streaming import check_collect, sample_moments
from ppl.moments import Moments
from ppl.posterior import Posterior

_WARM = 50
_LOG = logging.getLogger("ppl")


@overload
def fit(
    model: Model | AbstractSampler,
    *args: Any,
    collect: Literal["moments"],
    **options: Any,
) -> Moments: ...


@overload
def fit(
    model: Model | AbstractSampler,
    *args: Any,
    chains: int = 4,
    warmup: int | None = None,
    draws: int = 1000,
    thinning: int = 1,
    superchains: int | None = None,
    kernel: str = "auto",
    seed: Any = None,
    collect: Literal["draws"] = "draws",
    keep_warmup: bool = False,
    warm_start: Posterior | Moments | Adapted | None = None,
    progress: bool | None = None,
    chunk: int | None = None,
    **kwargs: Any,
) -> Posterior: ...


def fit(
    model: Model | AbstractSampler,
    *args: Any,
    chains: int = 4,
    warmup: int | None = None,
    draws: int = 1000,
    thinning: int = 1,
    superchains: int | None = None,
    kernel: str = "auto",
    seed: Any = None,
    collect: Literal["draws", "moments"] = "draws",
    keep_warmup: bool = False,
    warm_start: Posterior | Moments | Adapted | None = None,
    progress: bool | None = None,
    chunk: int | None = None,
    **kwargs: Any,
) -> Posterior | Moments:
    """Sample the posterior of a model given its data.

    Args:
        model: A function with sample statements; or a sampler with settings of its
            own, `NUTS(model, target_accept_prob=0.95)`.
        *args: Arguments of the model: arrays, lists, data frames, anything.
        chains: How many chains; they are spread over all devices.
        warmup: Warm-up draws of each chain. By default 600 with up to 4 chains, fewer
            with more, since all learn together (225 with 64); 50 after a warm start.
        draws: Draws of each chain, before thinning.
        thinning: Keep every so many-th draw.
        superchains: In how many groups of equal size chains begin at one point. Then
            `summary()` has a column of nested R-hat, by which runs of many chains with
            few draws each are judged.
        kernel: "nuts", "hmc", "chees", "mams" or "laps", with their usual settings; by
            default NUTS, and LAPS from 256 chains on. `attrs` of the result say which,
            and why.
        seed: An int or a JAX key; None takes one from the operating system. It is
            stored in the result: `posterior.attrs["seed"]`.
        collect: "draws" keeps all draws; "moments" keeps sums and every so many-th
            draw, in memory that does not grow with the number of draws.
        keep_warmup: Keep the warm-up's draws in `warmup_samples`.
        warm_start: An earlier posterior of the same model, perhaps of other data:
            chains begin where its chains ended, with its metric, and warm-up finds
            the step size.
        progress: Whether to show a bar; None shows one in terminals and notebooks.
        chunk: Steps between two looks of the host at the run; changes no draw.
        **kwargs: Keyword arguments of the model.

    Returns:
        The posterior: a mapping from site to draws (chain, draw, *event), with
        `summary()`, `to_arviz()`, plots. With `collect="moments"` instead a `Moments`,
        with `summary()`, means and variances. Warnings worth reading are issued.

    Raises:
        PPLError: The model check found something; see its classes.
        KeyboardInterrupt: Ctrl-C came before every chain had a draw. Later, what all
            chains have finished is returned, with `attrs["interrupted"]` true.
    """
    check_collect(collect)
    sampler, why = choose(model, args, kwargs, kernel=kernel, chains=chains)
    _LOG.info("%s: %s", type(sampler).__name__, why)
    progress = _interactive() if progress is None else progress
    known = isinstance(warm_start, Posterior | Moments)
    warm = warm_start.adapted if known else warm_start
    settings = Settings(
        *(warmup or 0, draws, chains, thinning),
        progress=progress,
        chunk=chunk,
        superchains=superchains,
        choice=why,
    )
    if warmup is None:
        length = _WARM if warm else sampler.default_warmup(chains)
        settings = dataclasses.replace(settings, num_warmup=length)
    seed = fresh_seed() if seed is None else seed
    total = (settings.num_warmup + settings.num_samples) * settings.num_chains
    with Interrupts() as stop, Progress(total, visible=progress) as bar:
        session = open_session(
            sampler, settings, seed_words(seed), (args, kwargs), warm_start=warm
        )
        session.warmup = [] if keep_warmup else None
        session.warm_up(bar, stop)
        if collect == "moments":
            result = sample_moments(session, bar, stop)
        else:
            result = session.sample(bar, stop)
    warn_findings(result.findings)
    return result


def _interactive() -> bool:
    """Whether somebody watches: a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
