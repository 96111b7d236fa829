"""What each handler means, measured on joint densities, and against NumPyro."""

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ArgumentError, DuplicateSiteError, ModelError, ShapeError
from tests.language.joint import (
    both,
    draw,
    joint,
    latent,
    peer_joint,
    same,
    sites,
    terms,
    total,
)

Y = np.array([0.5, -1.0, 2.0], np.float32)
MASK = np.array([True, False, True])


def base(p, y=Y):
    d = p.distributions

    def run():
        a = p.sample("a", d.Normal(0.0, 2.0))
        s = p.sample("s", d.Gamma(2.0, 3.0))
        with p.plate("N", 3):
            b = p.sample("b", d.Normal(a, s))
            p.sample("y", d.Normal(b, 1.0), obs=y)
        p.deterministic("t", a + b.sum())
        return a, b

    return run


# --- against NumPyro: the same text in both languages ---------------------------------


def nested_plates(p):
    d = p.distributions

    def run():
        with p.plate("I", 2, dim=-2):
            a = p.sample("a", d.Normal(0.0, 1.0))
            with p.plate("J", 3, dim=-1):
                b = p.sample("b", d.Normal(a, 0.5))
                p.sample("e", d.Normal(b[..., None], jnp.ones(4)).to_event(1))

    return run


def scales(p):
    def run():
        with p.handlers.scale(scale=2.0):
            base(p)()
            with p.handlers.scale(scale=0.25):
                p.sample("z", p.distributions.Normal(0.0, 1.0))
        with p.plate("M", 3), p.handlers.scale(scale=np.array([1.0, 2.0, 3.0])):
            p.sample("w", p.distributions.Normal(0.0, 1.0))

    return run


def masks(p):
    d = p.distributions

    def run():
        with p.plate("N", 3), p.handlers.mask(mask=MASK):
            a = p.sample("a", d.Normal(0.0, 1.0))
            with p.handlers.mask(mask=~MASK):
                p.sample("none", d.Normal(0.0, 1.0))
        with p.handlers.mask(mask=MASK), p.plate("M", 3):
            p.sample("outside", d.Gamma(2.0, 1.0), obs=np.array([1.0, 2.0, 3.0]))
        with p.handlers.mask(mask=False):
            p.sample("off", d.Normal(a.sum(), 1.0))
            p.factor("f", a.sum())
        with p.handlers.mask(mask=MASK):
            p.sample("wider", d.Normal(0.0, 1.0))
            event = p.distributions.Normal(jnp.zeros((3, 2)), 1.0).to_event(1)
            p.sample("event", event)

    return run


def factors(p):
    def run():
        a = p.sample("a", p.distributions.Normal(0.0, 1.0))
        p.factor("once", -a * a)
        with p.plate("N", 3):
            p.factor("thrice", a)
            p.factor("each", a * jnp.arange(3.0))

    return run


def scoped(p):
    scope = p.handlers.scope

    def run():
        a, _ = scope(base(p), prefix="one")()
        scope(scope(base(p, Y + a), prefix="two"), prefix="out", divider=".")()
        with p.plate("N", 2, dim=-2), scope(prefix="in"):
            base(p, np.stack([Y, -Y]))()

    return run


def conditioned(p):
    return p.handlers.condition(base(p), data={"a": 0.7, "b": Y, "y": -Y})


def conditioned_by_function(p):
    give = {"b": Y}
    return p.handlers.condition(
        base(p), condition_fn=lambda site: give.get(site["name"])
    )


def substituted(p):
    return p.handlers.substitute(base(p), data={"a": 0.7, "y": -Y})


def intervened(p):
    return p.handlers.do(base(p), data={"a": 10.0})


def hidden(p):
    def run():
        p.sample("seen", p.distributions.Normal(0.0, 1.0))
        with p.handlers.block(), p.handlers.substitute(data={"a": 0.1, "s": 1.0}):
            p.handlers.seed(base(p), rng_seed=1)()

    return run


def subsampled(p):
    d, chosen = p.distributions, jnp.array([4, 1])

    def run():
        a = p.sample("a", d.Normal(0.0, 1.0))
        with p.plate("N", 5, subsample_size=2) as i, p.handlers.scale(scale=3.0):
            y = p.subsample(np.arange(5.0), event_dim=0)
            p.sample("y", d.Normal(a, 1.0), obs=y)
            p.sample("z", d.Normal(a, 1.0), obs=jnp.arange(5.0)[i])

    return p.handlers.substitute(run, data={"N": chosen})


MODELS = [
    *(base, nested_plates, scales, masks, factors, scoped, conditioned),
    *(conditioned_by_function, substituted, intervened, hidden, subsampled),
]


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_joint_density_is_that_of_numpyro(build):
    ours, theirs = both(build)
    values = latent(draw(ours, seed=3))
    assert joint(ours, values) == pytest.approx(peer_joint(theirs, values), rel=1e-5)


