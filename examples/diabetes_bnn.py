"""A Bayesian neural network of the course of diabetes: does it know its limits?

Ten measurements of each of 442 patients are to tell how far the disease has gone a year
later (Efron, Hastie, Johnstone, Tibshirani, "Least angle regression", Annals of
Statistics 32, 2004; scikit-learn brings the data along). Every patient is predicted by
a fit to others. If intervals are calibrated, half of the patients lie within their 50%
interval, and 90% within the wider one.

    python examples/diabetes_bnn.py --out build/examples
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from scipy import stats
from sklearn.datasets import load_diabetes

import ppl
import ppl.distributions as dist
from ppl.contrib.module import random_eqx_module
from ppl.infer import SVI, Predictive, Trace_ELBO, autoguide

NETWORK = eqx.nn.MLP(10, "scalar", 10, 1, jnp.tanh, key=jax.random.key(0))
DRAWS = 1000
BLUE, ORANGE, GREY = "#3b6ea5", "#d08a2e", "#777777"
LEVELS = np.arange(0.1, 1.0, 0.1)


class Held(NamedTuple):
    """What fits to others say of each patient, in the order of the folds.

    Attributes:
        y: The truth, (rows,).
        draws: Draws of the predictive distribution, (draws, rows).
        line: Predictions of least squares, (rows,).
    """

    y: np.ndarray
    draws: np.ndarray
    line: np.ndarray


def by_inputs(path, shape):
    """The prior of a layer: its sums are of size one, however many inputs it has."""
    return dist.Normal(0.0, 1.0 / np.sqrt(shape[-1]) if "weight" in path else 1.0)


def model(X, y=None):
    """A network with one hidden layer; how steep and how high it is, is learnt."""
    network = random_eqx_module("network", NETWORK, by_inputs)
    slope = ppl.sample("slope", dist.HalfNormal(1.0))
    height = ppl.sample("height", dist.HalfNormal(1.0))
    noise = ppl.sample("noise", dist.HalfNormal(1.0))
    with ppl.plate("patient", len(X)):
        mean = height * jax.vmap(network)(slope * X)
        ppl.sample("y", dist.Normal(mean, noise), obs=y)


def predict_held_back(options):
    """Fit to all but one fold, predict that one; for each fold."""
    data = load_diabetes(scaled=False)
    rows = np.random.default_rng(options.seed).permutation(len(data.target))
    folds = rows[: len(rows) // 13 * 13].reshape(13, -1)[: options.folds]
    rate = optax.cosine_decay_schedule(0.01, options.steps)
    guide, loss = autoguide.AutoNormal(model), Trace_ELBO(2, estimator="stl")
    svi = SVI(model, guide, ppl.optim.Adam(rate), loss)
    key, found = jax.random.key(options.seed), []
    for fold in folds:
        others = np.setdiff1d(rows, fold)
        centre, unit = data.data[others].mean(0), data.data[others].std(0)
        mean, sd = data.target[others].mean(), data.target[others].std()
        X = ((data.data - centre) / unit).astype("float32")
        y = ((data.target - mean) / sd).astype("float32")
        given = {"average": 0.25, "progress_bar": False}
        result = svi.run(options.seed, options.steps, X[others], y[others], **given)
        weights = guide.sample_posterior(key, result.params, sample_shape=(DRAWS,))
        draws = Predictive(model, weights)(key, X[fold])["y"]
        with_one = np.c_[np.ones(len(X)), X]
        line = with_one[fold] @ np.linalg.lstsq(with_one[others], y[others])[0]
        found.append(
            (data.target[fold], mean + sd * np.asarray(draws), mean + sd * line)
        )
    y, draws, line = zip(*found, strict=True)
    return Held(*(np.concatenate(part, axis=-1) for part in (y, draws, line)))


def coverage(held, level):
    """The share of patients within their central interval of this probability."""
    low, high = np.quantile(held.draws, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return np.mean((low < held.y) & (held.y < high))


def report(held):
    """Print errors and coverage."""
    spread = held.y.std()
    print(f"{len(held.y)} patients, each predicted by a fit to others")
    for name, mean in (("network", held.draws.mean(0)), ("least squares", held.line)):
        error = np.sqrt(np.mean((held.y - mean) ** 2))
        print(f"  root mean square error, {name:<14}{error:7.1f}  (sd {spread:.1f})")
    for level in (0.5, 0.9):
        chance = np.sqrt(level * (1 - level) / len(held.y))
        share = coverage(held, level)
        print(f"  within their {level:.0%} interval{share:7.3f} ± {chance:.3f}")
    print(NOTE)


NOTE = """
In these data a line is about as good as a network, and the network does not pretend to
know more. Its weights themselves mean nothing: hidden units can change places, and the
guide knows one arrangement of many. The predictions, which are the same in all of them,
are what is judged here.
"""


def draw(plt, held):
    """Predictions with their intervals, and the coverage at all levels."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.3), width_ratios=[1.7, 1])
    order = np.argsort(held.draws.mean(0))
    place, sorted_draws = np.arange(len(order)), held.draws[:, order]
    low, begin, end, high = np.quantile(sorted_draws, [0.05, 0.25, 0.75, 0.95], axis=0)
    shade = {"color": BLUE, "lw": 0}
    left.fill_between(place, low, high, alpha=0.2, label="90% interval", **shade)
    left.fill_between(place, begin, end, alpha=0.35, label="50% interval", **shade)
    left.plot(place, held.y[order], ".", color=ORANGE, ms=4, label="found")
    left.set(xlabel="patients held back, by predicted mean", xlim=(0, len(order)))
    left.set(ylabel="progression after a year")
    left.legend(fontsize="small", loc="upper left")

    n = len(held.y)
    fine = np.linspace(0.01, 0.99, 99)
    band = stats.binom.ppf([[0.05], [0.95]], n, fine) / n
    right.fill_between(fine, *band, color=GREY, alpha=0.2, lw=0, label="chance, 90%")
    right.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    shares = [coverage(held, level) for level in LEVELS]
    right.plot(LEVELS, shares, "o", color=BLUE, ms=5, label="network")
    for level in (0.5, 0.9):
        share = coverage(held, level)
        at = {"xytext": (-8, 4), "textcoords": "offset points", "ha": "right"}
        right.annotate(f"{share:.1%} in {level:.0%}", (level, share), **at)
    right.set(xlabel="probability of the interval", ylabel="share of patients within")
    right.set(xlim=(0, 1), ylim=(0, 1.02))
    right.legend(fontsize="small", loc="lower right")
    return fig


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/examples"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2500, help="of each fit")
    parser.add_argument("--folds", type=int, default=13, help="to predict, of 13")
    options = parser.parse_args(arguments)

    held = predict_held_back(options)
    report(held)

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"figure.constrained_layout.use": True, "savefig.dpi": 100})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    draw(plt, held).savefig(options.out / "diabetes_bnn_intervals.png")
    return held


if __name__ == "__main__":
    main()
