"""Inference under NumPyro's names, and the short way."""

from ppl.infer import autoguide, inspect, reparam
from ppl.infer.approximations.dadvi import dadvi
from ppl.infer.approximations.estimates import (
    Estimate,
    maximum_a_posteriori,
    maximum_likelihood,
)
from ppl.infer.approximations.laplace import laplace
from ppl.infer.approximations.pathfinder import pathfinder
from ppl.infer.elbo import (
    ELBO,
    RenyiELBO,
    Trace_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from ppl.infer.fit import fit
from ppl.infer.initialization import (
    init_to_feasible,
    init_to_mean,
    init_to_median,
    init_to_sample,
    init_to_uniform,
    init_to_value,
)
from ppl.infer.many_chains import LAPS, MAMS, ChEES
from ppl.infer.mcmc import MCMC
from ppl.infer.pathfinding import init_to_pathfinder
from ppl.infer.predictive import Predictive, log_likelihood
from ppl.infer.samplers import HMC, NUTS
from ppl.infer.stein.stein_vi import ASVGD, SVGD, SteinVI
from ppl.infer.svi import SVI, Plateau
from ppl.infer.util import initialize_model

__all__ = [
    "ASVGD",
    "ELBO",
    "HMC",
    "LAPS",
    "MAMS",
    "MCMC",
    "NUTS",
    "SVGD",
    "SVI",
    "ChEES",
    "Plateau",
    "Predictive",
    "autoguide",
    "RenyiELBO",
    "SteinVI",
    "TraceGraph_ELBO",
    "TraceMeanField_ELBO",
    "Trace_ELBO",
    "Estimate",
    "dadvi",
    "fit",
    "init_to_feasible",
    "init_to_mean",
    "init_to_median",
    "init_to_pathfinder",
    "init_to_sample",
    "init_to_uniform",
    "init_to_value",
    "initialize_model",
    "inspect",
    "laplace",
    "log_likelihood",
    "maximum_a_posteriori",
    "maximum_likelihood",
    "pathfinder",
    "reparam",
]
