"""Guides that bend normal noise by networks: normalising flows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ppl._counts import as_count
from ppl._pytree import replace
from ppl._typing import Key, Model
from ppl.distributions.flows import (
    BlockNeuralAutoregressiveTransform,
    InverseAutoregressiveTransform,
    SplineCouplingTransform,
)
from ppl.distributions.transforms import Transform
from ppl.infer.guides._flow import AbstractFlow, lengths
from ppl.infer.guides.base import check_scale
from ppl.infer.initialization import init_to_uniform
from ppl.nn import MLP, AutoregressiveNN, BlockNeuralAutoregressiveNN


class AutoIAFNormal(AbstractFlow):
    """Noise through inverse autoregressive flows.

    D. Kingma et al., "Improving variational inference with inverse autoregressive
    flow", 2016. From one flow to the next the order of the elements is reversed.

    Args:
        model: The model, with two unconstrained values or more.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        num_flows: Number of networks.
        hidden_dims: Lengths between their layers, at least latent_dim each; two of
            latent_dim if None.
        skip_connections: Whether inputs also enter the outputs directly.
        nonlinearity: Applied between the layers; `jax.nn.elu` if None.
        init_scale: Standard deviations to begin with.

    Raises:
        ArgumentError: A number is out of range.
    """

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        num_flows: int = 3,
        hidden_dims: Sequence[int] | None = None,
        skip_connections: bool = False,
        nonlinearity: Any = None,
        init_scale: float = 0.1,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            num_flows=as_count("num_flows", num_flows),
            hidden_dims=None
            if hidden_dims is None
            else lengths("hidden_dims", hidden_dims),
            skip_connections=bool(skip_connections),
            nonlinearity=_activation(nonlinearity),
            init_scale=check_scale(init_scale),
        )

    def _network(self, size: int, key: Key) -> AutoregressiveNN:
        network = AutoregressiveNN(
            size,
            self.options["hidden_dims"] or (size, size),
            skip_connections=self.options["skip_connections"],
            nonlinearity=self.options["nonlinearity"],
            key=key,
        )
        *inner, last = network.layers  # near the identity to begin with
        last = replace(last, weight=0.1 * last.weight)
        return replace(network, layers=(*inner, last))

    def _bend(self, network: Any, size: int) -> Transform:
        del size
        return InverseAutoregressiveTransform(network)


class AutoBNAFNormal(AbstractFlow):
    """Noise through block neural autoregressive flows.

    N. De Cao, I. Titov, W. Aziz, "Block neural autoregressive flow", 2019. From one
    flow to the next the order of the elements is reversed. The density of a vector that
    was not just drawn needs a slow search.

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        num_flows: Number of networks.
        hidden_factors: Units of each element between their layers.
        init_scale: Standard deviations to begin with, about.

    Raises:
        ArgumentError: A number is out of range.
    """

    least_dim = 1

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        num_flows: int = 1,
        hidden_factors: Sequence[int] = (8, 8),
        init_scale: float = 0.1,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            num_flows=as_count("num_flows", num_flows),
            hidden_factors=lengths("hidden_factors", hidden_factors),
            init_scale=check_scale(init_scale),
        )

    def _network(self, size: int, key: Key) -> BlockNeuralAutoregressiveNN:
        factors, last = self.options["hidden_factors"], self.options["num_flows"] == 1
        residual = None if last else "gated"
        return BlockNeuralAutoregressiveNN(size, factors, residual, key=key)

    def _bend(self, network: Any, size: int) -> Transform:
        del size
        return BlockNeuralAutoregressiveTransform(network)


class AutoSplineCouplingNormal(AbstractFlow):
    """Noise through couplings by monotone rational-quadratic splines.

    C. Durkan, A. Bekasov, I. Murray, G. Papamakarios, "Neural spline flows", 2019. In
    each, half of the elements choose the splines of the others, which are nearly the
    identity to begin with. Inverting it is as fast as drawing.

    Args:
        model: The model, with two unconstrained values or more.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        num_flows: Number of networks; with two all elements have had a spline.
        hidden_dims: Lengths between their layers.
        count_bins: Number of bins of each spline.
        bound: The splines reach from -bound to bound.
        init_scale: Standard deviations to begin with.

    Raises:
        ArgumentError: A number is out of range.
    """

    network_name = "spline"

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        num_flows: int = 4,
        hidden_dims: Sequence[int] = (32, 32),
        count_bins: int = 8,
        bound: float = 4.0,
        init_scale: float = 0.1,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            num_flows=as_count("num_flows", num_flows),
            hidden_dims=lengths("hidden_dims", hidden_dims),
            count_bins=as_count("count_bins", count_bins),
            bound=check_scale(bound, "bound"),
            init_scale=check_scale(init_scale),
        )

    def _network(self, size: int, key: Key) -> MLP:
        outputs = (size - size // 2) * (3 * self.options["count_bins"] - 1)
        hidden = self.options["hidden_dims"]
        return MLP(size // 2, hidden, outputs, jax.nn.tanh, key=key)

    def _bend(self, network: Any, size: int) -> Transform:
        bins, bound = self.options["count_bins"], self.options["bound"]
        return SplineCouplingTransform(network, size // 2, bins, bound)

    def _order(self, size: int) -> np.ndarray:
        return np.roll(np.arange(size), size - size // 2)


def _activation(nonlinearity: Any) -> Callable[[Any], Any]:
    """A function of arrays; of a pair (init, apply) as of JAX's stax, the latter."""
    if nonlinearity is None:
        return jax.nn.elu
    if isinstance(nonlinearity, tuple):
        return functools.partial(nonlinearity[1], ())
    return nonlinearity
