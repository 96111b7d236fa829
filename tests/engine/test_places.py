"""Chains that warm-up finds where there is no mass, and those it must leave alone."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl.infer.engine.adapt._places import Places, sources
from ppl.infer.engine.adapt.base import Drawn


def places(position, lp, cuts=()):
    found = Places()
    for x, y in zip(
        np.split(position, cuts, axis=1), np.split(lp, cuts, axis=1), strict=True
    ):
        found = found.added(Drawn(x, {"lp": y}, {}))
    return found


def normal_draws(rng, centre, sd, top, *, chains=4, n=50, dim=3):
    """Draws of a normal whose log density is `top` at its mode."""
    z = rng.standard_normal((chains, n, dim))
    return centre + sd * z, top - 0.5 * np.sum(z**2, axis=2)


def test_moments_do_not_depend_on_the_rounds():
    rng = np.random.default_rng(0)
    x, lp = 1e3 + rng.standard_normal((3, 40, 2)), rng.standard_normal((3, 40))
    whole = np.concatenate([x, lp[..., None]], axis=2)
    for cuts in ((), (1,), (1, 2, 7, 39)):
        found = places(x, lp, cuts)
        np.testing.assert_allclose(found.mean, whole.mean(1), rtol=1e-12)
        np.testing.assert_allclose(found.squares / 40, whole.var(1), rtol=1e-9)


@pytest.mark.parametrize(
    ("sd", "top", "lost"),
    [
        (1.0, -40.0, True),  # as wide and 40 nats lower
        (1e6, -40.0, False),  # so wide that it has the mass after all
        (1.0, -10.0, False),  # e^-10 is little, but not nothing
        (1e-9, 30.0, False),  # a spike: its density is the highest
    ],
)
def test_a_place_is_judged_by_its_mass(sd, top, lost):
    rng = np.random.default_rng(1)
    main = normal_draws(rng, 0.0, 1.0, 0.0)
    other = normal_draws(rng, 50.0, sd, top, chains=2)
    both = (np.concatenate(pair) for pair in zip(main, other, strict=True))
    np.testing.assert_array_equal(places(*both).lost(), [False] * 4 + [lost] * 2)


def test_a_chain_that_does_not_move_below_the_others_is_lost():
    x, lp = normal_draws(np.random.default_rng(2), 0.0, 1.0, 0.0)
    x[1], lp[1] = 70.0, -3000.0
    found = places(x, lp)
    np.testing.assert_array_equal(found.lost(), [False, True, False, False])
    lp[1] = -np.inf
    np.testing.assert_array_equal(places(x, lp).lost(), found.lost())


def test_chains_in_a_funnel_are_not_lost():
    rng = np.random.default_rng(3)
    log_sd = np.linspace(-4, 4, 8)[:, None] + 0.3 * rng.standard_normal((8, 60))
    z = rng.standard_normal((8, 60, 9))
    x = np.concatenate([log_sd[..., None], z * np.exp(log_sd)[..., None]], axis=2)
    lp = -(log_sd**2) / 18 - 9 * log_sd - 0.5 * np.sum(z**2, axis=2)
    assert not places(x, lp).lost().any()


def test_lost_chains_are_spread_over_the_others():
    lost = np.array([True, False, True, True, False])
    found = sources(lost)
    np.testing.assert_array_equal(found[~lost], [1, 4])
    assert not lost[found].any()
    assert len(set(found[lost])) == 2


def two_modes(nats):
    """A normal at 0 and another at 30 whose density is lower by so much."""

    def model():
        x = ppl.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
        low = -0.5 * (x - 30.0) ** 2 - nats
        ppl.factor("modes", jnp.logaddexp(-0.5 * x**2, low))

    return model


def fitted(nats):
    starts = {"x": np.array([0.5, -1.0, 1.0, 31.0, 29.0, 30.0, 0.0, 29.5])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ppl.diagnostics.PPLWarning)
        sampler = ppl.infer.MCMC(
            ppl.infer.NUTS(two_modes(nats)),
            num_warmup=300,
            num_samples=300,
            num_chains=8,
            progress_bar=False,
        )
        sampler.run(0, init_params=starts)
    return sampler.posterior


def test_chains_leave_a_mode_without_mass_and_the_result_says_so():
    found = fitted(60.0)
    assert found["x"].max() < 10
    assert found.attrs["chains_moved"] == 4
    assert any("4 of 8 chains" in str(f) and f.category is None for f in found.findings)
    assert len(np.unique(found["x"][:, 0])) == 8, "chains have parted again"


def test_chains_stay_in_modes_that_have_mass():
    found = fitted(2.0)
    assert found.attrs["chains_moved"] == 0
    np.testing.assert_array_equal(
        found["x"].mean(1).round(-1), [0, 0, 0, 30, 30, 30, 0, 30]
    )
