"""Pictures of a model, at the place where NumPyro has them."""

from ppl.infer.inspect import (
    generate_graph_specification,
    get_model_relations,
    render_graph,
    render_mermaid,
    render_model,
)

__all__ = [
    "generate_graph_specification",
    "get_model_relations",
    "render_graph",
    "render_mermaid",
    "render_model",
]
