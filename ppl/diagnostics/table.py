"""The summary table: one line for each scalar of the posterior."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ppl._errors import ArgumentError, unknown_name
from ppl._html import block, table
from ppl.diagnostics._columns import COLUMNS, SHOWN, site_columns
from ppl.diagnostics._labels import scalar_labels

if TYPE_CHECKING:
    import pandas

_FIXED = {"ess_bulk": 0, "ess_tail": 0, "r_hat": 3, "nested_r_hat": 3}
_REPR_ROWS = 60
_MOST_DECIMALS = 8
_CONSTANT = 1e-12  # a relative sd that is rounding
_LISTED = 40  # names in an error message


@dataclass(frozen=True, repr=False, eq=False)
class Summary(Mapping[str, dict[str, Any]]):
    """A table with one row for each scalar, read by row or by site.

    `summary["theta[Choate]"]["mean"]` is a number, and `summary["theta"]["mean"]` an
    array of the shape of `theta`. Iteration gives the labels of the rows.

    Attributes:
        columns: mean, sd, the two quantiles, mcse_mean, ess_bulk, ess_tail, r_hat, and
            nested_r_hat if there are superchains.
        labels: The rows, as `tau`, `theta[Choate]` or `theta[0]`.
        numbers: All values, shape (row, column).
        shapes: Each site with the shape of its event, in the order of the rows.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    numbers: np.ndarray
    shapes: Mapping[str, tuple[int, ...]]

    # Numbers have no single truth value: a table equals itself only.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, key: str) -> dict[str, Any]:
        if key in self.shapes:
            numbers = self.numbers[self._parts()[key]].T
            columns = numbers.reshape(-1, *self.shapes[key])
            return dict(zip(self.columns, (c[()] for c in columns), strict=True))
        if key in self.labels:
            row = self.numbers[self.labels.index(key)]
            return dict(zip(self.columns, row, strict=True))
        known = self.labels if len(self.labels) <= _LISTED else self.shapes
        raise unknown_name("row or site", key, known)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text(max_rows=_REPR_ROWS)

    def text(self, max_rows: int | None = None) -> str:
        """The table in columns that are aligned at the decimal point.

        Args:
            max_rows: How many rows to show; None shows all.
        """
        shown = self._shown(max_rows)
        cells = _aligned(self._cells(shown))
        lines = [["", *self.columns]]
        lines += [[self.labels[i], *row] for i, row in zip(shown, cells, strict=True)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = []
        for first, *rest in lines:
            padded = zip(rest, widths[1:], strict=True)
            numbers = "".join(f"  {cell:>{width}}" for cell, width in padded)
            text.append(f"{first:<{widths[0]}}{numbers}")
        return "\n".join([*text, *self._left_out(shown)])

    def html(self, max_rows: int | None = None) -> str:
        """The table for notebooks, without scripts or style sheets.

        Args:
            max_rows: How many rows to show; None shows all.
        """
        shown = self._shown(max_rows)
        cells = self._cells(shown)
        rows = [[self.labels[i], *row] for i, row in zip(shown, cells, strict=True)]
        return table(["", *self.columns], rows, note=" ".join(self._left_out(shown)))

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame with the labels as its index."""
        import pandas

        return pandas.DataFrame(
            self.numbers, index=pandas.Index(self.labels), columns=list(self.columns)
        )

    def _repr_html_(self) -> str:
        return block([self.html(max_rows=_REPR_ROWS)])

    def _shown(self, max_rows: int | None) -> range:
        return range(len(self) if max_rows is None else min(max_rows, len(self)))

    def _left_out(self, shown: Sequence[int]) -> list[str]:
        rest = len(self) - len(shown)
        line = f"... and {rest} more rows; str() and to_pandas() give all"
        return [line] if rest else []

    def _parts(self) -> dict[str, slice]:
        """The rows of each site."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes.values()]).tolist()
        places = zip([0, *ends], ends, strict=False)
        return dict(zip(self.shapes, (slice(a, b) for a, b in places), strict=True))

    def _cells(self, shown: Sequence[int]) -> list[list[str]]:
        """The numbers of some rows as text."""
        mean, sd = self.numbers[:, 0], self.numbers[:, 1]
        parts = [_decimals(mean[p], sd[p]) for p in self._parts().values()]
        decimals = np.concatenate([np.empty(0, int), *parts])
        return [
            [
                _number(value, _FIXED.get(c, int(decimals[i])))
                for c, value in zip(self.columns, self.numbers[i], strict=True)
            ]
            for i in shown
        ]


def summarise(
    samples: Mapping[str, np.ndarray],
    prob: float = 0.9,
    *,
    names: Iterable[str] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
) -> Summary:
    """Summarise draws of any source.

    Args:
        samples: Site to draws of shape (chain, draw, *event).
        prob: The share of the draws between the two quantiles, equal tails outside.
        names: The sites to show, in this order; all by default.
        dims: Site to the names of the axes of its event.
        coords: Dimension to the labels along it.

    Returns:
        The table.
    """
    check_share(prob)
    shown = list(samples) if names is None else list(names)
    columns = site_columns(samples, shown, prob)
    shapes = {name: np.shape(samples[name])[2:] for name in shown}
    return tabulate(columns, shapes, prob, dims=dims or {}, coords=coords or {})


def check_share(prob: float) -> None:
    """Refuse what is no share of the draws."""
    if not 0 < prob < 1:
        raise ArgumentError(
            f"prob = {prob} is not the share of an interval.",
            value=prob,
            hint="Give a number between 0 and 1, such as 0.9.",
        )


def tabulate(
    columns: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    prob: float,
    *,
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
    nested: Mapping[str, np.ndarray] | None = None,
) -> Summary:
    """The table of columns that `site_columns` has computed, and perhaps one more.

    Args:
        columns: All `COLUMNS` of each site.
        shapes: Shapes of the events of the sites that are shown.
        prob: The share of the draws between the two quantiles.
        dims: Site to the names of the axes of its event.
        coords: Dimension to the labels along it.
        nested: Nested R-hat of each site, (scalar,), if there are superchains.
    """
    labels = [
        label
        for name, shape in shapes.items()
        for label in scalar_labels(name, shape, dims.get(name, ()), coords)
    ]
    wanted = [COLUMNS.index(column) for column in SHOWN]
    more = {"nested_r_hat": nested} if nested is not None else {}
    values = [
        np.stack([*columns[name][wanted], *(part[name] for part in more.values())], 1)
        for name in shapes
    ]
    ends = {"low": f"{50 * (1 - prob):.4g}%", "high": f"{50 * (1 + prob):.4g}%"}
    return Summary(
        columns=(*(ends.get(column, column) for column in SHOWN), *more),
        labels=tuple(labels),
        numbers=np.concatenate([np.empty((0, len(SHOWN) + len(more))), *values]),
        shapes=dict(shapes),
    )


def _decimals(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """How many decimals show three digits of each sd; -1 where they are too many.

    Rows of one site that differ by no more than one decimal get the same number.
    """
    varies = np.isfinite(sd) & (sd > _CONSTANT * np.abs(mean))
    decimals = np.full(len(sd), 3)
    if varies.any():
        own = np.maximum(0, 2 - np.floor(np.log10(sd[varies]))).astype(int)
        decimals[:] = own.max()
        if np.ptp(own) > 1:
            decimals[varies] = own
    return np.where(decimals > _MOST_DECIMALS, -1, decimals)


def _number(value: float, decimals: int) -> str:
    if decimals < 0 or (np.isfinite(value) and abs(value) >= 1e10):
        return f"{value:.3g}"
    return f"{value:.{decimals}f}"


def _aligned(rows: list[list[str]]) -> list[list[str]]:
    """Pad the cells on the right so that the decimal points of a column meet."""
    columns = []
    for column in zip(*rows, strict=True):
        after = [len(cell.partition(".")[2]) + ("." in cell) for cell in column]
        columns.append(
            [
                cell if "n" in cell else cell + " " * (max(after) - count)
                for cell, count in zip(column, after, strict=True)  # not nan and inf
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]