@pytest.mark.parametrize(
    "build", [base, nested_plates, scales, masks, scoped, subsampled]
)
def test_a_trace_reads_as_numpyros(build):
    ours, theirs = both(build)
    left = draw(ours)
    numpyro = pytest.importorskip("numpyro")
    values = {n: s["value"] for n, s in left.items() if s["type"] == "sample"}
    given = numpyro.handlers.substitute(theirs, data=values)
    right = numpyro.handlers.trace(numpyro.handlers.seed(given, 0)).get_trace()
    assert list(left) == list(right)
    for name, site in left.items():
        other = right[name]
        assert site["type"] == other["type"]
        assert site["name"] == other["name"] == name
        np.testing.assert_allclose(site["value"], other["value"], rtol=1e-6)
        frames = [(f.name, f.dim, f.size) for f in site["cond_indep_stack"]]
        assert frames == [tuple(f) for f in other["cond_indep_stack"]]
        if site["type"] != "sample":
            continue
        assert site["is_observed"] == other["is_observed"]
        assert site["fn"].batch_shape == other["fn"].batch_shape
        assert site["fn"].event_shape == other["fn"].event_shape
        scale = 1.0 if other["scale"] is None else other["scale"]
        np.testing.assert_allclose(
            1.0 if site["scale"] is None else site["scale"], scale
        )
        np.testing.assert_allclose(  # masked, where it is masked
            site["fn"].log_prob(site["value"]),
            other["fn"].log_prob(other["value"]),
            rtol=1e-5,
            atol=1e-6,
        )


def test_what_a_site_does_not_have():
    trace = draw(base(ppl))
    assert trace["N"].get("fn") is None
    assert trace["t"].get("is_observed", False) is False
    with pytest.raises(KeyError):
        trace["a"]["no such field"]
    assert trace["a"]["mask"] is None


# --- known terms ----------------------------------------------------------------------

RUN = base(ppl)
VALUES = latent(draw(RUN))
BEFORE = terms(draw(handlers.substitute(RUN, data=VALUES)))
LOG_JOINT = sum(BEFORE.values())


def after(handler, *args, **options):
    return joint(handler(RUN, *args, **options), VALUES)


def test_scale_multiplies_and_nests():
    assert after(handlers.scale, scale=3.0) == pytest.approx(3 * LOG_JOINT)
    twice = handlers.scale(handlers.scale(RUN, scale=3.0), scale=0.5)
    assert joint(twice, VALUES) == pytest.approx(1.5 * LOG_JOINT)
    with pytest.raises(ArgumentError, match="> 0"):
        handlers.scale(RUN, scale=np.array([1.0, 0.0]))


def test_masks_are_anded():
    for left in (True, False, MASK, jnp.array(MASK)):
        for right in (True, False, ~MASK, np.True_):

            def model(left=left, right=right):
                members, outer = ppl.plate("N", 3), handlers.mask(mask=left)
                with members, outer, handlers.mask(mask=right):
                    ppl.sample("x", dist.Normal(0.0, 1.0))

            lp = draw(model)["x"].log_prob()
            kept = np.broadcast_to(np.logical_and(left, right), (3,))
            assert same(lp != 0, kept)


def test_mask_that_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="boolean"):
        handlers.mask(RUN, mask=np.ones(3))
    with pytest.raises(ShapeError, match=r"site 'b'.*\(2,\).*\(3,\)"):
        after(handlers.mask, mask=np.array([True, False]))


def test_mask_keeps_a_bad_value_out_of_the_gradient():
    import jax

    def density(scale):
        with handlers.trace() as trace, handlers.mask(mask=np.array([True, False])):
            y = np.array([1.0, np.nan])
            with ppl.plate("N", 2):
                ppl.sample("y", dist.Normal(0.0, scale), obs=y)
        return trace["y"].log_prob().sum()

    assert np.isfinite(jax.grad(density)(2.0))


def test_get_mask_is_what_a_site_would_get():
    assert ppl.get_mask() is None
    with handlers.mask(mask=True), handlers.mask(mask=MASK):
        assert same(ppl.get_mask(), MASK)


def test_condition_adds_nothing_but_an_observation():
    fixed = handlers.condition(RUN, data={"a": VALUES["a"]})
    rest = {n: v for n, v in VALUES.items() if n != "a"}
    assert joint(fixed, rest) == pytest.approx(LOG_JOINT)
    trace = draw(fixed)
    assert trace["a"]["is_observed"]
    assert latent(trace).keys() == {"s", "b"}
    for options in ({}, {"data": {}, "condition_fn": lambda site: None}):
        for handler in (handlers.condition, handlers.substitute):
            options = {
                k.replace("condition", handler.__name__): v for k, v in options.items()
            }
            with pytest.raises(ArgumentError, match="not both"):
                handler(RUN, **options)


