"""What the values of a traced program depend on, whatever programs are inside."""

import jax
import jax.numpy as jnp
import pytest

from ppl._flow import Reach, followed, joined, labelled, members, own, reaches


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


def countdown(a, b, c):
    """The test of the loop closes over `a`, its body over `b`."""
    step = lambda s: (s[0] + b, s[1] * 2)  # noqa: E731
    return jax.lax.while_loop(lambda s: s[0] < a, step, (0.0, c))


def shifting(a, b, c):
    """A reduction in which what comes first goes over into the second in the end."""
    step = lambda s, x: (x[0], s[0], s[1] + x[1] + x[2])  # noqa: E731
    rows = (jnp.stack([a, a]), jnp.stack([b, b]), jnp.stack([c, c]))
    return jax.lax.reduce(rows, (0.0, 0.0, 0.0), step, (0,))


def stopped(a, b, c):
    return a * jax.lax.stop_gradient(b), jnp.floor(c) + b, jnp.where(a > 0, b, c)


def counted(a, b, c):
    place = jnp.argmax(jnp.stack([a, b]))
    return place, jnp.stack([b, c])[place], (a > b) * c


@jax.custom_jvp
def straight(a):
    return jnp.round(a)


straight.defjvp(lambda primals, tangents: (straight(*primals), tangents[0]))


# Each output: what it depends on, and, where that is less, what it has a slope by.
CASES = {
    "plain": (lambda a, b, c: (a + b, c, 1.0), ["ab", "c", ""]),
    "unused": (lambda a, b, c: (a, jnp.sin(b) * 0 + c), ["a", "bc"]),
    "jit": (jax.jit(lambda a, b, c: (a + 1, b * c)), ["a", "bc"]),
    "nested jit": (
        jax.jit(lambda a, b, c: jax.jit(lambda x, y: (y, x))(a, b)),
        ["b", "a"],
    ),
    "remat": (jax.checkpoint(lambda a, b, c: (jnp.sin(a), b)), ["a", "b"]),
    "custom_jvp": (lambda a, b, c: own_jvp(a, b), ["a ab", "b ab"]),
    "custom_vjp": (lambda a, b, c: own_vjp(a, b), ["a ab", "b ab"]),
    "straight": (lambda a, b, c: (straight(a) * b, straight(c)), ["ab", "c"]),
    "gradient": (lambda a, b, c: (jax.grad(lambda x: b * x**2)(a), c), ["ab", "c"]),
    "cond": (branch, ["abc bc", "a -"]),
    "while": (loop, ["ab a", "abc c"]),
    "while over constants": (countdown, ["ab b", "abc c"]),
    "scan": (chain, ["a", "a", "ab", "ac"]),
    "reduction": (shifting, ["abc", "abc", "abc"]),
    "stopped": (stopped, ["ab a", "bc b", "abc bc"]),
    "counted": (counted, ["ab -", "abc bc", "abc c"]),
    "vmap": (jax.vmap(lambda a, b, c: (a * b, c), (0, None, 0)), ["ab", "c"]),
    "index": (lambda a, b, c: (jnp.zeros(3)[a.astype(int)], b.sum()), ["a -", "b"]),
}
OF_NUMBERS = [case for case in CASES if case not in ("vmap", "index")]


def found(function, *inputs):
    """What each output depends on, as text."""
    program = jax.make_jaxpr(function)(*inputs)
    assert reaches(program, [own(i) for i in range(3)]) == reaches(
        program.jaxpr, [own(i) for i in range(3)]
    )
    return labelled(program.jaxpr, program.jaxpr.invars)


def text(bits):
    return "".join(members(bits, "abc"))


@pytest.mark.parametrize("case", CASES)
def test_dependences_are_found(case):
    function, expected = CASES[case]
    shape = (2,) if case == "vmap" else ()
    reached = found(function, *(jnp.ones(s) for s in (shape, (), shape)))
    for reach, words in zip(reached, expected, strict=True):
        depends, _, slopes = words.partition(" ")
        assert text(reach.any) == depends
        assert text(reach.smooth) == (slopes or depends).strip("-")


@pytest.mark.parametrize("case", OF_NUMBERS)
def test_what_moves_an_output_is_among_its_dependences(case):
    """Independent of any reading of programs: move an input, and see what moves."""
    function, _ = CASES[case]
    reached = found(function, 1.0, 2.5, 3.0)
    for here in ([1.0, 2.5, 3.0], [-1.0, 2.5, 3.0]):
        for i, label in enumerate("abc"):
            moved = [x + 2.25 * (i == j) for j, x in enumerate(here)]
            pairs = zip(function(*here), function(*moved), strict=True)
            for reach, (one, other) in zip(reached, pairs, strict=True):
                assert label in text(reach.any) or jnp.array_equal(one, other)


@pytest.mark.parametrize("case", sorted({*OF_NUMBERS} - {"reduction", "custom_vjp"}))
def test_what_has_a_slope_is_among_the_smooth(case):
    """JAX's own derivatives, against what is said to have one."""
    function, _ = CASES[case]
    for here in ([1.0, 2.5, 3.0], [-1.0, 2.5, 3.0]):
        for i, label in enumerate("abc"):
            tangents = [float(i == j) for j in range(3)]
            _, slopes = jax.jvp(function, here, tangents)
            for reach, slope in zip(found(function, *here), slopes, strict=True):
                is_float = jnp.result_type(slope) != jax.dtypes.float0
                flat = not is_float or jnp.all(slope == 0)
                assert label in text(reach.smooth) or flat


def test_linear_solves_depend_on_all():
    def solved(a, b):
        return jax.lax.custom_linear_solve(lambda x: a * x, b, lambda f, y: y / a)

    program = jax.make_jaxpr(solved)(2.0, 3.0).jaxpr
    assert labelled(program, program.invars) == [Reach(0b11, 0b11)]


def test_some_inputs_are_labelled_and_others_are_not():
    program = jax.make_jaxpr(lambda a, b: (a, b, a * b))(1.0, 2.0).jaxpr
    one, none = own(0), Reach()
    assert labelled(program, program.invars[:1]) == [one, none, one]
    assert labelled(program, program.invars[1:]) == [none, one, one]
    assert labelled(program, []) == [none, none, none]


def test_values_within_a_program_are_labelled():
    program = jax.make_jaxpr(lambda a: (b := a * 2.0, b + a, a + 1.0))(1.0).jaxpr
    read = followed(
        program, [(program.invars[0], own(0)), (program.outvars[0], own(1))]
    )
    assert [read(v).any for v in program.outvars] == [0b11, 0b11, 0b01]


def test_sets_are_joined():
    assert joined([]) == Reach()
    assert joined([own(0), own(2), Reach(0b10, 0)]) == Reach(0b111, 0b101)
    assert members(0b101, ("x", "y", "z")) == ("x", "z")
