"""All sites of a model in one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ppl import _html
from ppl._errors import unknown_name
from ppl._typing import Model
from ppl.infer.inspect._nodes import Node, program

_HEADER = ("site", "kind", "distribution", "shape", "support", "plates", "line")


@dataclass(frozen=True)
class SiteTable:
    """The sites of a model: printed as a table, and by name as `table["x"]`."""

    nodes: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise unknown_name("site", name, [node.name for node in self.nodes])

    def __str__(self) -> str:
        rows = [_HEADER, *map(_row, self.nodes)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return _html.block([_html.table(_HEADER, map(_row, self.nodes))])


def sites(model: Model, *args: Any, **kwargs: Any) -> SiteTable:
    """A table of the sites of `model(*args, **kwargs)`; nothing is computed.

    Raises:
        PPLError: The model breaks a rule of the language; see the classes.
    """
    return SiteTable(tuple(program(model, args, kwargs).nodes.values()))


def _row(node: Node) -> tuple[str, ...]:
    kind = {"sample": "latent", "param": "param"}.get(node.type, node.type)
    shape = "" if node.shape is None else str(node.shape)
    family = "" if node.type == "deterministic" else node.family
    return (
        node.name,
        "observed" if node.is_observed else kind,
        family,
        shape,
        node.support,
        ", ".join(node.plates),
        node.line,
    )
