"""A guide put together from several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import jax

from ppl._errors import ArgumentError, ArgumentTypeError
from ppl._sites import Sample
from ppl._typing import Array, Shape
from ppl.handlers.seed import as_key
from ppl.handlers.trace import trace
from ppl.infer.guides._continuous import AutoContinuous
from ppl.infer.guides._draws import draws
from ppl.infer.guides._place import Place
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import AutoGuide
from ppl.layout import SiteInfo

Part = Callable[..., Any]


@dataclass(frozen=True)
class _Values:
    """A guide that someone wrote, as a function that gives the values of its sites."""

    guide: Part

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        sites = trace(self.guide).get_trace(*args, **kwargs)
        return {
            name: site.value
            for name, site in sites.items()
            if isinstance(site, Sample) and not site.is_observed
        }


class AutoGuideList(AutoGuide):
    """Guides of parts of the model, which are independent of one another.

    Each part is a guide of some of the latent sites: one made from the model under
    `ppl.handlers.block`, or a function that samples sites and returns a dict of their
    values.

        guide = AutoGuideList(model)
        guide.append(AutoMultivariateNormal(block(seed(model, 0), hide=["z"])))
        guide.append(AutoNormal(block(seed(model, 0), expose=["z"])))

    Args:
        model: The model.
        prefix: Not used.
        init_loc_fn: Not used; each part has its own.
        create_plates: See `AutoGuide`.
        forward_mode_differentiation: See `AutoGuide`.
    """

    def __init__(self, model: Any, **options: Any):
        super().__init__(model, **options)
        self._parts: list[Part] = []

    def append(self, part: Part) -> None:
        """Add the guide of some more sites.

        Raises:
            ArgumentTypeError: It is not callable.
            ArgumentError: It needs the whole model, or another part has its params.
        """
        if not callable(part):
            raise ArgumentTypeError(
                f"a part must be a guide, got {part!r}.",
                value=part,
                hint="Write guide.append(AutoNormal(block(model, hide=[...]))).",
            )
        if isinstance(part, AutoGuide) and part.needs_whole_model:
            raise ArgumentError(
                f"{type(part).__name__} follows the density of the whole model, and a "
                "part does not have it.",
                value=part,
                hint="Use it alone.",
            )
        for other in self._parts:
            pair = isinstance(other, AutoContinuous), isinstance(part, AutoContinuous)
            if all(pair) and other.prefix == part.prefix:  # type: ignore[union-attr]
                raise ArgumentError(
                    f"two parts have params that begin with '{other.prefix}_'.",  # type: ignore[union-attr]
                    value=other.prefix,  # type: ignore[union-attr]
                    hint="Give one of them another prefix=.",
                )
        self._parts.append(part if isinstance(part, AutoGuide) else _Values(part))

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Perform the sites of all parts; gives the values by site."""
        found: dict[str, Any] = {}
        for part in self._parts:
            found.update(part(*args, **kwargs))
        return found

    def _check_sites(self, sites: Mapping[str, SiteInfo]) -> None:
        del sites  # those of each part are checked there

    def setup(self, *args: Any, **kwargs: Any) -> Prototype:
        for part in self._parts:
            if isinstance(part, AutoGuide):
                part.setup(*args, **kwargs)
        return super().setup(*args, **kwargs)

    @contextmanager
    def learning(self) -> Iterator[None]:
        with ExitStack() as stack:
            for part in self._parts:
                if isinstance(part, AutoGuide):
                    stack.enter_context(part.learning())
            stack.enter_context(super().learning())
            yield

    def sample_posterior(
        self,
        rng_key: Any,
        params: Mapping[str, Any],
        *args: Any,
        sample_shape: Shape = (),
        **kwargs: Any,
    ) -> dict[str, Array]:
        arguments, data = self._arguments(args, kwargs)
        args, kwargs = arguments.rebuild(data)
        found: dict[str, Array] = {}
        for i, part in enumerate(self._parts):
            key = jax.random.fold_in(as_key(rng_key), i)
            if isinstance(part, AutoGuide):
                own = part.sample_posterior(
                    key, params, *args, sample_shape=sample_shape, **kwargs
                )
            else:
                own = draws(part, arguments, data, key, params, sample_shape)
            found.update(own)
        return found

    def median(
        self, params: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for part in self._guides("median"):
            found.update(part.median(params, *args, **kwargs))
        return found

    def quantiles(
        self, params: Mapping[str, Any], quantiles: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for part in self._guides("quantiles"):
            found.update(part.quantiles(params, quantiles, *args, **kwargs))
        return found

    def _guides(self, what: str) -> list[AutoGuide]:
        """The parts, none of which is a function."""
        guides = [part for part in self._parts if isinstance(part, AutoGuide)]
        if len(guides) < len(self._parts):
            raise self._without(what)
        return guides

    def _key(self) -> tuple[Any, ...]:
        return *super()._key(), *self._parts

    def _begun(self, prototype: Prototype) -> Any:
        raise self._without("params of its own")

    def _at(self, site: Sample, begun: Any, place: Place) -> Array:
        raise self._without("sites of its own")
