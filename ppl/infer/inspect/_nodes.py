"""The sites of a model, and whose value each one is computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ppl._errors import PPLError
from ppl._flow import joined, members, own, reaches
from ppl._pytree import replace
from ppl._sites import (
    Deterministic,
    Handler,
    Param,
    Sample,
    Site,
    perform,
)
from ppl._typing import Model, Shape
from ppl.arguments import Arguments
from ppl.distributions.constraints import Constraint, shape_of
from ppl.handlers.seed import seed
from ppl.visiting import (
    Visit,
    control_flow_error,
    family_of,
    needs_values,
    placeholder,
)


@dataclass(frozen=True)
class Node:
    """A site as it is seen before anything is computed.

    Attributes:
        name: Of the site.
        type: "sample", "deterministic" or "param".
        family: Name of its distribution, "Deterministic", or nothing for a param.
        shape: Of its value; None for a param that is no array.
        event_dim: Rightmost dims of one value.
        support: The set of its values, in words.
        plates: Names of the plates around it, outermost first.
        is_observed: Whether it has an observed value.
        line: File and line of the statement.
    """

    name: str
    type: str
    family: str
    shape: Shape | None
    event_dim: int
    support: str
    plates: tuple[str, ...]
    is_observed: bool
    line: str


@dataclass(frozen=True)
class Program:
    """A model with its arguments, and the sites that it has with them.

    Attributes:
        run: Runs the model, with a random key for what needs one.
        nodes: The sites by name, in the order of the model.
        values: Shapes and dtypes of their values.
    """

    run: Callable[[], Any]
    nodes: dict[str, Node]
    values: dict[str, Any]

    def influences(self, cut: Callable[[Node], bool]) -> dict[str, list[str]]:
        """The sites whose value reaches each sample and deterministic site.

        Reaching a sample site is reaching its log density. Of the sites that `cut`
        holds for each gives the model a value that depends on nothing; what it is
        computed from therefore influences it and not what comes after. The other sites
        let through what they are computed from, and are in no list.
        """
        inputs = {n: v for n, v in self.values.items() if cut(self.nodes[n])}

        def body(inputs: dict[str, Any]) -> dict[str, list[Any]]:
            with Visit(_any_value) as visited, _Cut(inputs):
                self.run()
            return {name: _parts(site) for name, site in visited.sites.items()}

        jaxpr, out = jax.make_jaxpr(body, return_shape=True)(inputs)
        order = tuple(self.nodes)
        leaves = jax.tree.leaves_with_path(inputs)
        given = [own(order.index(path[0].key)) for path, _ in leaves]
        found = jax.tree.unflatten(jax.tree.structure(out), reaches(jaxpr, given))
        return {
            name: list(members(joined(found[name]).any, order))
            for name, node in self.nodes.items()
            if node.type != "param"
        }


def program(
    model: Model,
    model_args: tuple[Any, ...] | None = None,
    model_kwargs: dict[str, Any] | None = None,
) -> Program:
    """Look at a model with its arguments; nothing is computed.

    Raises:
        ControlFlowError: Python control flow depends on a random value.
        PPLError: The model breaks a rule of the language; see the classes.
    """
    arguments, data = Arguments.of(tuple(model_args or ()), dict(model_kwargs or {}))
    args, kwargs = arguments.rebuild(tuple(np.asarray(leaf) for leaf in data))
    nodes: dict[str, Node] = {}

    def run() -> Any:
        return seed(model, rng_seed=0)(*args, **kwargs)

    def body() -> dict[str, Any]:
        with Visit(_any_value) as visited, _Cut({}) as met:
            run()
        for site in visited.sites.values():
            if site.name in met.values:
                nodes[site.name] = _node(site, met.values[site.name])
        return {n: v for n, v in met.values.items() if all(map(_is_number, _flat(v)))}

    try:
        values = jax.eval_shape(body)
    except PPLError:
        raise
    except Exception as error:
        if not needs_values(error):
            raise
        raise control_flow_error(run, error) from error
    return Program(run, nodes, values)


def support_text(support: Constraint) -> str:
    """A constraint in a few words: "real", "> 0", "in [0, 1]"."""
    text = support.rule.removeprefix("must ").removeprefix("be ")
    return text.replace("finite", "real").replace("a traced value", "…")


class _Cut(Handler):
    """Keeps the value of each site, and gives the model another for some of them."""

    starts_anew = True

    def __init__(self, inputs: Mapping[str, Any]):
        super().__init__()
        self.inputs = inputs

    def start(self) -> _Cut:
        self.values: dict[str, Any] = {}
        return self

    def gathered(self) -> Any:
        return self.values

    def absorb(self, gathered: Any) -> None:
        self.values.update(gathered)

    def handle(self, site: Site) -> Site:
        out = perform(site)
        match out:
            case Sample() | Deterministic() | Param():
                self.values[out.name] = out.value
                if out.name in self.inputs:
                    value = self.inputs[out.name]
                    if not isinstance(out, Param):
                        value = self.here(value, out.name)
                    return replace(out, value=value)
        return out


def _any_value(site: Sample, _: Visit) -> Any:
    if family_of(site.fn) == "Delta":
        return site.fn.sample(jax.random.PRNGKey(0))  # its one value, with its sources
    return placeholder(site)


def _parts(site: Site) -> list[Any]:
    """What the site comes to: its density and parameters, or its value."""
    match site:
        case Sample():
            own = (site.fn, site.mask, site.scale)
            traced = [leaf for leaf in _flat(own) if isinstance(leaf, Tracer)]
            return [site.log_prob(), *traced]
        case Deterministic():
            return [leaf for leaf in _flat(site.value) if _is_number(leaf)]
    return []


def _node(site: Any, value: Any) -> Node:
    sample = site if isinstance(site, Sample) else None
    is_array = len(leaves := _flat(value)) == 1 and leaves[0] is value
    match site:
        case Sample():
            support = support_text(site.fn.support)
        case Param():
            support = support_text(site.constraint)
        case _:
            support = ""
    family = family_of(sample.fn) if sample else ""
    return Node(
        name=site.name,
        type=site.type,
        family="Deterministic" if isinstance(site, Deterministic) else family,
        shape=shape_of(value) if is_array else None,
        event_dim=sample.fn.event_dim if sample else 0,
        support=support,
        plates=tuple(frame.name for frame in site.plates),
        is_observed=bool(sample and sample.is_observed),
        line=site.line,
    )


def _flat(value: Any) -> list[Any]:
    return jax.tree.leaves(value)


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int)
