"""Small pieces of HTML that read well in light and in dark notebooks.

Colours are those of the page, thinned; nothing is fetched and no script runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_LINE = "1px solid rgba(128,128,128,0.35)"
_CELL = "padding:0.15em 0.7em;text-align:right;font-variant-numeric:tabular-nums;"
_LABEL = "padding:0.15em 0.7em;text-align:left;"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """A table whose first column is left-aligned and whose others are numbers.

    Args:
        header: The titles of the columns.
        rows: The cells, as text.
        note: A line below the table, or nothing.
    """

    def line(tag: str, cells: Sequence[str], border: str) -> str:
        styles = [_LABEL, *([_CELL] * (len(cells) - 1))]
        return "".join(
            f'<{tag} style="{style}border:none;{border}">{escape(cell)}</{tag}>'
            for style, cell in zip(styles, cells, strict=True)
        )

    body = "".join(f"<tr>{line('td', row, '')}</tr>" for row in rows)
    head = line("th", header, f"border-bottom:{_LINE};")
    return (
        '<table style="border-collapse:collapse;color:inherit;background:transparent;">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        + (muted(note) if note else "")
    )


def muted(text: str) -> str:
    """A line of less weight."""
    return f'<div style="opacity:0.7;font-size:90%;">{escape(text)}</div>'


def title(text: str) -> str:
    """The first line of a block."""
    return f'<div style="font-weight:bold;">{escape(text)}</div>'


def notice(text: str, hint: str = "") -> str:
    """A line with a bar of warning colour at its side."""
    tail = f' <span style="opacity:0.7;">{escape(hint)}</span>' if hint else ""
    return (
        '<div style="border-left:4px solid #d98e00;background:rgba(217,142,0,0.12);'
        f'padding:0.2em 0.7em;margin:0.2em 0;">{escape(text)}{tail}</div>'
    )


def block(parts: Iterable[str]) -> str:
    """The parts in one box, in the colours of the page."""
    inside = "".join(parts)
    return f'<div style="color:inherit;background:transparent;">{inside}</div>'
