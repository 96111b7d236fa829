"""Energies of very many rows: float32 sums that keep what a step changes."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl.infer import HMC, MAMS, MCMC, NUTS, ChEES
from ppl.target import trace_model

ROWS = 300_000
TRUE = np.array([0.2, 0.3, -0.5, 0.8])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3)).astype(np.float32)
    odds = TRUE[0] + x @ TRUE[1:]
    y = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
    return x, y.astype(np.float32)


def by_matrix(x, y):
    intercept = ppl.sample("intercept", dist.Normal(0, 1))
    slopes = ppl.sample("slopes", dist.Normal(0, 1).expand([3]).to_event(1))
    ppl.sample("y", dist.BernoulliLogitsGLM(x, intercept, slopes), obs=y)


def by_rows(x, y):
    intercept = ppl.sample("intercept", dist.Normal(0, 1))
    slopes = ppl.sample("slopes", dist.Normal(0, 1).expand([3]).to_event(1))
    with ppl.plate("rows", len(x)):
        ppl.sample("y", dist.Bernoulli(logits=x @ slopes + intercept), obs=y)


def exact(x, y, q, scale=1.0):
    """The log density in float64, with the rows' part scaled."""
    odds = x.astype(np.float64) @ q[1:] + q[0]
    prior = -0.5 * np.sum(q**2) - 2 * np.log(2 * np.pi)
    return scale * np.sum(y * odds - np.logaddexp(0, odds)) + prior


@pytest.mark.parametrize("model", [by_matrix, by_rows])
def test_a_lowered_target_has_the_digits_that_energies_need(model, data):
    rng = np.random.default_rng(1)
    points = (TRUE + 1e-3 * rng.normal(size=(20, 4))).astype(np.float32)
    truth = np.array([exact(*data, q.astype(np.float64)) for q in points])
    density = trace_model(model, data, {}).density
    values = jax.jit(jax.lax.map, static_argnums=0)

    def error(base: float) -> float:
        target = density.lowered(base)
        found = np.asarray(values(target, jnp.asarray(points)), np.float64)
        return float(np.std(found + float(target.base) - truth))

    assert error(truth[0] + 300) < 1e-3
    assert error(truth[0] + 300) < error(0.0) / 5


def scaled_in_part(x, y):
    intercept = ppl.sample("intercept", dist.Normal(0, 1))
    slopes = ppl.sample("slopes", dist.Normal(0, 1).expand([3]).to_event(1))
    with ppl.handlers.scale(scale=0.3), ppl.handlers.mask(mask=True):
        ppl.sample("y", dist.BernoulliLogitsGLM(x, intercept, slopes), obs=y)


def test_scaled_and_masked_sites_keep_their_digits(data):
    rng = np.random.default_rng(2)
    points = (TRUE + 1e-3 * rng.normal(size=(20, 4))).astype(np.float32)
    truth = np.array([exact(*data, q.astype(float), 0.3) for q in points])
    target = trace_model(scaled_in_part, data, {}).density.lowered(truth[0] + 300)
    found = jax.jit(jax.lax.map, static_argnums=0)(target, jnp.asarray(points))
    error = np.asarray(found, float) + float(target.base) - truth
    assert np.std(error) < 1e-3
    assert abs(error.mean()) < 1e-7 * abs(truth[0])


@pytest.mark.parametrize(
    ("mask", "scale", "expected"),
    [(True, 2.0, 2.0), (False, 2.0, 0.0), (True, 0.0, 0.0), (False, None, 0.0)],
)
def test_what_is_switched_off_is_only_the_base(mask, scale, expected, data):
    x, y = (a[:100] for a in data)
    d = dist.BernoulliLogitsGLM(x, 0.1, np.ones(3, np.float32))

    def less(mask, scale, base):
        site = ppl.primitives.Sample(name="y", value=y, fn=d, mask=mask, scale=scale)
        return site.log_prob_less(base)

    got = jax.jit(less)(mask, scale, jnp.float32(-7.0))
    assert got == pytest.approx(expected * float(d.log_prob(y)) + 7.0, rel=1e-5)


def test_few_rows_are_left_alone(data):
    x, y = data
    density = trace_model(by_matrix, (x[:1000], y[:1000]), {}).density
    assert density.lowered(-5.0) is density


@pytest.mark.parametrize("sampler", [NUTS, HMC, ChEES, MAMS])
def test_a_run_tells_the_whole_log_density(sampler, data):
    x, y = data[0][:70_000], data[1][:70_000]
    mcmc = MCMC(
        sampler(by_matrix),
        num_warmup=20,
        num_samples=3,
        num_chains=2,
        progress_bar=False,
    )
    with warnings.catch_warnings():  # so few draws
        warnings.simplefilter("ignore")
        mcmc.run(3, x, y, extra_fields=("lp", "energy"))
    draws = mcmc.get_samples()
    q = np.column_stack([draws["intercept"], draws["slopes"]]).astype(np.float64)
    lp = np.asarray(mcmc.get_extra_fields()["lp"], np.float64)
    truth = [exact(x, y, point) for point in q]
    np.testing.assert_allclose(lp, truth, rtol=1e-6)
    energy = np.asarray(mcmc.get_extra_fields()["energy"], np.float64)
    kinetic = energy + lp if sampler is not MAMS else energy
    assert (abs(kinetic) < 50).all()
