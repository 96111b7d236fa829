"""Linear regressions, each prior written once for both languages, and their data.

Parameters are named as in the reference; a site `beta` of shape (2,) has the components
`beta[1]` and `beta[2]`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.models import Data, Model

Columns = dict[str, Any]

# --- the models -----------------------------------------------------------------------


def flat(lang: Any) -> Model:
    """All priors flat."""

    def model(x, y):
        _normal(lang, x, y, real(lang, "beta", x.shape[1]), positive(lang, "sigma"))

    return model


def flat_coefficients(lang: Any) -> Model:
    """Flat coefficients, a half-Cauchy scale."""

    def model(x, y):
        beta = real(lang, "beta", x.shape[1])
        sigma = lang.sample("sigma", lang.distributions.HalfCauchy(2.5))
        _normal(lang, x, y, beta, sigma)

    return model


def proper(lang: Any) -> Model:
    """Normal coefficients, a half-normal scale."""
    dist = lang.distributions

    def model(x, y):
        prior = dist.Normal(0.0, 10.0).expand([x.shape[1]]).to_event(1)
        beta = lang.sample("beta", prior)
        sigma = lang.sample("sigma", dist.HalfNormal(10.0))
        _normal(lang, x, y, beta, sigma)

    return model


def diamonds(lang: Any) -> Model:
    """24 strongly correlated coefficients, an intercept with a heavy-tailed prior."""
    dist = lang.distributions

    def model(x, y):
        prior = dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1)
        b = lang.sample("b", prior)
        intercept = lang.sample("Intercept", dist.StudentT(3.0, 8.0, 10.0))
        sigma = positive(lang, "sigma")
        lang.factor("half_t", dist.StudentT(3.0, 0.0, 10.0).log_prob(sigma))
        with lang.plate("rows", x.shape[0]):
            lang.sample("y", dist.Normal(intercept + x @ b, sigma), obs=y)

    return model


def real(lang: Any, name: str, size: int) -> Any:
    """A vector with a flat prior."""
    dist = lang.distributions
    return lang.sample(name, dist.ImproperUniform(dist.constraints.real, (), (size,)))


def positive(lang: Any, name: str, *shape: int) -> Any:
    """A positive value with a flat prior."""
    dist = lang.distributions
    return lang.sample(name, dist.ImproperUniform(dist.constraints.positive, (), shape))


def _normal(lang: Any, x: Any, y: Any, beta: Any, sigma: Any) -> None:
    with lang.plate("rows", x.shape[0]):
        lang.sample("y", lang.distributions.Normal(x @ beta, sigma), obs=y)


# --- their data: (x, y) ---------------------------------------------------------------


def earn_height(d: Columns) -> Data:
    return _with_ones(d["height"]), d["earn"]


def log_earn_height_male(d: Columns) -> Data:
    return _with_ones(d["height"], d["male"]), np.log(d["earn"])


def log_earn_interaction(d: Columns) -> Data:
    height, male = d["height"], d["male"]
    return _with_ones(height, male, height * male), np.log(d["earn"])


def kid_interaction(d: Columns) -> Data:
    school, iq = d["mom_hs"], d["mom_iq"]
    return _with_ones(school, iq, school * iq), d["kid_score"]


def kid_school(d: Columns) -> Data:
    return _with_ones(d["mom_hs"]), d["kid_score"]


def kid_iq(d: Columns) -> Data:
    return _with_ones(d["mom_iq"]), d["kid_score"]


def kid_centred_interaction(d: Columns) -> Data:
    centred = {name: d[name] - d[name].mean() for name in ("mom_hs", "mom_iq")}
    return kid_interaction({**d, **centred})


def mesquite(d: Columns) -> Data:
    names = ("diam1", "diam2", "canopy_height", "total_height", "density", "group")
    return _with_ones(*(d[name] for name in names)), d["weight"]


def log_mesquite(d: Columns) -> Data:
    x, weight = mesquite(d)
    return np.column_stack([np.ones(len(x)), np.log(x[:, 1:-1]), x[:, -1]]), np.log(
        weight
    )


def log_mesquite_volume(d: Columns) -> Data:
    """Volume, area and shape of the canopy instead of its measures."""
    first, second = d["diam1"], d["diam2"]
    logs = (first * second * d["canopy_height"], first * second, first / second)
    logs = (*logs, d["total_height"], d["density"])
    return _with_ones(*map(np.log, logs), d["group"]), np.log(d["weight"])


def election(d: Columns) -> Data:
    ages = [(d["age_discrete"] == group).astype(float) for group in (2, 3, 4)]
    rest = d["educ1"], d["gender"], d["income"]
    return _with_ones(d["real_ideo"], d["race_adj"], *ages, *rest), d["partyid7"]


def simulated(d: Columns) -> Data:
    return d["X"], d["y"]


def centred_diamonds(d: Columns) -> Data:
    x = d["X"][:, 1:]
    return x - x.mean(0), d["Y"]


def _with_ones(*columns: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(columns[0])), *columns])