def test_condition_checks_shapes_and_takes_lists():
    trace = draw(handlers.condition(RUN, data={"b": [1.0, 2.0, 3.0]}))
    assert same(trace["b"].value, [1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match="site 'b'"):
        draw(handlers.condition(RUN, data={"b": np.zeros(4)}))
    with pytest.raises(ModelError, match="not numeric"):
        draw(handlers.condition(RUN, data={"b": ["x", "y", "z"]}))


def test_substitute_reaches_params_plates_and_deterministic_sites():
    def model():
        w = ppl.param("w", jnp.ones(2))
        with ppl.plate("N", 5, subsample_size=2) as indices:
            pass
        return w, indices, ppl.deterministic("d", w[0])

    data = {"w": (1.0, 2.0), "N": np.array([3, 3]), "d": 9.0}
    w, indices, d = handlers.substitute(model, data=data)()
    assert (w, indices.tolist(), d) == ((1.0, 2.0), [3, 3], 9.0)


def test_replay_takes_latent_values_and_indices():
    def model(y):
        with ppl.plate("N", 9, subsample_size=3) as indices:
            x = ppl.sample("x", dist.Normal(0.0, 1.0))
        ppl.sample("y", dist.Normal(x.sum(), 1.0), obs=y)
        return x, indices

    old = draw(model, 1.0)
    replayed = handlers.replay(handlers.seed(model, rng_seed=1), trace=old)
    new = sites(replayed, 2.0)
    assert same(new["x"].value, old["x"].value)
    assert same(new["N"].value, old["N"].value)
    assert new["y"].value == 2.0
    assert not new["x"].is_observed
    with pytest.raises(ArgumentError, match="trace="):
        handlers.replay(model)


def test_do_cuts_off_what_stands_before():
    trace = draw(handlers.do(RUN, data={"a": [10.0]}))
    before = draw(RUN)
    assert same(trace["a"].value, before["a"].value)
    assert terms(trace)["a"] == terms(before)["a"]
    assert trace["b"].value.mean() > 5
    assert same(trace["b"].fn.loc, jnp.full(3, 10.0))
    with pytest.raises(ArgumentError, match="data="):
        handlers.do(RUN)


def test_block_chooses_what_to_hide():
    def visible(**options):
        return list(sites(handlers.block(handlers.seed(RUN, rng_seed=0), **options)))

    assert visible() == []
    assert visible(hide=["a", "N"]) == ["s", "b", "y", "t"]
    assert visible(expose=["a"]) == ["a"]
    assert visible(expose_types=["plate", "deterministic"]) == ["N", "t"]
    assert visible(hide_fn=lambda site: site["type"] == "sample") == ["N", "t"]
    with pytest.raises(ModelError, match="no key is there"):  # the key stands outside
        handlers.seed(handlers.block(RUN), rng_seed=0)()


def test_scope_renames_what_is_inside_only():
    def model():
        with ppl.plate("N", 2), handlers.scope(prefix="in"), ppl.plate("N", 3):
            return ppl.sample("x", dist.Normal(0.0, 1.0))

    trace = draw(model)
    assert list(trace) == ["N", "in/N", "in/x"]
    assert [f.name for f in trace["in/x"].plates] == ["N", "in/N"]
    within = handlers.trace(handlers.seed(handlers.scope(RUN, prefix="s"), rng_seed=0))
    assert list(within.get_trace()) == ["s/a", "s/s", "s/N", "s/b", "s/y", "s/t"]
    with handlers.scope(prefix="s"):
        inner = draw(RUN)
    assert [f.name for f in inner["b"].plates] == ["N"]  # here it has its own name
    kept = draw(handlers.scope(RUN, prefix="s", hide_types=["plate"]))
    assert list(kept) == ["s/a", "s/s", "N", "s/b", "s/y", "s/t"]
    assert [f.name for f in kept["s/b"].plates] == ["N"]


def test_one_model_twice():
    def model():
        one = handlers.scope(RUN, prefix="1")()
        two = handlers.scope(RUN, prefix="2")()
        return one[0] - two[0]

    assert abs(handlers.seed(model, rng_seed=0)()) > 1e-3
    values = {f"{i}/{n}": v for i in (1, 2) for n, v in VALUES.items()}
    assert joint(model, values) == pytest.approx(2 * LOG_JOINT)
    with pytest.raises(DuplicateSiteError, match="'a'.*scope"):
        draw(lambda: (RUN(), RUN()))


def test_names_are_taken_once():
    def model(first, second):
        statements = {
            "sample": lambda: ppl.sample("x", dist.Normal(0.0, 1.0)),
            "deterministic": lambda: ppl.deterministic("x", 1.0),
            "param": lambda: ppl.param("x", 1.0),
            "plate": lambda: ppl.plate("x", 3).__enter__(),
        }
        statements[first]()
        statements[second]()

    kinds = ("sample", "deterministic", "param", "plate")
    for first in kinds:
        for second in kinds:
            if first == second and first in ("param", "plate"):
                continue
            with handlers.trace(), pytest.raises(ModelError):
                draw(model, first, second)
    assert total(draw(model, "param", "param")) == 0.0
