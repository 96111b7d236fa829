"""Missing values: latent where nothing is observed, by closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl import handlers
from ppl.control import scan
from tests.language.test_control_flow import density, draws

Y = np.array([1.0, np.nan, 3.0, np.nan, 2.0])
SEEN = ~np.isnan(Y)


def model(y=Y, mask=SEEN):
    mu = ppl.sample("mu", dist.Normal(0.0, 2.0))
    with ppl.plate("n", 5):
        return ppl.sample("y", dist.Normal(mu, 1.0), obs=y, obs_mask=mask)


def test_what_is_missing_is_drawn_and_the_rest_is_data():
    found = draws(model)
    np.testing.assert_array_equal(found["y"].value[SEEN], Y[SEEN])
    assert np.isfinite(found["y"].value).all()
    assert found["y_observed"].is_observed
    given = {"mu": 0.5, "y_unobserved": np.arange(5.0)}
    expected = st.norm(0, 2).logpdf(0.5) + st.norm(0.5, 1).logpdf(Y[SEEN]).sum()
    expected += st.norm(0.5, 1).logpdf(np.arange(5)).sum()
    assert density(model, given) == pytest.approx(expected)


def test_nuts_has_the_posterior_of_what_is_observed():
    found = ppl.fit(model, seed=0, progress=False)
    precision = 0.25 + SEEN.sum()
    mean, sd = Y[SEEN].sum() / precision, precision**-0.5
    mu, y = found.stack("mu"), found.stack("y")
    assert (mu.mean() - mean) / sd == pytest.approx(0, abs=0.1)
    assert mu.std() / sd == pytest.approx(1, abs=0.07)
    assert y[:, 1].std() == pytest.approx(np.hypot(1, sd), rel=0.07)
    np.testing.assert_array_equal(y[:, SEEN], np.broadcast_to(Y[SEEN], (len(y), 3)))


def test_gaps_in_a_series():
    def series():
        def step(x, at):
            y_t, seen = at
            x = ppl.sample("x", dist.Normal(x, 1.0))
            ppl.sample("y", dist.Normal(x, 0.5), obs=y_t, obs_mask=seen)
            return x, None

        scan(step, 0.0, (Y, SEEN))

    x, z = np.linspace(0, 1, 5), np.zeros(5)
    expected = st.norm(np.r_[0, x[:-1]], 1).logpdf(x).sum()
    expected += st.norm(x, 0.5).logpdf(Y)[SEEN].sum() + st.norm(x, 0.5).logpdf(z).sum()
    assert density(series, {"x": x, "y_unobserved": z}) == pytest.approx(expected)


def test_a_wide_event_is_missing_as_a_whole():
    y = np.stack([np.ones(2), np.full(2, np.nan)])
    fn = dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2))

    def vectors():
        with ppl.plate("n", 2):
            ppl.sample("y", fn, obs=y, obs_mask=np.array([True, False]))

    z = np.zeros((2, 2))
    expected = st.norm(0, 1).logpdf([1, 1, 0, 0, 0, 0]).sum()
    assert density(vectors, {"y_unobserved": z}) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (np.ones(5), "must be boolean"),
        (np.ones(4, bool), r"\(4,\)"),
        (np.ones((5, 2), bool), r"\(5, 2\)"),
    ],
)
def test_wrong_masks_are_told(mask, text):
    with pytest.raises(ppl.PPLError, match=f"'y'.*{text}"):
        handlers.seed(model, rng_seed=0)(Y, mask)
