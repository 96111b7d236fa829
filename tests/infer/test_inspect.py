"""Dependences and relations of models, as NumPyro has them and by definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import (
    ControlFlowError,
    DuplicateSiteError,
)
from ppl.infer import inspect
from tests.infer.inspected import MODELS, pair
from tests.language.joint import peer


def their_inspect():
    peer()
    return pytest.importorskip("numpyro.infer.inspect")


def unordered(table):
    return {key: sorted(names) for key, names in table.items()}


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_dependencies_are_numpyros(build):
    ours, theirs, args = pair(build)
    expected = their_inspect().get_dependencies(theirs, args)
    assert inspect.get_dependencies(ours, args) == expected


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_relations_and_graphs_are_numpyros(build):
    ours, theirs, args = pair(build)
    expected = their_inspect().get_model_relations(theirs, args)
    found = inspect.get_model_relations(ours, args)
    for key in ("sample_sample", "sample_param", "plate_sample"):
        assert unordered(found[key]) == unordered(expected[key])
    assert found["sample_dist"] == expected["sample_dist"]
    assert sorted(found["observed"]) == sorted(expected["observed"])
    assert found["param_constraint"].keys() == expected["param_constraint"].keys()
    graph = inspect.generate_graph_specification(found, render_params=True)
    peers = their_inspect().generate_graph_specification(expected, render_params=True)
    assert sorted(graph["edge_list"]) == sorted(peers["edge_list"])
    assert unordered(graph["plate_groups"]) == unordered(peers["plate_groups"])
    assert graph["plate_data"] == peers["plate_data"]
    for name, data in peers["node_data"].items():
        assert graph["node_data"][name]["distribution"] == data["distribution"]
        assert graph["node_data"][name]["is_observed"] == data["is_observed"]


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_dependencies_are_where_the_density_moves(build):
    """By the definition: change one value, and see which terms change."""
    (model, args), rng = build(ppl), np.random.default_rng(0)
    prior = inspect.get_dependencies(model, args)["prior_dependencies"]
    seeded = handlers.seed(model, rng_seed=1)
    first = handlers.trace(seeded).get_trace(*args)
    latent = [n for n, s in first.items() if s["type"] == "sample"]
    latent = [n for n in latent if not first[n]["is_observed"]]
    values = {name: first[name]["value"] for name in latent}
    for name in latent:
        other = first[name]["fn"].sample(jax.random.key(int(rng.integers(100))))
        changed = handlers.substitute(seeded, data={**values, name: other})
        second = handlers.trace(changed).get_trace(*args)
        for down, sources in prior.items():
            if name not in sources:
                one, two = first[down].log_prob(), second[down].log_prob()
                assert np.array_equal(one, two, equal_nan=True)


def test_delta_sites_are_looked_through():
    def model():
        a = ppl.sample("a", dist.Normal(0.0, 1.0))
        e = ppl.sample("e", dist.Delta(2.0 * a))
        ppl.sample("y", dist.Normal(e, 1.0), obs=0.0)

    found = inspect.get_dependencies(model)
    assert found["prior_dependencies"] == {
        "a": {"a": set()},
        "y": {"a": set(), "y": set()},
    }
    relations = inspect.get_model_relations(model)["sample_sample"]
    assert relations == {"a": [], "e": ["a"], "y": ["e"]}


def test_data_may_be_looked_at_and_values_not():
    def model(y, by_name=None):
        n = int(y.max())
        a = ppl.sample("a", dist.Normal(jnp.zeros(n), 1.0).to_event(1))
        if by_name is not None and a[0] > 0:
            ppl.sample("b", dist.Normal(0.0, 1.0))

    assert inspect.sites(model, np.array([1, 4]))["a"].shape == (4,)
    with pytest.raises(ControlFlowError, match="site 'a'"):
        inspect.get_dependencies(model, ([1, 4],), {"by_name": 1})


def test_a_name_used_twice_is_refused():
    def model():
        for _ in range(2):
            ppl.sample("a", dist.Normal(0.0, 1.0))

    with pytest.raises(DuplicateSiteError):
        inspect.get_model_relations(model)


def test_handlers_around_the_model_are_seen():
    def model():
        a = ppl.sample("a", dist.Normal(0.0, 1.0))
        b = ppl.sample("b", dist.Normal(a, 1.0))
        ppl.sample("c", dist.Normal(b, 1.0))

    given = handlers.condition(model, data={"c": 0.5})
    assert inspect.get_dependencies(given)["posterior_dependencies"] == {
        "a": {"a": set(), "b": set()},
        "b": {"b": set(), "c": set()},
    }
    done = inspect.get_model_relations(handlers.do(model, data={"b": 0.5}))
    assert done["sample_sample"] == {"a": [], "b": ["a"], "c": []}
    scoped = inspect.get_model_relations(handlers.scope(given, prefix="p"))
    assert scoped["sample_sample"] == {"p/a": [], "p/b": ["p/a"], "p/c": ["p/b"]}
    assert scoped["observed"] == ["p/c"]


def test_a_model_without_sites_has_no_dependences():
    none = {"prior_dependencies": {}, "posterior_dependencies": {}}
    assert inspect.get_dependencies(lambda: None) == none
    assert len(inspect.sites(lambda: None)) == 0


def test_a_plate_inside_another_that_holds_the_same_sites_stays_inside():
    relations = inspect.get_model_relations(_twice)
    graph = inspect.generate_graph_specification(relations)
    parents = {"outer": {"parent": None}, "inner": {"parent": "outer"}}
    assert graph["plate_data"] == parents


def _twice():
    with ppl.plate("outer", 2), ppl.plate("inner", 3):
        ppl.sample("x", dist.Normal(0.0, 1.0))
