"""Whether a model has the same density in both languages: no ratio without it.

At random unconstrained points the two log densities must differ by one constant and the
gradients must be equal. Sites are matched by name, coordinates within a site by order.
It is checked in float64, where a difference is one of mathematics and not of rounding.

    python -m benchmarks.agreement

prints the largest differences of every model.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import jax
import numpy as np

from benchmarks.models import PROBLEMS, Problem

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Agreement:
    """How far two densities are from each other.

    Attributes:
        spread: Of the difference between log densities, relative to their size.
        gradient: Largest difference between gradients, relative to their size.
    """

    spread: float
    gradient: float

    @property
    def holds(self) -> bool:
        """Whether both are rounding."""
        return max(self.spread, self.gradient) <= TOLERANCE


def compare(
    problem: Problem,
    points: int = 20,
    seed: int = 0,
    values: dict[str, np.ndarray] | None = None,
) -> Agreement:
    """Evaluate both densities at `points` points in unconstrained space.

    Where random points make no sense (a differential equation explodes there), give
    constrained `values` of the latent sites, (points, *event), to evaluate at.
    """
    import numpyro
    from numpyro.infer.util import potential_energy, unconstrain_fn

    import ppl
    from ppl.target import trace_model

    args = problem.data()
    with jax.enable_x64(True):
        density = trace_model(problem.write(ppl), args, {}).density
        layout, theirs = density.layout, problem.write(numpyro)
        if values is None:
            positions = np.random.default_rng(seed).normal(size=(points, layout.size))
        else:
            latent = {e.name: jax.numpy.asarray(values[e.name]) for e in layout.entries}
            free = jax.vmap(lambda v: unconstrain_fn(theirs, args, {}, v))(latent)
            rows = [free[e.name].reshape(-1, e.size) for e in layout.entries]
            positions = np.concatenate(rows, 1)

        def log_density(position):
            return -potential_energy(theirs, args, {}, layout.split(position))

        ours = jax.jit(jax.vmap(density.value_and_grad))(positions)
        peer = jax.jit(jax.vmap(jax.value_and_grad(log_density)))(positions)
    (logp, gradient), (peer_logp, peer_gradient) = jax.tree.map(
        np.asarray, (ours, peer)
    )
    difference = logp - peer_logp
    return Agreement(
        float(np.ptp(difference) / np.abs(logp).max()),
        float(np.abs(gradient - peer_gradient).max() / np.abs(gradient).max()),
    )


def assert_same_density(
    problem: Problem, values: dict[str, np.ndarray] | None = None
) -> Agreement:
    """Compare one model.

    Raises:
        AssertionError: The densities differ by more than a constant.
    """
    found = compare(problem, values=values)
    if not found.holds:
        raise AssertionError(
            f"{problem.title}: the two languages do not have one density: {found}"
        )
    return found


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    for name in parser.parse_args(argv).model:
        found = assert_same_density(PROBLEMS[name])
        print(
            f"{name}: log densities differ by a constant to {found.spread:.0e}, "
            f"gradients by {found.gradient:.0e} (both relative)"
        )


if __name__ == "__main__":
    main()
