"""Starting points: all chains at once, evaluated by the program that will sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ppl.checks import diagnose_start
from ppl.infer.adapted import Adapted
from ppl.infer.engine import driver
from ppl.infer.engine.chunk import CHAINS
from ppl.infer.engine.run import Run, start
from ppl.infer.initialization import given_positions
from ppl.infer.samplers import AbstractSampler
from ppl.infer.seeding import Words
from ppl.target import LogDensity

_CHOOSY = 20  # tries for a point where the log density can be told apart from others
_ABSURD = 1e6


def started(
    sampler: AbstractSampler,
    density: LogDensity,
    chains: int,
    seed: Words,
    *,
    init_params: Mapping[str, Any] | None = None,
    warm_start: Adapted | None = None,
    superchains: int | None = None,
    parallel: bool = True,
    chunk: int | None = None,
) -> Run:
    """A run whose chains are at points of finite log density and gradient.

    Args:
        sampler: Gives the kernel and the strategy.
        density: The target.
        chains: How many chains.
        seed: Of all random numbers.
        init_params: Unconstrained values by site instead of the strategy.
        warm_start: Settings and positions of an earlier run instead.
        superchains: In how many groups of equal size chains begin at one point; those
            of a group follow one another. None for a point for each chain.
        parallel: Whether to spread chains over all devices.
        chunk: Steps per chunk, see `Run`.

    Raises:
        StartingPointError: Some chain found no such point.
    """
    dtype = np.dtype(jnp.result_type(float))
    kernel = sampler.kernel(density.layout, chains, dtype)
    strategy = sampler.strategy
    points = superchains or chains
    size = chains // points
    if warm_start is not None:
        kernel = warm_start.given_to(kernel, density.layout)
        positions, tries = warm_start.starts(points, dtype), 1
    elif init_params is not None:
        positions = given_positions(density, init_params, points, dtype)
        tries = 1
    else:
        positions = strategy.propose(density, seed, points, 0)
        tries = strategy.tries
    attempt = 0
    while True:
        mesh = _mesh(chains) if parallel else None
        starts = np.repeat(positions, size, axis=0)
        run = start(kernel, density, starts, seed, chunk=chunk, mesh=mesh)
        logp, gradient = driver.evaluate(run)
        finite = np.isfinite(logp) & np.isfinite(gradient).all(axis=1)
        if attempt < min(_CHOOSY, tries - 1):
            finite &= ~_hopeless(logp)
        good = np.all(finite.reshape(points, size), axis=1)
        attempt += 1
        if good.all():
            return run
        if attempt == tries:
            bad = int(np.argmin(good))
            raise diagnose_start(density, positions[bad], tries, int((~good).sum()))
        fresh = strategy.propose(density, seed, points, attempt)
        positions = np.where(good[:, None], positions, fresh)


def _hopeless(logp: np.ndarray) -> np.ndarray:
    """Which chains begin where rounding hides all changes of the log density.

    No step of theirs could be judged. Large data alone have large log densities, but
    then at all points.
    """
    size = np.abs(logp.astype(np.float64))
    ulps = size * np.finfo(logp.dtype).eps
    best = np.min(np.where(np.isfinite(size), size, np.inf))
    return ((ulps >= 1) & (size > 10 * best)) | (ulps >= _ABSURD)


def _mesh(chains: int) -> Mesh | None:
    """As many devices as share the chains evenly; None for one."""
    devices = jax.devices()
    count = max(n for n in range(1, len(devices) + 1) if chains % n == 0)
    return Mesh(np.array(devices[:count]), (CHAINS,)) if count > 1 else None
