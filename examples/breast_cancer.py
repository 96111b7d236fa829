"""Variational inference on data of breast cancer, judged by a long run of NUTS.

The model and the data are those of `logistic_regression.py`: 30 measurements that go
together, so that the posterior of the coefficients is strongly correlated. Each method
gives draws of it; the table tells how far their means and standard deviations are from
those of NUTS, and the picture what a mean field leaves out.

    python examples/breast_cancer.py --out build/examples
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import optax
from logistic_regression import load, make_model, predict, score

import ppl
from ppl.diagnostics import PPLWarning
from ppl.infer import SVI, Trace_ELBO, autoguide

BLUE, ORANGE, RED, GREY = "#3b6ea5", "#d08a2e", "#c0262d", "#777777"
REFERENCE = "NUTS"
COLORS = {"mean field": ORANGE, "full rank": BLUE, "Laplace": RED}


def fit_guide(make_guide, model, data, options):
    """Fit a guide of the model: Adam, whose steps become smaller, and a mean of them.

    With `stl`, "sticking the landing", the gradient has no noise where the guide is
    the posterior, so that a guide that can come near it does so quickly.
    """
    rate = optax.cosine_decay_schedule(0.02, options.steps)
    guide = make_guide(model)
    svi = SVI(model, guide, ppl.optim.Adam(rate), Trace_ELBO(4, estimator="stl"))
    result = svi.run(
        options.seed, options.steps, *data, average=0.25, progress_bar=False
    )
    return svi.posterior(result, *data, draws=4000, seed=options.seed)


def fit_all(model, data, options):
    """The posterior and the seconds of each method; `report` tells what is wrong."""
    seed, draws = options.seed, options.draws
    methods = {
        REFERENCE: lambda: ppl.fit(
            model, *data, seed=seed, warmup=1000, draws=draws, progress=False
        ),
        "mean field": lambda: fit_guide(autoguide.AutoNormal, model, data, options),
        "full rank": lambda: fit_guide(
            autoguide.AutoMultivariateNormal, model, data, options
        ),
        "Laplace": lambda: ppl.infer.laplace(model, *data, seed=seed, draws=4000),
        "DADVI": lambda: ppl.infer.dadvi(model, *data, seed=seed, draws=4000),
    }
    fits = {}
    for name, fit in methods.items():
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PPLWarning)
            fits[name] = (fit(), time.perf_counter() - began)
    return fits


def coefficients(posterior):
    """All draws of the intercept and of the coefficients, (draws, 31)."""
    parts = [posterior.stack("intercept")[:, None], posterior.stack("beta")]
    return np.concatenate(parts, axis=1).astype(float)


def errors(posterior, reference):
    """Errors of the means in sds, and ratios of the sds, both (31,)."""
    draws, right = coefficients(posterior), coefficients(reference)
    sd = right.std(0)
    return (draws.mean(0) - right.mean(0)) / sd, draws.std(0) / sd


def report(fits, X_test, y_test):
    """Print a line for each method."""
    reference = fits[REFERENCE][0]
    titles = ("seconds", "worst mean", "least sd", "greatest", "Pareto k", "log score")
    print(f"{'':<12}" + "".join(f"{title:>12}" for title in titles))
    for name, (posterior, seconds) in fits.items():
        off, ratio = errors(posterior, reference)
        found = [seconds, abs(off).max(), ratio.min(), ratio.max()]
        found.append(posterior.attrs.get("pareto_k", np.nan))
        found.append(score(predict(posterior, X_test), y_test)["log score"])
        print(f"{name:<12}" + "".join(f"{value:>12.3f}" for value in found))
    print(EXPLANATION)
    for name, (posterior, _) in fits.items():
        for finding in posterior.findings:
            print(f"{name}: {finding.message}\n")


EXPLANATION = """
Worst mean: the greatest error of a mean of the 31 coefficients, in units of its
standard deviation under NUTS. Least and greatest sd: standard deviations over those of
NUTS. Pareto k: up to 0.7 the importance weights can be trusted. Log score: of patients
held back.

A mean field has no correlations, and makes up for it by being narrow. The full rank has
them all. Laplace stands at the mode, which is not the mean where a posterior is skewed.
DADVI is a mean field whose covariance comes from linear response instead.
"""


def ellipse(mean, covariance):
    """The line that holds 90% of a normal distribution in the plane, (2, 200)."""
    turn = np.linspace(0, 2 * np.pi, 200)
    circle = np.sqrt(2 * np.log(10)) * np.stack([np.cos(turn), np.sin(turn)])
    return mean[:, None] + np.linalg.cholesky(covariance) @ circle


def most_correlated(draws):
    """Places of the two columns that are correlated most, (2,)."""
    together = abs(np.corrcoef(draws.T)) - np.eye(draws.shape[1])
    return np.array(np.unravel_index(np.argmax(together), together.shape))


def draw(plt, fits, features):
    """A pair of coefficients under each guide, and all standard deviations."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.3), width_ratios=[1, 1.3])
    reference = fits[REFERENCE][0]
    right_draws = coefficients(reference)
    pair = most_correlated(right_draws[:, 1:]) + 1
    points = right_draws[:: len(right_draws) // 1500, pair]
    left.plot(*points.T, ".", color=GREY, ms=2, alpha=0.35, label=REFERENCE)
    order = np.argsort(errors(fits["mean field"][0], reference)[1])
    for name, color in COLORS.items():
        draws = coefficients(fits[name][0])
        line = ellipse(draws[:, pair].mean(0), np.cov(draws[:, pair].T))
        left.plot(*line, color=color, lw=1.8, label=f"{name}, 90%")
        ratio = errors(fits[name][0], reference)[1][order]
        right.plot(ratio, "o", color=color, ms=4, label=name)
    x, y = (features[place - 1] for place in pair)
    left.set(xlabel=f"beta[{x}]", ylabel=f"beta[{y}]")
    left.legend(fontsize="small", loc="upper right")
    right.axhspan(0.9, 1.1, color=GREY, alpha=0.15, lw=0, label="within 10%")
    right.axhline(1, color=GREY, lw=1)
    right.set(xlabel="coefficients, ordered by the mean field", xticks=[])
    right.set(ylabel="standard deviation / that of NUTS", ylim=(0, 1.25))
    right.legend(fontsize="small", loc="lower right")
    return fig


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/examples"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=2500, help="of each NUTS chain")
    parser.add_argument("--steps", type=int, default=6000, help="of each guide")
    options = parser.parse_args(arguments)

    features, train, (X_test, y_test) = load(options.seed)
    fits = fit_all(make_model(features), train, options)
    report(fits, X_test, y_test)

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"figure.constrained_layout.use": True, "savefig.dpi": 100})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    draw(plt, fits, features).savefig(options.out / "breast_cancer_guides.png")
    return fits


if __name__ == "__main__":
    main()
