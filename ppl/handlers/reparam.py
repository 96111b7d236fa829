"""Put other variables in the place of sites, which then follow from them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from ppl._errors import ArgumentTypeError, ModelError, ShapeError, unknown_name
from ppl._pytree import replace
from ppl.primitives import (
    Deterministic,
    Handler,
    ObservedRequest,
    Sample,
    Site,
    perform,
)

Strategy = Callable[[str, Any, Any], tuple[Any, Any]]
"""From name, distribution and observed value to a distribution and a value."""


class reparam(Handler):
    """Let strategies sample other variables, and compute sites from them.

    A site with a strategy becomes a deterministic site of its name. What the strategy
    samples instead has the site's plates, scale and mask, and the outer handlers see
    it. (M. I. Gorinova, D. Moore, M. D. Hoffman, 2020, "Automatic reparameterisation of
    probabilistic programs".) The strategies are in `ppl.infer.reparam`. A site to which
    a handler inside has given a value stays as it is, and so does one that `condition`
    outside will observe.

    Args:
        fn: The model.
        config: Strategies by name of the site, where the names of what other strategies
            sample may be among them; or a function of the site that returns a strategy
            or None; or `ppl.infer.reparam.auto()`, which looks at the whole model.

    Raises:
        ArgumentTypeError: `config` is none of these.
        UnknownNameError: After the run, a name in the dict has met no sample site.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        config: Mapping[str, Strategy]
        | Callable[[Site], Strategy | None]
        | None = None,
    ):
        super().__init__(fn)
        if not callable(config) and not isinstance(config, Mapping):
            raise ArgumentTypeError(
                f"reparam needs config=, a dict or a function, got {config!r}.",
                value=config,
                hint="Write config={'x': LocScaleReparam(0)}.",
            )
        self.config = config

    def start(self) -> reparam:
        """Begin with no site met."""
        self.met: set[str] = set()
        return self

    def handle(self, site: Site) -> Any:
        """Put the site's strategy to work, if it has one."""
        match site:
            case Sample():
                self.met.add(site.name)
                given = site.value is not None and not site.is_observed
                strategy = None if given else self._strategy(site)
                if strategy is not None and not _observed_around(site):
                    return self._replaced(site, strategy)
        return perform(site)

    def _strategy(self, site: Sample) -> Any:
        match self.config:
            case Mapping():
                strategy = self.config.get(site.name)
            case _:
                strategy = self.config(site)
        if strategy is not None and not callable(strategy):
            raise ArgumentTypeError(
                f"a strategy must be a Reparam, got {strategy!r}.",
                site=site.name,
                value=strategy,
                hint="Write config={'x': LocScaleReparam(0)}.",
            )
        return strategy

    def _replaced(self, site: Sample, strategy: Strategy) -> Any:
        named = isinstance(self.config, Mapping)
        # A function would say the same of what was made by its own strategy, for ever.
        with _InPlaceOf(site, self.handle if named else perform):
            made = strategy(site.name, site.fn, site.value)
        fn, value = made
        if fn is None and value is None:
            raise ModelError(
                f"{type(strategy).__name__} gives neither a distribution nor a value "
                f"({site.line}).",
                site=site.name,
                value=made,
                hint="A strategy returns (None, value) or (distribution, None).",
            )
        if fn is None:
            return perform(
                Deterministic(
                    site.name, value=value, plates=site.plates, line=site.line
                )
            )
        site = replace(site, fn=fn)
        if value is not None:
            site = replace(site, value=value, is_observed=True)
        return perform(site)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the wrapped model; a config that looks at the whole of it does so now."""
        look = getattr(self.config, "for_model", None)
        if look is None or self.fn is None:
            return super().__call__(*args, **kwargs)
        run = copy.copy(self)
        run.config = look(self.fn, args, kwargs)
        return run(*args, **kwargs)

    def end(self) -> None:
        """Refuse names that the run has not met."""
        if isinstance(self.config, Mapping):
            for name in self.config:
                if name not in self.met:
                    raise unknown_name("site of reparam", name, sorted(self.met))


def _observed_around(site: Sample) -> bool:
    asked = ObservedRequest(site.name, plates=site.plates, line=site.line, site=site)
    return not site.is_observed and perform(asked).value is not None


class _InPlaceOf(Handler):
    """Gives what a strategy samples the surroundings of the site that it replaces."""

    def __init__(self, replaced: Sample, forward: Callable[[Site], Any]):
        super().__init__()
        self.replaced = replaced
        self.forward = forward

    def start(self) -> _InPlaceOf:
        """Begin with no key given."""
        self.keys_given = 0
        return self

    def handle(self, site: Site) -> Any:
        """Add plates, scale, mask and, if the site had one, a random key."""
        around = self.replaced
        site = replace(site, plates=(*around.plates, *site.plates))
        match site:
            case Sample():
                site = replace(
                    site,
                    fn=_over_plates(site),
                    scale=_both(around.scale, site.scale, lambda a, b: a * b),
                    mask=_both(around.mask, site.mask, lambda a, b: a & b),
                    rng_key=self._key() if site.rng_key is None else site.rng_key,
                )
        return self.forward(site)

    def _key(self) -> Any:
        if self.replaced.rng_key is None:
            return None
        self.keys_given += 1
        return jax.random.fold_in(self.replaced.rng_key, self.keys_given)


def _over_plates(site: Sample) -> Any:
    """The distribution of a site, expanded over all plates around it."""
    wide = [1] * max((-frame.dim for frame in site.plates), default=0)
    for frame in site.plates:
        wide[frame.dim] = frame.subsample_size
    batch = site.fn.batch_shape
    try:
        return site.fn.expand(np.broadcast_shapes(batch, tuple(wide)))
    except ValueError:
        names = ", ".join(f"'{frame.name}'" for frame in site.plates)
        raise ShapeError(
            f"batch shape {batch} of {type(site.fn).__name__} does not fit the plates "
            f"{names} ({site.line}).",
            site=site.name,
            value=batch,
            hint="What a strategy samples has the batch shape of the site.",
        ) from None


def _both(outer: Any, inner: Any, joined: Callable[[Any, Any], Any]) -> Any:
    if outer is None or inner is None:
        return inner if outer is None else outer
    return joined(outer, inner)
