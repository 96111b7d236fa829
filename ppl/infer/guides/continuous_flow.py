"""The guide that carries normal noise along a field of velocities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl._typing import Key, Model
from ppl.distributions.distribution import Distribution
from ppl.distributions.flows import ContinuousFlowTransform, check_solver
from ppl.distributions.normal import Normal
from ppl.infer.guides._flow import AbstractFlow, lengths
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import check_scale
from ppl.infer.initialization import init_to_uniform
from ppl.nn import MLP
from ppl.primitives import sample


class AutoContinuousFlow(AbstractFlow):
    """Noise carried along a field of velocities, which is a network: a neural ODE.

    W. Grathwohl, R. Chen, J. Bettencourt, I. Sutskever, D. Duvenaud, "FFJORD: free-form
    continuous dynamics for scalable reversible generative models", 2019. The field is
    near zero to begin with. Draws and densities of given vectors take one solve each,
    by Diffrax (`pip install diffrax`). Steps of a fit whose solver gives up have a loss
    that is not finite.

    With divergence="hutchinson" the log densities of draws are right in the mean only,
    and so is the bound; importance weights are then noisy too. Params are the same for
    both, and `get_posterior` and `get_transform` are exact in either case: so take
    `SVI.posterior` of such a fit with the guide that is exact.

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        hidden_dims: Lengths between the layers of the network.
        divergence: "exact", for as many derivatives of the field as there are
            unconstrained values; or "hutchinson", for one, along random signs.
        solver: See `ppl.distributions.flows.ContinuousFlowTransform`.
        num_steps: See there; None adapts them to the tolerances.
        rtol: See there.
        atol: See there.
        adjoint: See there.
        init_scale: Standard deviations to begin with.

    Raises:
        MissingPackageError: Diffrax is not installed.
        ArgumentError: An option is out of range.
    """

    network_name = "field"
    least_dim = 1

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        hidden_dims: Sequence[int] = (32, 32),
        divergence: Literal["exact", "hutchinson"] = "exact",
        solver: Any = None,
        num_steps: int | None = None,
        rtol: float = 1e-4,
        atol: float = 1e-4,
        adjoint: Any = None,
        init_scale: float = 0.1,
    ):
        if divergence not in ("exact", "hutchinson"):
            raise ArgumentError(
                f"divergence must be 'exact' or 'hutchinson', got {divergence!r}.",
                value=divergence,
            )
        solve = {"solver": solver, "num_steps": num_steps, "adjoint": adjoint}
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            hidden_dims=lengths("hidden_dims", hidden_dims),
            divergence=divergence,
            solve=tuple(check_solver(**solve, rtol=rtol, atol=atol).items()),
            init_scale=check_scale(init_scale),
        )

    def _network(self, size: int, key: Key) -> MLP:
        hidden = self.options["hidden_dims"]
        return MLP(size + 1, hidden, size, jax.nn.tanh, key=key)

    def _bend(self, network: Any, size: int) -> ContinuousFlowTransform:
        del size
        return ContinuousFlowTransform(network, **dict(self.options["solve"]))

    def _performed(
        self, prototype: Prototype, params: Mapping[str, Any]
    ) -> Distribution:
        law = self._law(prototype, params)
        if self.options["divergence"] == "exact":
            return law
        noise = Normal(jnp.zeros(prototype.density.layout.size), 1.0).to_event(1)
        probe = sample(
            f"{self.prefix}_probe",
            noise.mask(mask=False),  # it belongs to the estimate, not to the law
            infer={"is_auxiliary": True},
        )
        flow = law.transform
        bend, *rest = flow.parts
        bend = replace(bend, probe=jnp.sign(probe))
        return replace(law, transform=replace(flow, parts=(bend, *rest)))
