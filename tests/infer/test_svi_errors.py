"""What goes wrong in a fit, and how it is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl import optim
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    ShapeError,
    SupportError,
    UnknownNameError,
)
from ppl.diagnostics import NonFiniteWarning
from ppl.distributions import constraints
from ppl.infer import SVI, Trace_ELBO
from ppl.infer.autoguide import AutoNormal

Y = np.array([0.5, 1.5, -0.3, 2.0], np.float32)


def model(y, *_):
    m = ppl.sample("m", dist.Normal(0.0, 1.0))
    with ppl.plate("i", len(y)):
        ppl.sample("y", dist.Normal(m, 1.0), obs=y)


def guide(y, *_):
    del y
    scale = ppl.param("scale", 0.6, constraint=constraints.positive)
    ppl.sample("m", dist.Normal(ppl.param("loc", 0.1), scale))


def run(guide=guide, steps=50, optimizer=None, model=model, **kwargs):
    svi = SVI(model, guide, optimizer or optim.Adam(0.02), Trace_ELBO())
    args = kwargs.pop("args", (Y,))
    return svi.run(0, steps, *args, progress_bar=False, **kwargs)


# --- numbers that are lost ------------------------------------------------------------


def falling(y):
    """A guide that steps out of the domain of the square root."""
    del y
    root = jnp.sqrt(ppl.param("x", 0.01))
    ppl.sample("m", dist.Normal(root, 1.0))


def test_a_lost_value_is_told_by_site():
    with pytest.warns(NonFiniteWarning, match="ends before it: .*'m'"):
        result = run(falling, optimizer=optim.SGD(-0.1))
    assert 0 < len(result.losses) < 50
    assert np.all(np.isfinite(result.losses))
    assert np.isfinite(result.params["x"])


def test_a_lost_gradient_is_told_by_param():
    def flat(y):
        del y
        x = ppl.param("x", 0.0)
        ppl.sample("m", dist.Normal(jnp.where(x == 0, 0.0, jnp.sqrt(x)), 1.0))

    with pytest.warns(NonFiniteWarning, match="gradient of 'x'"):
        result = run(flat)
    assert len(result.losses) == 0
    assert result.params["x"] == 0


def test_a_lost_density_is_told_by_site():
    def spoilt(y, at):
        m = ppl.sample("m", dist.Normal(0.0, 1.0))
        ppl.sample("y", dist.Normal(m, 1.0).expand([4]).to_event(1), obs=y)
        ppl.factor("spoilt", m * jnp.sqrt(0.5 - at[0]))

    batches = [(Y, np.array([float(i == 7)], np.float32)) for i in range(20)]
    svi = SVI(spoilt, lambda y, at: guide(y), optim.Adam(0.02), Trace_ELBO())  # noqa: ARG005
    with pytest.warns(NonFiniteWarning, match="step 8 .*'spoilt'"):
        result = svi.run(0, 20, batches=batches, progress_bar=False)
    assert len(result.losses) == 7


def test_stable_steps_are_left_out():
    def spoilt(y, at):
        m = ppl.sample("m", dist.Normal(0.0, 1.0))
        ppl.sample("y", dist.Normal(m, 1.0).expand([4]).to_event(1), obs=y)
        ppl.factor("spoilt", m * jnp.sqrt(0.5 - at[0]))

    svi = SVI(spoilt, lambda y, at: guide(y), optim.Adam(0.02), Trace_ELBO())  # noqa: ARG005
    batches = [(Y, np.array([i % 5 == 4], np.float32)) for i in range(20)]
    with pytest.warns(NonFiniteWarning, match="4 of 20 steps, first of step 5"):
        result = svi.run(0, 20, batches=batches, stable_update=True, progress_bar=False)
    assert len(result.losses) == 20
    assert np.isnan(result.losses).sum() == 4
    assert int(result.state.optim_state.step) == 16
    good, bad = np.zeros(1, np.float32), np.ones(1, np.float32)
    state = svi.init(0, Y, good)
    kept, loss = svi.stable_update(state, Y, bad)
    assert np.isnan(loss)
    assert jax.tree.all(
        jax.tree.map(np.array_equal, kept.optim_state, state.optim_state)
    )
    moved, loss = jax.jit(svi.stable_update)(state, Y, good)
    assert np.isfinite(loss)
    assert int(moved.optim_state.step) == 1


# --- guide and model ------------------------------------------------------------------


def sampling(*names, shape=(), **kwargs):
    """A guide of these sites."""

    def guide(y):
        del y
        for name in names:
            fn = dist.Normal(ppl.param(f"{name} loc", jnp.zeros(shape)), 1.0)
            ppl.sample(name, fn, **kwargs)

    return guide


@pytest.mark.parametrize(
    ("wrong", "kind", "site", "word"),
    [
        (sampling(), ModelError, "m", "the guide has no such site"),
        (sampling("mu"), ModelError, "mu", "not in the model, which has"),
        (sampling("m", "y"), ModelError, "y", "observed in the model"),
        (sampling("m", "n"), ModelError, "n", "is_auxiliary"),
        (sampling("m", shape=(1,)), ShapeError, "m", "in the guide"),
        (sampling("m", shape=(3,)), ShapeError, "m", "in the guide"),
    ],
)
def test_what_does_not_fit_is_named(wrong, kind, site, word):
    with pytest.raises(kind, match=word) as error:
        run(wrong)
    assert error.value.site == site
    assert "test_svi_errors.py" in str(error.value)
    with pytest.raises(kind, match=word):
        SVI(model, wrong, optim.Adam(0.1), Trace_ELBO()).init(0, Y)


def test_auxiliary_sites_may_be_in_the_guide_alone():
    def helped(y):
        del y
        a = ppl.sample("a", dist.Normal(0.0, 0.1), infer={"is_auxiliary": True})
        ppl.sample("m", dist.Normal(a + ppl.param("loc", 0.0), 1.0))

    assert np.all(np.isfinite(run(helped).losses))


def test_initial_values_are_checked():
    with pytest.raises(UnknownNameError, match="'scael'.*'scale'"):
        run(init_params={"scael": 1.0})
    wrong = {"scale": -1.0}
    svi = SVI(model, guide, optim.Adam(0.1), Trace_ELBO())
    for begin in (run, lambda **given: svi.init(0, Y, **given)):
        with pytest.raises(SupportError, match="outside of its constraint") as error:
            begin(init_params=wrong)
        assert error.value.site == "scale"


def test_discrete_sites_need_another_guide():
    def counted(y):
        n = ppl.sample("n", dist.Poisson(2.0))
        ppl.sample("y", dist.Normal(n, 1.0).expand([4]).to_event(1), obs=y)

    with pytest.raises(ModelError, match="AutoNormal is for continuous") as error:
        run(AutoNormal(counted), model=counted)
    assert error.value.site == "n"

    def drawn(y):
        del y
        ppl.sample("n", dist.Poisson(ppl.param("rate", 1.0)))

    with pytest.raises(ModelError, match="TraceGraph_ELBO"):
        run(drawn, model=counted)


# --- arguments ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "word"),
    [
        ({"steps": -1}, ArgumentError, "num_steps"),
        ({"steps": 2.5}, (ArgumentError, ArgumentTypeError), "num_steps"),
        ({"average": 1.5}, ArgumentError, "share from 0 to 1"),
        ({"batch_size": 0}, ArgumentError, "batch_size"),
        ({"batch_size": 5}, ShapeError, "at least so many"),
        ({"batches": [Y]}, ArgumentError, "all positional arguments"),
        ({"batches": [], "args": ()}, ArgumentError, "empty"),
        ({"batches": [Y, Y[:2]], "args": ()}, ShapeError, "same shapes"),
        ({"batches": [(Y, 1), (Y, 2)], "args": ()}, ArgumentError, "no arrays"),
        ({"args": (Y, np.array(3.0)), "batch_size": 2}, ShapeError, "as many rows"),
    ],
)
def test_wrong_options(options, kind, word):
    with pytest.raises(kind, match=word):
        run(**options)


def test_rows_are_as_many_in_every_array():
    def two(x, y):
        del x
        model(y)

    svi = SVI(two, lambda x, y: guide(y), optim.Adam(0.1), Trace_ELBO())  # noqa: ARG005
    with pytest.raises(ShapeError, match="as many rows each"):
        svi.run(0, 5, np.zeros(3), Y, batch_size=2, progress_bar=False)


def test_wrong_parts():
    with pytest.raises(ArgumentTypeError, match="loss must be an objective"):
        SVI(model, guide, optim.Adam(0.1), Trace_ELBO)
    with pytest.raises(ArgumentTypeError, match="optim must be an optimiser"):
        SVI(model, guide, 0.1, Trace_ELBO())
