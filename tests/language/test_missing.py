"""Missing values: latent where nothing is observed, by closed forms."""

from functools import partial

import jax
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


# --- single coordinates ---------------------------------------------------------------

LOC = np.array([1.0, -1.0, 0.5, 2.0])
FACTOR = np.array(
    [[1.0, 0, 0, 0], [0.5, 0.8, 0, 0], [-0.6, 0.3, 1.2, 0], [0.2, 0.9, 0.4, 0.5]]
)
COV = FACTOR @ FACTOR.T
LOW_RANK = dist.LowRankMultivariateNormal(
    LOC, np.array([[1.0, 0.2], [0.5, -0.7], [0.3, 0.3], [-1.0, 0.4]]), np.full(4, 0.3)
)
NORMALS = {
    "dense": dist.MultivariateNormal(LOC, scale_tril=FACTOR),
    "low rank": LOW_RANK,
}
MASKS = np.array(
    [[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 1]], bool
)


def split_by_hand(cov, value, mask):
    """Log density of what is observed, mean and covariance of the rest, by blocks."""
    o, m = np.flatnonzero(mask), np.flatnonzero(~mask)
    gain = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
    seen = st.multivariate_normal(LOC[o], cov[np.ix_(o, o)]) if len(o) else None
    log_density = seen.logpdf(value[o]) if len(o) else 0.0
    mean = LOC[m] + gain @ (value[o] - LOC[o])
    return log_density, mean, cov[np.ix_(m, m)] - gain @ cov[np.ix_(o, m)]


def vectors(fn, y, mask, size=None):
    def run():
        with ppl.plate("n", len(y) if size is None else size):
            return ppl.sample("y", fn, obs=y, obs_mask=mask)

    return run


@pytest.mark.parametrize("name", NORMALS)
def test_a_normal_vector_is_split_into_marginal_and_conditional(name, x64):
    fn = NORMALS[name]
    cov = np.asarray(fn.covariance_matrix)
    rng = np.random.default_rng(0)
    y = np.where(MASKS, rng.normal(size=MASKS.shape), np.nan)

    @jax.jit
    def parts():
        trace = draws(vectors(fn, y, MASKS))
        return (
            trace["y_observed"].log_prob(),
            trace["y_unobserved"].fn,
            trace["y"].value,
        )

    observed, law, completed = parts()
    for i, mask in enumerate(MASKS):
        expected, mean, rest = split_by_hand(cov, y[i], mask)
        assert observed[i] == pytest.approx(expected, abs=1e-9)
        np.testing.assert_allclose(law.mean[i][~mask], mean, atol=1e-9)
        missing = np.ix_(~mask, ~mask)
        np.testing.assert_allclose(law.covariance_matrix[i][missing], rest, atol=1e-9)
    np.testing.assert_array_equal(completed[MASKS], y[MASKS])
    assert np.isfinite(completed).all()


def test_gradients_of_the_split_are_those_of_the_blocks(x64):
    y, mask = np.array([0.3, np.nan, 1.0, np.nan]), MASKS[0]

    def log_density(scale, z):
        fn = dist.MultivariateNormal(LOC, scale_tril=scale * FACTOR)
        given = {"y_unobserved": z[None]}
        run = handlers.substitute(vectors(fn, y[None], mask[None]), data=given)
        sites = handlers.trace(run).get_trace()
        useless = sites["y_unobserved"].fn
        sd = jnp.sqrt(useless.variance)[0]
        outside = dist.Normal(useless.mean[0], sd).log_prob(z)
        terms = [sites[n].log_prob().sum() for n in ("y_observed", "y_unobserved")]
        return sum(terms) - jnp.where(mask, outside, 0.0).sum()

    def by_hand(scale, z):
        value = jnp.where(mask, np.nan_to_num(y), z)
        fn = dist.MultivariateNormal(LOC, scale_tril=scale * FACTOR)
        return fn.log_prob(value)

    at = jnp.array(1.3), jnp.array([9.0, 0.1, -3.0, 0.7])
    mine, theirs = (
        jax.jit(jax.value_and_grad(f, (0, 1)))(*at) for f in (log_density, by_hand)
    )
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-9), mine, theirs)


def test_independent_coordinates_are_missing_one_by_one():
    fn = dist.Gamma(2.0, 1.0).expand([3]).to_event(1)
    y = np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, 0.5]])
    mask = ~np.isnan(y)
    z = np.ones((2, 3))
    expected = st.gamma(2).logpdf(y[mask]).sum() + st.gamma(2).logpdf(z).sum()
    found = density(vectors(fn, y, mask), {"y_unobserved": z})
    assert found == pytest.approx(expected, rel=1e-6)
    wide = dist.MultivariateNormal(jnp.zeros(3), jnp.eye(3)).expand([2]).to_event(1)
    missing = {"y_unobserved": np.zeros((2, 3))}

    def matrix():
        ppl.sample("y", wide, obs=y, obs_mask=mask)

    expected = st.norm(0, 1).logpdf([*y[mask], *np.zeros(6)]).sum()
    assert density(matrix, missing) == pytest.approx(expected, rel=1e-6)


Y_PAIRS = np.array(
    [[1.5, np.nan], [0.5, 2.0], [np.nan, 1.0], [2.0, np.nan]], np.float32
)
PAIR_COV = np.array([[1.0, 0.7], [0.7, 2.0]])


def pairs(y=Y_PAIRS):
    mu = ppl.sample("mu", dist.Normal(0.0, 2.0).expand([2]).to_event(1))
    fn = dist.MultivariateNormal(mu, covariance_matrix=PAIR_COV)
    with ppl.plate("n", len(Y_PAIRS)):
        return ppl.sample("y", fn, obs=y, obs_mask=~np.isnan(Y_PAIRS))


