"""A healthy result for the tests of tables, conversion and warnings."""

import numpy as np

from ppl.diagnostics import diagnose
from ppl.posterior import Posterior

SCHOOLS = ["Choate", "Deerfield", "Phillips Andover", "St. Paul's", "<Hotchkiss> & Co"]


def schools(rng=None, chains=4, draws=1000, **changes):
    """A healthy result with labels, data, a matrix and constants in it."""
    rng = np.random.default_rng(0) if rng is None else rng
    shape = (chains, draws)
    tau = np.exp(rng.normal(size=shape))
    corr = np.stack([np.ones(shape), tau / 10, tau / 10, np.ones(shape)], axis=-1)
    energy = rng.normal(size=shape)
    fields = {
        "samples": {
            "mu": rng.normal(4, 3, shape).astype(np.float32),
            "tau": tau,
            "theta": rng.normal(size=(*shape, 5)),
            "corr": corr.reshape(*shape, 2, 2),
            "hits": rng.poisson(2.0, (*shape, 3)),
        },
        "sample_stats": {
            "lp": -energy,
            "energy": energy,
            "diverging": np.zeros(shape, bool),
            "acceptance_rate": rng.random(shape),
            "step_size": np.full(shape, 0.5),
            "tree_depth": np.full(shape, 3),
            "n_steps": np.full(shape, 7),
            "reached_max_treedepth": np.zeros(shape, bool),
        },
        "dims": {"theta": ("school",), "y": ("school",)},
        "coords": {"school": np.array(SCHOOLS)},
        "observed_data": {"y": np.arange(5.0)},
        "constant_data": {"sigma": np.ones(5), "year": np.float64(1981)},
        "deterministic": frozenset({"corr"}),
        "attrs": {"seed": 7, "sampling_time": 1.25, "interrupted": False},
    }
    return Posterior(**fields | changes)


def with_stats(**stats):
    healthy = schools()
    return schools(sample_stats={**healthy.sample_stats, **stats})


def with_samples(**samples):
    return schools(samples={**schools().samples, **samples})


def categories(posterior):
    """What `diagnose` warns of."""
    return {f.category for f in diagnose(posterior) if f.category is not None}
