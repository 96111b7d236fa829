"""Small helps under NumPyro's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from ppl._errors import unknown_name
from ppl._platform import enable_x64, set_host_device_count, set_platform, soft_vmap
from ppl._sites import Param, PlateEntry, Sample, Site
from ppl._typing import Shape
from ppl.distributions.constraints import shape_of

__all__ = [
    "enable_x64",
    "format_shapes",
    "set_host_device_count",
    "set_platform",
    "soft_vmap",
]

_Row = tuple[str, Shape, str, Shape]
"""A label, batch dims, a bar or nothing, event dims."""


def format_shapes(
    trace: Mapping[str, Site],
    *,
    compute_log_prob: bool | Callable[[Any], bool] = False,
    title: str = "Trace Shapes:",
    last_site: str | None = None,
) -> str:
    """The shapes of all sites of a trace as a table, with `|` between batch and event.

    Args:
        trace: What `handlers.trace(model).get_trace(...)` gives.
        compute_log_prob: Whether to show the shapes of log densities; a function of the
            site says of which.
        title: The first line.
        last_site: The site after which the table ends.

    Raises:
        UnknownNameError: There is no `last_site`.
    """
    if last_site is not None and last_site not in trace:
        raise unknown_name("site", last_site, trace)
    rows: list[_Row] = [(title, (), "", ()), ("Param Sites:", (), "", ())]
    for site in trace.values():
        if isinstance(site, Param):
            rows += _param_rows(site)
    rows.append(("Sample Sites:", (), "", ()))
    for name, site in trace.items():
        rows += _rows(site, compute_log_prob)
        if name == last_site:
            break
    return _laid_out(rows)


def _param_rows(site: Param) -> Iterator[_Row]:
    """One row, or one for each array of a pytree, with its path."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(site.value):
        name = site.name + jax.tree_util.keystr(path)
        yield name, shape_of(leaf), "", ()


def _rows(site: Site, compute_log_prob: bool | Callable[[Any], bool]) -> Iterator[_Row]:
    match site:
        case Sample():
            event_dim = site.fn.event_dim
            yield f"{site.name} dist", site.fn.batch_shape, "|", site.fn.event_shape
            shape = shape_of(site.value)
            ends = len(shape) - event_dim
            yield "value", shape[:ends], "|", shape[ends:]
            wanted = compute_log_prob
            if wanted(site) if callable(wanted) else wanted:
                yield "log_prob", shape_of(site.log_prob()), "|", ()
        case PlateEntry():
            yield f"{site.name} plate", shape_of(site.value), "|", ()


def _laid_out(rows: list[_Row]) -> str:
    """Labels and batch dims aligned on the right, event dims on the left."""
    left = max(len(row[1]) for row in rows)
    right = max(len(row[3]) for row in rows)
    bar = any(row[2] for row in rows)
    lines = []
    for label, batch, mark, event in rows:
        cells = [label, *[""] * (left - len(batch)), *map(str, batch)]
        cells += [mark] if bar else []
        lines.append([*cells, *map(str, event), *[""] * (right - len(event))])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        " ".join(
            cell.rjust(width) if i <= left else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
