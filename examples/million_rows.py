"""A million rows that are never in memory together: minibatches from an iterator.

Two hundred shops try a new page on half of their visitors. How many buy, and what the
page changes, differs from shop to shop, and shops learn from each other. The rows are
made up as they are needed, some thousand at a time, as a loader would read them from
disk; what made them is known, so it can be seen whether it is found. And because a row
has nothing but a shop, a page and a yes or no, counts tell as much as all of the rows:
NUTS on these says what the fit must come to.

    python examples/million_rows.py --out build/examples
"""

import argparse
import resource
from pathlib import Path

import jax.numpy as jnp
import matplotlib
import numpy as np
import optax

import ppl
import ppl.distributions as dist
from ppl.infer import SVI, Trace_ELBO, autoguide

SHOPS = 200
BLUE, ORANGE, GREY = "#3b6ea5", "#d08a2e", "#777777"


class Visits:
    """Visits to the shops, made up by their number: the same at each pass.

    Attributes:
        base: Log odds that a visitor buys, by shop.
        effect: What the new page adds to them, by shop.
    """

    def __init__(self, rows, batch, seed):
        rng = np.random.default_rng(seed)
        self.base = rng.normal(-1.0, 0.5, SHOPS)
        self.effect = rng.normal(0.3, 0.2, SHOPS)
        self.rows, self.size, self.seed = rows // batch * batch, batch, seed

    def batch(self, number):
        """Shop, page (-½ the old, ½ the new) and purchase of so many visitors.

        Pages are centred so that base and effect are nearly independent given the data,
        which is what a mean field can say.
        """
        rng = np.random.default_rng([self.seed, number])
        shop = rng.integers(0, SHOPS, self.size, dtype=np.int32)
        page = rng.integers(0, 2, self.size).astype(np.float32) - 0.5
        odds = np.exp(self.base[shop] + self.effect[shop] * page)
        bought = rng.random(self.size) < odds / (1 + odds)
        return shop, page, bought.astype(np.float32)

    def passes(self, count):
        """All batches, so many times, each time in another order."""
        for i in range(count):
            order = np.random.default_rng([self.seed, 0, i]).permutation(
                self.rows // self.size
            )
            yield from map(self.batch, order)

    def counts(self):
        """Visitors and buyers by shop and page, (shops, 2) each; one pass."""
        visitors, buyers = np.zeros((2, SHOPS, 2), np.float32)
        for shop, page, bought in self.passes(1):
            cell = (shop, (page > 0).astype(int))
            np.add.at(visitors, cell, 1)
            np.add.at(buyers, cell, bought)
        return visitors, buyers


def shops():
    """What is to be found: log odds of each shop, and the effect of the page."""
    mean = ppl.sample("mean", dist.Normal(0, 2).expand([2]).to_event(1))
    spread = ppl.sample("spread", dist.HalfNormal(1).expand([2]).to_event(1))
    with ppl.plate("shop", SHOPS):
        base = ppl.sample("base", dist.Normal(mean[0], spread[0]))
        effect = ppl.sample("effect", dist.Normal(mean[1], spread[1]))
    return base, effect


def of_rows(shop, page, bought, rows):
    """The model of some of the rows, which stand for all."""
    base, effect = shops()
    with ppl.plate("visit", rows, subsample_size=len(shop)):
        logits = base[shop] + effect[shop] * page
        ppl.sample("bought", dist.Bernoulli(logits=logits), obs=bought)


def of_counts(visitors, buyers):
    """The same model of all rows at once, by their counts."""
    base, effect = shops()
    with ppl.plate("shop again", SHOPS):
        logits = base[:, None] + effect[:, None] * jnp.array([-0.5, 0.5])
        bought = dist.Binomial(visitors, logits=logits).to_event(1)
        ppl.sample("buyers", bought, obs=buyers)