def posterior_of_pairs():
    """Mean and covariance of mu and of the missing values, jointly normal."""
    n = 2 + Y_PAIRS.size
    prior = np.zeros((n, n))  # of mu and of all values
    prior[:2, :2] = 4 * np.eye(2)
    design = np.tile(np.eye(2), (len(Y_PAIRS), 1))
    prior[2:, 2:] = design @ (4 * np.eye(2)) @ design.T
    prior[2:, 2:] += np.kron(np.eye(len(Y_PAIRS)), PAIR_COV)
    prior[2:, :2] = 4 * design
    prior[:2, 2:] = prior[2:, :2].T
    y = Y_PAIRS.ravel()
    seen = np.r_[[False, False], ~np.isnan(y)]
    gain = prior[:, seen] @ np.linalg.inv(prior[np.ix_(seen, seen)])
    mean = gain @ y[~np.isnan(y)]
    sd = np.sqrt(np.clip(np.diag(prior - gain @ prior[seen]), 0, None))
    return mean, sd


def pairs_of_a_t():
    """The same model, its vectors of a law that is not known to be normal."""
    mu = ppl.sample("mu", dist.Normal(0.0, 2.0).expand([2]).to_event(1))
    fn = dist.MultivariateStudentT(1e4, mu, np.linalg.cholesky(PAIR_COV))
    with ppl.plate("n", len(Y_PAIRS)):
        return ppl.sample("y", fn, obs=Y_PAIRS, obs_mask=~np.isnan(Y_PAIRS))


@pytest.mark.parametrize(
    "model", [pairs, pytest.param(pairs_of_a_t, marks=pytest.mark.slow)]
)
def test_nuts_has_the_closed_form_of_missing_coordinates(model):
    fitted = ppl.fit(model, seed=0, progress=False)
    mean, sd = posterior_of_pairs()
    for place in (0, 1):
        mu = fitted.stack("mu")[:, place]
        assert (mu.mean() - mean[place]) / sd[place] == pytest.approx(0, abs=0.1)
        assert mu.std() == pytest.approx(sd[place], rel=0.07)
    y = fitted.stack("y").reshape(-1, Y_PAIRS.size)
    for place in np.flatnonzero(np.isnan(Y_PAIRS.ravel())):
        error = (y[:, place].mean() - mean[2 + place]) / sd[2 + place]
        assert error == pytest.approx(0, abs=0.12)
        assert y[:, place].std() == pytest.approx(sd[2 + place], rel=0.08)


def test_predictive_draws_missing_coordinates_given_the_others():
    samples = {"mu": jnp.broadcast_to(jnp.array([1.0, -1.0]), (4000, 2))}
    predictive = ppl.infer.Predictive(pairs, samples, return_sites=["y"])
    y = np.asarray(predictive(jax.random.PRNGKey(0))["y"])
    np.testing.assert_array_equal(y[:, 1], np.broadcast_to(Y_PAIRS[1], (4000, 2)))
    mean = -1 + 0.7 * (1.5 - 1)
    assert y[:, 0, 1].mean() == pytest.approx(mean, abs=0.1)
    assert y[:, 0, 1].std() == pytest.approx(np.sqrt(2 - 0.49), rel=0.06)


@pytest.mark.parametrize("family", ["normal", "walk"])
def test_in_a_loop(family):
    laws = {
        "normal": lambda x: dist.MultivariateNormal(x, scale_tril=jnp.eye(2)),
        "walk": lambda x: dist.GaussianRandomWalk(jnp.exp(0 * x), num_steps=2),
    }

    def series():
        def step(x, at):
            y_t, seen = at
            x = ppl.sample("x", dist.Normal(x, 1.0))
            ppl.sample("y", laws[family](x), obs=y_t, obs_mask=seen)
            return x, None

        scan(step, 0.0, (Y_PAIRS, ~np.isnan(Y_PAIRS)))

    x, z = np.array([0.1, 0.5, -0.3, 0.0]), np.ones((4, 2))
    seen = ~np.isnan(Y_PAIRS)
    value, before = np.where(seen, np.nan_to_num(Y_PAIRS), z), np.r_[0, x[:-1]]
    expected = st.norm(before, 1).logpdf(x).sum()
    if family == "normal":
        expected += st.norm(x[:, None], 1).logpdf(value).sum()
        # what stands where something is observed is a draw about the mean
        expected += st.norm(x[:, None], 1).logpdf(z)[seen].sum()
    else:
        expected += st.norm(np.c_[np.zeros(4), value[:, 0]], 1).logpdf(value).sum()
        expected += st.norm(0, 1).logpdf(z)[seen].sum()
    found = density(series, {"x": x, "y_unobserved": z})
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_missing_in_part_is_told():
    shares = np.array([[0.2, 0.3, 0.5]])
    mask = np.array([[True, False, True]])
    run = vectors(dist.Dirichlet(jnp.ones(3)), shares, mask)
    with pytest.raises(ppl.PPLError, match=r"'y'.*single coordinates of a Dirichlet"):
        draws(run)
    with pytest.raises(ppl.PPLError, match="'y'.*draws of the site have"):
        draws(vectors(NORMALS["dense"], np.zeros(4), MASKS[0], size=4))
    walk = vectors(dist.GaussianRandomWalk(1.0, num_steps=3), shares, mask)
    with pytest.raises(ppl.PPLError, match="cannot be drawn"):
        draws(walk)
