"""Which variables depend on which, before and after the data are seen."""

from __future__ import annotations

from typing import Any

from ppl._typing import Model
from ppl.infer.inspect._nodes import Node, program

Dependencies = dict[str, dict[str, set[str]]]


def get_dependencies(
    model: Model,
    model_args: tuple[Any, ...] | None = None,
    model_kwargs: dict[str, Any] | None = None,
) -> dict[str, Dependencies]:
    """The structure of dependence of a model and of its posterior.

    Deterministic sites and those with a `Delta` distribution are looked through.

    Returns:
        Two dicts of dicts of sets. `"prior_dependencies"`: for each site the latent
        sites that its density depends on, and itself. `"posterior_dependencies"`: for
        each latent site itself and the later sites on which it depends given all later
        ones, that is, those with which it stands in one term of the density (Webb et
        al., 2018, "Faithful inversion of generative models"). The sets hold the plates
        across which all members depend on all; along other plates each depends on its
        like.
    """
    seen = program(model, model_args, model_kwargs)
    nodes = {n: v for n, v in seen.nodes.items() if _is_variable(v)}
    found = seen.influences(lambda node: _is_variable(node) and not node.is_observed)
    terms = {d: [u for u in found[d] if u != d] + [d] for d in nodes}
    order = {name: i for i, name in enumerate(nodes)}
    posterior: Dependencies = {n: {} for n, v in nodes.items() if not v.is_observed}
    for d, members in terms.items():
        for u in posterior.keys() & set(members):
            for v in members:
                if order[u] <= order[v]:
                    both = {*nodes[u].plates} & {*nodes[v].plates}
                    posterior[u].setdefault(v, set()).update(both - {*nodes[d].plates})
    prior: Dependencies = {d: {u: set() for u in m} for d, m in terms.items()}
    return {"prior_dependencies": prior, "posterior_dependencies": posterior}


def _is_variable(node: Node) -> bool:
    return node.type == "sample" and node.family != "Delta"