def fit(visits, options):
    """Fit the mean field; also the memory in MB after the first chunk and the last.

    The same rows with several draws of the guide make the gradient of the scales
    quieter. The rate goes down to a fifth, and the last steps are averaged.
    """
    steps = options.passes * visits.rows // visits.size
    rate = optax.cosine_decay_schedule(0.02, steps, alpha=0.2)
    svi = SVI(
        of_rows, autoguide.AutoNormal(of_rows), ppl.optim.Adam(rate), Trace_ELBO(8)
    )
    memory = []

    def watch(done, losses, state):
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    result = svi.run(
        options.seed,
        steps,
        rows=visits.rows,
        batches=visits.passes(options.passes),
        average=0.6,
        callback=watch,
        progress_bar=False,
    )
    return result, (memory[0], memory[-1])


def compared(params, exact, visits):
    """Of each site: estimates, their sds, what NUTS says of both, and the truth."""
    found = {}
    for name in ("base", "effect"):
        draws = exact.stack(name)
        guessed = [np.asarray(params[f"{name}_auto_{part}"]) for part in LOC_SCALE]
        found[name] = (*guessed, draws.mean(0), draws.std(0), getattr(visits, name))
    return found


LOC_SCALE = ("loc", "scale")


def report(found, memory, rows, passes):
    """Print how near the fit is to all rows at once, and to the truth."""
    print(f"{rows:,} rows, {passes} times; memory after the first and the last step:")
    print("  {:.0f} MB, {:.0f} MB".format(*memory))
    print(f"\n{'200 shops':<10}" + "".join(f"{title:>14}" for title in TITLES))
    for name, (mean, sd, right, right_sd, truth) in found.items():
        off, ratio = abs(mean - right) / right_sd, sd / right_sd
        inside = np.mean(abs(mean - truth) < 1.645 * sd)
        error = np.sqrt(np.mean((mean - truth) ** 2))
        values = (off.max(), ratio.min(), ratio.max(), error, inside)
        print(f"{name:<10}" + "".join(f"{value:>14.3f}" for value in values))
    print(NOTE)


TITLES = ("worst mean", "least sd", "greatest", "error", "in 90%")
NOTE = """
Worst mean: greatest distance from NUTS on the counts, in standard deviations; least and
greatest sd over those of NUTS. Error: root mean square distance from what made the
rows. In 90%: the share of shops whose truth lies in their interval.
"""


def draw(plt, found):
    """Found against true effects; means and sds against those of NUTS."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10.2, 4.4))
    mean, sd, _, _, truth = found["effect"]
    left.axline((0, 0), slope=1, color=GREY, lw=1, ls="--")
    ends = {"fmt": "o", "ms": 3, "lw": 0.8, "color": BLUE, "alpha": 0.7}
    left.errorbar(truth, mean, yerr=1.645 * sd, **ends)
    left.set(xlabel="true effect of the page in a shop, log odds")
    left.set(ylabel="found, with 90% interval")
    for (name, (mean, sd, true_mean, true_sd, _)), color in zip(
        found.items(), (ORANGE, BLUE), strict=True
    ):
        off = (mean - true_mean) / true_sd
        right.plot(off, sd / true_sd, "o", ms=3, color=color, alpha=0.7, label=name)
    right.axhline(1, color=GREY, lw=1, ls="--")
    right.axvline(0, color=GREY, lw=1, ls="--")
    right.set(xlabel="(mean - mean of NUTS) / sd of NUTS", xlim=(-0.5, 0.5))
    right.set(ylabel="sd / sd of NUTS", ylim=(0.5, 1.5))
    right.legend(fontsize="small")
    return fig


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/examples"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=5000, help="rows of a step")
    parser.add_argument("--passes", type=int, default=15)
    parser.add_argument("--draws", type=int, default=1000, help="of each NUTS chain")
    options = parser.parse_args(arguments)

    visits = Visits(options.rows, options.batch, options.seed)
    result, memory = fit(visits, options)
    draws = {"warmup": options.draws, "draws": options.draws, "progress": False}
    exact = ppl.fit(of_counts, *visits.counts(), seed=options.seed, **draws)
    found = compared(result.params, exact, visits)
    report(found, memory, visits.rows, options.passes)

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"figure.constrained_layout.use": True, "savefig.dpi": 100})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    draw(plt, found).savefig(options.out / "million_rows_shops.png")
    return found


if __name__ == "__main__":
    main()
