"""The relations between sites, params and plates, and the graph that they make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ppl._typing import Model
from ppl.infer.inspect._nodes import Node, program


def get_model_relations(
    model: Model,
    model_args: tuple[Any, ...] | None = None,
    model_kwargs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Who is computed from whom, and in which plates, as NumPyro's function says it.

    Returns:
        `"sample_sample"` and `"sample_param"`: for each sample or deterministic site
        the sites, or params, that it is computed from without another one in between.
        `"sample_dist"`: the name of its distribution, or "Deterministic".
        `"sample_support"`: the set of its values, in words.
        `"param_constraint"`: the same for each param.
        `"plate_sample"`: the sites in each plate. A plate that must be drawn as several
        boxes, for it crosses another one, is here as often, under names that end in
        `__CLONE`.
        `"observed"`: the observed sites.
    """
    seen = program(model, model_args, model_kwargs)
    nodes = {n: v for n, v in seen.nodes.items() if v.type != "param"}
    params = {n: v for n, v in seen.nodes.items() if v.type == "param"}
    sources = seen.influences(lambda node: True)  # noqa: ARG005
    return {
        "sample_sample": {d: [u for u in sources[d] if u in nodes] for d in nodes},
        "sample_param": {d: [u for u in sources[d] if u in params] for d in nodes},
        "sample_dist": {n: v.family for n, v in nodes.items()},
        "sample_support": {n: v.support for n, v in nodes.items() if v.support},
        "param_constraint": {n: v.support for n, v in params.items()},
        "plate_sample": _boxes(nodes.values()),
        "observed": [n for n, v in nodes.items() if v.is_observed],
    }


def _boxes(nodes: Iterable[Node]) -> dict[str, list[str]]:
    """The sites in each plate, the plates split so that boxes are nested or apart.

    A site lies in its plates in one order, that of how many sites they have; a box is a
    plate together with the plates that it lies in. Of several boxes of a plate the
    innermost has its name.
    """
    sites = {node.name: list(dict.fromkeys(node.plates)) for node in nodes}
    counts: dict[str, int] = {}
    for plate in (plate for plates in sites.values() for plate in plates):
        counts[plate] = counts.get(plate, 0) + 1
    rank = {p: (-count, i) for i, (p, count) in enumerate(counts.items())}
    inside: dict[tuple[str, ...], list[str]] = {}
    for name, plates in sites.items():
        path = tuple(sorted(plates, key=rank.__getitem__))
        for depth in range(len(path)):
            inside.setdefault(path[: depth + 1], []).append(name)
    names: dict[tuple[str, ...], str] = {}
    for path in sorted(inside, key=len, reverse=True):
        name = path[-1]
        while name in names.values():
            name += "__CLONE"
        names[path] = name
    return {names[path]: members for path, members in inside.items()}


def without_deterministic(relations: dict[str, Any]) -> dict[str, Any]:
    """The relations with what deterministic sites are computed from in their places."""
    families = relations["sample_dist"]
    gone = {name for name, family in families.items() if family == "Deterministic"}
    direct = relations["sample_sample"]
    kept = {n: v for n, v in families.items() if n not in gone}
    found: dict[str, dict[str, list[str]]] = {"sample_sample": {}, "sample_param": {}}
    for name in kept:
        params, met = [*relations["sample_param"][name]], [*direct[name]]
        for source in met:  # grows; in a loop a site may be computed from itself
            if source in gone:
                met += [one for one in direct[source] if one not in met]
                params += relations["sample_param"][source]
        found["sample_sample"][name] = [one for one in met if one not in gone]
        found["sample_param"][name] = list(dict.fromkeys(params))
    plates = {
        plate: [name for name in members if name not in gone]
        for plate, members in relations["plate_sample"].items()
    }
    return {**relations, **found, "sample_dist": kept, "plate_sample": plates}


def generate_graph_specification(
    model_relations: dict[str, Any], render_params: bool = False
) -> dict[str, Any]:
    """The relations as a graph.

    Args:
        model_relations: What `get_model_relations` gives.
        render_params: Whether params are nodes.

    Returns:
        `"plate_groups"`: the nodes in each plate, and under None those in no plate;
        `"plate_data"`: of each plate the `"parent"` in which it lies, or None;
        `"node_data"`: of each node its `"distribution"`, whether it `"is_observed"`,
        and its `"constraint"`; `"edge_list"`: pairs of names.
    """
    families = model_relations["sample_dist"]
    params = model_relations["param_constraint"] if render_params else {}
    plates = model_relations["plate_sample"]
    inside = {name for members in plates.values() for name in members}
    free = [name for name in (*families, *params) if name not in inside]
    observed = set(model_relations["observed"])
    supports = model_relations.get("sample_support", {})
    data: dict[str, dict[str, Any]] = {}
    for name, family in families.items():
        data[name] = {"is_observed": name in observed, "distribution": family}
        if name in supports:
            data[name]["constraint"] = supports[name]
    for name, support in params.items():
        data[name] = {"is_observed": False, "distribution": None, "constraint": support}
    kinds = ["sample_sample", *(["sample_param"] if render_params else [])]
    edges = [
        (source, name)
        for kind in kinds
        for name, sources in model_relations[kind].items()
        for source in sources
    ]
    return {
        "plate_groups": {None: free, **{p: list(m) for p, m in plates.items()}},
        "plate_data": {p: {"parent": _parent(p, plates)} for p in plates},
        "node_data": data,
        "edge_list": edges,
    }


def _parent(plate: str, plates: dict[str, list[str]]) -> str | None:
    """The smallest plate around it; of equal ones those listed first lie outside."""
    own, order = set(plates[plate]), list(plates)
    around = [
        other
        for other, members in plates.items()
        if own < set(members)
        or (own == set(members) and order.index(other) < order.index(plate))
    ]
    return min(around, key=lambda p: (len(plates[p]), -order.index(p)), default=None)
