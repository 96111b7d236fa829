"""What the complete check tells of a model, in short."""

import jax.numpy as jnp

import ppl
import ppl.distributions as dist
from ppl import sample


def normal(name="x", loc=0.0, scale=1.0, obs=None):
    return sample(name, dist.Normal(loc, scale), obs=obs)


def advice(model, *args):
    """Kinds and sites of the advice, of a model without errors."""
    report = ppl.check(model, *args)
    assert report.ok, report
    return {(finding.kind, finding.site) for finding in report.advice}


def finding(kind, model, *args):
    """The one finding of a kind."""
    report = ppl.check(model, *args)
    (found,) = [f for f in (*report.errors, *report.advice) if f.kind == kind]
    return found


def changepoint(y):
    at = sample("at", dist.Uniform(0.0, 20.0))
    early, late = normal("early"), normal("late")
    normal("y", jnp.where(jnp.arange(20) < at, early, late), obs=y)
