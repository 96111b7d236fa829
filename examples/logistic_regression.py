"""Logistic regression on data of breast cancer, judged on patients held back.

Each of 569 tumours is described by 30 measurements of its cells, and known to be
malignant or benign (Wolberg, Street, Mangasarian 1993; scikit-learn brings the data
along). 70% of them fit the model, the others show how good its predictions are.

    python examples/logistic_regression.py --out build/demo
"""

import argparse
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
    """Each patient's predicted probability, and how often such ones came true."""
    _, (left, right) = plt.subplots(1, 2, width_ratios=[1.6, 1])
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
    bins = np.digitize(mean, [0.05, 0.5, 0.95])
    for i in np.unique(bins):
        n, hits = np.sum(bins == i), np.sum(y[bins == i])
        share = np.random.default_rng(0).beta(hits + 1, n - hits + 1, 10_000)
        x = mean[bins == i].mean()
        right.vlines(x, *np.quantile(share, [0.05, 0.95]), color=BLUE, lw=1.5)
        right.plot(x, hits / n, "o", color=BLUE)
        out, side = (-9, "right") if x > 0.9 else (9, "left")
        where = {"xytext": (out, -4), "textcoords": "offset points", "ha": side}
        right.annotate(f"{n} patients", (x, hits / n), **where)
    right.set(xlabel="predicted probability, mean of a group")
    right.set(ylabel="share found malignant, with 90% interval")


def draw(posterior, probability, y, out):
    """Save all pictures; those of the posterior itself are ArviZ's."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def save(name, *size):
        figure = plt.gcf()
        figure.set_size_inches(*size)
        figure.set_layout_engine("constrained")
        figure.savefig(out / f"logistic_regression_{name}.png", dpi=120)
        plt.close(figure)

    out.mkdir(parents=True, exist_ok=True)
    draw_predictions(plt, probability, y)
    save("predictions", 11, 4.4)
    posterior.plot_forest("beta", combined=True)
    save("forest", 8, 7.5)
    posterior.plot_energy()
    save("energy", 6.4, 4)

    # the ranks of the coefficients that mix worst: if these are flat, all are
    ess = posterior.summary("beta")["beta"]["ess_bulk"]
    worst = posterior.coords["feature"][np.argsort(ess)[:3]]
    posterior.plot_rank(["intercept", "beta"], coords={"feature": worst})
    save("rank", 12, 5)


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
    )
    probability = predict(posterior, X_test)
    report(posterior, probability, y_test)
    draw(posterior, probability, y_test, options.out)
    return posterior, score(probability, y_test)


if __name__ == "__main__":
    main()
