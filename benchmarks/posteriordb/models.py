"""Models that are no regressions, each written once for both languages, and their data.

Time series, a hidden Markov chain, a Gaussian process, a mixture and a differential
equation. The eight schools are those of `benchmarks.models`.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.ode import odeint

from benchmarks.models import Data, Model
from benchmarks.posteriordb.regressions import Columns, positive

# --- the models -----------------------------------------------------------------------


def autoregression(lang: Any) -> Model:
    """A value is a linear function of those before it."""
    dist = lang.distributions

    def model(lags, y):
        alpha = lang.sample("alpha", dist.Normal(0.0, 10.0))
        prior = dist.Normal(0.0, 10.0).expand([lags.shape[1]]).to_event(1)
        beta = lang.sample("beta", prior)
        sigma = lang.sample("sigma", dist.HalfCauchy(2.5))
        with lang.plate("times", lags.shape[0]):
            lang.sample("y", dist.Normal(alpha + lags @ beta, sigma), obs=y)

    return model


def moving_average(lang: Any) -> Model:
    """ARMA(1, 1): each error goes into the next expectation."""
    dist = lang.distributions

    def model(y):
        mu = lang.sample("mu", dist.Normal(0.0, 10.0))
        phi = lang.sample("phi", dist.Normal(0.0, 2.0))
        theta = lang.sample("theta", dist.Normal(0.0, 2.0))
        sigma = lang.sample("sigma", dist.HalfCauchy(2.5))

        def step(error, pair):
            before, now = pair
            error = now - (mu + phi * before + theta * error)
            return error, error

        first = y[0] - (mu + phi * mu)
        rest = jax.lax.scan(step, first, (y[:-1], y[1:]))[1]
        errors = jnp.concatenate([first[None], rest])
        lang.factor("y", dist.Normal(0.0, sigma).log_prob(errors).sum())

    return model


def hidden_markov(lang: Any) -> Model:
    """Two hidden states, summed over by the forward algorithm."""
    dist = lang.distributions

    def model(alpha, u, v):
        rows = [lang.sample(f"theta{i + 1}", dist.Dirichlet(alpha[i])) for i in (0, 1)]
        log_move = jnp.log(jnp.stack(rows))
        phi, rate = _rates(lang, "phi"), _rates(lang, "lambda")
        emitted = dist.Exponential(phi).log_prob(u[:, None])
        emitted = emitted + dist.Exponential(rate).log_prob(v[:, None])

        def step(log_state, log_emission):
            moved = jax.nn.logsumexp(log_state[:, None] + log_move, axis=0)
            return moved + log_emission, None

        last = jax.lax.scan(step, emitted[0], emitted[1:])[0]
        lang.factor("forward", jax.nn.logsumexp(last))

    return model


def _rates(lang: Any, name: str) -> Any:
    """Two positive rates in ascending order."""
    dist = lang.distributions
    support = dist.constraints.positive_ordered_vector
    rates = lang.sample(name, dist.ImproperUniform(support, (), (2,)))
    prior = dist.Normal(jnp.array([0.0, 3.0]), 1.0).to_event(1)
    lang.factor(f"{name}_prior", prior.log_prob(rates))
    return rates


def gaussian_process(lang: Any) -> Model:
    """Regression with a squared exponential kernel; `sigma` is a variance."""
    dist = lang.distributions

    def model(x, y):
        rho = lang.sample("rho", dist.Gamma(25.0, 4.0))
        alpha = lang.sample("alpha", dist.HalfNormal(2.0))
        sigma = lang.sample("sigma", dist.HalfNormal(1.0))
        distance = (x[:, None] - x) / rho
        covariance = alpha**2 * jnp.exp(-0.5 * distance**2)
        covariance = covariance + sigma * jnp.eye(len(x))
        mean = jnp.zeros(len(x))
        normal = dist.MultivariateNormal(mean, covariance_matrix=covariance)
        lang.sample("y", normal, obs=y)

    return model


def mixture(lang: Any) -> Model:
    """Two normals with ordered means."""
    dist = lang.distributions

    def model(y):
        ordered = dist.constraints.ordered_vector
        mu = lang.sample("mu", dist.ImproperUniform(ordered, (), (2,)))
        lang.factor("mu_prior", dist.Normal(0.0, 2.0).log_prob(mu).sum())
        sigma = lang.sample("sigma", dist.HalfNormal(2.0).expand([2]).to_event(1))
        theta = lang.sample("theta", dist.Beta(5.0, 5.0))
        weights = jnp.log(jnp.stack([theta, 1 - theta]))
        parts = weights + dist.Normal(mu, sigma).log_prob(y[:, None])
        lang.factor("y", jax.nn.logsumexp(parts, axis=-1).sum())

    return model


def predator_prey(lang: Any) -> Model:
    """Lotka and Volterra's equations, with multiplicative errors."""
    dist = lang.distributions

    def slope(z, _, theta):
        u, v = z
        alpha, beta, gamma, delta = theta
        return jnp.stack([(alpha - beta * v) * u, (-gamma + delta * u) * v])

    def model(times, first, y):
        theta = positive(lang, "theta", 4)
        means, scales = jnp.array([1.0, 0.05, 1.0, 0.05]), jnp.array([0.5, 0.05] * 2)
        prior = dist.Normal(means, scales).to_event(1)
        lang.factor("theta_prior", prior.log_prob(theta))
        start = dist.LogNormal(math.log(10), 1.0).expand([2]).to_event(1)
        z_init = lang.sample("z_init", start)
        sigma = lang.sample("sigma", dist.LogNormal(-1.0, 1.0).expand([2]).to_event(1))
        z = odeint(slope, z_init, times, theta, rtol=1e-6, atol=1e-5, mxstep=1000)
        lang.sample(
            "first", dist.LogNormal(jnp.log(z[0]), sigma).to_event(1), obs=first
        )
        with lang.plate("times", len(y)):
            seen = dist.LogNormal(jnp.log(z[1:]), sigma).to_event(1)
            lang.sample("y", seen, obs=y)

    return model


# --- their data -----------------------------------------------------------------------


def lagged(d: Columns) -> Data:
    y, order = d["y"], d["K"]
    columns = [y[order - k : len(y) - k] for k in range(1, order + 1)]
    return np.column_stack(columns), y[order:]


def series(d: Columns) -> Data:
    return (d["y"],)


def drives(d: Columns) -> Data:
    return d["alpha"], d["u"], d["v"]


def points(d: Columns) -> Data:
    return d["x"], d["y"]


def pelts(d: Columns) -> Data:
    times = np.concatenate([[0.0], d["ts"]])
    return times, d["y_init"], d["y"]


def schools(d: Columns) -> Data:
    return d["sigma"], d["y"]
