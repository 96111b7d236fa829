"""Parts of a model that JAX traces by themselves, under the handlers of the model.

A loop's body runs under copies of the handlers around the loop (`Handler.inside`),
made inside of JAX's trace of the body. What they record there goes out of the loop with
its other results, as arrays, and comes back to the handlers as sites whose arrays have
one more leading dim (`Handler.absorb`).

Values that handlers have for all steps go into the loop as its inputs, so that JAX
slices them and the gradient of a slice costs no more than the slice. Which values these
are is known only when the body has been traced: the values that it asks for are
remembered in their order, and if there are any, it is traced again. What is inside of a
body that may be traced again is traced once there: the work grows with the depth of
nested loops, and not with a power of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import jaxpr_as_fun

from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ControlFlowError,
    ModelError,
    ShapeError,
)
from ppl._pytree import replace
from ppl._region import LoopAxis
from ppl._sites import only
from ppl._typing import Array, Key
from ppl.distributions.constraints import shape_of
from ppl.primitives import (
    AbstractRegion,
    Deterministic,
    Handler,
    Mutable,
    Param,
    PlateEntry,
    Sample,
    Site,
)

Record = tuple[list[Array], Callable[[list[Array]], Any]]
"""Arrays that leave a region, and what makes of them, stacked, what was recorded."""


class Slices:
    """Values for all steps of a loop that its body asks for, in that order.

    Attributes:
        arrays: The values.
        asked: For each time that it asks, the name of the site and the value's place.
        incomplete: Whether the body, or a loop in it, asked for what was no input.
    """

    def __init__(self):
        self.arrays: list[Any] = []
        self.asked: list[tuple[str, int]] = []
        self.incomplete = False

    def slot(self, value: Any, name: str) -> None:
        """Remember that the body asks for `value` of site `name`."""
        self.incomplete = True
        known = (i for i, a in enumerate(self.arrays) if a is value)
        place = next(known, len(self.arrays))
        if place == len(self.arrays):
            self.arrays.append(value)
        self.asked.append((name, place))

    def whole(self, length: int) -> list[Array]:
        """The arrays; one that is too short with its last entry repeated."""
        arrays = [jnp.asarray(array) for array in self.arrays]
        return [
            jnp.concatenate([a, jnp.repeat(a[-1:], length - len(a), axis=0)])
            if len(a) < length
            else a
            for a in arrays
        ]


class Once(AbstractRegion):
    """A region that runs once: a branch."""

    repeats = False

    def take(self, value: Any, name: str) -> Any:
        """All of it."""
        del name
        return value


class Steps(AbstractRegion):
    """One step of a loop of known length, or one member of a mapped function.

    Attributes:
        axis: What the loop puts in front of its sites.
        index: Of this step, int32 ().
        slices: What the body asks for.
        parts: This step's part of each of the arrays in `slices`; None while nobody
            knows which the body asks for.
    """

    def __init__(
        self,
        axis: LoopAxis,
        index: Array,
        slices: Slices,
        parts: list[Array] | None = None,
    ):
        self.axis = axis
        self.length = axis.size
        self.index = index
        self.slices = slices
        self.parts = parts
        self.met = 0

    def take(self, value: Any, name: str) -> Any:
        """The part of a value for all steps, its leading dim, that is this step's.

        Raises:
            ShapeError: There are not as many parts as steps.
        """
        return jax.tree.map(lambda leaf: self._take(leaf, name), value)

    def lacks(self, value: Any) -> bool:
        """Whether there are values, and fewer than steps."""
        shape = shape_of(value)
        return len(shape) > 0 and 0 < shape[0] < self.length

    def take_first(self, value: Any, name: str) -> tuple[Array, Array]:
        """This step's part of a value for the first steps, and whether there is one."""
        part = self._take(value, name, least=1)
        return part, self.index < len(value)

    def _take(self, value: Any, name: str, least: int | None = None) -> Array:
        shape = shape_of(value)
        least = self.length if least is None else least
        if not shape or not least <= shape[0] <= self.length:
            raise ShapeError(
                f"a value of shape {shape} is given to a site inside of "
                f"{self.axis.what} with {self.length} steps.",
                site=name,
                value=shape,
                hint="Its leading dim must be that of the steps, "
                f"({self.length}, *shape of one step).",
            )
        asked = self.slices.asked
        met, self.met = self.met, self.met + 1
        if self.parts is None:
            self.slices.slot(value, name)
        elif met < len(asked) and asked[met][0] == name:
            return self.parts[asked[met][1]]
        value = jnp.asarray(value)
        return jax.lax.dynamic_index_in_dim(value, self.index, 0, keepdims=False)

    def fold(self, key: Key) -> Key:
        """A key of this step's own."""
        return jax.random.fold_in(key, self.index)

    def all_steps(self, value: Any) -> Array:
        """A constant of the body, as often as there are steps."""
        return jnp.broadcast_to(value, (self.length, *np.shape(value)))


