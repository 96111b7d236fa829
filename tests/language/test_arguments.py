"""Data that a model is given: what becomes of them, and what is refused."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ArgumentTypeError, ControlFlowError, ModelError, PPLError
from ppl.arguments import Arguments, ConstantArgumentWarning
from ppl.target import trace_model


def density(model, *args, **kwargs):
    return trace_model(model, args, kwargs).density


def at(model, position, *args, **kwargs):
    return float(density(model, *args, **kwargs)(jnp.asarray(position)))


def mean(y):
    a = ppl.sample("a", dist.Normal(0.0, 1.0))
    ppl.sample("y", dist.Normal(a, 1.0), obs=y)


NUMBERS = [1.0, 2.5, -0.5]
FORMS = {
    "list": NUMBERS,
    "numpy": np.array(NUMBERS),
    "float32": np.array(NUMBERS, np.float32),
    "jax": jnp.array(NUMBERS),
    "series": pd.Series(NUMBERS),
    "column": pd.DataFrame({"y": NUMBERS, "z": ["a", "b", "c"]})["y"],
    "nullable": pd.Series(NUMBERS, dtype="Float64"),
    "objects": np.array(NUMBERS, object),
    "scalars": [np.float32(v) for v in NUMBERS],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_is_the_same_data(form):
    expected = -0.5 * np.sum((np.array(NUMBERS) - 0.3) ** 2) - 0.5 * 0.3**2
    expected -= 4 * 0.5 * np.log(2 * np.pi)
    assert at(mean, [0.3], FORMS[form]) == pytest.approx(expected, rel=1e-6)
    target = density(mean, FORMS[form])
    assert len(target.data) == 1  # a leaf, not a constant
    given = handlers.condition(lambda: mean(None), data={"y": FORMS[form]})
    assert at(lambda: mean(FORMS[form]), [0.3]) == pytest.approx(expected, rel=1e-6)
    assert given.data["y"] is FORMS[form]


def test_structures_come_back_as_they_went_in():
    seen = []

    def model(x, pair, *rest, table, switch, name=None, count=3, missing=None):
        seen.append(
            (type(x), type(pair), rest, set(table), switch, name, count, missing)
        )
        ppl.sample("a", dist.Normal(0.0, 1.0))
        total = x.sum() + pair[0].sum() + pair[1][0].sum() + table["u"].sum()
        ppl.factor("f", total + table["v"]["w"].sum() + rest[1])

    args = (np.ones(2), (np.ones(3), [np.ones(4)]), "text", 2.0)
    options = {"table": {"u": np.ones(5), "v": {"w": [1, 2]}}, "switch": True}
    target = density(model, *args, **options, missing=None)
    assert len(target.data) == 5
    assert target.spec.arguments.names == (
        *("argument 0", "args[1][0]", "args[1][1][0]", "table['u']", "table['v']['w']"),
    )
    (_, pair, rest, keys, switch, name, count, missing) = seen[-1]
    assert (pair, rest, keys) == (tuple, ("text", 2.0), {"u", "v"})
    assert (switch, name, count, missing) == (True, None, 3, None)
    assert float(target(jnp.zeros(1))) == pytest.approx(
        2 + 3 + 4 + 5 + 3 + 2 - 0.9189385
    )


def test_scalars_and_text_are_part_of_the_program():
    def model(scale, kind, shift):
        fn = {"normal": dist.Normal, "cauchy": dist.Cauchy}[kind]
        ppl.sample("a", fn(shift, scale))

    assert density(model, 2.0, "normal", np.float64(1.0)).data == ()
    assert at(model, [1.0], 2.0, "normal", 1) == pytest.approx(-0.9189385 - np.log(2))
    assert at(model, [1.0], 1, "cauchy", True) == pytest.approx(-np.log(np.pi))
    one, other = (density(model, 2.0, k, 0) for k in ("normal", "cauchy"))
    assert one.spec != other.spec
    assert one.spec == density(model, 2.0, "normal", 0).spec


def test_lists_that_are_no_array_stay_lists():
    def model(groups, names):
        for group, name in zip(groups, names, strict=True):
            ppl.sample(name, dist.Normal(0.0, 1.0), obs=group)

    target = density(model, [[1.0, 2.0], [3.0]], ["one", "two"])
    assert [leaf.shape for leaf in target.data] == [(2,), (1,)]
    inside = density(mean, [jnp.float32(1.0), jnp.float32(2.0)])
    assert len(inside.data) == 2
    assert inside(jnp.zeros(1)) == density(mean, [1.0, 2.0])(jnp.zeros(1))


def test_an_object_that_is_no_data_is_compared_by_identity():
    class Settings:
        __hash__ = None
        scale = 2.0

    def model(settings):
        ppl.sample("a", dist.Normal(0.0, settings.scale))

    settings = Settings()
    before = density(model, settings)
    assert before.spec == density(model, settings).spec
    assert before.spec != density(model, Settings()).spec
    settings.scale = 3.0
    assert before.spec != density(model, settings).spec


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint8, np.float16])
def test_dtypes_of_data(dtype):
    y = np.array([0, 1, 1]).astype(dtype)

    def model(y):
        p = ppl.sample("p", dist.Beta(1.0, 1.0))
        ppl.sample("y", dist.Bernoulli(p), obs=y)

    assert at(model, [0.0], y) == pytest.approx(3 * np.log(0.5) + np.log(0.25))


def test_what_is_no_number_is_refused():
    for labels in (np.array(["a"]), pd.Series(["a"]), np.array([object()])):
        with pytest.raises(ArgumentTypeError, match="argument 0.*not numeric"):
            density(mean, labels)
    dates = pd.Series(pd.to_datetime(["2020-01-01"]))
    with pytest.raises(ArgumentTypeError, match="y: dtype datetime"):
        density(mean, y=dates)
    with pytest.raises(PPLError, match="site 'y'.*not numeric"):
        density(mean, ["a", "b"])


def test_integers_beyond_int32_are_refused(x64):
    big = np.array([1, 3_000_000_000])
    arguments, (leaf,) = Arguments.of((big,), {})
    assert leaf.dtype == np.int64
    jax.config.update("jax_enable_x64", False)
    for wrong, worst in ((big, "3000000000"), (-big, "-3000000000")):
        with pytest.raises(ModelError, match=f"argument 0: value {worst}.*int32.*x64"):
            density(mean, wrong)
        with pytest.raises(ModelError, match=f"site 'y'.*{worst}"):
            density(lambda wrong=wrong: mean(wrong))
    assert len(arguments.parts) == 1


# --- models that look at values -------------------------------------------------------


def by_group(y, group, x):
    count = len(np.unique(group))
    a = ppl.sample("a", dist.Normal(0.0, 1.0))
    with ppl.plate("G", count):
        b = ppl.sample("b", dist.Normal(a, 1.0))
    ppl.sample("y", dist.Normal(b[group] * x, 1.0), obs=y)


def expected_by_group(position, y, group, x):
    a, b = position[0], np.asarray(position[1:])
    lp = -0.5 * (a**2 + np.sum((b - a) ** 2) + np.sum((y - b[group] * x) ** 2))
    return lp - 0.5 * np.log(2 * np.pi) * (1 + len(b) + len(y))


Y, X = np.array([0.5, 1.0, -1.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])


def test_a_model_that_looks_at_values_works_and_says_so_once():
    for group, position in (
        (np.array([0, 1, 1, 0]), [0.1, 0.2, 0.3]),
        (np.array([2, 1, 0, 0]), [0.1, 0.2, 0.3, 0.4]),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            target = density(by_group, Y, group, x=X)
        (warning,) = caught
        assert warning.category is ConstantArgumentWarning
        assert "argument 1" in str(warning.message)
        assert "argument 0" not in str(warning.message)
        assert warning.filename == __file__
        assert len(target.data) == 2  # y and x are leaves still
        value = float(jax.jit(lambda t, p: t(p))(target, jnp.array(position)))
        expected = expected_by_group(position, Y, group, X)
        assert value == pytest.approx(expected, rel=1e-6)


LOOKS = {
    "int": lambda g: int(g.max()) + 1,
    "len of unique": lambda g: len(np.unique(g)),
    "plate size": lambda g: g.max() + 1,
    "shape": lambda g: jnp.zeros(g.max() + 1).shape[0],
    "range": lambda g: len(range(g.max() + 1)),
    "bool": lambda g: 2 if g.max() > 0 else 1,
    "item": lambda g: g.max().item() + 1,
    "numpy": lambda g: np.asarray(g).max() + 1,
    "boolean index": lambda g: len(np.unique(g[g >= 0])),
    "method of numpy": lambda g: len({*g.tolist()}),
    "type": lambda g: {np.ndarray: 2}[type(g)],
}


@pytest.mark.parametrize("look", LOOKS)
def test_ways_of_looking(look):
    def model(g, y):
        with ppl.plate("G", LOOKS[look](g)):
            b = ppl.sample("b", dist.Normal(0.0, 1.0))
        ppl.sample("y", dist.Normal(b[g], 1.0), obs=y)

    group, y = np.array([0, 1, 1]), np.array([1.0, 2.0, 3.0])
    for form in (group, jnp.array(group), pd.Series(group), group.tolist()):
        with pytest.warns(ConstantArgumentWarning, match="argument 0: "):
            target = density(model, form, y)
        assert target.layout.size == 2
        assert len(target.data) == 1


def test_several_arguments_that_are_looked_at():
    def model(a, b, c):
        if a.sum() > 0 and b.sum() > 0:
            ppl.sample("x", dist.Normal(c.sum(), 1.0))

    with pytest.warns(ConstantArgumentWarning, match="argument 0, argument 1: "):
        target = density(model, np.ones(2), np.ones(3), np.ones(4))
    assert [leaf.shape for leaf in target.data] == [(4,)]


def test_a_model_that_fails_anyway_keeps_its_own_error():
    def model(y, fails):
        ppl.sample("a", dist.Normal(0.0, 1.0))
        if fails:
            raise ZeroDivisionError("mine")
        ppl.sample(
            "y", dist.Normal(int(y.max()), 1.0), obs=np.zeros(3) + np.zeros((3, 1))
        )

    with pytest.raises(ZeroDivisionError, match="mine"):
        density(model, np.ones(3), fails=True)

    def late(y):
        int(y.max())
        with ppl.plate("N", 2):
            ppl.sample("y", dist.Normal(0.0, 1.0), obs=y)

    with pytest.raises(ModelError, match="site 'y'"):
        density(late, np.ones(3))


# --- models that look at random values ------------------------------------------------


def latents(use, *fns):
    def model(y):
        values = [ppl.sample(name, fn) for name, fn in zip("abc", fns, strict=False)]
        use(*values)
        ppl.sample("y", dist.Normal(0.0, 1.0), obs=y)

    return model


STANDARD = dist.Normal(0.0, 1.0)
SIMPLEX = dist.Dirichlet(np.ones(3))
CULPRITS = [
    ("a", lambda a: 1 if a > 0 else 0, [STANDARD]),
    ("b", lambda a, b: 1 if b > 0 else 0, [STANDARD, STANDARD]),
    ("b", lambda a, b: 1 if jnp.exp(b) + 1 > 0 else 0, [STANDARD, STANDARD]),
    ("a", lambda a, b: 1 if a + b > 0 else 0, [STANDARD, dist.Gamma(2.0, 1.0)]),
    ("c", lambda a, b, c: np.asarray(c), [STANDARD, SIMPLEX, SIMPLEX]),
    ("a", lambda a: range(a), [dist.Poisson(3.0)]),
    ("a", lambda a: [1, 2][a], [dist.Bernoulli(0.5)]),
    ("b", lambda a, b: float(b[0, 0]), [STANDARD, dist.LKJCholesky(3, 1.0)]),
    ("a", lambda a: a if a in (1.0, 2.0) else 0, [dist.Uniform(1.0, 2.0)]),
    ("a", lambda a: jnp.zeros(a), [dist.Poisson(3.0)]),
    ("a", lambda a: np.log(a), [dist.Exponential(1.0)]),
]


@pytest.mark.parametrize(("name", "use", "fns"), CULPRITS, ids=range(len(CULPRITS)))
def test_control_flow_on_a_random_value_names_the_site(name, use, fns):
    message = r"test_arguments.py:\d+.*jnp.where"
    with pytest.raises(ControlFlowError, match=message) as caught:
        density(latents(use, *fns), np.ones(2))
    assert caught.value.site == name
    assert caught.value.__cause__ is not None


def test_control_flow_in_a_plate_and_under_handlers():
    def model():
        with ppl.plate("N", 3):
            x = ppl.sample("x", STANDARD)
        if x.sum() > 0:
            ppl.sample("y", STANDARD)

    for wrapped in (model, handlers.scale(model, scale=2.0), partial(model)):
        with pytest.raises(ControlFlowError, match="site 'x'"):
            density(wrapped)
    with pytest.raises(ControlFlowError, match="site 's/x'"):
        density(handlers.scope(model, prefix="s"))
    assert density(handlers.condition(model, data={"x": np.ones(3)})).layout.size == 1


def test_a_closed_over_jax_array_that_is_looked_at():
    group = jnp.array([0, 1])

    def model():
        with ppl.plate("G", int(group.max()) + 1):
            ppl.sample("b", STANDARD)

    with pytest.raises(ControlFlowError, match="with NumPy") as caught:
        density(model)
    assert caught.value.site is None
