"""Logistic regression on the Wisconsin breast cancer data, judged on patients held back.

Each of 569 tumours is described by 30 measurements of its cells and known to be malignant
or benign (Wolberg, Street, Mangasarian 1993; scikit-learn brings the data along). 70% of
them fit the model, the others show how good its predictions are.

    python examples/logistic_regression.py --out build/demo
"""

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import ppl
import ppl.distributions as dist

BLUE, RED, GREY = "#3b6ea5", "#c0262d", "#777777"


def load(seed):
    """Features by name, and both parts of the data, in units of the training part."""
    data = load_breast_cancer()
    malignant = (data.target == 0).astype(int)
    parts = train_test_split(
        data.data, malignant, test_size=0.3, random_state=seed, stratify=malignant
    )
    X_train, X_test, y_train, y_test = parts
    mean, sd = X_train.mean(0), X_train.std(0)
    names = [str(name) for name in data.feature_names]
    return names, ((X_train - mean) / sd, y_train), ((X_test - mean) / sd, y_test)


def make_model(features):
    """A model of malignancy, with a coefficient for each of the named features."""

    def model(X, malignant=None):
        intercept = ppl.sample("intercept", dist.Normal(0, 2))
        with ppl.plate("feature", len(features), coords=features):
            beta = ppl.sample("beta", dist.Normal(0, 1))
        with ppl.plate("patient", len(X)):
            logits = intercept + X @ beta
            ppl.sample("malignant", dist.Bernoulli(logits=logits), obs=malignant)

    return model


def predict(posterior, X):
    """The probability of malignancy under each draw, (draws, patients)."""
    logits = posterior.stack("intercept")[:, None] + posterior.stack("beta") @ X.T
    return 1 / (1 + np.exp(-logits.astype(float)))


def score(probability, y):
    """Accuracy, mean log score and area under the ROC curve of predictive means."""
    mean = probability.mean(0)
    return {
        "accuracy": np.mean((mean > 0.5) == y),
        "log score": np.mean(np.log(np.where(y, mean, 1 - mean))),
        "AUC": roc_auc_score(y, mean),
    }


def report(posterior, probability, y):
    """Print the table of the coefficients and the scores on the test part."""
    print(posterior.summary())
    for finding in posterior.findings:
        print(f"\n{finding}")
    print(f"\n{len(y)} patients held back, of whom {y.sum()} had a malignant tumour:")
    share = y.mean()
    ignorant = share * np.log(share) + (1 - share) * np.log(1 - share)
    for name, value in score(probability, y).items():
        print(f"  {name:<10}{value:8.3f}")
    print(f"  (log score of the bare share of malignant tumours: {ignorant:.3f})")


def draw_predictions(plt, probability, y):
    """Each patient's predicted probability, and how often such predictions came true."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(10.5, 4.4), gridspec_kw={"width_ratios": [1.6, 1]}
    )
    mean = probability.mean(0)
    order = np.argsort(mean)
    low, high = np.quantile(probability[:, order], [0.05, 0.95], axis=0)
    place = np.arange(len(y))
    for value, color, text in ((0, BLUE, "benign"), (1, RED, "malignant")):
        of = y[order] == value
        left.vlines(place[of], low[of], high[of], color=color, lw=1, alpha=0.5)
        left.plot(place[of], mean[order][of], "o", color=color, ms=3, label=text)
    left.set(xlabel="patients held back, by predicted probability")
    left.set(ylabel="probability of malignancy, with 90% interval")
    left.legend(loc="upper left", title="found to be")

    right.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    cuts = np.array([0, 0.05, 0.25, 0.75, 0.95, 1])
    bins = np.digitize(mean, cuts[1:-1])
    for i in np.unique(bins):
        n, hits = np.sum(bins == i), np.sum(y[bins == i])
        draws = np.random.default_rng(0).beta(hits + 1, n - hits + 1, 10_000)
        x, ends = mean[bins == i].mean(), np.quantile(draws, [0.05, 0.95])
        right.vlines(x, *ends, color=BLUE, lw=1.5)
        right.plot(x, hits / n, "o", color=BLUE)
        inside = (8, -4) if x < 0.9 else (-8, -4)
        side = "left" if x < 0.9 else "right"
        right.annotate(f"{n}", (x, hits / n), inside, textcoords="offset points", ha=side)
    right.set(xlabel="predicted probability", ylabel="share found malignant, with 90%")
    right.set(title="Calibration (number of patients)")
    return fig


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=1000, help="of each chain")
    parser.add_argument("--chains", type=int, default=4)
    options = parser.parse_args(arguments)

    features, train, (X_test, y_test) = load(options.seed)
    posterior = ppl.fit(
        make_model(features),
        *train,
        seed=options.seed,
        warmup=options.draws,
        draws=options.draws,
        chains=options.chains,
        progress=sys.stderr.isatty(),
    )
    probability = predict(posterior, X_test)
    report(posterior, probability, y_test)

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def save(name, figure=None):
        figure = figure or plt.gcf()
        figure.savefig(options.out / f"logistic_regression_{name}.png", dpi=120)
        plt.close("all")

    options.out.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({"figure.constrained_layout.use": True}):
        save("predictions", draw_predictions(plt, probability, y_test))
    posterior.plot_forest(["beta"], combined=True, figsize=(8,9))
    save("forest")
    posterior.plot_rank(["intercept", "beta"])
    save("rank")
    posterior.plot_energy()
    save("energy")
    return posterior, score(probability, y_test)


if __name__ == "__main__":
    main()
