"""Looking at a model before anything is sampled: sites, dependences, pictures."""

from ppl.infer.inspect._dependencies import get_dependencies
from ppl.infer.inspect._pictures import render_graph, render_mermaid, render_model
from ppl.infer.inspect._relations import (
    generate_graph_specification,
    get_model_relations,
)
from ppl.infer.inspect._table import SiteTable, sites

__all__ = [
    "SiteTable",
    "generate_graph_specification",
    "get_dependencies",
    "get_model_relations",
    "render_graph",
    "render_mermaid",
    "render_model",
    "sites",
]
