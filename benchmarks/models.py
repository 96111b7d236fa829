"""The models of the benchmarks, each written once for both languages.

A model is made by a function of the language, the module `ppl` or `numpyro`: porting is
renaming the import. `benchmarks.agreement` shows that both have the same density.

Nothing but NumPy is imported here, so that whole jobs (`benchmarks.cold_start`) pay for
no more than they use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

Model = Callable[..., None]
Data = tuple[np.ndarray, ...]

EFFECTS = np.array([28, 8, -3, 7, -1, 1, 18, 12], np.float32)
ERRORS = np.array([15, 10, 16, 11, 9, 11, 10, 18], np.float32)


@dataclass(frozen=True)
class Problem:
    """A model with its data.

    Attributes:
        title: For tables.
        write: Gives the model in a language.
        data: Gives the arguments, the outcome last.
    """

    title: str
    write: Callable[[Any], Model]
    data: Callable[[], Data]


def eight_schools(lang: Any) -> Model:
    """Rubin's eight schools, non-centred: 10 coordinates, many trees of few sizes."""
    dist = lang.distributions

    def model(errors, effects):
        mu = lang.sample("mu", dist.Normal(0.0, 5.0))
        tau = lang.sample("tau", dist.HalfCauchy(5.0))
        with lang.plate("school", effects.shape[0]):
            eta = lang.sample("eta", dist.Normal(0.0, 1.0))
            theta = lang.deterministic("theta", mu + tau * eta)
            lang.sample("y", dist.Normal(theta, errors), obs=effects)

    return model


def eight_schools_centred(lang: Any) -> Model:
    """The same prior and data, centred: a funnel, where trees differ most."""
    dist = lang.distributions

    def model(errors, effects):
        mu = lang.sample("mu", dist.Normal(0.0, 5.0))
        tau = lang.sample("tau", dist.HalfCauchy(5.0))
        with lang.plate("school", effects.shape[0]):
            theta = lang.sample("theta", dist.Normal(mu, tau))
            lang.sample("y", dist.Normal(theta, errors), obs=effects)

    return model


def logistic(lang: Any) -> Model:
    """Logistic regression, 31 coordinates: the gradient is two products with `x`."""
    dist = lang.distributions

    def model(x, y):
        rows, columns = x.shape
        intercept = lang.sample("intercept", dist.Normal(0.0, 5.0))
        beta = lang.sample("beta", dist.Normal(0.0, 1.0).expand([columns]).to_event(1))
        with lang.plate("rows", rows):
            lang.sample("y", dist.Bernoulli(logits=x @ beta + intercept), obs=y)

    return model


def horseshoe(lang: Any) -> Model:
    """Sparse logistic regression with a horseshoe prior: heavy tails, long trees."""
    dist = lang.distributions

    def model(x, y):
        rows, columns = x.shape
        intercept = lang.sample("intercept", dist.Normal(0.0, 5.0))
        tau = lang.sample("tau", dist.HalfCauchy(1.0))
        lam = lang.sample("lam", dist.HalfCauchy(1.0).expand([columns]).to_event(1))
        z = lang.sample("z", dist.Normal(0.0, 1.0).expand([columns]).to_event(1))
        beta = lang.deterministic("beta", tau * lam * z)
        with lang.plate("rows", rows):
            lang.sample("y", dist.Bernoulli(logits=x @ beta + intercept), obs=y)

    return model


def _schools() -> Data:
    return ERRORS, EFFECTS


@cache
def breast_cancer() -> Data:
    """569 standardised rows of 30 columns, and the diagnoses (Wolberg et al. 1995)."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    return x.astype(np.float32), y.astype(np.int32)


def breast_cancer_small() -> Data:
    """The first 200 rows and the 10 columns that are means."""
    x, y = breast_cancer()
    return x[:200, :10], y[:200]


def shuffled(data: Data, seed: int) -> Data:
    """Other data of the same shapes: the outcomes in another order."""
    *first, outcome = data
    return (*first, np.random.default_rng(seed).permutation(outcome))


PROBLEMS = {
    "eight": Problem("eight schools", cache(eight_schools), _schools),
    "eight_centred": Problem(
        "eight schools, centred", cache(eight_schools_centred), _schools
    ),
    "logistic": Problem("logistic regression, 31-d", cache(logistic), breast_cancer),
    "horseshoe": Problem(
        "horseshoe logistic, 22-d", cache(horseshoe), breast_cancer_small
    ),
}
