"""Why no chain could start: which site, which term, which gradient."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

import jax
import numpy as np

from ppl._errors import StartingPointError
from ppl._typing import Array
from ppl.checks._flow import abstract_position
from ppl.checks._probe import unwrapped
from ppl.checks._values import broken_parameter, data_error, written
from ppl.target import LogDensity

_REMEDY = "Or start elsewhere: init_strategy=init_to_value(values={…})."
_MANY = 24  # sample sites up to which each term's gradient is looked at by itself


def diagnose_start(
    density: LogDensity, position: np.ndarray, tries: int, chains: int
) -> StartingPointError:
    """The error for when no starting point has a finite log density and gradient.

    Args:
        density: The target.
        position: The last point that was tried, (dim,).
        tries: How many points were tried in each chain.
        chains: How many chains have no starting point.
    """
    position = np.asarray(position)
    (total, (terms, values)), gradient = _evaluate(density, position)
    terms = {name: float(term) for name, term in terms.items()}
    slopes = {
        entry.name: np.asarray(gradient)[entry.offset : entry.offset + entry.size]
        for entry in density.layout.entries
    }
    whom = f"{chains} chain{'s' if chains > 1 else ''}"
    end = f"\n{whom} cannot start there:"
    if tries > 1:
        end = (
            f"\nNone of {tries} starting points of {whom} has a finite log density and "
            "gradient. The last:"
        )
    end += f"\n{_table(terms, values, slopes)}\n "  # the remedy follows, indented

    culprit = next((name for name, t in terms.items() if not np.isfinite(t)), None)
    if culprit is not None:
        what, value, hint = _of_term(density, position, culprit, terms[culprit])
    elif not np.isfinite(float(total)):
        what, value, hint = "the sum of all terms overflows.", float(total), ""
    else:
        culprit, what, value = gradient_trouble(density, position, slopes)
        hint = (
            "A where, sqrt, norm or division has no derivative in a branch that was "
            "not taken: make its argument safe inside of the where as well."
        )
    return StartingPointError(
        f"{what}{end}", site=culprit, value=value, hint=f"{hint} {_REMEDY}".lstrip()
    )


@jax.jit
def _evaluate(density: LogDensity, position: Array) -> Any:
    def run(position: Array) -> Any:
        total, sites, terms = density.visit(position)
        values: Any = OrderedDict((name, sites[name].value) for name in terms)
        return total, (OrderedDict(terms), values)  # a dict would come back sorted

    return jax.value_and_grad(run, has_aux=True)(position)


def _of_term(
    density: LogDensity, position: np.ndarray, name: str, term: float
) -> tuple[str, Any, str]:
    """What is wrong with a term, the value, a remedy."""
    site, line = _family_and_line(density, name)
    shown = "NaN" if np.isnan(term) else f"{term:+}"
    what = f"log {'factor' if site == 'Unit' else 'density'} is {shown}"
    hint = ""
    for error in (
        data_error(density, position, name, line),
        None if site == "Unit" else broken_parameter(density, position, name, line),
    ):
        if error is not None:
            cause = str(error).removeprefix(f"site '{name}': ").removesuffix(error.hint)
            return f"{what}: {cause.rstrip()}", error.value, error.hint
    if np.isnan(term):
        hint = (
            "Where the model is impossible, let it be -inf: jnp.where(possible, term, "
            "-jnp.inf)."
        )
    elif term > 0:
        hint = "No density is infinite where it is properly defined."
    return f"{what} ({line}).", term, hint


def _family_and_line(density: LogDensity, name: str) -> tuple[str, str]:
    found: dict[str, tuple[str, str]] = {}

    def run(density: LogDensity, position: Array) -> Array:
        for key, site in density.visit(position)[1].items():
            fn = getattr(site, "fn", None)
            found[key] = (type(unwrapped(fn)).__name__ if fn else "", site.line)
        return position

    jax.eval_shape(run, density, abstract_position(density))
    return found[name]


@partial(jax.jit, static_argnames="name")
def _gradient_of_term(density: LogDensity, position: Array, name: str) -> Array:
    return jax.grad(lambda x: density.visit(x)[2][name])(position)


def gradient_trouble(
    density: LogDensity, position: np.ndarray, slopes: dict[str, np.ndarray]
) -> tuple[str | None, str, Any]:
    """The site whose gradient is not finite, and the statement that it comes from."""
    bad = [name for name, slope in slopes.items() if not np.isfinite(slope).all()]
    if not bad:
        return (
            None,
            "log density and gradient are finite here but were not before.",
            None,
        )
    name = bad[0]
    slope = slopes[name]
    wrong = slope[~np.isfinite(slope)]
    kind = "NaN" if np.isnan(wrong).any() else "infinite"
    source = _source(density, position)
    through = f"; it comes from the term of '{source}'" if source else ""
    others = f", as are those of {', '.join(bad[1:])}" if bad[1:] else ""
    what = f"gradient is {kind}{others}, although the log density is finite{through}."
    return name, what, float(wrong[0])


def _source(density: LogDensity, position: np.ndarray) -> str:
    """The first sample site whose own term has a gradient that is not finite."""
    names = list(_evaluate(density, position)[0][1][0])
    if len(names) > _MANY:
        return ""
    for name in names:
        if not np.isfinite(_gradient_of_term(density, position, name)).all():
            return name
    return ""


def _table(
    terms: dict[str, float], values: dict[str, Any], slopes: dict[str, np.ndarray]
) -> str:
    """One line for each sample site."""
    rows = [("site", "value", "log density", "|gradient|")]
    for name, term in terms.items():
        value = np.asarray(values[name])
        if value.size == 0:
            shown = ""
        elif value.size == 1:
            shown = written(value.reshape(()))
        else:
            shown = f"{value.min():g} … {value.max():g}"
        slope = slopes.get(name)
        norm = "" if slope is None else f"{_norm(slope):.4g}"
        rows.append((name, shown, f"{term:.5g}", norm))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = (
        "  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)) for r in rows
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _norm(slope: np.ndarray) -> float:
    size = np.abs(slope).max(initial=0.0)
    if not 0 < size < np.inf:
        return float(size)
    return float(size * np.linalg.norm(slope / size))