class Uncounted(AbstractRegion):
    """One step of a loop whose number of steps only the run shows."""

    def __init__(self, index: Array):
        self.index = index

    def take(self, value: Any, name: str) -> Any:
        """Refused, since nobody knows how many values there would have to be."""
        del value
        raise self._error(name, "is given a value")

    def fold(self, key: Key) -> Key:
        """A key of this step's own."""
        return jax.random.fold_in(key, self.index)

    def refusal(self, site: Any) -> ControlFlowError | None:
        """Refused likewise, but for what is only drawn."""
        if isinstance(site, Sample) and (site.is_observed or site.rng_key is None):
            what = "is observed" if site.is_observed else "needs a density"
            return self._error(site.name, what, site.line)
        return None

    def _error(self, name: str, what: str, line: str = "") -> ControlFlowError:
        return ControlFlowError(
            f"{what} inside of while_loop, whose number of steps is not known"
            f"{f' ({line})' if line else ''}: there one can only draw.",
            site=name,
            value=name,
            hint="Use ppl.control.scan with a fixed length.",
        )


class Guard(Handler):
    """Refuses what cannot be inside of a region."""

    def handle(self, site: Site) -> Any:
        """Forward all but holders of state."""
        if isinstance(site, Mutable):
            raise ModelError(
                f"mutable() stands inside of a loop or a branch ({site.line}), and "
                "what it holds would not leave it.",
                site=site.name,
                value=site.name,
                hint="Call mutable() outside, and carry its value through the loop.",
            )
        return super().handle(site)


def run_inside(
    region: AbstractRegion,
    handlers: tuple[Handler, ...],
    body: Callable[..., Any],
    *args: Any,
) -> tuple[Any, list[Any]]:
    """Run `body` under copies of the handlers.

    Returns:
        Its result; what each of the handlers has recorded.
    """
    inner = tuple(handler.inside(region) for handler in handlers)
    with only((Guard(), *inner) if handlers else ()):
        out = body(*args)
    return out, [handler.gathered() for handler in inner]


def absorb(handlers: tuple[Handler, ...], gathered: list[Any]) -> None:
    """Give the handlers around a region what their copies have recorded in it."""
    for handler, own in zip(handlers, gathered, strict=True):
        handler.absorb(own)


def loop_axis(what: str, size: int, name: Any, coords: Any) -> LoopAxis:
    """The axis of a loop's sites.

    Raises:
        ArgumentTypeError: The name is no string.
        ArgumentError: There are not as many labels as steps.
    """
    if name is not None and not isinstance(name, str):
        raise ArgumentTypeError(
            f"{what}: name must be a string, got {name!r}.",
            value=name,
            hint="It names the axis in labelled results.",
        )
    if coords is not None and len(coords) != size:
        raise ArgumentError(
            f"{what}: {len(coords)} coords for {size} steps.",
            value=coords,
            hint="Give one label for each step.",
        )
    return LoopAxis(what, size, name, coords)


def staged(run: Callable[[], Any]) -> Callable[[], Any]:
    """`run`, traced now and computed when it is called."""

    def anew() -> Any:  # a function that JAX has traced once it does not trace again
        return run()

    program, shapes = jax.make_jaxpr(anew, return_shape=True)()
    structure = jax.tree.structure(shapes)
    return lambda: structure.unflatten(jaxpr_as_fun(program)())


