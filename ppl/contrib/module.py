"""Neural networks in a model: with learnt parameters, or with priors on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from ppl._errors import ArgumentTypeError, ShapeError, unknown_name
from ppl._typing import Shape
from ppl.contrib._networks import (
    Network,
    linen_network,
    network,
    nnx_network,
    pytree_network,
)
from ppl.distributions.distribution import Distribution
from ppl.primitives import mutable, param, sample

__all__ = [
    "eqx_module",
    "flax_module",
    "module",
    "nnx_module",
    "random_eqx_module",
    "random_flax_module",
    "random_module",
    "random_nnx_module",
]

Prior = Distribution | Mapping[str, Distribution] | Callable[[str, Shape], Distribution]
"""One prior for all parameters, priors by name, or a function of name and shape."""


def module(name: str, nn: Any, input_shape: Shape | None = None) -> Callable[..., Any]:
    """A network whose parameters are one `param` site, `{name}$params`.

    Args:
        name: Of the network.
        nn: A Flax NNX or Linen module, an Equinox module, a pair `(init, apply)` as
            those of stax, or any callable pytree whose float arrays are learnt.
        input_shape: Of the input, for those that make their parameters themselves.

    Returns:
        The network as a function of its inputs. What it changes when it is used, such
        as running statistics, is at the `mutable` site `{name}$state`.

    Raises:
        ArgumentTypeError: `nn` is no network.
        ArgumentError: `nn` needs an `input_shape`.
    """
    return _learnt(name, network(name, nn, input_shape))


def random_module(
    name: str,
    nn: Any,
    prior: Prior,
    input_shape: Shape | None = None,
    *,
    scope_divider: str = "/",
) -> Callable[..., Any]:
    """A network whose parameters are sample sites, `{name}/{path of the parameter}`.

    Args:
        name: Of the network.
        nn: As in `module`.
        prior: One distribution for all parameters, a dict of distributions by path, or
            a function of path and shape. It is expanded to the parameter's shape. What
            a dict leaves out stays learnt, at the `param` site `{name}$params`.
        input_shape: As in `module`.
        scope_divider: What stands between the name and the path.

    Raises:
        UnknownNameError: A dict names a parameter that is none.
        ArgumentTypeError: `nn` is no network, or a prior no distribution.
        ShapeError: A prior does not fit the shape of its parameter.
    """
    return _random(name, network(name, nn, input_shape), prior, scope_divider)


def nnx_module(name: str, nn_module: Any) -> Callable[..., Any]:
    """A Flax NNX module with learnt parameters; see `module`."""
    return _learnt(name, nnx_network(name, nn_module))


def random_nnx_module(
    name: str, nn_module: Any, prior: Prior, scope_divider: str = "/"
) -> Callable[..., Any]:
    """A Flax NNX module with priors, by paths as "layers.0.kernel"; see above."""
    return _random(name, nnx_network(name, nn_module), prior, scope_divider)


def eqx_module(name: str, nn_module: Any) -> Callable[..., Any]:
    """An Equinox module with learnt parameters; see `module`.

    A module with state is used as Equinox says; keep the state in a holder, as
    `holder = ppl.primitives.mutable("net$state", {"state": state})`.
    """
    return _learnt(name, pytree_network(name, nn_module))


def random_eqx_module(
    name: str, nn_module: Any, prior: Prior, scope_divider: str = "/"
) -> Callable[..., Any]:
    """An Equinox module with priors, by paths as "layers[0].weight"; see above."""
    return _random(name, pytree_network(name, nn_module), prior, scope_divider)


def flax_module(
    name: str,
    nn_module: Any,
    *args: Any,
    input_shape: Shape | None = None,
    apply_rng: Sequence[str] | None = None,
    mutable: Sequence[str] | None = None,
    **kwargs: Any,
) -> Callable[..., Any]:
    """A Flax Linen module with learnt parameters; see `module`.

    Args:
        name: Of the network.
        nn_module: The module.
        *args: Inputs to start it with.
        input_shape: Of the input, in place of `args`.
        apply_rng: Further kinds of random keys, such as "dropout", that it needs; give
            them as `net(x, rngs={"dropout": ppl.prng_key()})`.
        mutable: Collections that it changes, such as "batch_stats"; all by default.
        **kwargs: More inputs to start it with.
    """
    return _learnt(
        name,
        linen_network(
            name,
            nn_module,
            args,
            kwargs,
            input_shape=input_shape,
            apply_rng=apply_rng,
            mutable=mutable,
        ),
    )


def random_flax_module(
    name: str,
    nn_module: Any,
    prior: Prior,
    *args: Any,
    input_shape: Shape | None = None,
    apply_rng: Sequence[str] | None = None,
    mutable: Sequence[str] | None = None,
    **kwargs: Any,
) -> Callable[..., Any]:
    """A Flax Linen module with priors, by paths as "Dense_0.kernel".

    The other arguments are those of `flax_module`; see `random_module`.
    """
    net = linen_network(
        name,
        nn_module,
        args,
        kwargs,
        input_shape=input_shape,
        apply_rng=apply_rng,
        mutable=mutable,
    )
    return _random(name, net, prior, "/")


# --- statements -----------------------------------------------------------------------


def _learnt(name: str, net: Network) -> Callable[..., Any]:
    init = net.init if net.draws else net.init(None)
    return net.bind(param(f"{name}$params", init), _holder(name, net))


def _random(name: str, net: Network, prior: Any, divider: str) -> Callable[..., Any]:
    like = jax.eval_shape(net.init, jax.random.PRNGKey(0))
    paths, tree = jax.tree_util.tree_flatten_with_path(like)
    shapes = {net.path(path): leaf.shape for path, leaf in paths}
    priors = _priors(name, prior, shapes)

    def rest(key: Any) -> Any:
        leaves = jax.tree.leaves(net.init(key))
        kept = zip(shapes, leaves, strict=True)
        return tree.unflatten([None if p in priors else leaf for p, leaf in kept])

    left = iter(())
    if len(priors) < len(shapes):
        init = rest if net.draws else rest(None)
        left = iter(jax.tree.leaves(param(f"{name}$params", init)))
    holder = _holder(name, net)
    values = [
        sample(f"{name}{divider}{path}", priors[path]) if path in priors else next(left)
        for path in shapes
    ]
    return net.bind(tree.unflatten(values), holder)


def _holder(name: str, net: Network) -> Any:
    return None if net.state is None else mutable(f"{name}$state", net.state)


def _priors(
    name: str, prior: Any, shapes: Mapping[str, Shape]
) -> dict[str, Distribution]:
    """The prior of each parameter that has one, of its shape and without batch dims."""
    if isinstance(prior, Mapping):
        for path in prior:
            if path not in shapes:
                raise unknown_name(f"parameter of module '{name}'", path, shapes)
        given = {path: prior[path] for path in shapes if path in prior}
    elif isinstance(prior, Distribution) or not callable(prior):
        given = dict.fromkeys(shapes, prior)
    else:
        given = {path: prior(path, shape) for path, shape in shapes.items()}
    return {
        path: _shaped(f"{name}/{path}", fn, shapes[path]) for path, fn in given.items()
    }


def _shaped(site: str, fn: Any, shape: Shape) -> Distribution:
    if not isinstance(fn, Distribution):
        raise ArgumentTypeError(
            f"the prior must be a distribution, got {fn!r}.",
            site=site,
            value=fn,
            hint="Give a distribution, a dict of them by path, or a function of path "
            "and shape that returns one.",
        )
    batch, event = (
        shape[: len(shape) - fn.event_dim],
        shape[len(shape) - fn.event_dim :],
    )
    try:
        if event != fn.event_shape:
            raise ValueError
        return fn.expand(batch).to_event()
    except ValueError:
        raise ShapeError(
            f"a prior of batch shape {fn.batch_shape} and event shape {fn.event_shape} "
            f"does not fit a parameter of shape {shape}.",
            site=site,
            value=fn.shape(),
            hint="A scalar prior fits every shape.",
        ) from None
