"""Networks of several libraries, taken apart by their shape and none imported.

A network is what starts its parameters, the names of these, and what puts values in
their places. Flax NNX and Equinox modules and other callables that are pytrees have
their values with them; Flax Linen modules and pairs `(init, apply)` make them of a key.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ArgumentTypeError
from ppl._typing import Key, Shape

_REMEDY = (
    "Give a Flax NNX or Linen module, an Equinox module, a pair (init, apply), or any "
    "callable pytree whose float arrays are the parameters."
)


@dataclass(frozen=True)
class Network:
    """A network whose parameters come from outside.

    Attributes:
        init: The initial parameters, a pytree; a function of a key where `draws`.
        draws: Whether the parameters are drawn, else they are in the network.
        path: The name of a parameter from its place in the tree.
        bind: A function of the inputs, from parameters and a holder of state or None.
        state: What the network changes while it is used, or None.
    """

    init: Callable[[Key | None], Any]
    draws: bool
    path: Callable[[Sequence[Any]], str]
    bind: Callable[[Any, Any], Callable[..., Any]]
    state: Any = None


def network(name: str, net: Any, input_shape: Shape | None = None) -> Network:
    """Take apart any network.

    Raises:
        ArgumentTypeError: It is none.
        ArgumentError: It needs an `input_shape` and has none, or has no parameters.
    """
    if isinstance(net, tuple | list) and len(net) == 2 and all(map(callable, net)):
        return pair(name, net, input_shape)
    if is_nnx(net):
        return nnx_network(name, net)
    if is_linen(net):
        return linen_network(name, net, input_shape=input_shape)
    return pytree_network(name, net)


def is_nnx(net: Any) -> bool:
    """Whether it is a Flax NNX module."""
    return any(c.__module__.startswith("flax.nnx") for c in type(net).__mro__)


def is_linen(net: Any) -> bool:
    """Whether it makes its parameters by `init` and is used by `apply`."""
    init, apply = (getattr(net, verb, None) for verb in ("init", "apply"))
    return callable(init) and callable(apply)


# --- pytrees --------------------------------------------------------------------------


def pytree_network(name: str, net: Any) -> Network:
    """A callable pytree, such as an Equinox module: its float arrays are learnt."""
    _check_callable(name, net)
    params = jax.tree.map(lambda leaf: leaf if _is_floating(leaf) else None, net)
    _check_not_empty(name, net, params)

    def bind(params: Any, _: Any) -> Any:
        leaves = iter(jax.tree.leaves(params))
        return jax.tree.map(lambda x: next(leaves) if _is_floating(x) else x, net)

    return Network(lambda _: params, draws=False, path=_key_string, bind=bind)


def _is_floating(leaf: Any) -> bool:
    is_array = isinstance(leaf, jax.Array | np.ndarray)
    return is_array and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _key_string(path: Sequence[Any]) -> str:
    """`layers[0].weight`."""
    return jax.tree_util.keystr(tuple(path)).removeprefix(".")


# --- Flax NNX -------------------------------------------------------------------------


def nnx_network(name: str, net: Any) -> Network:
    """A Flax NNX module: its `Param` variables are learnt, the others are its state.

    A variable that stands at several places is one parameter, named by the first.
    """
    _check_callable(name, net)
    found, tree = jax.tree_util.tree_flatten_with_path(net, is_leaf=_is_variable)
    first: dict[int, tuple[Any, ...]] = {}
    params: dict[Any, Any] = {}
    state: dict[Any, Any] = {}
    for path, leaf in found:
        if _is_variable(leaf) and id(leaf) not in first:
            first[id(leaf)] = tuple(_plain(key) for key in path)
            into = params if _named(leaf, "Param") else state
            _put(into, first[id(leaf)], leaf.get_value())
    _check_not_empty(name, net, params)

    def bind(params: Any, holder: Any) -> Callable[..., Any]:
        made: dict[int, Any] = {}
        for _, leaf in found:
            if _is_variable(leaf) and id(leaf) not in made:
                source = params if _named(leaf, "Param") else holder["state"]
                value = _get(source, first[id(leaf)])
                made[id(leaf)] = leaf.replace(value)
        leaves = [made.get(id(leaf), leaf) for _, leaf in found]
        module = jax.tree.unflatten(tree, leaves)
        if holder is None:
            return module

        def call(*args: Any, **kwargs: Any) -> Any:
            out, new = module(*args, **kwargs), {}
            for key, variable in made.items():
                if not _named(variable, "Param"):
                    _put(new, first[key], variable.get_value())
            holder["state"] = new
            return out

        return call

    carried = {"state": state} if state else None
    return Network(
        lambda _: params, draws=False, path=_dotted, bind=bind, state=carried
    )


def _is_variable(leaf: Any) -> bool:
    return _named(leaf, "Variable") and is_nnx(leaf)


def _named(leaf: Any, name: str) -> bool:
    """Whether a class of this name is among those of `leaf`."""
    return any(c.__name__ == name for c in type(leaf).__mro__)


def _plain(key: Any) -> Any:
    for kind in ("name", "idx", "key"):
        if hasattr(key, kind):
            return getattr(key, kind)
    return str(key)


def _put(into: dict[Any, Any], path: Sequence[Any], value: Any) -> None:
    for key in path[:-1]:
        into = into.setdefault(key, {})
    into[path[-1]] = value


def _get(source: Any, path: Sequence[Any]) -> Any:
    for key in path:
        source = source[key]
    return source


def _dotted(path: Sequence[Any]) -> str:
    """`layers.0.kernel`."""
    return ".".join(str(_plain(key)) for key in path)


# --- Flax Linen, and pairs of functions -----------------------------------------------


def linen_network(
    name: str,
    net: Any,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    input_shape: Shape | None = None,
    apply_rng: Sequence[str] | None = None,
    mutable: Sequence[str] | None = None,
) -> Network:
    """A Flax Linen module: collection "params" is learnt, the others are its state.

    Args:
        name: For messages.
        net: The module.
        args: What to start it with.
        kwargs: The same by name.
        input_shape: Of an array of ones to start it with, in place of `args`.
        apply_rng: Kinds of random keys that it needs besides that of the parameters.
        mutable: The other collections, or None for all that there are.
    """
    if not is_linen(net):
        raise ArgumentTypeError(
            f"module '{name}' has no init and apply, got {net!r}.",
            value=net,
            hint=_REMEDY,
        )
    if input_shape is not None:
        args = (jnp.ones(input_shape), *args)
    elif not (args or kwargs):
        raise ArgumentError(
            f"module '{name}' needs to know its input.",
            value=net,
            hint="Give input_shape=, or an input as the next argument.",
        )

    def variables(key: Any) -> Any:
        kinds = ["params", *(apply_rng or ())]
        keys = dict(zip(kinds, jax.random.split(key, len(kinds)), strict=True))
        return dict(net.init(keys, *args, **(kwargs or {})))

    collections = [c for c in jax.eval_shape(variables, _key()) if c != "params"]
    if mutable is not None and set(collections) - set(mutable):
        raise ArgumentError(
            f"module '{name}' has the collections {collections}, and mutable names "
            f"{list(mutable)}.",
            value=list(mutable),
            hint=f"Give mutable={collections}.",
        )

    def bind(params: Any, holder: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if holder is None:
                return net.apply({"params": params}, *args, **kwargs)
            known = {"params": params, **holder}
            out, new = net.apply(known, *args, mutable=list(collections), **kwargs)
            holder.update(new)
            return out

        return call

    state = None
    if collections:  # statistics start from constants, whatever the key
        made = variables(_key())
        state = {kind: made[kind] for kind in collections}
    return Network(
        lambda key: variables(key)["params"],
        draws=True,
        path=_dotted,
        bind=bind,
        state=state,
    )


def pair(name: str, net: Sequence[Any], input_shape: Shape | None) -> Network:
    """Functions `init(key, input_shape)` and `apply(params, x)`, as those of stax.

    That `init` gives `(output shape, params)`; one of the key alone gives `params`.
    """
    init, apply = net
    takes = len(inspect.signature(init).parameters)
    if takes > 1 and input_shape is None:
        raise ArgumentError(
            f"module '{name}' needs input_shape.",
            value=net,
            hint="Write module(name, (init, apply), input_shape).",
        )

    def params(key: Any) -> Any:
        return init(key, input_shape)[1] if takes > 1 else init(key)

    def bind(params: Any, _: Any) -> Callable[..., Any]:
        return lambda *args, **kwargs: apply(params, *args, **kwargs)

    return Network(params, draws=True, path=_dotted, bind=bind)


def _key() -> Any:
    return jax.random.PRNGKey(0)


def _check_callable(name: str, net: Any) -> None:
    if not callable(net) or isinstance(net, type):
        raise ArgumentTypeError(
            f"module '{name}' is no network, got {net!r}.", value=net, hint=_REMEDY
        )


def _check_not_empty(name: str, net: Any, params: Any) -> None:
    if not jax.tree.leaves(params):
        raise ArgumentTypeError(
            f"module '{name}' has no parameters, got {net!r}.", value=net, hint=_REMEDY
        )