def looped(
    handlers: tuple[Handler, ...],
    length: int,
    slices: Slices,
    ready: Callable[[], Any],
    again: Callable[[list[Array]], Any],
) -> Any:
    """The result of a loop, whose body is traced again if it lacks inputs.

    Args:
        handlers: Those around the loop.
        length: Number of steps.
        slices: What the body has asked for.
        ready: Computes the loop as it has been traced, without these inputs.
        again: Computes it with these inputs.
    """
    regions = {region for handler in handlers for region in handler.regions}
    unsure = [r for r in regions if isinstance(r, Steps) and r.parts is None]
    for around in unsure:  # they are traced again, and this one with them
        around.slices.incomplete |= slices.incomplete
    if unsure or not slices.incomplete:
        return ready()
    return again(slices.whole(length))


# --- sites as arrays ------------------------------------------------------------------


def packed(gathered: Any, steps: Steps | None = None) -> Record:
    """What was recorded in a region, as arrays that may leave it.

    Args:
        gathered: A pytree of sites and arrays.
        steps: The loop, if each step has its own; then a constant of the body need not
            leave it.
    """
    leaves, structure = jax.tree.flatten(gathered, is_leaf=is_site)
    arrays: list[Array] = []
    rebuilds: list[Callable[[list[Array]], Any]] = []
    for leaf in leaves:
        own, rebuild = _packed_leaf(leaf, steps)
        rebuilds.append(_from_slice(rebuild, len(arrays), len(arrays) + len(own)))
        arrays.extend(own)

    def unpack(stacked: list[Array]) -> Any:
        return structure.unflatten([rebuild(stacked) for rebuild in rebuilds])

    return arrays, unpack


def is_site(value: Any) -> bool:
    """Whether a leaf of what was recorded is a site."""
    return isinstance(value, Site)


def _from_slice(
    rebuild: Callable[[list[Array]], Any], start: int, stop: int
) -> Callable[[list[Array]], Any]:
    return lambda stacked: rebuild(stacked[start:stop])


def _packed_leaf(leaf: Any, steps: Steps | None) -> Record:
    match leaf:
        case Sample():
            batch = leaf.fn.batch_shape
            value = jnp.broadcast_to(leaf.value, leaf.fn.shape())
            parts = {"value": value, "fn": leaf.fn}
            for name in ("mask", "scale"):  # a number holds for all steps of a loop
                own = leaf.get(name)
                if own is None:
                    continue
                if shape_of(own) or isinstance(own, Tracer) or steps is None:
                    parts[name] = jnp.broadcast_to(own, batch)
            site = replace(leaf, rng_key=None, **dict.fromkeys(parts))
            site = _with_axis(site, len(batch), steps)
        case Deterministic():
            parts = {"value": leaf.value}
            site = _with_axis(leaf, np.ndim(leaf.value), steps)
        case Param():
            # of all steps alike, as `seed` gives it one key
            value, rebuild = _packed_tree(leaf.value, None)
            site = replace(leaf, rng_key=None)
            first = (lambda a: a[0]) if steps else (lambda a: a)
            return value, lambda stacked: replace(
                site, value=rebuild([first(a) for a in stacked])
            )
        case PlateEntry():
            site = replace(leaf, rng_key=None)
            if not isinstance(leaf.value, Tracer):
                return [], lambda _: site
            parts = {"value": leaf.value}
        case _:
            return _packed_tree(leaf, steps)
    arrays, rebuild = _packed_tree(parts, steps)
    return arrays, lambda stacked: replace(site, **rebuild(stacked))


def _with_axis(site: Any, ndim: int, steps: Steps | None) -> Any:
    """A site that gets one more dim, in front of `ndim`, from a loop."""
    if steps is None:
        return site
    loops = ((-ndim - 1, steps.axis), *site.loops)
    return replace(site, loops=loops)


def _packed_tree(tree: Any, steps: Steps | None) -> Record:
    """The arrays of a pytree; constants stay behind where a step has its own."""
    leaves, structure = jax.tree.flatten(tree)
    moves = [isinstance(leaf, Tracer) or not steps for leaf in leaves]
    arrays = [jnp.asarray(a) for a, go in zip(leaves, moves, strict=True) if go]

    def rebuild(stacked: list[Array]) -> Any:
        rest = iter(stacked)
        whole = [
            next(rest) if go else steps.all_steps(leaf)  # type: ignore[union-attr]
            for leaf, go in zip(leaves, moves, strict=True)
        ]
        return structure.unflatten(whole)

    return arrays, rebuild
