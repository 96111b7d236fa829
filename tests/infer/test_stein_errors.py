"""What fits by Stein's method refuse, and what they tell."""

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
from ppl.contrib.einstein import GraphicalKernel, RBFKernel, SteinLoss
from ppl.diagnostics import NonFiniteWarning
from ppl.infer import ASVGD, SVGD, SteinVI, autoguide, init_to_value
from ppl.primitives import mutable
from tests.infer.stein import Y, mean_of

# --- what is refused, and what is told ------------------------------------------------


def made(model=mean_of, optimizer=None, kernel=None, count=3, **options):
    guide = options.pop("guide", None) or autoguide.AutoNormal(model)
    optimizer = optimizer or optim.Adam(0.05)
    return SteinVI(model, guide, optimizer, kernel or RBFKernel(), count, **options)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: made(count=0), ArgumentError, "num_stein_particles must be >= 1"),
        (lambda: made(count=2.5), ArgumentTypeError, "num_stein_particles must be an"),
        (
            lambda: made(num_elbo_particles=0),
            ArgumentError,
            "num_elbo_particles must be >= 1",
        ),
        (
            lambda: made(repulsion_temperature=-1.0),
            ArgumentError,
            "repulsion_temperature must be >= 0",
        ),
        (lambda: made(loss_temperature=np.inf), ArgumentError, "loss_temperature"),
        (lambda: made(kernel=RBFKernel), ArgumentTypeError, "kernel_fn must be a kern"),
        (lambda: made(optimizer="adam"), ArgumentTypeError, "optim must be an optimis"),
        (
            lambda: made(optimizer=optim.Minimize()),
            ArgumentTypeError,
            "optim must make single steps",
        ),
        (
            lambda: made(non_mixture_guide_params_fn="loc"),
            ArgumentTypeError,
            "non_mixture_guide_params_fn must be a function",
        ),
        (
            lambda: SVGD(mean_of, optim.Adam(0.1), RBFKernel(), 0),
            ArgumentError,
            "num_stein_particles",
        ),
        (
            lambda: SVGD(mean_of, optim.Adam(0.1), "rbf"),
            ArgumentTypeError,
            "kernel_fn must be a kernel of Stein's method, got 'rbf'",
        ),
        (
            lambda: ASVGD(mean_of, optim.Adam(0.1), RBFKernel(), 5, 0),
            ArgumentError,
            "num_cycles must be >= 1",
        ),
        (lambda: SteinLoss(0, 1), ArgumentError, "elbo_num_particles must be >= 1"),
        (
            lambda: made().posterior({"m_auto_loc": np.zeros(3)}, Y),
            ArgumentError,
            "has not been begun",
        ),
    ],
)
def test_what_is_wrong_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def discrete(y):
    k = ppl.sample("k", dist.Bernoulli(0.3))
    ppl.sample("y", dist.Normal(k, 1.0).expand([len(y)]), obs=y)


def whole(y):
    ppl.sample("k", dist.Delta(ppl.param("at", lambda key: jnp.int32(1))))


def strange(y):
    loc = ppl.param("loc", jax.random.normal)
    ppl.sample("w", dist.Normal(loc, 1.0))


def fixed(y):
    ppl.sample("m", dist.Normal(ppl.param("loc", 0.5), 1.0))


def bare(y):
    ppl.sample("m", dist.Normal(0.5, 1.0))


def kept(y):
    count = mutable("count", {"n": jnp.zeros(())})
    count["n"] = count["n"] + 1.0
    mean_of(y)


@pytest.mark.parametrize(
    ("options", "given", "error", "words"),
    [
        ({"guide": strange}, {}, ModelError, "'w'.*in the guide.*not in the model"),
        ({"guide": fixed}, {}, ArgumentError, "'loc'.*begin at the same place"),
        ({"guide": bare}, {}, ArgumentError, "no param of the guide"),
        ({"model": discrete}, {}, ModelError, "'k'.*is discrete"),
        ({"model": discrete, "guide": whole}, {}, ModelError, "'at'.*dtype int32"),
        (
            {"model": kept, "guide": autoguide.AutoNormal(mean_of)},
            {},
            ModelError,
            "'count'.*mutable",
        ),
        (
            {"non_mixture_guide_params_fn": lambda name: True},
            {},
            ArgumentError,
            "exclude fewer",
        ),
        ({}, {"m_auto_loc": 1.0}, ShapeError, r"'m_auto_loc'.*shape \(\).*3 particles"),
        ({}, {"m_auto_lok": np.zeros(3)}, UnknownNameError, "'m_auto_lok'"),
        (
            {},
            {"m_auto_scale": np.array([1.0, -1.0, 1.0])},
            SupportError,
            "'m_auto_scale'.*outside of its constraint",
        ),
        (
            {"kernel": GraphicalKernel(local_kernel_fns={"m": RBFKernel()})},
            {},
            UnknownNameError,
            "'m'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options, given, error, words):
    with pytest.raises(error, match=words):
        made(**options).run(0, 5, Y, progress_bar=False, init_params=given)


def test_points_that_begin_at_one_place_are_refused():
    begin = {"init_loc_fn": init_to_value(values={"m": 1.0})}
    svgd = SVGD(mean_of, optim.Adam(0.1), RBFKernel(), 3, begin)
    with pytest.raises(ArgumentError, match="begin at the same place") as error:
        svgd.run(0, 5, Y, progress_bar=False)
    assert error.value.site == "m_auto_loc"
    SVGD(mean_of, optim.Adam(0.1), RBFKernel(), 1, begin).init(0, Y)


@pytest.mark.parametrize("points", [True, False])
def test_what_is_not_finite_is_told_by_site(points):
    def far(y):
        x = ppl.sample("x", dist.Normal(0.0, 1.0))
        ppl.factor("edge", jnp.sqrt(x + 6.0))

    if points:
        svgd = SVGD(far, optim.Adam(0.1), RBFKernel(), 3)
        begin = {"x_auto_loc": np.array([2.0, -8.0, 3.0])}
    else:
        svgd = made(far)
        begin = {
            "x_auto_loc": np.array([20.0, -10.0, 30.0]),
            "x_auto_scale": np.array([0.1, 0.1, 0.1]),
        }
    with pytest.warns(NonFiniteWarning, match="of particle 1, site 'edge'"):
        result = svgd.run(0, 5, 1.0, progress_bar=False, init_params=begin)
    assert len(result.losses) == 0
    assert np.isclose(result.params["x_auto_loc"][1], begin["x_auto_loc"][1])


def test_steps_that_are_not_finite_can_be_left_out():
    def narrow(y):
        x = ppl.sample("x", dist.Normal(0.0, 1.0))
        ppl.factor("edge", jnp.where(x > 0.5, jnp.nan, 0.0) * x)

    svgd = SVGD(narrow, optim.SGD(0.3), RBFKernel(), 3)
    begin = {"x_auto_loc": np.array([0.1, 0.2, 0.3])}
    options = {"init_params": begin, "progress_bar": False, "stable_update": True}
    with pytest.warns(NonFiniteWarning, match="not finite"):
        result = svgd.run(0, 20, 0.0, **options)
    assert np.isfinite(result.params["x_auto_loc"]).all()
