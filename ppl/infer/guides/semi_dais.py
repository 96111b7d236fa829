"""A guide that anneals the latent values of each member of a plate by themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ModelError, ShapeError
from ppl._pytree import replace
from ppl._sites import (
    Handler,
    PlateFrame,
    Sample,
    Site,
    only,
    perform,
)
from ppl._typing import Array, Model
from ppl.control import plate
from ppl.distributions import constraints
from ppl.distributions.normal import Normal
from ppl.distributions.transforms import biject_to
from ppl.handlers.substitute import fill, substitute
from ppl.infer.guides._annealing import (
    Annealing,
    Force,
    ParamsOnly,
    check_annealing,
    declared,
    momenta,
    with_params,
)
from ppl.infer.guides._place import Place
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import AutoGuide, Guided, check_scale
from ppl.primitives import factor, param, sample


class _Local(NamedTuple):
    """The model of the local values, at some values of the others.

    Attributes:
        prototype: Of this model; its params have been performed.
        frame: The plate of its members.
        chosen: Indices of the members in use, (members,).
    """

    prototype: Prototype
    frame: PlateFrame
    chosen: Array

    @property
    def size(self) -> int:
        """Unconstrained values of one member."""
        return self.prototype.density.layout.size // self.frame.subsample_size

    def split(self, rows: Array) -> dict[str, Array]:
        """Unconstrained values by site, from (members, size)."""
        found, start = {}, 0
        for entry in self.prototype.entries:
            end = start + entry.size // self.frame.subsample_size
            found[entry.name] = rows[:, start:end].reshape(entry.free_shape)
            start = end
        return found

    def join(self, values: Mapping[str, Array]) -> Array:
        """The reverse of `split`."""
        count = self.frame.subsample_size
        parts = [values[e.name].reshape(count, -1) for e in self.prototype.entries]
        return jnp.concatenate(parts, 1)

    @property
    def pinned(self) -> substitute:
        """Gives the plate the indices that it has had."""
        return fill(data={self.frame.name: self.chosen})

    @property
    def members(self) -> plate:
        """The plate again, for sites of the guide."""
        size, used = self.frame.size, self.frame.subsample_size
        return plate(self.frame.name, size, used, dim=-1)

    def force(self, density: Any, *, forward: bool = False) -> Force:
        """The gradient of a log density, for each member in use its own."""
        part = self.frame.size / self.frame.subsample_size
        model = _Unscaled(self.frame.name, part)(self.pinned(density.spec.model))
        changed = {"forward_mode": True} if forward else {}
        spec = dataclasses.replace(density.spec, model=model, **changed)
        density = replace(density, spec=spec)

        def slope(rows: Array, /) -> Array:
            def total(rows: Array) -> Array:
                return density.at_sites(self.split(rows))

            with only(()):  # the density is no statement
                return (jax.jacfwd if forward else jax.grad)(total)(rows)

        return slope


class _Unscaled(Handler):
    """Takes away the factor that sites have for the members that are not in use."""

    def __init__(self, name: str, part: float):
        super().__init__()
        self.name, self.part = name, part

    def handle(self, site: Site) -> Site:
        """Divide the scale of a site in the plate."""
        match site:
            case Sample(scale=scale) if scale is not None:
                if any(frame.name == self.name for frame in site.plates):
                    site = dataclasses.replace(site, scale=scale / self.part)
        return perform(site)


class AutoSemiDAIS(AutoGuide):
    """Any guide of the global values; annealed importance sampling for the local ones.

    Jankowiak & Phan, "Surrogate likelihoods for variational annealed importance
    sampling", ICML 2022; Geffner & Domke, "Variational inference with locally enhanced
    bounds for hierarchical models", 2022. The local values of each member of a plate
    follow the density of this member, which may be one of those in use. `model` is
    `lambda *args: local_model(global_model(*args))`.

    Args:
        model: The whole model.
        local_model: The part with the local latent sites, all in one plate; its
            argument is what the global model returns, or those of the model if there is
            no global guide.
        global_guide: A guide made from the global model, or None if nothing is global.
        local_guide: A function of the argument of `local_model` that samples the local
            sites, in the same plate, for where the steps begin; normal if None.
        prefix: Begins the names of the params; see `AutoDAIS`.
        K: Steps, each of which takes a gradient.
        eta_init: Step size to begin with.
        eta_max: The largest step size.
        gamma_init: Share of the momentum that a step keeps, to begin with.
        init_scale: Standard deviations to begin with.
        subsample_plate: The name of the plate, where it is not the one that is
            subsampled.
        use_global_dais_params: Whether all members share the settings of the steps.
        forward_mode_differentiation: Differentiate the density forward, for loops of
            unknown length.

    Raises:
        ArgumentError: An option is out of range, or the global guide has no model.
    """

    needs_whole_model = True

    def __init__(
        self,
        model: Model,
        local_model: Model,
        global_guide: Any = None,
        local_guide: Model | None = None,
        *,
        prefix: str = "auto",
        K: int = 4,
        eta_init: float = 0.01,
        eta_max: float = 0.1,
        gamma_init: float = 0.9,
        init_scale: float = 0.1,
        subsample_plate: str | None = None,
        use_global_dais_params: bool = False,
        forward_mode_differentiation: bool = False,
    ):
        if global_guide is not None and not isinstance(global_guide, AutoGuide):
            raise ArgumentError(
                f"global_guide must be made from a model, got {global_guide!r}.",
                value=global_guide,
                hint="Write AutoNormal(global_model).",
            )
        steps = {"eta_init": eta_init, "eta_max": eta_max, "gamma_init": gamma_init}
        super().__init__(
            model,
            prefix=prefix,
            local_model=local_model,
            global_guide=global_guide,
            local_guide=local_guide,
            init_scale=check_scale(init_scale),
            subsample_plate=subsample_plate,
            shared=bool(use_global_dais_params),
            forward=bool(forward_mode_differentiation),
            **check_annealing(K=K, **steps),
        )

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Perform the sites of both parts; gives the values by site."""
        self.setup(*args, **kwargs)
        guide, values = self.options["global_guide"], {}
        if guide is not None:
            values = dict(guide(*args, **kwargs))
            with ParamsOnly(values):
                args, kwargs = (guide.model(*args, **kwargs),), {}
        local_model, options = self.options["local_model"], self.options
        known = self._traced(args, kwargs, local_model)
        frame = self._frame(known)
        used = frame.subsample_size
        with plate(frame.name, frame.size, used, dim=-1) as index:
            pass
        local = _Local(with_params(known, local_model), frame, index)
        annealing = self._annealing(local)
        start, lacking, base = self._start(local, args, kwargs)
        with local.pinned, local.members:
            noise = momenta(self.prefix, (used,), options["K"], local.size)
            target = local.force(local.prototype.density, forward=options["forward"])
            rows, gain = annealing.run(start, noise, base, target)
            factor(f"{self.prefix}_local_dais_factor", lacking - gain)
        with Guided(self, local.split(rows)) as found, local.pinned:
            local_model(*args, **kwargs)
        return {**values, **found}

    def _annealing(self, local: _Local) -> Annealing:
        """The settings of the steps for the members in use."""
        batch = () if self.options["shared"] else (local.frame.size,)
        made = declared(self.options, self.prefix, batch, local.size)
        if self.options["shared"]:
            return made
        *each, _ = Annealing._fields
        return made._replace(**{n: getattr(made, n)[local.chosen] for n in each})

    def _start(
        self, local: _Local, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Array, Array | float, Force]:
        """Draws to begin with, what their density lacks, and its gradient."""
        guide, name = self.options["local_guide"], f"{self.prefix}_z_0"
        infer = {"is_auxiliary": True}
        if guide is None:
            loc, scale = self._normal(local)
            law = Normal(loc, scale).to_event(1)

            def normal_force(rows: Array) -> Array:
                return (loc - rows) / scale**2

            with local.pinned, local.members:
                return sample(name, law, infer=infer), 0.0, normal_force
        with _Renamed(name) as drawn, local.pinned:
            guide(*args, **kwargs)
        known = with_params(self._traced(args, kwargs, guide), guide)
        ours = {e.name: e.free_shape for e in local.prototype.entries}
        theirs = {e.name: e.free_shape for e in known.entries}
        if ours != theirs:
            raise ShapeError(
                f"the local guide has sites {theirs}, and the local model {ours} (of "
                "these unconstrained shapes).",
                value=theirs,
                hint="Sample the same sites in the same plate.",
            )
        free, log_dets = {}, 0.0
        for site in drawn.values():
            bijector = biject_to(site.fn.support)
            free[site.name], log_det = bijector.inverse_and_log_det(site.value)
            log_dets += log_det.reshape(len(local.chosen), -1).sum(-1)
        base = local.force(known.density, forward=self.options["forward"])
        return local.join(free), -log_dets, base

    def _normal(self, local: _Local) -> tuple[Array, Array]:
        """Means and standard deviations of the members in use, (members, size)."""
        shape = (local.frame.size, local.size)
        initial = self._initial(local.prototype)

        def loc(_: Any) -> Array:
            rows = local.join(initial())
            return jnp.resize(rows, shape)

        found = param(f"{self.prefix}_z_0_loc", loc)[local.chosen]
        scale = jnp.full(shape, self.options["init_scale"])
        positive = constraints.softplus_positive
        scales = param(f"{self.prefix}_z_0_scale", scale, constraint=positive)
        return found, scales[local.chosen]

    def _frame(self, local: Prototype) -> PlateFrame:
        """The plate of the local sites.

        Raises:
            ArgumentError: It is not known which one it is.
            ModelError: A local site is not in it, or not along its first dim.
        """
        wanted, plates = self.options["subsample_plate"], local.plates
        names = [wanted] if wanted is not None else []
        if wanted is None:
            names = [n for n, f in plates.items() if f.subsample_size < f.size]
            names = names or list(plates)
        if len(names) != 1 or names[0] not in plates:
            raise ArgumentError(
                f"subsample_plate={wanted!r}, and the local model has plates "
                f"{list(plates)}.",
                value=wanted,
                hint="Give the name of the plate whose members have local values.",
            )
        frame = plates[names[0]]
        for entry in local.entries:
            site = local.sites[entry.name]
            axis = len(site.shape) - site.event_dim + frame.dim
            if all(f.name != frame.name for f in site.plates) or axis != 0:
                raise ModelError(
                    f"is a latent site of the local model, and plate '{frame.name}' is "
                    f"not its first dim: its shape is {site.shape}.",
                    site=entry.name,
                    value=site.shape,
                    hint="Put all local sites into this plate, outside of others.",
                )
        return frame

    def _begun(self, prototype: Prototype) -> Any:
        raise self._without("other params")

    def _at(self, site: Sample, begun: dict[str, Array], place: Place) -> Array:
        return place.fixed(site, place.here(begun[site.name], site.name))


class _Renamed(Handler):
    """Performs the sites of a guide as auxiliary ones of other names.

    Entering gives the dict of the sites, by their own names.
    """

    def __init__(self, prefix: str):
        super().__init__()
        self.prefix = prefix

    def start(self) -> dict[str, Sample]:
        """Begin with no sites."""
        self.sites: dict[str, Sample] = {}
        return self.sites

    def handle(self, site: Site) -> Site:
        """Give a site another name."""
        match site:
            case Sample(name=name, is_observed=False):
                other = f"{self.prefix}_{name}"
                infer = {"is_auxiliary": True}
                out = perform(dataclasses.replace(site, name=other, infer=infer))
                self.sites[name] = dataclasses.replace(out, name=name)
                return self.sites[name]
        return perform(site)
