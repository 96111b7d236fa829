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
STUDENTS, ITEMS, STEPS = 50, 20, 30
SEEN = (*range(10), *range(20, 30))


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


def ill_conditioned(lang: Any) -> Model:
    """A normal of condition number 1000 in directions that no coordinate has."""
    dist = lang.distributions

    def model(precision):
        dim = len(precision)
        x = lang.sample("x", dist.Normal(0.0, 1.0).expand([dim]).to_event(1))
        lang.factor("precision", 0.5 * (x @ x - x @ (precision @ x)))

    return model


def item_response(lang: Any) -> Model:
    """Who solves what, by ability and difficulty (Rasch 1960): 71 coordinates."""
    dist = lang.distributions

    def model(student, item, solved):
        mean = lang.sample("mean", dist.Normal(0.75, 1.0))
        with lang.plate("students", STUDENTS):
            ability = lang.sample("ability", dist.Normal(0.0, 1.0))
        with lang.plate("items", ITEMS):
            difficulty = lang.sample("difficulty", dist.Normal(0.0, 1.0))
        logits = mean + ability[student] - difficulty[item]
        with lang.plate("answers", len(solved)):
            lang.sample("solved", dist.Bernoulli(logits=logits), obs=solved)

    return model


def brownian(lang: Any) -> Model:
    """A walk of 30 steps, unseen in the middle, with two unknown noises: 32-d."""
    dist = lang.distributions

    def model(seen):
        step = lang.sample("step", dist.LogNormal(0.0, 2.0))
        noise = lang.sample("noise", dist.LogNormal(0.0, 2.0))
        walk, place = [], 0.0
        for i in range(STEPS):
            place = lang.sample(f"x{i}", dist.Normal(place, step))
            walk.append(place)
        for i, time in enumerate(SEEN):
            lang.sample(f"y{time}", dist.Normal(walk[time], noise), obs=seen[i])

    return model


def _precision() -> Data:
    """Of 100 dims, variances from 1/1000 to 1 along random directions."""
    rng = np.random.default_rng(1000)
    directions = np.linalg.qr(rng.normal(size=(100, 100)))[0]
    precisions = np.logspace(0, 3, 100)
    return (((directions * precisions) @ directions.T).astype(np.float32),)


def _answers() -> Data:
    rng = np.random.default_rng(5020)
    student, item = (v.ravel() for v in np.mgrid[:STUDENTS, :ITEMS].astype(np.int32))
    logits = 0.75 + rng.normal(size=STUDENTS)[student] - rng.normal(size=ITEMS)[item]
    solved = rng.random(len(logits)) < 1 / (1 + np.exp(-logits))
    return student, item, solved.astype(np.int32)


def _walk() -> Data:
    rng = np.random.default_rng(30)
    walk = np.cumsum(0.1 * rng.normal(size=STEPS)) + 0.15 * rng.normal(size=STEPS)
    return (walk[np.array(SEEN)].astype(np.float32),)


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


def radon(lang: Any) -> Model:
    """Intercepts by county, as for Minnesota's radon (Gelman & Hill 2007): a gather."""
    dist = lang.distributions

    def model(county, floor, level):
        mean = lang.sample("mean", dist.Normal(0.0, 5.0))
        spread = lang.sample("spread", dist.HalfNormal(1.0))
        slope = lang.sample("slope", dist.Normal(0.0, 1.0))
        noise = lang.sample("noise", dist.HalfNormal(1.0))
        with lang.plate("county", COUNTIES):
            unit = lang.sample("unit", dist.Normal(0.0, 1.0))
        place = mean + (spread * unit)[county] + slope * floor
        with lang.plate("house", level.shape[0]):
            lang.sample("level", dist.Normal(place, noise), obs=level)

    return model


COUNTIES = 85


@cache
def houses() -> Data:
    """919 made-up houses in 85 counties of very unequal size."""
    rng = np.random.default_rng(5)
    share = rng.dirichlet(np.full(COUNTIES, 0.5))
    county = np.concatenate([np.arange(COUNTIES), rng.choice(COUNTIES, 834, p=share)])
    floor = rng.random(919) < 0.17
    levels = 1.5 + 0.35 * rng.normal(size=COUNTIES)
    level = levels[county] - 0.65 * floor + 0.75 * rng.normal(size=919)
    return county.astype(np.int32), *(a.astype(np.float32) for a in (floor, level))


def stochastic_volatility(lang: Any) -> Model:
    """An autoregressive log volatility of 200 days (Kim et al. 1998), non-centred."""
    import jax
    import jax.numpy as jnp

    dist = lang.distributions

    def model(returns):
        level = lang.sample("level", dist.Normal(-9.0, 1.0))
        memory = lang.sample("memory", dist.Uniform(0.0, 1.0))
        shock = lang.sample("shock", dist.HalfNormal(0.5))
        with lang.plate("day", returns.shape[0]):
            unit = lang.sample("unit", dist.Normal(0.0, 1.0))
        first = shock / jnp.sqrt(1.0 - memory**2 + 1e-6)
        scale = jnp.concatenate([first[None], jnp.broadcast_to(shock, (DAYS - 1,))])
        fade = jnp.concatenate([jnp.zeros(1), jnp.broadcast_to(memory, (DAYS - 1,))])

        def joined(a, b):
            return a[0] * b[0], b[0] * a[1] + b[1]

        log_variance = jax.lax.associative_scan(joined, (fade, scale * unit))[1]
        volatility = jnp.exp(0.5 * (level + log_variance))
        with lang.plate("day_", returns.shape[0]):
            lang.sample("r", dist.Normal(0.0, volatility), obs=returns)

    return model


DAYS = 200


@cache
def returns() -> Data:
    """200 made-up daily returns."""
    rng = np.random.default_rng(6)
    log_variance = np.zeros(DAYS)
    for day in range(1, DAYS):
        log_variance[day] = 0.95 * log_variance[day - 1] + 0.3 * rng.normal()
    values = np.exp(0.5 * (log_variance - 9.0)) * rng.normal(size=DAYS)
    return (values.astype(np.float32),)


PROBLEMS = {
    "eight": Problem("eight schools", cache(eight_schools), _schools),
    "eight_centred": Problem(
        "eight schools, centred", cache(eight_schools_centred), _schools
    ),
    "logistic": Problem("logistic regression, 31-d", cache(logistic), breast_cancer),
    "horseshoe": Problem(
        "horseshoe logistic, 22-d", cache(horseshoe), breast_cancer_small
    ),
    "radon": Problem("radon-like hierarchy, 89-d", cache(radon), houses),
    "volatility": Problem(
        "stochastic volatility, 203-d", cache(stochastic_volatility), returns
    ),
    "gaussian": Problem(
        "normal, 100-d, condition 1000", cache(ill_conditioned), _precision
    ),
    "irt": Problem("item response, 71-d", cache(item_response), cache(_answers)),
    "brownian": Problem("Brownian motion, 32-d", cache(brownian), _walk),
}
