"""Plates: which dim, which members, what scale, and every way to get them wrong."""

import itertools
from contextlib import ExitStack

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ArgumentError, ArgumentTypeError, ModelError, ShapeError
from tests.language.joint import draw, joint, peer, same, sites, terms, total

STANDARD = dist.Normal(0.0, 1.0)
KEY = jax.random.PRNGKey(0)


def shapes(model):
    return {n: np.shape(s.value) for n, s in draw(model).items() if s.type == "sample"}


# --- dims -----------------------------------------------------------------------------


def test_dims_are_taken_from_the_right():
    def model():
        with ppl.plate("A", 2):
            ppl.sample("a", STANDARD)
            with ppl.plate("B", 3):
                ppl.sample("ab", STANDARD)
            with ppl.plate("C", 4):
                ppl.sample("ac", STANDARD)
                with ppl.plate("D", 5, dim=-4), ppl.plate("E", 6):
                    ppl.sample("acde", STANDARD)
        ppl.sample("none", STANDARD)

    assert shapes(model) == {
        **{"a": (2,), "ab": (3, 2), "ac": (4, 2), "acde": (5, 6, 4, 2), "none": ()},
    }


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25)
def test_explicit_dims_in_any_order(sizes, random):
    dims = random.sample([-1, -2, -3, -4], len(sizes))

    def model(p):
        with ExitStack() as stack:
            for i, (size, dim) in enumerate(zip(sizes, dims, strict=True)):
                stack.enter_context(p.plate(f"p{i}", size, dim=dim))
            return p.sample("x", p.distributions.Normal(0.0, 1.0), rng_key=KEY)

    expected = [1] * -min(dims)
    for size, dim in zip(sizes, dims, strict=True):
        expected[dim] = size
    for library in (ppl, peer()):
        assert jax.eval_shape(lambda p=library: model(p)).shape == tuple(expected)


def test_plate_stack_is_numpyros():
    def model(p):
        with p.plate_stack("p", [2, 3, 4], rightmost_dim=-2):
            p.sample("x", p.distributions.Normal(0.0, 1.0), rng_key=KEY)

    numpyro = peer()
    ours = sites(model, ppl)["x"]
    theirs = numpyro.handlers.trace(model).get_trace(numpyro)["x"]
    frames = [(f.name, f.dim, f.size) for f in ours["cond_indep_stack"]]
    assert frames == [tuple(f) for f in theirs["cond_indep_stack"]]
    assert ours.value.shape == theirs["value"].shape == (2, 3, 4, 1)
    with pytest.raises(ArgumentError, match="rightmost_dim"):
        ppl.plate_stack("p", [1], rightmost_dim=0).__enter__()


def test_distributions_are_expanded_and_members_independent():
    square = dist.Normal(jnp.zeros((2, 2)), 1.0).to_event(2)
    with ppl.plate("N", 3):
        x = ppl.sample("x", STANDARD, rng_key=KEY)
        one = ppl.sample("one", dist.Normal(jnp.zeros(1), 1.0), rng_key=KEY)
        event = ppl.sample("e", dist.Dirichlet(jnp.ones(3)), rng_key=KEY)
        matrix = ppl.sample("m", square, rng_key=KEY)
    assert x.shape == one.shape == (3,)
    assert len(np.unique(x)) == 3
    assert event.shape == (3, 3)
    assert matrix.shape == (3, 2, 2)


def test_frames_know_names_sizes_and_labels():
    labels = ["x", "y", "z"]
    rows, layers = ppl.plate("N", 3, coords=labels), ppl.plate("M", 2, dim=-3)
    with handlers.trace() as trace, rows as indices, layers:
        ppl.sample("x", STANDARD, rng_key=KEY)
        ppl.deterministic("d", 1.0)
    assert same(indices, [0, 1, 2])
    for name in ("x", "d"):
        outer, inner = trace[name].plates
        assert (outer.name, outer.dim, outer.size, outer.coords) == ("N", -1, 3, labels)
        assert (inner.name, inner.dim, inner.size, inner.coords) == ("M", -3, 2, None)
    assert trace["N"].value is not None


def test_one_plate_can_be_entered_again():
    members = ppl.plate("N", 4, subsample_size=2)

    def model():
        with members as first:
            ppl.sample("x", STANDARD)
        with ppl.plate("M", 3), members as second:
            ppl.sample("y", STANDARD)
        with ppl.plate("N", 4, subsample_size=2) as third:
            pass
        return first, second, third

    assert shapes(model) == {"x": (2,), "y": (2, 3)}
    first, second, third = handlers.seed(model, rng_seed=0)()
    assert same(first, second)  # one plate, one set of members
    assert same(first, third)


# --- subsampling ----------------------------------------------------------------------

Y = np.array([0.3, -1.0, 2.0, 0.7])


