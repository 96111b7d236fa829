"""Eight schools, told twice: one model in two forms, and how to see that one is bad.

In eight schools pupils were coached for a test; each school reports the estimated
effect in points and its standard error (Rubin, "Estimation in parallel randomized
experiments", Journal of Educational Statistics 6, 1981). A hierarchical model lets the
schools learn from each other. Its two forms have the same posterior for the effects,
but a sampler gets through only one of them.

    python examples/eight_schools.py --out build/demo
"""

import argparse
import warnings
from pathlib import Path

import matplotlib
import numpy as np

import ppl
import ppl.distributions as dist
from ppl.diagnostics import PPLWarning, ebfmi

SCHOOLS = ["Choate", "Deerfield", "Phillips Andover", "Phillips Exeter"]
SCHOOLS += ["Hotchkiss", "Lawrenceville", "St. Paul's", "Mt. Hermon"]
EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
BLUE, ORANGE, RED, GREY = "#3b6ea5", "#d08a2e", "#c0262d", "#777777"


def centred(effect, error):
    """As one would write it down: the effects scatter around mu by tau."""
    mu = ppl.sample("mu", dist.Normal(0, 5))
    tau = ppl.sample("tau", dist.HalfCauchy(5))
    with ppl.plate("school", 8, coords=SCHOOLS):
        theta = ppl.sample("theta", dist.Normal(mu, tau))
        ppl.sample("effect", dist.Normal(theta, error), obs=effect)


def non_centred(effect, error):
    """The same, but the sampler moves in units of tau, and theta follows from it."""
    mu = ppl.sample("mu", dist.Normal(0, 5))
    tau = ppl.sample("tau", dist.HalfCauchy(5))
    with ppl.plate("school", 8, coords=SCHOOLS):
        unit = ppl.sample("unit", dist.Normal(0, 1))
        theta = ppl.deterministic("theta", mu + tau * unit)
        ppl.sample("effect", dist.Normal(theta, error), obs=effect)


def fit(model, seed=0, draws=1000, chains=4):
    """Fit one form; what is to be warned of, `report` prints."""
    sampler = ppl.infer.NUTS(model, target_accept_prob=0.9)
    options = {"seed": seed, "warmup": draws, "draws": draws, "chains": chains}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PPLWarning)
        return ppl.fit(sampler, EFFECT, ERROR, **options)


def report(title, posterior):
    """Print the table, and in full what `ppl.fit` would have warned of."""
    print(f"\n{title}\n{'-' * len(title)}")
    print(posterior.summary(["mu", "tau", "theta"]))
    if not posterior.findings:
        print("\nNothing to warn of.")
    for finding in posterior.findings:
        kind = finding.category.__name__ if finding.category else "Note"
        print(f"\n{kind}: {finding.message}\n  {finding.hint}".rstrip())


EXPLANATION = """
What the warnings say of the centred form
-----------------------------------------
Where tau is small, the centred form leaves each theta next to no room: the posterior is
a funnel, wide above and ever narrower below (eight_schools_funnel.png). A step that
suits the wide part overshoots in the neck: such trajectories diverge, or chains turn
back before they reach the neck or get stuck at its mouth (eight_schools_trace.png). So
the smallest values of tau are missing, and its mean comes out of few effective draws:
do not use them, however many there are. Smaller steps push the problem further down the
neck, but do not remove it.

The non-centred form has no funnel: the width of `unit` does not depend on tau. Its
smallest tau is {small:.4f}, that of the centred form {large:.4f}.
"""


def draw_funnel(plt, posteriors):
    """Log tau against the effect of one school, with the divergences."""
    fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), sharex=True, sharey=True)
    for ax, (title, posterior) in zip(axes, posteriors.items(), strict=True):
        theta, tau = posterior["theta"][..., 0], posterior["tau"]
        bad = posterior.sample_stats["diverging"]
        ax.scatter(theta[~bad], tau[~bad], s=5, alpha=0.25, lw=0, color=BLUE)
        text = f"diverged ({bad.sum()} of {bad.size})"
        ax.scatter(theta[bad], tau[bad], s=14, color=RED, lw=0, label=text, zorder=3)
        ax.set(title=title, xlabel=f"theta[{SCHOOLS[0]}]", yscale="log")
        ax.legend(loc="lower right")
    axes[0].set(ylabel="tau (log scale)", xlim=(-22, 42))
    return fig


