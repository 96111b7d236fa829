"""Pictures of a model: by Graphviz, and as Mermaid text that needs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppl._errors import MissingPackageError
from ppl._typing import Model
from ppl.infer.inspect._relations import (
    generate_graph_specification,
    get_model_relations,
    without_deterministic,
)

_MERMAID_STYLES = """\
  classDef latent fill:#fff,stroke:#333,color:#000
  classDef observed fill:#bbb,stroke:#333,color:#000
  classDef deterministic fill:#fff,stroke:#333,color:#000,stroke-dasharray:4 3
  classDef param fill:#fff,stroke:none,color:#000
"""


def render_model(
    model: Model,
    model_args: tuple[Any, ...] | None = None,
    model_kwargs: dict[str, Any] | None = None,
    filename: str | None = None,
    render_distributions: bool = False,
    render_params: bool = False,
    *,
    render_deterministic: bool = True,
) -> Any:
    """Draw a model with Graphviz.

    Args:
        model: The model.
        model_args: Its arguments.
        model_kwargs: Its arguments by name.
        filename: Where to save the picture; the ending says the format.
        render_distributions: Whether to say the distributions and their supports.
        render_params: Whether to draw params.
        render_deterministic: Whether to draw deterministic sites; without, the edges go
            through them.

    Returns:
        A `graphviz.Digraph`, which notebooks show and which has its `source`.

    Raises:
        MissingPackageError: The package `graphviz`, or for a file the program `dot`, is
            not installed.
    """
    relations = get_model_relations(model, model_args, model_kwargs)
    spec = _specification(relations, render_params, render_deterministic)
    graph = render_graph(spec, render_distributions)
    if filename is not None:
        _save(graph, Path(filename))
    return graph


def render_graph(
    graph_specification: dict[str, Any], render_distributions: bool = False
) -> Any:
    """A `graphviz.Digraph` of what `generate_graph_specification` gives."""
    graph = _graphviz().Digraph()
    nodes = graph_specification["node_data"]

    def fill(parent: str | None, into: Any) -> None:
        for name in _directly_in(graph_specification, parent):
            into.node(name, **_graphviz_style(name, nodes[name]))
        for plate in _plates_in(graph_specification, parent):
            with into.subgraph(name=f"cluster_{plate}") as box:
                box.attr(label=_plate_name(plate), labeljust="r", labelloc="b")
                fill(plate, box)

    fill(None, graph)
    for source, target in graph_specification["edge_list"]:
        graph.edge(source, target)
    if render_distributions:
        text = "".join(f"{_line(name, data)}\\l" for name, data in nodes.items())
        graph.node("_distributions", label=text, shape="plaintext")
    return graph


def render_mermaid(
    model: Model,
    model_args: tuple[Any, ...] | None = None,
    model_kwargs: dict[str, Any] | None = None,
    filename: str | None = None,
    render_distributions: bool = False,
    render_params: bool = False,
    *,
    render_deterministic: bool = True,
) -> str:
    """Draw a model as Mermaid text, which notebooks, GitHub and many editors show.

    The arguments are those of `render_model`; a file gets the text.
    """
    relations = get_model_relations(model, model_args, model_kwargs)
    spec = _specification(relations, render_params, render_deterministic)
    ids = {name: f"n{i}" for i, name in enumerate(spec["node_data"])}
    lines = ["flowchart TD", *_mermaid_boxes(spec, ids, None, render_distributions)]
    lines += [f"  {ids[source]} --> {ids[to]}" for source, to in spec["edge_list"]]
    text = "\n".join(lines) + "\n" + _MERMAID_STYLES
    if filename is not None:
        Path(filename).write_text(text, encoding="utf-8")
    return text


def _specification(
    relations: dict[str, Any], params: bool, deterministic: bool
) -> dict[str, Any]:
    """The graph, with the params and the deterministic sites that are asked for."""
    shown = relations if deterministic else without_deterministic(relations)
    return generate_graph_specification(shown, params)


def _mermaid_boxes(
    spec: dict[str, Any], ids: dict[str, str], parent: str | None, distributions: bool
) -> Iterator[str]:
    for name in _directly_in(spec, parent):
        data = spec["node_data"][name]
        label = _line(name, data) if distributions else name
        left, right = ("([", "])") if data["distribution"] else ("[", "]")
        text = label.replace("#", "#35;").replace('"', "#quot;").replace("<", "&lt;")
        yield f'  {ids[name]}{left}"{text}"{right}:::{_kind(data)}'
    for plate in _plates_in(spec, parent):
        number = list(spec["plate_data"]).index(plate)
        yield f'  subgraph p{number}["{_plate_name(plate)}"]'
        yield from _mermaid_boxes(spec, ids, plate, distributions)
        yield "  end"


def _directly_in(spec: dict[str, Any], plate: str | None) -> list[str]:
    """The nodes in a plate that are in no plate inside of it."""
    deeper = {name for p in _plates_in(spec, plate) for name in spec["plate_groups"][p]}
    return [name for name in spec["plate_groups"][plate] if name not in deeper]


def _plates_in(spec: dict[str, Any], plate: str | None) -> list[str]:
    return [p for p, data in spec["plate_data"].items() if data["parent"] == plate]


def _plate_name(plate: str) -> str:
    while plate.endswith("__CLONE"):
        plate = plate.removesuffix("__CLONE")
    return plate


def _kind(data: dict[str, Any]) -> str:
    if data["distribution"] is None:
        return "param"
    if data["distribution"] == "Deterministic":
        return "deterministic"
    return "observed" if data["is_observed"] else "latent"


def _line(name: str, data: dict[str, Any]) -> str:
    """`sd ~ LogNormal, > 0`."""
    if data["distribution"] is None:
        return f"{name} : {data['constraint']}"
    support = f", {data['constraint']}" if data.get("constraint") else ""
    return f"{name} ~ {data['distribution']}{support}"


def _graphviz_style(name: str, data: dict[str, Any]) -> dict[str, str]:
    kind = _kind(data)
    return {
        "label": name,
        "shape": "plain" if kind == "param" else "ellipse",
        "style": "filled,dashed" if kind == "deterministic" else "filled",
        "fillcolor": "grey" if kind == "observed" else "white",
    }


def _graphviz() -> Any:
    try:
        import graphviz
    except ImportError:
        raise MissingPackageError(
            "drawing with Graphviz needs the package `graphviz`.",
            value="graphviz",
            hint="Install it (`pip install graphviz`, and Graphviz itself for files), "
            "or use ppl.infer.inspect.render_mermaid, which needs nothing.",
        ) from None
    return graphviz


def _save(graph: Any, path: Path) -> None:
    try:
        graph.render(
            outfile=path,
            format=path.suffix.removeprefix(".") or "pdf",
            cleanup=True,
        )
    except _graphviz().ExecutableNotFound:
        raise MissingPackageError(
            f"saving {path} needs the program `dot` of Graphviz.",
            value=str(path),
            hint="Install Graphviz with the system's package manager, or use "
            "ppl.infer.inspect.render_mermaid, which needs nothing.",
        ) from None
