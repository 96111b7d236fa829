"""Stochastic variational inference: fit the parameters of a guide, and of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppl._errors import ArgumentTypeError
from ppl._typing import Model
from ppl.arguments import Arguments
from ppl.infer.approximations.guided import OneGuide
from ppl.infer.elbo import ELBO
from ppl.infer.svi_fit import AbstractFit, SVIRunResult
from ppl.infer.svi_program import Program, SVIState
from ppl.infer.svi_run import Plateau

__all__ = ["SVI", "Plateau", "SVIRunResult", "SVIState"]


class SVI(AbstractFit):
    """Fit a guide to the posterior of a model by stochastic gradients.

    Hoffman, Blei, Wang, Paisley, "Stochastic variational inference", JMLR 2013.

    Args:
        model: The model.
        guide: A function of the same arguments whose sample sites are the latent sites
            of the model, such as `ppl.infer.autoguide.AutoNormal(model)`.
        optim: An optimiser of `ppl.optim` or of Optax.
        loss: An objective, such as `Trace_ELBO()`.
        **static_kwargs: Keyword arguments of model and guide that are no arrays.

    Raises:
        ArgumentTypeError: `optim` is no optimiser, or `loss` no objective.
    """

    def __init__(
        self,
        model: Model,
        guide: Model,
        optim: Any,
        loss: ELBO,
        **static_kwargs: Any,
    ):
        if not isinstance(loss, ELBO):
            raise ArgumentTypeError(
                f"loss must be an objective, got {loss!r}.",
                value=loss,
                hint="Write ppl.infer.Trace_ELBO().",
            )
        super().__init__(model, guide, optim, static_kwargs)
        self.loss = loss

    def init(
        self,
        rng_key: Any,
        *args: Any,
        init_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> SVIState:
        """Run guide and model once, and begin at the initial values of their params.

        Args:
            rng_key: An int or a JAX key.
            *args: Arguments of model and guide.
            init_params: Constrained values of some params to begin at.
            **kwargs: Keyword arguments of model and guide.

        Raises:
            ModelError: Guide and model do not fit together.
            SupportError: An initial value is outside of its constraint.
        """
        return self._begun(rng_key, init_params, args, kwargs)

    def _built(self, arguments: Arguments, data: tuple[Any, ...]) -> Program:
        return Program(self.model, self.guide, self.loss, self.optim, arguments)

    def _ready(self, state: SVIState, num_steps: int) -> SVIState:
        return state

    def _drawing(self) -> OneGuide:
        return OneGuide(self.model, self.guide)
