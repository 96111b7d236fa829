"""A poor guide and a good one: what the checks of a variational fit look like.

A funnel (after Neal, Annals of Statistics 31, 2003) is narrow below and wide above. A
mean field can only sit in a part of it; an autoregressive flow follows its walls.
Both losses become flat, so a flat loss says nothing of the guide: its height does, if
it can be compared, and Pareto's k.

    python examples/funnel_guides.py --out build/examples
"""

import argparse
import warnings
from pathlib import Path

import jax.numpy as jnp
import matplotlib
import numpy as np
import optax

import ppl
import ppl.distributions as dist
from ppl.diagnostics import PPLWarning
from ppl.infer import SVI, Trace_ELBO, autoguide

BLUE, ORANGE, GREY = "#3b6ea5", "#d08a2e", "#777777"


def funnel():
    """There are no data: the bound is at most zero, which is the log evidence."""
    width = ppl.sample("width", dist.Normal(0.0, 1.0))
    ppl.sample("x", dist.Normal(0.0, jnp.exp(width)))


def fit(guide, options):
    """Losses and draws of a guide; what is wrong with it, `report` prints."""
    rate = optax.cosine_decay_schedule(0.01, options.steps)
    svi = SVI(funnel, guide, ppl.optim.Adam(rate), Trace_ELBO(16, estimator="stl"))
    result = svi.run(options.seed, options.steps, average=0.1, progress_bar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PPLWarning)
        return result.losses, svi.posterior(result, draws=4000, seed=options.seed)


def report(fits):
    """Print the checks of both guides, and the truth that each misses."""
    print(f"{'':<12}{'bound':>8}{'Pareto k':>10}{'sd of width':>13}   (0, <0.7, 1)")
    for name, (_, posterior) in fits.items():
        bound, k = posterior.attrs["elbo"], posterior.attrs["pareto_k"]
        print(f"{name:<12}{bound:>8.3f}{k:>10.2f}{posterior['width'].std():>13.2f}")
    for name, (_, posterior) in fits.items():
        for finding in posterior.findings:
            print(f"\n{name}: {finding.message}\n  {finding.hint}")


def draw(plt, fits):
    """Losses, and what each guide covers of the funnel."""
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), width_ratios=[1.1, 1, 1])
    loss, *places = axes
    rng = np.random.default_rng(0)
    width = rng.normal(0, 1, 3000)
    truth = rng.normal(0, np.exp(width)), width
    for ax, color, (name, (losses, posterior)) in zip(
        places, (ORANGE, BLUE), fits.items(), strict=True
    ):
        smooth = losses[: len(losses) // 25 * 25].reshape(-1, 25).mean(1)
        loss.plot(25 * np.arange(len(smooth)), smooth, color=color, lw=1.2, label=name)
        ax.plot(*truth, ".", color=GREY, ms=2, alpha=0.4, label="funnel")
        drawn = (posterior["x"][0, :3000], posterior["width"][0, :3000])
        ax.plot(*drawn, ".", color=color, ms=2, alpha=0.4, label=name)
        k = posterior.attrs["pareto_k"]
        ax.set_title(f"{name}: Pareto k {k:.2f}", fontsize="medium")
        ax.set(xlabel="x", xlim=(-12, 12), ylim=(-4, 4))
        ax.legend(fontsize="small", loc="lower right", markerscale=4)
    places[0].set(ylabel="width")
    loss.axhline(0, color=GREY, lw=1, ls="--", label="least possible")
    loss.set(xlabel="step", ylabel="loss: negative bound, nats", ylim=(-0.1, 1.2))
    loss.set_title("loss", fontsize="medium")
    loss.legend(fontsize="small")
    return fig


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/examples"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=3000)
    options = parser.parse_args(arguments)

    guides = {
        "mean field": autoguide.AutoNormal(funnel),
        "flow": autoguide.AutoIAFNormal(funnel),
    }
    fits = {name: fit(guide, options) for name, guide in guides.items()}
    report(fits)

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"figure.constrained_layout.use": True, "savefig.dpi": 100})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    draw(plt, fits).savefig(options.out / "funnel_guides_checks.png")
    return fits


if __name__ == "__main__":
    main()