def regression(size=None):
    a = ppl.sample("a", STANDARD)
    with ppl.plate("N", 4, subsample_size=size):
        y = ppl.subsample(Y, event_dim=0)
        b = ppl.sample("b", dist.Normal(a, 1.0), obs=y * 0.5)
        ppl.sample("y", dist.Normal(b, 2.0), obs=y)
        ppl.factor("f", -0.1 * y)


def test_all_indices_give_the_whole_density():
    values = {"a": 0.4, "N": np.array([2, 0, 3, 1])}
    whole = joint(regression, {"a": 0.4})
    assert joint(regression, values) == pytest.approx(whole, rel=1e-6)
    assert joint(regression, {"a": 0.4}, 4) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_mean_over_all_subsets_is_the_whole_density(size, x64):
    subsets = [np.array(s) for s in itertools.combinations(range(4), size)]
    several = [joint(regression, {"a": 0.4, "N": s}, size) for s in subsets]
    assert np.mean(several) == pytest.approx(joint(regression, {"a": 0.4}), rel=1e-12)


def test_nested_subsamples_multiply():
    def model(rows, columns):
        r, c = ppl.plate("R", 6, rows, dim=-2), ppl.plate("C", 10, columns, dim=-1)
        with r, c, handlers.scale(scale=0.5):
            ppl.sample("x", STANDARD)

    trace = draw(model, 3, 2)
    assert trace["x"].value.shape == (3, 2)
    assert trace["x"].scale == pytest.approx(0.5 * 2 * 5)
    assert draw(model, None, None)["x"].scale == 0.5


def test_indices_are_a_random_subset():
    def model():
        with ppl.plate("N", 20, subsample_size=8) as i, ppl.plate("M", 20, 8) as j:
            return i, j

    one, two = handlers.seed(model, rng_seed=0), handlers.seed(model, rng_seed=1)
    assert all(same(a, b) for a, b in zip(one(), one(), strict=True))
    assert not same(one()[0], two()[0])
    assert not same(one()[0], one()[1])
    for i in (*one(), *two()):
        assert len(set(np.asarray(i).tolist())) == 8
        assert 0 <= i.min() <= i.max() < 20


def test_indices_are_uniform():
    def indices(key):
        with handlers.seed(rng_seed=key), ppl.plate("N", 5, subsample_size=2) as i:
            return i

    drawn = jax.vmap(indices)(jax.random.split(KEY, 2000))
    counts = np.bincount(np.asarray(drawn).ravel(), minlength=5)
    z = (counts - 800) / np.sqrt(2000 * 0.4 * 0.6)
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("event_dim", [0, 1, 2])
def test_subsample_takes_rows_of_all_plates(event_dim):
    data = np.random.default_rng(0).normal(size=(6, 5, *[3] * event_dim))

    def model():
        with ppl.plate("C", 5, 2, dim=-1) as c, ppl.plate("R", 6, 4, dim=-2) as r:
            return ppl.subsample(data, event_dim=event_dim), r, c

    taken, r, c = handlers.seed(model, rng_seed=0)()
    np.testing.assert_allclose(taken, data[np.ix_(r, c)], rtol=1e-6)


def test_subsample_leaves_alone_what_has_no_such_dim():
    with handlers.seed(rng_seed=0), ppl.plate("R", 6, 4, dim=-2):
        assert ppl.subsample(np.arange(5.0), event_dim=0).shape == (5,)
        assert ppl.subsample(np.ones((1, 5)), event_dim=0).shape == (1, 5)
        with pytest.raises(ShapeError, match="plate 'R' of size 6"):
            ppl.subsample(np.ones((4, 5)), event_dim=0)
    with ppl.plate("R", 6), pytest.raises(ShapeError, match="plate 'R' of size 6"):
        ppl.subsample(np.ones(4), event_dim=0)
    assert ppl.subsample(np.ones(4), event_dim=0).shape == (4,)


def test_params_are_subsampled_if_they_say_so():
    def model(event_dim):
        with ppl.plate("N", 5, subsample_size=2) as i:
            w = ppl.param("w", jnp.arange(15.0).reshape(5, 3), event_dim=event_dim)
        return w, i

    w, i = handlers.seed(model, rng_seed=0)(1)
    assert same(w, np.arange(15.0).reshape(5, 3)[np.asarray(i)])
    assert handlers.seed(model, rng_seed=0)(None)[0].shape == (5, 3)
    trace = draw(model, 1)
    assert trace["w"].value.shape == (5, 3)  # the whole param is what is fitted


# --- with other handlers --------------------------------------------------------------


