"""Dependences, relations, pictures and tables of models, as NumPyro has them."""

import re
import sys

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
    MissingPackageError,
    UnknownNameError,
)
from ppl.infer import inspect
from tests.language.joint import both, peer

Y = np.zeros((2, 3))


def regression(p):
    d = p.distributions

    def model(y):
        m = p.sample("m", d.Normal(0.0, 1.0))
        sd = p.sample("sd", d.LogNormal(m, 1.0))
        with p.plate("N", len(y)):
            p.sample("obs", d.Normal(m, sd), obs=y)

    return model, (np.zeros(3),)


def collider(p):
    d = p.distributions

    def model():
        a = p.sample("a", d.Normal(0.0, 1.0))
        b = p.sample("b", d.LogNormal(0.0, 1.0))
        c = p.sample("c", d.Normal(a, b))
        p.sample("d", d.Normal(c, 1.0), obs=0.0)

    return model, ()


def summed(p):
    d = p.distributions

    def model():
        with p.plate("p", 5):
            a = p.sample("a", d.Normal(0.0, 1.0))
        p.sample("b", d.Normal(a.sum(), 1.0), obs=0.0)

    return model, ()


def nested(p):
    d = p.distributions

    def model(y):
        mu = p.sample("mu", d.Normal(0.0, 1.0))
        with p.plate("I", 2, dim=-2):
            a = p.sample("a", d.Normal(mu, 1.0))
            with p.plate("J", 3, dim=-1):
                b = p.sample("b", d.Normal(a, 1.0))
                p.sample("y", d.Normal(b, 1.0), obs=y)

    return model, (Y,)


def crossed(p):
    d = p.distributions

    def model(y):
        x = p.sample("x", d.Normal(0.0, 1.0))
        columns, rows = p.plate("A", 3, dim=-1), p.plate("B", 2, dim=-2)
        with columns:
            q = p.sample("q", d.Normal(x, 1.0))
        with rows:
            r = p.sample("r", d.Normal(x, 1.0))
        with columns, rows:
            p.sample("o", d.Normal(q + r, 1.0), obs=y)
        with p.plate("S", 10, subsample_size=4):
            p.sample("part", d.Normal(q.sum(), 1.0), obs=np.zeros(4))

    return model, (Y,)


def masked(p):
    d = p.distributions

    def model(y):
        a, b = (p.sample(n, d.Normal(0.0, 1.0)) for n in "ab")
        with p.plate("N", 3), p.handlers.mask(mask=np.array([True, False, True])):
            c = p.sample("c", d.Normal(a, 1.0).mask(np.array([True, True, False])))
            with p.handlers.scale(scale=2.0):
                p.sample("y", d.Normal(b + c, 1.0), obs=y)

    return model, (np.zeros(3),)


def with_factor(p):
    d = p.distributions

    def model():
        a, b, c = (p.sample(n, d.Normal(0.0, 1.0)) for n in "abc")
        p.factor("f", a * b)
        p.factor("g", -jnp.square(c))

    return model, ()


def chain_of_derived(p):
    d = p.distributions

    def model(y):
        s = p.param("s", 1.0, constraint=d.constraints.positive)
        a = p.sample("a", d.Normal(0.0, s))
        b = p.deterministic("b", a * s)
        c = p.deterministic("c", b + 1.0)
        e = p.sample("e", d.Gamma(jnp.exp(c), 1.0))
        p.sample("y", d.Normal(c, e), obs=y)

    return model, (0.5,)


def loops(p):
    d = p.distributions

    def model(y):
        a, b, c = (p.sample(n, d.Normal(0.0, 1.0)) for n in "abc")
        walk = jax.lax.scan(lambda s, x: (s + a * x, s), b, jnp.arange(3.0))[1]
        often = jax.lax.while_loop(lambda s: s < 3.0, lambda s: s + 1.0, c)
        p.sample("walk", d.Normal(walk, 1.0).to_event(1), obs=y)
        p.sample("often", d.Normal(jax.jit(jnp.tanh)(often), 1.0), obs=0.0)

    return model, (np.zeros(3),)


def vectors(p):
    d = p.distributions

    def model(x, y):
        w = p.sample("w", d.Dirichlet(jnp.ones(3)))
        chol = p.sample("chol", d.LKJCholesky(3, 1.0))
        b = p.sample("b", d.MultivariateNormal(jnp.zeros(3), scale_tril=chol))
        k = p.sample("k", d.Poisson(2.0), obs=np.array(2))
        p.sample("y", d.Bernoulli(logits=x @ (b * w) + k), obs=y)

    return model, (np.ones((4, 3)), np.array([0, 1, 1, 0]))


def bounded(p):
    d = p.distributions

    def model():
        a = p.sample("a", d.Uniform(0.0, 1.0))
        b = p.sample("b", d.Uniform(a, a + 1.0))
        p.sample("c", d.Normal(b, 1.0), obs=0.1)

    return model, ()


MODELS = [
    regression,
    collider,
    summed,
    nested,
    crossed,
    masked,
    with_factor,
    chain_of_derived,
    loops,
    vectors,
    bounded,
]


def pair(build):
    """One model in both libraries, with its arguments."""
    (ours, args), (theirs, _) = both(build)
    return ours, theirs, args


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


# --- pictures -------------------------------------------------------------------------


