"""Pictures and tables of models."""

import re
import sys

import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import MissingPackageError, UnknownNameError
from ppl.infer import inspect
from tests.infer.inspected import (
    MODELS,
    Y,
    bounded,
    chain_of_derived,
    collider,
    crossed,
    nested,
    pair,
)
from tests.language.joint import peer


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
    model, args = nested(ppl)
    where, _ = mermaid_boxes(inspect.render_mermaid(model, args))
    assert where["c"] == (("I", "J"), "deterministic")
    text = inspect.render_mermaid(model, args, render_deterministic=False)
    assert mermaid_boxes(text)[1] == {("mu", "a"), ("a", "b"), ("b", "y")}


def test_a_derived_site_may_be_computed_from_itself():
    def model():
        drift = ppl.sample("drift", dist.Normal(0.0, 1.0))

        def step(level, _):
            level = ppl.deterministic("level", level + drift)
            return level, ppl.sample("y", dist.Normal(level, 1.0))

        ppl.control.scan(step, 0.0, np.arange(3))

    relations = inspect.get_model_relations(model)
    assert relations["sample_sample"]["level"] == ["drift", "level"]
    text = inspect.render_mermaid(model, render_deterministic=False)
    assert mermaid_boxes(text)[1] == {("drift", "y")}


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
    assert re.search(r"y +observed +Normal +\(\) +real +inspected.py:\d+", lines[-1])
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