def test_what_stands_inside_or_outside_of_a_plate():
    def model(around, within):
        with around, ppl.plate("N", 3), within:
            ppl.sample("x", STANDARD)

    nothing = handlers.scale(scale=1.0)
    mask = np.array([True, False, True])
    for make in (
        lambda: handlers.mask(mask=mask),
        lambda: handlers.scale(scale=np.array([1.0, 2.0, 3.0])),
        lambda: handlers.scope(prefix="s", hide_types=["plate"]),
    ):
        outside, inside = draw(model, make(), nothing), draw(model, nothing, make())
        assert terms(outside) == pytest.approx(terms(inside))
    assert list(draw(model, handlers.scope(prefix="s"), nothing)) == ["s/N", "s/x"]
    assert list(draw(model, nothing, handlers.scope(prefix="s"))) == ["N", "s/x"]


def test_a_block_shuts_a_plate_out():
    with ppl.plate("N", 3), handlers.block():
        assert ppl.sample("x", STANDARD, rng_key=KEY).shape == ()
    hidden = ppl.plate("M", 3)  # it knows of no other, and so takes the same dim
    refused = pytest.raises(ModelError, match="both use dim -1")
    with ppl.plate("N", 3), handlers.block(hide=["M"]), hidden, refused:
        ppl.sample("x", STANDARD, rng_key=KEY)


# --- mistakes -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3.0, "3", None, True, np.float64(3), [3]])
def test_sizes_are_integers(size):
    with pytest.raises(ArgumentTypeError, match="plate 'N': size must be an int"):
        ppl.plate("N", size)


def test_integers_of_any_library_are_sizes():
    for size in (np.int64(3), np.uint8(3), jnp.int32(3)):
        assert ppl.plate("N", size).size == 3
    with ppl.plate("N", 0):
        assert ppl.sample("x", STANDARD, rng_key=KEY).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("N", -3), "must be > 0, got -3"),
        (("N", 5, 10), "subsample_size 10 > size 5"),
        (("N", 5, 0), "subsample_size must be > 0"),
        (("N", 5, None, 0), "dim must be negative"),
        (("N", 5, None, 2), "dim must be negative"),
    ],
)
def test_sizes_and_dims_have_a_range(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ppl.plate(*arguments)


def test_there_are_as_many_labels_as_members():
    with pytest.raises(ArgumentError, match="plate 'N': 2 coords for size 3"):
        ppl.plate("N", 3, coords=["a", "b"])


def test_dims_and_names_are_taken_once():
    members = ppl.plate("A", 3)
    with members, pytest.raises(ModelError, match="'A' and 'B' both use dim -1"):
        ppl.plate("B", 3, dim=-1).__enter__()
    for around in (handlers.block(hide=[]), handlers.scope(prefix="s")):
        with around, members, pytest.raises(ModelError, match="nested in itself"):
            ppl.plate("A", 3).__enter__()


def test_one_name_has_one_size():
    def model(size, subsample_size=None):
        with ppl.plate("N", 5):
            ppl.sample("x", STANDARD)
        with ppl.plate("N", size, subsample_size):
            ppl.sample("y", STANDARD)

    with pytest.raises(ModelError, match="plate 'N' is used with sizes 5 .* and 6"):
        draw(model, 6)
    with pytest.raises(ModelError, match="plate 'N' is used with subsample_sizes 5"):
        draw(model, 5, 2)
    draw(model, 5)


@pytest.mark.parametrize(
    ("fn", "obs", "words"),
    [
        (dist.Normal(jnp.zeros(4), 1.0), None, ["(4,)", "'N'", "size 5", "dim -1"]),
        (STANDARD, np.zeros(4), ["(4,)", "(5,)", "plate 'N'"]),
        (STANDARD, np.float32(1.0), ["()", "(5,)"]),
        (STANDARD, np.zeros((5, 1)), ["(5, 1)", "(5, 5)", "squeeze(-1)"]),
        (STANDARD, np.zeros((2, 5)), ["(2, 5)", "(5,)"]),
        (dist.Normal(jnp.zeros((5, 3)), 1.0), None, ["(5, 3)", "to_event"]),
        (dist.Dirichlet(jnp.ones(3)), np.full((5, 2), 0.5), ["(5, 2)", "(5, 3)"]),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_are_explained(fn, obs, words):
    with ppl.plate("N", 5), pytest.raises(ShapeError) as caught:
        ppl.sample("y", fn, obs=obs, rng_key=KEY)
    for word in ["site 'y'", "test_plates.py:", *words]:
        assert word in str(caught.value)


def test_a_column_never_meets_a_row():
    with pytest.raises(ShapeError, match=r"\(5, 5\).*squeeze"):
        ppl.sample("y", dist.Normal(np.zeros(5), 1.0), obs=np.zeros((5, 1)))
    assert total(draw(lambda: ppl.sample("y", STANDARD, obs=np.zeros((5, 1))))) < -4
