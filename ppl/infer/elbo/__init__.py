"""Objectives of variational inference: bounds on the log evidence, as losses."""

from ppl.infer.elbo.base import ELBO, AbstractParticles, terms_of, total
from ppl.infer.elbo.graph import TraceGraph_ELBO
from ppl.infer.elbo.mean_field import TraceMeanField_ELBO
from ppl.infer.elbo.renyi import RenyiELBO
from ppl.infer.elbo.runs import Pair, Runs, Sites, run_pair
from ppl.infer.elbo.trace import Trace_ELBO

__all__ = [
    "ELBO",
    "AbstractParticles",
    "Pair",
    "RenyiELBO",
    "Runs",
    "Sites",
    "TraceGraph_ELBO",
    "TraceMeanField_ELBO",
    "Trace_ELBO",
    "run_pair",
    "terms_of",
    "total",
]
