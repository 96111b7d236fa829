"""Running a model once for each of many draws, in compiled blocks of bounded memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._counts import as_count
from ppl._errors import LeakedSiteError, PPLWarning, warn
from ppl._flow import followed, joined, members, own
from ppl._sites import Sample
from ppl._typing import Array, Key
from ppl.arguments import Arguments
from ppl.constant_arguments import with_constants_where_needed
from ppl.layout import SiteInfo
from ppl.one_draw import Sites, Task, kept_of, refuse_strangers, visited
from ppl.target import described
from ppl.visiting import fingerprint

_BLOCK_BYTES = 64 * 2**20


class PriorDrawsWarning(PPLWarning):
    """Latent sites without posterior draws are drawn from their priors."""


class DoubtfulDrawsWarning(PPLWarning):
    """Draws are outside of the support of their site, or not numbers."""


@dataclass(frozen=True)
class Inputs:
    """What the draws of a task are made of.

    Attributes:
        data: Array arguments of the model.
        key: Of all draws; None where nothing is drawn.
        values: Draws by site, (draws, *shape).
        params: Values of param sites, the same in all draws.
        count: How many draws.
    """

    data: tuple[Any, ...]
    key: Key | None
    values: Sites
    params: Sites
    count: int


@dataclass(frozen=True)
class Survey:
    """What one abstract run of a task tells.

    Attributes:
        task: The task, with its fingerprint.
        data: The arguments that are still arrays.
        sites: What is known of the sample and deterministic sites.
        kept: Names of what is kept, in the order of the model or as asked for.
        drawn: Sample sites that are drawn.
        missing: Those of them on which other sites depend, but for the ones asked for.
        nbytes: Of what is kept of one draw.
    """

    task: Task
    data: tuple[Any, ...]
    sites: dict[str, SiteInfo]
    kept: tuple[str, ...]
    drawn: tuple[str, ...]
    missing: tuple[str, ...]
    nbytes: int


def survey(task: Task, inputs: Inputs) -> Survey:
    """Run a task once, abstractly, and refuse what cannot be meant.

    Raises:
        UnknownNameError: A value or a name to return belongs to no site.
        ShapeError: Draws of a site have not its shape.
        ModelError: A site that must have values has none; the guide has a site that
            the model has not.
    """
    look = partial(_survey, task, inputs)
    return with_constants_where_needed(look, task.model, task.arguments, inputs.data)


def run(
    found: Survey, inputs: Inputs, batch_size: int | None, *, on_host: bool
) -> dict[str, Any]:
    """What is kept of every draw, by site, (draws, *shape).

    Draw i depends on the key and i alone.

    Args:
        found: The task, surveyed.
        inputs: What it was surveyed with.
        batch_size: Draws of one block; None for as many as fill some 64 MB.
        on_host: Gather NumPy arrays instead of leaving all on the device.
    """
    size = batch_size or max(1, _BLOCK_BYTES // max(1, found.nbytes))
    size = max(1, min(size, inputs.count))
    program = _compiled if found.task.fingerprint else _block
    data = jax.tree.map(jnp.asarray, found.data)
    params = dict(inputs.params)
    parts, flags = [], []
    for begin in range(0, max(inputs.count, 1), size):
        # The last block is padded, so that one program serves all.
        index = np.minimum(np.arange(begin, begin + size), max(inputs.count - 1, 0))
        stop = min(begin + size, inputs.count)
        values = {k: _rows(v, begin, stop, size) for k, v in inputs.values.items()}
        block, bad = program(found.task, data, inputs.key, index, values, params)
        gathered = partial(_gathered, count=stop - begin, on_host=on_host)
        parts.append(jax.tree.map(gathered, block))
        flags.append(bad)
    _tell_doubtful(flags, inputs.count)
    join = np.concatenate if on_host else jnp.concatenate
    whole = parts[0]
    if len(parts) > 1:
        whole = jax.tree.map(lambda *blocks: join(blocks), *parts)
    return {name: whole[name] for name in found.kept}


def check_count(name: str, value: Any) -> None:
    """Refuse what is neither None nor a positive int.

    Raises:
        ArgumentTypeError: It is no int.
        ArgumentError: It is not positive.
    """
    if value is not None:
        as_count(name, value)


def as_names(given: str | Iterable[str]) -> tuple[str, ...]:
    """The names, of which one may be given by itself."""
    return (given,) if isinstance(given, str) else tuple(given)


def flat(samples: Mapping[str, Any], ndims: int) -> dict[str, Any]:
    """Draws by site with one batch dim instead of the `ndims` leading ones."""
    if ndims == 1:
        return dict(samples)
    return {
        name: value.reshape(math.prod(value.shape[:ndims]), *value.shape[ndims:])
        for name, value in samples.items()
    }


def tell_missing(names: Sequence[str]) -> None:
    """Say once which latent sites come from their priors."""
    if not names:
        return
    several = len(names) > 1
    listed = ", ".join(f"'{name}'" for name in names)
    warn(
        f"site{'s' * several} {listed} ha{'ve' if several else 's'} no posterior draws "
        f"and {'are' if several else 'is'} drawn from the prior, though other sites "
        f"depend on {'them' if several else 'it'}. Give draws, or name "
        f"{'them' if several else 'it'} in return_sites if this is meant.",
        PriorDrawsWarning,
    )


def _tell_doubtful(flags: Sequence[Sites], count: int) -> None:
    """Say which sites have draws that mean nothing, from blocks of flags, (block, …).

    They are read after all blocks have been started, so that none waits for another.
    """
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(flags)):
        return
    words = {
        "outside": "given draws are outside of the site's support.",
        "nan": "draws have NaN: parameters of the distribution are out of range there, "
        "or data have NaN.",
    }
    for what, said in words.items():
        for name in flags[0][what]:
            each = np.concatenate([np.asarray(block[what][name]) for block in flags])
            each = each[:count]  # without the rows that fill up the last block
            bad = int(np.sum(each.any(axis=tuple(range(1, each.ndim)))))
            if bad:
                warn(f"site '{name}': {bad} of {count} {said}", DoubtfulDrawsWarning)


def _rows(value: Any, begin: int, stop: int, size: int) -> Any:
    """Rows from `begin` to `stop`, the last one repeated up to `size` rows."""
    if stop - begin == size:
        return value if len(value) == size else value[begin:stop]
    return value[np.minimum(np.arange(begin, begin + size), stop - 1)]


def _gathered(value: Any, *, count: int, on_host: bool) -> Any:
    if on_host and not isinstance(value, Tracer):
        value = np.asarray(value)
    return value if len(value) == count else value[:count]


def _block(
    task: Task,
    data: tuple[Any, ...],
    key: Key | None,
    index: Array,
    values: Sites,
    params: Sites,
) -> tuple[Sites, Sites]:
    """What is kept of the draws with these indices, (block, *shape), and flags."""

    def one(index: Array, values: Sites) -> tuple[Sites, Sites]:
        return _over_params(task, data, _folded(key, index), values, params)

    return jax.vmap(one)(index, values)


_compiled = jax.jit(_block, static_argnames="task")


def _over_params(
    task: Task, data: tuple[Any, ...], key: Key | None, values: Sites, params: Sites
) -> tuple[Sites, Sites]:
    """What is kept of one draw, perhaps for each of a batch of parameters; flags."""

    def one(key: Key | None, params: Sites) -> tuple[Sites, Sites]:
        sites, guided = visited(task, data, key, values, params)
        kept = kept_of(task, sites, {*values, *guided})
        return kept, _doubtful(task, sites, values, kept)

    if not task.batched_params:
        return one(key, params)
    count = len(jax.tree.leaves(params)[0])
    keys = jax.vmap(partial(_folded, key))(jnp.arange(count))
    return jax.vmap(one)(keys, params)


def _doubtful(task: Task, sites: Sites, given: Sites, kept: Sites) -> Sites:
    """Which given values are outside of their supports, which kept ones not numbers.

    Matrices are not looked at: rounding makes many of them singular.
    """
    samples = {n: s for n, s in sites.items() if isinstance(s, Sample)}
    outside = {
        name: jnp.logical_not(jnp.all(samples[name].fn.support(given[name])))
        for name in given
        if name in samples and samples[name].fn.event_dim < 2
    }
    random = [n for n, s in samples.items() if s.is_observed == task.density]
    nan = {n: jnp.any(jnp.isnan(kept[n])) for n in random if n in kept}
    return {"outside": outside, "nan": nan}


def _folded(key: Key | None, index: Array) -> Key | None:
    return None if key is None else jax.random.fold_in(key, index)


# --- the abstract run -----------------------------------------------------------------


def _survey(
    task: Task, inputs: Inputs, arguments: Arguments, data: tuple[Any, ...]
) -> Survey:
    task = dataclasses.replace(task, arguments=arguments)
    shapes = {name: np.shape(value) for name, value in inputs.values.items()}
    infos: dict[str, SiteInfo] = {}
    names: list[str] = []

    def body(
        data: tuple[Any, ...], key: Key | None, values: Sites, params: Sites
    ) -> Any:
        sites, guided = visited(task, data, key, values, params, shapes)
        refuse_strangers(task, inputs.values, sites, guided)
        given = {*values, *guided}
        infos.update(described(sites))
        drawn = {
            name: site
            for name, site in sites.items()
            if isinstance(site, Sample) and not site.is_observed and name not in given
        }
        kept = kept_of(task, sites, given)
        names.extend(kept)
        values = {name: site.value for name, site in drawn.items()}
        return kept, values, {name: _numbers(site.fn) for name, site in drawn.items()}

    params = inputs.params
    if task.batched_params:
        params = jax.tree.map(lambda leaf: leaf[0], dict(params))
    one = {name: _one_of(value) for name, value in inputs.values.items()}
    jaxpr, out = jax.make_jaxpr(body, return_shape=True)(data, inputs.key, one, params)
    places = jax.tree.unflatten(jax.tree.structure(out), jaxpr.jaxpr.outvars)
    missing = _depended_on(jaxpr.jaxpr, *places[1:])
    try:
        digest = fingerprint(jaxpr)
    except LeakedSiteError:  # the model closes over what JAX is tracing
        digest = ""
    nbytes = sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(out[0]))
    return Survey(
        task=dataclasses.replace(task, fingerprint=digest),
        data=data,
        sites=infos,
        kept=tuple(names),
        drawn=tuple(n for n in infos if n in places[1]),
        missing=tuple(n for n in missing if n not in (task.return_sites or ())),
        nbytes=nbytes,
    )


def _one_of(value: Any) -> jax.ShapeDtypeStruct:
    """What stands for one draw."""
    dtype = jax.dtypes.canonicalize_dtype(value.dtype)
    return jax.ShapeDtypeStruct(value.shape[1:], dtype)


def _numbers(fn: Any) -> list[Any]:
    kinds = jax.Array | np.ndarray | float | int
    return [leaf for leaf in jax.tree.leaves(fn) if isinstance(leaf, kinds)]


def _depended_on(
    jaxpr: Any, values: Mapping[str, Any], parameters: Mapping[str, list[Any]]
) -> tuple[str, ...]:
    """The sites on whose values the parameters of another site depend.

    Args:
        jaxpr: A program.
        values: Variables in it that hold the values, by site.
        parameters: Those that hold the parameters of the distributions.
    """
    read = followed(jaxpr, ((v, own(i)) for i, v in enumerate(values.values())))
    reached = 0
    for other, variables in parameters.items():
        itself = 1 << list(values).index(other)
        reached |= joined(map(read, variables)).any & ~itself
    return members(reached, tuple(values))
