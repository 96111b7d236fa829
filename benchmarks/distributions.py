"""Log densities with their gradients, over many elements at once, against NumPyro.

    python -m benchmarks.distributions [NAME ...] [--shared] [--elements 1000000]
        [--repeats 20]

Each family's `log_prob` is summed over as many values and differentiated in them and in
its parameters, which have the shape of the values; one jitted program for each side, in
float32, in turns. A ratio is time over NumPyro's time. The values are the family's own
draws, so that both sides take the branches that data take; before anything is timed,
both must give the same sum and the same gradient. Both are called as by a user, which
means that both give -inf outside the support. `MORE` is judged beside the target.

With `--shared` all values have the same parameters: what depends on these alone is to
be computed once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import machine, median, say, table

TARGET, MOST = 1.0, 1.3


class Family(NamedTuple):
    """A family by name in both languages, with parameters that are differentiated.

    Numbers are spread a little, `event` is the shape of one of them; arrays are shared.
    `size` is how many elements belong to one member.
    """

    name: str
    parameters: dict[str, Any]
    fixed: dict[str, Any] = {}
    event: tuple[int, ...] = ()
    size: int = 1


FAMILIES = (
    Family("Normal", {"loc": 0.3, "scale": 1.2}),
    Family("LogNormal", {"loc": 0.3, "scale": 0.8}),
    Family("HalfNormal", {"scale": 1.2}),
    Family("StudentT", {"df": 4.0, "loc": 0.3, "scale": 1.2}),
    Family("Cauchy", {"loc": 0.3, "scale": 1.2}),
    Family("HalfCauchy", {"scale": 1.2}),
    Family("Laplace", {"loc": 0.3, "scale": 1.2}),
    Family("Logistic", {"loc": 0.3, "scale": 1.2}),
    Family("Gumbel", {"loc": 0.3, "scale": 1.2}),
    Family("Exponential", {"rate": 1.2}),
    Family("Gamma", {"concentration": 2.5, "rate": 1.2}),
    Family("InverseGamma", {"concentration": 2.5, "rate": 1.2}),
    Family("Beta", {"concentration1": 2.5, "concentration0": 1.2}),
    Family("Weibull", {"scale": 1.2, "concentration": 1.7}),
    Family("Bernoulli", {"logits": 0.3}),
    Family("Binomial", {"logits": 0.3}, {"total_count": 12}),
    Family("Poisson", {"rate": 3.5}),
    Family("NegativeBinomial2", {"mean": 3.5, "concentration": 1.7}),
    Family("VonMises", {"loc": 0.3, "concentration": 1.7}),
    Family("Dirichlet", {"concentration": 1.7}, event=(4,), size=4),
)
TRIANGLE = np.tril(np.full((20, 20), 0.1, np.float32)) + np.eye(20, dtype=np.float32)
MORE = (
    Family("BernoulliProbs", {"probs": 0.4}),
    Family("BinomialProbs", {"probs": 0.4}, {"total_count": 12}),
    Family("NegativeBinomialProbs", {"total_count": 1.7, "probs": 0.4}),
    Family("NegativeBinomialLogits", {"total_count": 1.7, "logits": 0.3}),
    Family("CategoricalProbs", {"probs": 0.1}, event=(10,), size=10),
    Family("CategoricalLogits", {"logits": 0.3}, event=(10,), size=10),
    Family(
        "MultivariateNormal",
        {"loc": 0.3, "scale_tril": TRIANGLE},
        event=(20,),
        size=20,
    ),
    Family("LKJCholesky", {"concentration": 1.7}, {"dimension": 20}, size=400),
)


class Side(NamedTuple):
    """One language's program, with the arguments it is called with."""

    run: Callable[..., Any]
    arguments: tuple[Any, ...]

    def seconds(self) -> float:
        """The time of one call."""
        began = time.perf_counter()
        jax.block_until_ready(self.run(*self.arguments))
        return time.perf_counter() - began


def parameters_of(family: Family, batch: tuple[int, ...]) -> dict[str, Any]:
    """The parameters, arrays of float32."""
    rng = np.random.default_rng(0)
    parameters = {}
    for name, value in family.parameters.items():
        if not np.ndim(value):
            value = value * rng.uniform(0.9, 1.1, (*batch, *family.event))
            if name == "probs" and family.event:
                value /= value.sum(-1, keepdims=True)
        parameters[name] = np.asarray(value, np.float32)
    return parameters


def sides(family: Family, elements: int, *, shared: bool = False) -> tuple[Side, Side]:
    """Both programs on the same values; they agree."""
    from numpyro import distributions as peer

    import ppl.distributions as ours

    members = (elements // family.size,)
    batch, draws = ((), members) if shared else (members, ())
    parameters = parameters_of(family, batch)
    made = getattr(ours, family.name)(**parameters, **family.fixed)
    values = jax.jit(lambda d: d.sample(jax.random.key(1), draws))(made)
    # off a simplex a density may be anything, and counts have no derivative
    free = family.size == 1 and jnp.issubdtype(values.dtype, jnp.floating)
    differentiated = (0, 1) if free else (0,)

    def side(language: Any) -> Side:
        def total(parameters: Any, values: Any) -> Any:
            d = getattr(language, family.name)(**parameters, **family.fixed)
            return d.log_prob(values).sum()

        run = jax.jit(jax.value_and_grad(total, argnums=differentiated))
        return Side(run, (jax.device_put(parameters), values))

    pair = side(ours), side(peer)
    (value, slope), (value_peer, slope_peer) = (s.run(*s.arguments) for s in pair)
    np.testing.assert_allclose(value, value_peer, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(slope_peer), strict=True):
        loose = 2e-3 * (1 + float(np.max(np.abs(b))) * (a.ndim < 1))
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=loose)
    return pair


def in_turns(a: Side, b: Side, repeats: int) -> tuple[list[float], list[float]]:
    """Times of both sides; who goes first changes, since it finds a colder cache."""
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(repeats):
        for k in (0, 1) if i % 2 else (1, 0):
            times[k].append((a, b)[k].seconds())
    return times


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [family.name for family in (*FAMILIES, *MORE)]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--shared", action="store_true", help="scalar parameters")
    parser.add_argument("--elements", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args(argv)
    rows, ratios = [], []
    for family in (*FAMILIES, *MORE):
        if args.names and family.name not in args.names:
            continue
        say(family.name)
        ours, theirs = sides(family, args.elements, shared=args.shared)
        mine, peer = (median(column) for column in in_turns(ours, theirs, args.repeats))
        if args.names or family in FAMILIES:
            ratios.append(mine / peer)
        rows.append((family.name, 1e3 * mine, 1e3 * peer, mine / peer))
    print(machine(), f"; {args.elements:,} elements, {args.repeats} repeats\n", sep="")
    print(table(("log density and gradient", "ppl, ms", "NumPyro, ms", "ratio"), rows))
    which = "those named" if args.names else f"the first {len(FAMILIES)}"
    print(f"\nOf {which}: ", end="")
    print(f"median ratio {median(ratios):.2f} (target {TARGET}), ", end="")
    print(f"largest {max(ratios):.2f} (target {MOST}).")


if __name__ == "__main__":
    main()
