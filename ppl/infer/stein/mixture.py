"""Draws of a mixture of guides: as a posterior, and of what it predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import unknown_name
from ppl._sites import Handler, Param, Site, perform
from ppl._typing import Array, Key, Model
from ppl.distributions.categorical import CategoricalLogits
from ppl.infer.approximations.guided import AbstractDrawing, Ran, name_of
from ppl.infer.elbo import Runs
from ppl.infer.predictive import Predictive
from ppl.infer.stein.loss import check_members, log_mixture
from ppl.primitives import sample


@dataclass(frozen=True)
class Mixed(AbstractDrawing):
    """Draws of a mixture of guides: each member has its turn.

    Attributes:
        own: Names of the params of which every member has its own.
        count: How many members there are.
        are_points: Whether they are points, without a density.
    """

    own: tuple[str, ...]
    count: int
    are_points: bool

    @property
    def method(self) -> str:
        name = "SVGD" if self.are_points else "SteinVI"
        return f"{name} ({name_of(self.guide)}, {self.count} particles)"

    @property
    def points(self) -> int | None:
        return self.count if self.are_points else None

    def ran(
        self,
        key: Key,
        number: Array,
        params: Mapping[str, Any],
        data: tuple[tuple[Any, ...], dict[str, Any]],
    ) -> Ran:
        own = {name: params[name] for name in self.own}
        shared = {n: value for n, value in params.items() if n not in own}
        member = _member(own, number % self.count)
        runs = Runs(key, {**shared, **member}, self.model, self.guide, *data)
        pair = runs.pair()
        if self.are_points:
            return Ran(pair.model, jnp.zeros(()))
        return Ran(pair.model, log_mixture(runs, pair.guide, shared, own))


class MixtureGuidePredictive:
    """Draws of what a model says with a mixture of guides; see `ppl.infer.Predictive`.

    Each draw is of a member of its own, all as likely.

    Args:
        model: The model.
        guide: The guide.
        params: What a fit has found.
        guide_sites: Names of the params of which every member has its own:
            `SteinVI.guide_sites`.
        num_samples: How many draws; by default one for each member.
        return_sites: See `Predictive`.
        mixture_assignment_sitename: Of the site that tells which member a draw is of;
            ask for it in `return_sites`.

    Raises:
        UnknownNameError: A param in `guide_sites` has no value.
    """

    def __init__(
        self,
        model: Model,
        guide: Model,
        params: Mapping[str, Any],
        guide_sites: Sequence[str],
        num_samples: int | None = None,
        return_sites: Sequence[str] | None = None,
        mixture_assignment_sitename: str = "mixture_assignments",
    ):
        for name in guide_sites:
            if name not in params:
                raise unknown_name("param in guide_sites", name, params)
        own = {name: params[name] for name in guide_sites}
        count = next((len(leaf) for leaf in jax.tree.leaves(own)), 0)
        check_members(own, count)
        name = mixture_assignment_sitename
        mixture = _one_of_many(guide, tuple(own), count, name)
        self.predictive = Predictive(
            model,
            guide=mixture,
            params=params,
            num_samples=count if num_samples is None else num_samples,
            return_sites=return_sites,
        )

    def __call__(self, rng_key: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Draw; see `Predictive`.

        Args:
            rng_key: An int or a JAX key.
            *args: Arguments of the model.
            **kwargs: Keyword arguments of the model.
        """
        return self.predictive(rng_key, *args, **kwargs)


def _one_of_many(
    guide: Model, own: tuple[str, ...], count: int, name: str
) -> Callable[..., Any]:
    """The guide with the params of a member that is drawn."""

    def mixture(*args: Any, **kwargs: Any) -> Any:
        infer = {"is_auxiliary": True}
        number = sample(name, CategoricalLogits(jnp.zeros(count)), infer=infer)
        with _OfMember(own, number):
            return guide(*args, **kwargs)

    return mixture


class _OfMember(Handler):
    """Gives params their value of one member."""

    def __init__(self, own: tuple[str, ...], number: Any):
        super().__init__()
        self.own, self.number = own, number

    def handle(self, site: Site) -> Site:
        """Take a row of the value on the way back."""
        out = perform(site)
        if isinstance(out, Param) and out.name in self.own:
            out = replace(out, value=_member(out.value, self.number))
        return out


def _member(params: Any, number: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[number], params)
