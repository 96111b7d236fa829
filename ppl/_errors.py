"""The family of errors: each tells the site, the value, the rule and the remedy."""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable
from typing import Any


class PPLError(Exception):
    """A mistake that can be named.

    Attributes:
        site: The name of the site that it concerns, or None.
        value: The offending value, or None.
        hint: What to do about it, in words.
    """

    def __init__(
        self,
        message: str,
        *,
        site: str | None = None,
        value: Any = None,
        hint: str = "",
    ):
        self.site = site
        self.value = value
        self.hint = hint
        where = f"site '{site}': " if site is not None else ""
        then = f" {hint}" if hint else ""
        super().__init__(f"{where}{message}{then}")


class ArgumentError(PPLError, ValueError):
    """An argument of a function or constructor breaks its rule."""


class ArgumentTypeError(PPLError, TypeError):
    """An argument has the wrong type."""


class ModelError(PPLError, ValueError):
    """The model breaks a rule of the language."""


class ShapeError(ModelError):
    """Shapes of a site, its value and its plates do not fit together."""


class SupportError(ModelError):
    """A value lies outside the support of its distribution."""


class ParameterError(ModelError):
    """A distribution got a parameter outside its constraint."""


class DuplicateSiteError(ModelError):
    """Two sites have one name."""


class RandomnessError(ModelError):
    """A site needs a random key and none is there."""


class LeakedSiteError(ModelError):
    """A statement ran under a JAX transformation that handlers cannot see."""


class ControlFlowError(ModelError):
    """Python control flow depends on a random value."""


class NothingToSampleError(ModelError):
    """The model has no latent site."""


class UnknownNameError(PPLError, KeyError):
    """A name that stands for nothing here."""

    __str__ = Exception.__str__  # KeyError would print the repr of the message


class EngineError(PPLError, RuntimeError):
    """The engine was driven in an order that cannot go on."""


class MissingPackageError(PPLError, ImportError):
    """A package that is installed only by those who use it is not there."""


class StartingPointError(PPLError, RuntimeError):
    """No starting point with finite density and gradient was found."""


class OptimisationError(PPLError, RuntimeError):
    """A density has no highest point that could be found."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """An error for a mistyped `name`, with the nearest of the `known` ones."""
    names = [str(k) for k in known]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"Did you mean '{near[0]}'?" if near else ""
    listed = ", ".join(names) if names else "none"
    return UnknownNameError(
        f"unknown {what} '{name}'; known: {listed}.", value=name, hint=hint
    )


class PPLWarning(UserWarning):
    """Something that the reader of a result should know."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into `ppl`, however deep inside this is."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == "ppl":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
