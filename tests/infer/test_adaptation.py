"""Mass matrices, tree depths, warm starts: what users say, and what comes of it."""

import jax
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError, ShapeError, UnknownNameError
from ppl.infer import NUTS
from ppl.infer.engine.metric import Blocks, Dense, Diagonal
from tests.infer.models import gaussian
from tests.infer.test_fit import quiet_fit

COVARIANCE = np.array([[1.0, 0.95, 0.0], [0.95, 1.0, 0.0], [0.0, 0.0, 100.0]])


def correlated():
    """Sites of 1, 2 and 1 coordinates; those of `pair` are correlated."""
    ppl.sample("first", dist.Normal(0, 1))
    ppl.sample("pair", dist.MultivariateNormal(np.zeros(2), COVARIANCE[:2, :2]))
    ppl.sample("last", dist.Normal(0, 10))


def fit_correlated(**settings):
    sampler = NUTS(correlated, **settings)
    return quiet_fit(sampler, seed=1, chains=8, warmup=200, draws=300)


BLOCK = np.array([[1.0, 0.9], [0.9, 1.0]])


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"dense_mass": False}, Diagonal),
        ({"dense_mass": True}, Dense),
        ({"dense_mass": [("pair", "last")]}, Blocks),
        ({"inverse_mass_matrix": np.ones(4), "dense_mass": False}, Diagonal),
        ({"inverse_mass_matrix": np.eye(4)}, Dense),
        ({"inverse_mass_matrix": {("pair",): BLOCK, ("last",): np.ones(1)}}, Blocks),
        (
            {
                "inverse_mass_matrix": {("first", "last"): np.ones(2)},
                "adapt_mass_matrix": False,
                "dense_mass": False,
            },
            Diagonal,
        ),
    ],
    ids=str,
)
def test_every_structure_samples_the_same_posterior(settings, kind):
    posterior = fit_correlated(**settings)
    if kind is not Blocks or "dense_mass" in settings:
        assert type(posterior.adapted.metric) is kind
    table = posterior.summary()
    for name, sd in (("first", 1.0), ("pair[0]", 1.0), ("pair[1]", 1.0), ("last", 10)):
        row = table[name]
        assert abs(row["mean"]) < 5 * row["mcse_mean"], name
        assert row["sd"] == pytest.approx(sd, rel=0.15), name


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"dense_mass": "full"}, ArgumentError, "dense_mass must be"),
        ({"dense_mass": ["pair"]}, ArgumentError, "list of tuples"),
        ({"dense_mass": [("pair",), ("pair",)]}, ArgumentError, "'pair' twice"),
        ({"dense_mass": [("pear",)]}, UnknownNameError, "pair"),
        ({"inverse_mass_matrix": np.ones(3)}, ShapeError, "4 unconstrained"),
        ({"inverse_mass_matrix": -np.ones(4)}, ArgumentError, "must be > 0"),
        ({"inverse_mass_matrix": {"pair": np.ones(3)}}, ShapeError, "pair"),
        (
            {"inverse_mass_matrix": {("pair",): BLOCK * [[1, 2], [2, 1]]}},
            ArgumentError,
            "positive definite",
        ),
        ({"max_tree_depth": (5, 0)}, ArgumentError, "pair"),
        ({"max_tree_depth": (5, 6, 7)}, ArgumentError, "pair"),
    ],
    ids=str,
)
def test_wrong_settings_are_told(settings, error, said):
    with pytest.raises(error, match=said):
        fit_correlated(**settings)


def test_warm_up_and_sampling_may_have_their_own_tree_depths():
    sampler = NUTS(correlated, max_tree_depth=(6, 2), dense_mass=False)
    posterior = quiet_fit(
        sampler, seed=1, warmup=100, draws=100, keep_warmup=True, chains=2
    )
    assert posterior.warmup_sample_stats["tree_depth"].max() > 2
    assert posterior.sample_stats["tree_depth"].max() == 2
    reached = posterior.sample_stats["reached_max_treedepth"]
    assert (reached == (posterior.sample_stats["tree_depth"] == 2)).all()


def test_forward_mode_differentiates_what_reverse_mode_cannot():
    def model(y):
        m = ppl.sample("m", dist.Normal(0, 1))
        doubled = jax.lax.while_loop(
            lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] + m / 3), (0, 0.0 * m)
        )[1]
        ppl.sample("y", dist.Normal(doubled, 1), obs=y)

    y = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match=r"[Rr]everse-mode"):
        quiet_fit(model, y, seed=0)
    sampler = NUTS(model, forward_mode_differentiation=True)
    row = quiet_fit(sampler, y, seed=0).summary()["m"]
    assert abs(row["mean"] - 1.0) < 5 * row["mcse_mean"]


def test_a_warm_start_needs_a_short_warm_up_only():
    y = np.linspace(-1.0, 3.0, 9)
    first = quiet_fit(gaussian, y, seed=0)
    again = quiet_fit(gaussian, y + 1, seed=1, warm_start=first, chains=6, draws=2000)
    assert again.attrs["tuning_steps"] == 50
    row = again.summary()["m"]
    assert abs(row["mean"] - (y + 1).sum() / 10) < 5 * row["mcse_mean"]
    scale = first.adapted.inverse_mass_matrix
    np.testing.assert_array_equal(again.adapted.inverse_mass_matrix, scale)


def test_a_warm_start_from_another_model_is_refused():
    first = quiet_fit(gaussian, np.ones(3), seed=0, warmup=50, draws=50)
    with pytest.raises(ArgumentError, match="another model"):
        ppl.fit(correlated, seed=0, warm_start=first)


def centred_schools():
    """Rubin's (1981): the narrow neck diverges at steps that are right elsewhere."""
    effect = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    error = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    mean = ppl.sample("mean", dist.Normal(0, 5))
    spread = ppl.sample("spread", dist.HalfCauchy(5))
    with ppl.plate("school", 8):
        own = ppl.sample("own", dist.Normal(mean, spread))
        ppl.sample("effect", dist.Normal(own, error), obs=effect)


def test_where_trajectories_diverge_steps_are_smaller_than_the_target_says():
    settings = dict(seed=0, chains=32, warmup=300, draws=100)
    within = {}
    for model in (centred_schools, correlated):
        fitted = quiet_fit(NUTS(model, dense_mass=False), **settings)
        within[model] = np.mean(fitted.sample_stats["acceptance_rate"])
    assert within[correlated] < 0.86
    assert within[centred_schools] > 0.88
