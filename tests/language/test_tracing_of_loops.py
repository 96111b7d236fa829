"""How often the bodies of loops are traced."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ShapeError
from ppl.control import scan, vmap, while_loop


def through_scan(body, start):
    return scan(lambda x, _: (body(x), None), start, length=2)[0]


def through_vmap(body, start):
    return vmap(body)(start + jnp.arange(2.0)).sum()


def through_while(body, start):
    return while_loop(lambda at: at < 1e3, lambda at: body(at) ** 2 + 1, start)


def nested(loops, traced):
    """A model of loops in loops, outermost first, with a site in each body."""

    def inside(level, start):
        if level == len(loops):
            return start

        def body(x):
            traced[level] += 1
            x = ppl.sample(f"x{level}", dist.Normal(x, 1.0))
            return inside(level + 1, x)

        return loops[level](body, start)

    return lambda: inside(0, 0.0)


MIXED = (through_scan, through_vmap, through_scan)


@pytest.mark.parametrize(
    "loops",
    [(through_scan,) * 4, (through_vmap,) * 4, (through_while,) * 4, MIXED],
    ids=["scan", "vmap", "while_loop", "mixed"],
)
def test_a_body_that_only_draws_is_traced_once(loops):
    traced = Counter()
    model = handlers.trace(handlers.seed(nested(loops, traced), rng_seed=0))
    jax.eval_shape(lambda: [s.value for s in model.get_trace().values()])
    assert traced == dict.fromkeys(range(len(loops)), 1)


@pytest.mark.parametrize("loops", [(through_scan,) * 3, MIXED], ids=["scan", "mixed"])
def test_with_given_values_it_is_traced_once_more_for_each_level(loops):
    traced = Counter()
    model = nested(loops, traced)
    first = handlers.trace(handlers.seed(model, rng_seed=0)).get_trace()
    values = {name: site.value for name, site in first.items()}

    def terms(values):
        sites = handlers.trace(handlers.substitute(model, data=values)).get_trace()
        return {name: site.log_prob() for name, site in sites.items()}

    traced.clear()
    again = terms(values)
    assert traced == {level: level + 2 for level in range(len(loops))}
    for name, site in first.items():
        np.testing.assert_allclose(again[name], site.log_prob(), rtol=1e-6)


def test_values_given_inside_of_a_loop_reach_the_loop_in_it():
    def model(values):
        def outer(x, v):
            with handlers.substitute(data={"b": v}):
                y = through_scan(lambda x: ppl.sample("b", dist.Normal(x, 1.0)), x)
            return y, None

        return scan(outer, 0.0, values)[0]

    values = jnp.arange(6.0).reshape(3, 2)
    trace = handlers.trace(handlers.seed(model, rng_seed=0)).get_trace(values)
    np.testing.assert_array_equal(trace["b"].value, values)
    np.testing.assert_array_equal(trace["b"].fn.loc.ravel(), [0, *range(5)])
    program = str(
        jax.make_jaxpr(jax.grad(lambda v: handlers.seed(model, 0)(v)))(values)
    )
    assert "dynamic_update_slice" not in program.replace("_scatter", "")


def test_a_carry_gets_the_dtype_that_it_has_later():
    traced = Counter()

    def body(x):
        traced["body"] += 1
        return x + 0.5

    assert through_scan(body, 0) == 1.0
    assert traced["body"] == 2
    last = while_loop(lambda x: x < 2, body, 0)
    assert last == 2.0
    assert last.dtype == jnp.float32


def test_a_carry_that_changes_names_its_loop():
    with pytest.raises(ShapeError, match="while_loop: the carry has shape"):
        while_loop(lambda x: x.sum() < 2, lambda x: jnp.ones(3), 0.0)
    with pytest.raises(ShapeError, match="while_loop: the carry has the structure"):
        while_loop(lambda x: False, lambda x: (x, x), 0.0)
