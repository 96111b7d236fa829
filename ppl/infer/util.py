"""Densities, transforms and starting points of a model, at NumPyro's place."""

from ppl.infer.densities import (
    compute_log_probs,
    constrain_fn,
    get_importance_trace,
    get_transforms,
    log_density,
    potential_energy,
    transform_fn,
    unconstrain_fn,
)
from ppl.infer.model_info import (
    ModelInfo,
    ParamInfo,
    find_valid_initial_params,
    get_potential_fn,
    initialize_model,
)
from ppl.infer.predictive import Predictive, log_likelihood

__all__ = [
    "ModelInfo",
    "ParamInfo",
    "Predictive",
    "compute_log_probs",
    "constrain_fn",
    "find_valid_initial_params",
    "get_importance_trace",
    "get_potential_fn",
    "get_transforms",
    "initialize_model",
    "log_density",
    "log_likelihood",
    "potential_energy",
    "transform_fn",
    "unconstrain_fn",
]
