"""Laws that every handler obeys, whatever it is for."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import PPLError
from ppl._sites import _STACK, Handler, perform
from tests.language.joint import draw, same, sites, terms


def model():
    a = ppl.sample("a", dist.Normal(0.0, 1.0))
    ppl.sample("b", dist.Normal(a, 2.0), obs=0.5)
    p = ppl.param("p", 1.5)
    ppl.deterministic("d", a + p)
    with ppl.plate("N", 3):
        c = ppl.sample("c", dist.Normal(a, 1.0))
    ppl.factor("f", 0.3 * a)
    return a + c.sum()


BASE = draw(model)  # the draws of seed 0
A = BASE["a"].value

# Each handler aims at one site on which no other depends, or at `a` or `p` with the
# value that these have anyway: so it may change that site itself and nothing else. What
# it does to log densities is a factor.


def plain(name):
    return name.rpartition("/")[2]


def about_a(site):
    """A strategy for `a` under any prefix: its value, without sampling anything."""
    return (lambda name, fn, obs: (None, A)) if plain(site.name) == "a" else None


HANDLERS = {
    "block": (partial(handlers.block, hide=["a"]), {"a"}, 1.0),
    "condition": (partial(handlers.condition, data={"a": A}), {"a"}, 1.0),
    "do": (partial(handlers.do, data={"a": A}), set(), 1.0),
    "infer_config": (
        partial(handlers.infer_config, config_fn=lambda site: {"hint": site.name}),
        set(),
        1.0,
    ),
    "lift": (partial(handlers.lift, prior={"p": dist.Delta(1.5)}), {"p"}, 1.0),
    "mask": (partial(handlers.mask, mask=True), set(), 1.0),
    "reparam": (partial(handlers.reparam, config=about_a), {"a"}, 1.0),
    "replay": (partial(handlers.replay, trace={"a": BASE["a"]}), set(), 1.0),
    "scale": (partial(handlers.scale, scale=3.0), set(), 3.0),
    "scope": (partial(handlers.scope, prefix="s"), set(), 1.0),
    "seed": (partial(handlers.seed, rng_seed=0), set(), 1.0),
    "substitute": (partial(handlers.substitute, data={"a": A}), set(), 1.0),
    "trace": (handlers.trace, set(), 1.0),
    "uncondition": (handlers.uncondition, {"b"}, 1.0),
}
every = pytest.mark.parametrize("name", HANDLERS)
unmet = pytest.mark.filterwarnings("ignore:.* was given 'p?a?', which")


def make(name, *args):
    return HANDLERS[name][0](*args)


def inner(name):
    """The model with its randomness inside of the handler, so that all can be seen."""
    return model if name == "seed" else handlers.seed(model, rng_seed=0)


def assert_equal_traces(left, right):
    assert list(left) == list(right)
    for name, site in left.items():
        other = right[name]
        assert type(site) is type(other)
        assert same(site.value, other.value), name
        for field in ("name", "plates", "is_observed", "scale", "mask"):
            assert site.get(field) == other.get(field), (name, field)
    assert terms(left) == terms(right)


def test_every_handler_in_the_package_is_here():
    assert set(HANDLERS) == set(handlers.__all__)


@every
def test_unrelated_sites_stay_as_they_are(name):
    _, touched, factor = HANDLERS[name]
    trace = {plain(n): s for n, s in sites(make(name, inner(name))).items()}
    assert [n for n in trace if n not in touched] == [
        n for n in BASE if n not in touched
    ]
    density = terms(trace)
    for other in set(trace) - touched:
        site, before = trace[other], BASE[other]
        assert type(site) is type(before)
        assert same(site.value, before.value)
        assert site.get("is_observed") == before.get("is_observed")
        if site.type == "sample":
            assert density[other] == pytest.approx(factor * terms(BASE)[other])


@every
def test_wrapping_is_the_same_as_a_with_statement(name):
    with handlers.trace() as within, make(name):
        result = inner(name)()
    assert_equal_traces(within, sites(make(name, inner(name))))
    assert same(result, make(name, inner(name))())


@every
def test_a_handler_is_a_decorator(name):
    bare = make(name)
    decorated = bare(inner(name))
    assert_equal_traces(sites(decorated), sites(make(name, inner(name))))
    assert bare.fn is None


@every
def test_a_handler_can_be_used_again(name):
    wrapped, bare = make(name, inner(name)), make(name)
    first = sites(wrapped)
    assert_equal_traces(first, sites(wrapped))
    for _ in range(2):
        with handlers.trace() as within, bare:
            inner(name)()
        assert_equal_traces(first, within)


@unmet
@every
def test_a_handler_inside_itself_is_two_of_them(name):
    bare = make(name)
    with handlers.trace() as once, bare, bare:
        inner(name)()
    with handlers.trace() as apart, make(name), make(name):
        inner(name)()
    assert_equal_traces(once, apart)
    with handlers.trace() as after, bare:  # and it has come out of itself whole
        inner(name)()
    assert_equal_traces(after, sites(make(name, inner(name))))


@every
def test_a_failing_model_leaves_no_handler_behind(name):
    def failing():
        model()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make(name, handlers.seed(failing, rng_seed=0))()
    assert _STACK.get() == ()
    assert ppl.prng_key() is None
    with pytest.raises(PPLError):  # checks of parameters are back as well
        dist.Normal(0.0, -1.0)


def test_an_entry_without_an_exit_ends_with_the_one_around_it():
    with handlers.trace():
        handlers.scope(prefix="lost").__enter__()
    assert _STACK.get() == ()


@every
def test_works_under_jit_and_vmap(name):
    def density(key, shift):
        def shifted():
            x = ppl.sample("x", dist.Normal(shift, 1.0))
            return x, model()

        around = handlers.seed(shifted, rng_seed=key)
        with handlers.trace() as trace:
            value = make(name, around)()
        lps = [jnp.sum(s.log_prob()) for s in trace.values() if s.type == "sample"]
        return sum(lps), value

    keys = jax.random.split(jax.random.PRNGKey(3), 3)
    shifts = jnp.arange(3.0)
    together = jax.jit(jax.vmap(density))(keys, shifts)
    for i in range(3):
        alone = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        expected = density(keys[i], shifts[i])
        jax.tree.map(partial(np.testing.assert_allclose, rtol=2e-5), alone, expected)


@unmet
@every
def test_threads_do_not_meet(name):
    shared = make(name)

    def work(i):
        with handlers.trace() as trace, handlers.seed(rng_seed=i), shared:
            for again in range(2):
                with handlers.scope(prefix=str(again)):
                    model()
        return {n: np.asarray(s.value).tolist() for n, s in trace.items()}

    seeds = [*range(8)]
    alone = [work(i) for i in seeds]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(work, seeds))
    assert together == alone
    assert name == "seed" or len({str(values) for values in alone}) == 8


def test_threads_with_one_wrapped_model_and_one_plate():
    members = ppl.plate("N", 50, subsample_size=5)

    def subsampled():
        with members as indices:
            return indices, ppl.sample("x", dist.Normal(0.0, 1.0))

    def work(i):
        return jax.tree.map(np.asarray, handlers.seed(subsampled, rng_seed=i)())

    alone = [work(i) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(work, [*range(8)] * 4))
    for left, right in zip(together, alone * 4, strict=True):
        assert same(left, right)
    assert len({indices.tobytes() for indices, _ in alone}) == 8


# --- order ----------------------------------------------------------------------------


def around(*outermost_first):
    """What a trace sees when these handlers stand around the model."""
    wrapped = model
    for handler in reversed(outermost_first):
        wrapped = handler(wrapped)
    return sites(wrapped)


SEED = partial(handlers.seed, rng_seed=0)
SCOPE = partial(handlers.scope, prefix="s")


def test_a_scope_inside_of_seed_changes_the_draws_and_outside_does_not():
    assert same(around(SCOPE, SEED)["s/a"].value, A)
    assert not same(around(SEED, SCOPE)["s/a"].value, A)


@unmet
def test_values_are_given_by_the_name_that_the_handler_sees():
    for give in (handlers.substitute, handlers.condition):
        by_own = around(SCOPE, partial(give, data={"a": 7.0}), SEED)
        by_scoped = around(partial(give, data={"s/a": 7.0}), SCOPE, SEED)
        assert by_own["s/a"].value == by_scoped["s/a"].value == 7.0
        assert around(partial(give, data={"a": 7.0}), SCOPE, SEED)["s/a"].value == A


@pytest.mark.parametrize("give", [handlers.substitute, handlers.condition])
def test_of_two_given_values_the_outer_one_holds(give):
    trace = around(partial(give, data={"a": 1.0}), partial(give, data={"a": 2.0}), SEED)
    assert trace["a"].value == 1.0


def test_of_two_interventions_the_inner_one_holds():
    one, two = ({"a": 1.0}, {"a": 2.0})
    trace = around(*(partial(handlers.do, data=d) for d in (one, two)), SEED)
    assert trace["d"].value == 2.0 + 1.5
    assert trace["a"].value == A


def test_a_trace_sees_what_a_block_around_it_hides():
    with handlers.block(), handlers.seed(rng_seed=0), handlers.trace() as inside:
        model()
    assert list(inside) == list(BASE)
    with handlers.trace() as outside, handlers.block(), handlers.seed(rng_seed=0):
        model()
    assert not outside


def test_scale_and_mask_commute():
    scale = partial(handlers.scale, scale=3.0)
    mask = partial(handlers.mask, mask=np.array(False))
    one, other = around(scale, mask, SEED), around(mask, scale, SEED)
    assert terms(one) == terms(other) == dict.fromkeys(terms(BASE), 0.0)
    assert same(one["c"].value, BASE["c"].value)


def test_what_is_no_model_is_refused():
    with pytest.raises(PPLError, match="callable"):
        handlers.scale(3.0)
    for bare in (handlers.trace(), handlers.block(), handlers.mask(mask=True)):
        with pytest.raises(PPLError, match="wraps no model"):
            bare()
    with pytest.raises(PPLError, match="wraps no model"):
        handlers.trace().get_trace()


def test_a_handler_of_ones_own():
    class Doubled(Handler):
        def handle(self, site):
            out = perform(site)
            return replace(out, value=2 * out.value) if site.name == "a" else out

    trace = around(SEED, Doubled)
    assert same(trace["a"].value, A)  # the trace stands outside of it
    assert same(trace["d"].value, 2 * A + 1.5)