def draw_trace(plt, posteriors):
    """Above, tau in the course of the run; below, the ranks of its draws by chain."""
    fig, axes = plt.subplots(2, 2, figsize=(9.5, 5.6), sharey="row")
    for (trace, rank), (title, posterior) in zip(
        axes.T, posteriors.items(), strict=True
    ):
        tau = posterior["tau"]
        ranks = tau.ravel().argsort().argsort().reshape(tau.shape) / tau.size
        for chain, (values, places) in enumerate(zip(tau, ranks, strict=True)):
            color = f"C{chain}"
            trace.plot(values, lw=0.4, alpha=0.8, color=color)
            share, edges = np.histogram(places, bins=20, range=(0, 1))
            heights = share * 20 / tau.shape[1]
            rank.stairs(
                heights, edges, baseline=None, color=color, label=f"chain {chain}"
            )
        trace.set(title=title, yscale="log", xlabel="draw", xlim=(0, tau.shape[1]))
        rank.axhline(1, color=GREY, lw=1, ls="--")
        rank.set(xlabel="rank of tau among all draws, as a share", xlim=(0, 1), ylim=0)
    axes[0, 0].set_ylabel("tau (log scale)")
    axes[1, 0].set_ylabel("density (1 if chains agree)")
    axes[1, 1].legend(ncols=2, fontsize="small", loc="upper right")
    return fig


def draw_forest(plt, posteriors):
    """What each school reported, and what both forms make of it."""
    fig, ax = plt.subplots(figsize=(8, 5.2))
    rows = np.arange(8)
    data = {"color": GREY, "ms": 4, "lw": 1, "label": "reported, ± standard error"}
    ax.errorbar(EFFECT, rows - 0.27, xerr=ERROR, fmt="s", **data)
    for i, (title, posterior) in enumerate(posteriors.items()):
        theta, color, y = posterior.stack("theta"), (ORANGE, BLUE)[i], rows + 0.27 * i
        low, begin, middle, end, high = np.quantile(
            theta, [0.05, 0.25, 0.5, 0.75, 0.95], 0
        )
        ax.hlines(y, low, high, color=color, lw=1.2)
        ax.hlines(y, begin, end, color=color, lw=3.5)
        ax.plot(middle, y, "o", color=color, ms=5, label=f"{title}: 50% and 90%")
    ax.axvline(0, color=GREY, lw=0.8, ls=":")
    ax.set(xlabel="effect of coaching, in points", yticks=rows, yticklabels=SCHOOLS)
    ax.set_ylim(7.6, -0.6)
    fig.legend(loc="outside upper center", ncols=3, fontsize="small", frameon=False)
    return fig


def draw_energy(plt, posteriors):
    """The energy's spread, and that of its steps: alike if momenta mix it well."""
    fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), sharex=True, sharey=True)
    for ax, (title, posterior) in zip(axes, posteriors.items(), strict=True):
        energy = posterior.sample_stats["energy"]
        steps, spread = np.diff(energy).ravel(), (energy - energy.mean()).ravel()
        shared = {"bins": np.linspace(-20, 20, 81), "density": True, "alpha": 0.6}
        ax.hist(spread, color=BLUE, label="energy, about its mean", **shared)
        ax.hist(steps, color=ORANGE, label="steps from draw to draw", **shared)
        worst = np.min(ebfmi(energy))
        ax.set(title=f"{title}: least E-BFMI {worst:.2f}", xlabel="energy")
    axes[0].set(ylabel="density")
    axes[1].legend(fontsize="small")
    return fig


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=1000, help="of each chain")
    parser.add_argument("--chains", type=int, default=4)
    options = parser.parse_args(arguments)

    settings = (options.seed, options.draws, options.chains)
    posteriors = {"Centred": fit(centred, *settings)}
    posteriors["Non-centred"] = fit(non_centred, *settings)
    for title, posterior in posteriors.items():
        report(title, posterior)
    large, small = (posterior["tau"].min() for posterior in posteriors.values())
    print(EXPLANATION.format(small=small, large=large))

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"figure.constrained_layout.use": True, "savefig.dpi": 120})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    for draw in (draw_trace, draw_forest, draw_energy, draw_funnel):
        name = draw.__name__.replace("draw", "eight_schools")
        draw(plt, posteriors).savefig(options.out / f"{name}.png")
        plt.close()
    return posteriors


if __name__ == "__main__":
    main()