def mermaid_boxes(text):
    """Each node's label with the boxes around it, and the edges, read back."""
    stack, where, labels, edges = [], {}, {}, set()
    for line in text.splitlines():
        if box := re.fullmatch(r'\s*subgraph \w+\["(.*)"\]', line):
            stack.append(box[1])
        elif line.strip() == "end":
            stack.pop()
        elif node := re.fullmatch(r'\s*(n\d+)\(?\["(.*?)"\]\)?:::(\w+)', line):
            labels[node[1]] = node[2]
            where[node[2]] = (tuple(stack), node[3])
        elif edge := re.fullmatch(r"\s*(n\d+) --> (n\d+)", line):
            edges.add((labels[edge[1]], labels[edge[2]]))
    assert not stack
    return where, edges


def test_mermaid_says_what_the_model_is():
    model, args = crossed(ppl)
    where, edges = mermaid_boxes(inspect.render_mermaid(model, args))
    assert where == {
        "x": ((), "latent"),
        "q": (("A",), "latent"),
        "r": (("B",), "latent"),
        "o": (("A", "B"), "observed"),
        "part": (("S",), "observed"),
    }
    assert edges == {("x", "q"), ("x", "r"), ("q", "o"), ("r", "o"), ("q", "part")}


def test_derived_sites_and_params_are_drawn_on_request():
    model, args = chain_of_derived(ppl)
    where, edges = mermaid_boxes(inspect.render_mermaid(model, args))
    assert where["b"] == ((), "deterministic")
    assert ("b", "c") in edges
    assert "s" not in where
    text = inspect.render_mermaid(
        model, args, render_params=True, render_deterministic=False
    )
    where, edges = mermaid_boxes(text)
    assert set(where) == {"a", "e", "y", "s"}
    both_ways = {("a", "e"), ("a", "y"), ("e", "y"), ("s", "a"), ("s", "e"), ("s", "y")}
    assert edges == both_ways


def test_distributions_are_said_with_their_supports(tmp_path):
    model, args = bounded(ppl)
    file = tmp_path / "model.mmd"
    text = inspect.render_mermaid(
        model, args, filename=str(file), render_distributions=True
    )
    assert file.read_text() == text
    assert "a ~ Uniform, in [0, 1]" in text
    assert "b ~ Uniform, in […, …]" in text


def test_names_cannot_break_mermaid():
    def model():
        ppl.sample('say "<b>#1"', dist.Normal(0.0, 1.0))

    text = inspect.render_mermaid(model)
    assert '"say #quot;&lt;b>#35;1#quot;"' in text


def test_graphviz_draws_boxes_and_shades():
    pytest.importorskip("graphviz")
    model, args = nested(ppl)
    source = inspect.render_model(model, args, render_distributions=True).source
    assert source.index("cluster_I") < source.index("cluster_J")
    assert source.count("y [label=y fillcolor=grey") == 1
    assert "mu -> a" in source
    assert r"y ~ Normal, real\l" in source
    assert ppl.render_model(model, args).source != source


def test_without_graphviz_mermaid_is_offered(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(MissingPackageError, match="render_mermaid") as caught:
        inspect.render_model(*collider(ppl))
    assert "pip install graphviz" in caught.value.hint
    assert isinstance(caught.value, ImportError)


def test_without_dot_no_file_is_written(monkeypatch, tmp_path):
    pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackageError, match="dot"):
        inspect.render_model(*collider(ppl), filename=str(tmp_path / "model.png"))


# --- tables ---------------------------------------------------------------------------


def test_sites_are_listed():
    model, args = chain_of_derived(ppl)
    table = inspect.sites(model, *args)
    assert [node.name for node in table] == ["s", "a", "b", "c", "e", "y"]
    assert (table["e"].family, table["e"].support) == ("Gamma", "> 0")
    assert table["s"].type == "param"
    assert table["y"].is_observed
    lines = str(table).splitlines()
    assert lines[0].split() == [
        "site",
        "kind",
        "distribution",
        "shape",
        "support",
        "plates",
        "line",
    ]
    assert re.search(r"y +observed +Normal +\(\) +real +test_inspect.py:\d+", lines[-1])
    assert "<table" in table._repr_html_()
    assert inspect.sites(*nested(ppl)[:1], Y)["b"].plates == ("I", "J")
    with pytest.raises(UnknownNameError, match="known: s, a"):
        table["A"]


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("log_prob", [False, True, lambda site: site["name"] == "y"])
def test_shapes_are_printed_as_numpyro_does(build, log_prob):
    peer()
    util = pytest.importorskip("numpyro.util")
    ours, theirs, args = pair(build)
    mine = handlers.trace(handlers.seed(ours, rng_seed=0)).get_trace(*args)
    other = peer().handlers
    other = other.trace(other.seed(theirs, rng_seed=0)).get_trace(*args)
    options = {"compute_log_prob": log_prob, "title": "T"}
    expected = util.format_shapes(other, **options)
    found = ppl.util.format_shapes(mine, **options)
    if build is crossed:  # NumPyro lists a plate where it is made, before it is entered
        found, expected = sorted(found.split("\n")), sorted(expected.split("\n"))
    assert found == expected


def test_the_table_of_shapes_can_end_early():
    model, args = nested(ppl)
    trace = handlers.trace(handlers.seed(model, rng_seed=0)).get_trace(*args)
    text = ppl.util.format_shapes(trace, last_site="a")
    assert "a dist 2 1 |" in text
    assert "b dist" not in text
    with pytest.raises(UnknownNameError):
        ppl.util.format_shapes(trace, last_site="z")
