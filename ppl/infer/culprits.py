"""What is not finite in a step of a variational fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from ppl._errors import ParameterError
from ppl._sites import Sample
from ppl.infer.elbo import Pair, Runs
from ppl.infer.svi_program import AbstractProgram, SVIState, constrained
from ppl.optim import all_finite


def culprits(
    program: AbstractProgram,
    state: SVIState,
    transforms: Mapping[str, Any],
    data: tuple[Any, ...],
) -> str:
    """What is not finite in the step that the state is before, by site, in words."""
    free = program.optimizer.get_params(state.optim_state)
    _, own = jax.random.split(state.rng_key)
    args, kwargs = program.arguments.rebuild(data)
    for whose, member in program.members(free).items():
        params = {**state.mutable_state, **constrained(member, transforms)}
        runs = Runs(own, params, program.model, program.guide, args, kwargs)
        try:
            found = _unfinite(program.objective.first(runs))
        except ParameterError as error:
            return whose + str(error).rstrip(".")
        if found:
            return whose + ", ".join(found)

    def loss(free: Mapping[str, Any]) -> Any:
        return program.loss(free, state.mutable_state, own, transforms, data)[0]

    slopes = jax.grad(loss)(free)
    lost = [name for name, slope in slopes.items() if not bool(all_finite(slope))]
    return "the gradient of " + ", ".join(f"'{name}'" for name in lost or ["no param"])


def _unfinite(pair: Pair) -> list[str]:
    """The sites of a run whose value or density is not finite, in words."""
    found = []
    for whose, sites in (("guide", pair.guide), ("model", pair.model)):
        for name, site in sites.items():
            if not isinstance(site, Sample):
                continue
            if not bool(all_finite(site.value)):
                found.append(f"the {whose}'s value of '{name}'")
            elif not bool(all_finite(site.log_prob())):
                found.append(f"the {whose}'s log density of '{name}' ({site.line})")
    return found
