"""What each output of a traced program depends on, whatever programs are inside."""

import jax
import jax.numpy as jnp
import pytest

from ppl._flow import dependences, reached


@jax.custom_jvp
def own_jvp(a, b):
    return a * 2.0, b


own_jvp.defjvp(lambda primals, tangents: (own_jvp(*primals), tangents))


@jax.custom_vjp
def own_vjp(a, b):
    return jnp.sin(a), b


own_vjp.defvjp(lambda a, b: (own_vjp(a, b), a), lambda a, g: (g[0] * jnp.cos(a), g[1]))


def loop(a, b, c):
    return jax.lax.while_loop(
        lambda s: s[0] < b, lambda s: (s[0] + 1.0, s[1] * 2), (a, c)
    )


def chain(a, b, c):
    """Step by step `a` goes on to the third place of the carry."""
    step = lambda s, x: ((s[0], s[0], s[1]), s[0] * x)  # noqa: E731
    (x, y, z), out = jax.lax.scan(step, (a, 0.0, b), jnp.stack([c, c]))
    return x, y, z, out


def branch(a, b, c):
    return jax.lax.cond(a > 0, lambda: (b, 0.0), lambda: (c, 1.0))


CASES = {
    "plain": (lambda a, b, c: (a + b, c, 1.0), ["ab", "c", ""]),
    "unused": (lambda a, b, c: (a, jnp.sin(b) * 0 + c), ["a", "bc"]),
    "jit": (jax.jit(lambda a, b, c: (a + 1, b * c)), ["a", "bc"]),
    "nested jit": (
        jax.jit(lambda a, b, c: jax.jit(lambda x, y: (y, x))(a, b)),
        ["b", "a"],
    ),
    "remat": (jax.checkpoint(lambda a, b, c: (jnp.sin(a), b)), ["a", "b"]),
    "custom_jvp": (lambda a, b, c: own_jvp(a, b), ["a", "b"]),
    "custom_vjp": (lambda a, b, c: own_vjp(a, b), ["a", "b"]),
    "gradient": (lambda a, b, c: (jax.grad(lambda x: b * x**2)(a), c), ["ab", "c"]),
    "cond": (branch, ["abc", "a"]),
    "while": (loop, ["ab", "abc"]),
    "scan": (chain, ["a", "a", "ab", "ac"]),
    "vmap": (jax.vmap(lambda a, b, c: (a * b, c), (0, None, 0)), ["ab", "c"]),
    "index": (lambda a, b, c: (jnp.zeros(3)[a.astype(int)], b.sum()), ["a", "b"]),
}


@pytest.mark.parametrize("case", CASES)
def test_dependences_are_found(case):
    function, expected = CASES[case]
    shape = (2,) if case == "vmap" else ()
    inputs = [jnp.ones(shape), jnp.ones(()), jnp.ones(shape)]
    jaxpr = jax.make_jaxpr(function)(*inputs)
    found = dependences(jaxpr, [frozenset(label) for label in "abc"])
    assert ["".join(sorted(labels)) for labels in found] == expected


@pytest.mark.parametrize("case", [c for c in CASES if c not in ("vmap", "index")])
def test_what_moves_an_output_is_among_its_dependences(case):
    """Independent of any reading of programs: move an input, and see what moves."""
    function, _ = CASES[case]
    jaxpr = jax.make_jaxpr(function)(1.0, 2.5, 3.0)
    found = dependences(jaxpr, [frozenset(label) for label in "abc"])
    for here in ([1.0, 2.5, 3.0], [-1.0, 2.5, 3.0]):
        for i, label in enumerate("abc"):
            moved = [x + 2.25 * (i == j) for j, x in enumerate(here)]
            pairs = zip(function(*here), function(*moved), strict=True)
            for labels, (one, other) in zip(found, pairs, strict=True):
                assert label in labels or jnp.array_equal(one, other)


def test_linear_solves_depend_on_all():
    def solved(a, b):
        return jax.lax.custom_linear_solve(lambda x: a * x, b, lambda f, y: y / a)

    found = dependences(
        jax.make_jaxpr(solved)(2.0, 3.0), [frozenset("a"), frozenset("b")]
    )
    assert found == [frozenset("ab")]


def test_reached_marks_outputs():
    jaxpr = jax.make_jaxpr(lambda a, b: (a, b, a * b))(1.0, 2.0).jaxpr
    assert reached(jaxpr, jaxpr.invars[:1]) == [True, False, True]
    assert reached(jaxpr, []) == [False, False, False]
