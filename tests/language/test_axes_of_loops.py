"""The axes that loops put in front of their sites have names and labels."""

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl._errors import ArgumentError, ArgumentTypeError
from ppl.control import fori_loop, scan, vmap
from ppl.target import trace_model

YEARS = [1871, 1872, 1873, 1874]
Y = np.array([0.3, 1.0, 1.4, 2.5], np.float32)


def dims(model, *args):
    return {n: s.dims for n, s in trace_model(model, args, {}).sites.items()}


def walk(label, count, start=0.0, **options):
    def step(x, _):
        x = ppl.sample(label, dist.Normal(x, 1.0))
        return x, None

    return scan(step, start, length=count, **options)[0]


def test_by_default_they_are_called_like_the_construct():
    def model():
        with ppl.plate("N", 3):
            walk("a", 2, jnp.zeros(3))
        walk("b", 4)
        fori_loop(0, 3, lambda i, x: ppl.sample("c", dist.Normal(x, 1.0)), 0.0)
        vmap(lambda m: ppl.sample("d", dist.Normal(m, jnp.ones(5)).to_event(1)))(Y)

    assert dims(model) == {
        "a": ("scan", "N"),
        "b": ("scan_2",),
        "c": ("fori_loop",),
        "d": ("vmap", "d_dim_1"),
    }


def nested(inner=None, outer=None):
    def row(x, _):
        x = ppl.sample("row", dist.Normal(x, 1.0))
        return walk("x", 3, name=inner), None

    scan(row, 0.0, length=2, name=outer)


def test_nested_loops():
    assert dims(nested) == {"row": ("scan",), "x": ("scan", "scan_2")}
    named = dims(lambda: nested("day", "week"))
    assert named == {"row": ("week",), "x": ("week", "day")}


def test_a_given_name_is_shared_by_loops_that_agree():
    def model(second, **options):
        walk("a", 4, name="year", coords=YEARS)
        walk("b", second, name="year", **options)

    assert dims(model, 4)["b"] == ("year_2",)  # other labels
    shared = dims(lambda: model(4, coords=YEARS))
    assert shared == {"a": ("year",), "b": ("year",)}
    assert dims(lambda: model(3))["b"] == ("year_2",)


def test_a_name_stands_once_at_a_site():
    def model():
        def row(x, _):
            return walk("x", 2, name="t"), None

        scan(row, 0.0, length=2, name="t")
        with ppl.plate("t", 3):
            walk("y", 3, jnp.zeros(3), name="t")

    assert dims(model) == {"x": ("t_2", "t_3"), "y": ("t_4", "t")}


def test_labels_reach_the_results():
    def model(y):
        def step(x, y_t):
            x = ppl.sample("x", dist.Normal(x, 1.0))
            with ppl.plate("series", 2, coords=["a", "b"]):
                ppl.sample("y", dist.Normal(x, 0.5), obs=y_t)
            return x, ppl.deterministic("twice", 2 * x)

        scan(step, 0.0, y, name="year", coords=YEARS)

    y = np.stack([Y, Y + 1], 1)
    posterior = ppl.fit(model, y, seed=0, chains=2, warmup=50, draws=20, progress=False)
    assert posterior.dims["x"] == posterior.dims["twice"] == ("year",)
    tree = posterior.to_datatree()
    assert list(tree["posterior"]["x"].coords["year"].values) == YEARS
    assert tree["observed_data"]["y"].dims == ("year", "series")
    predicted = posterior.predict().to_datatree()["posterior_predictive"]
    assert predicted["y"].dims == ("chain", "draw", "year", "series")
    assert list(predicted.coords["year"].values) == YEARS
    assert "x[1873]" in str(posterior.summary())


def test_mistakes():
    with pytest.raises(ArgumentError, match="3 coords for 4 steps"):
        walk("x", 4, coords=YEARS[:3])
    with pytest.raises(ArgumentTypeError, match="name must be a string"):
        walk("x", 4, name=3)
    with pytest.raises(ArgumentError, match="vmap: 1 coords for 4 steps"):
        vmap(lambda x: x, coords=[1])(Y)
