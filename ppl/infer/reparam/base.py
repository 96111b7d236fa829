"""What a reparameterisation is, and what all of them do with wrapped distributions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ppl._errors import ModelError
from ppl._pytree import replace
from ppl._typing import Array, Shape
from ppl.distributions import Distribution, Independent, MaskedDistribution


class Reparam(ABC):
    """How a latent site is made of other variables, for `ppl.handlers.reparam`."""

    @abstractmethod
    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample other variables, and say what becomes of the site.

        Args:
            name: Of the site.
            fn: Its distribution, of the site's batch shape.
            obs: Its observed value, or None.

        Returns:
            `(None, value)`: the site is deterministic, with this value. `(fn, None)`:
            it is a sample site with this distribution. `(fn, value)`: it is observed.

        Raises:
            ModelError: The strategy does not fit the site.
        """

    def __repr__(self) -> str:
        settings = (f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({', '.join(settings)})"


class AbstractAround(Distribution):
    """A distribution with the shapes of another one."""

    base_dist: Distribution

    @property
    def batch_shape(self) -> Shape:
        return self.base_dist.batch_shape

    @property
    def event_shape(self) -> Shape:
        return self.base_dist.event_shape


def must_be_latent(strategy: Reparam, name: str, obs: Any) -> None:
    """Refuse an observed site, for which another variable would be without use."""
    if obs is not None:
        raise ModelError(
            f"is observed, and {type(strategy).__name__} is for latent sites.",
            site=name,
            value=obs,
            hint=f"Take '{name}' out of the config of reparam.",
        )


def unwrapped(fn: Distribution) -> tuple[Any, Callable[[Any], Any]]:
    """The family inside of `to_event` and `mask`, and a function that wraps others."""
    match fn:
        case Independent() | MaskedDistribution():
            base, wrap = unwrapped(fn.base_dist)
            return base, lambda new: replace(fn, base_dist=wrap(new))
    return fn, lambda new: new


def does_not_fit(strategy: Reparam, name: str, fn: Any, why: str, hint: str) -> Any:
    """The error for a distribution that a strategy is not made for."""
    return ModelError(
        f"{type(strategy).__name__} {why}, but its distribution is a "
        f"{type(fn).__name__}.",
        site=name,
        value=type(fn).__name__,
        hint=hint,
    )
