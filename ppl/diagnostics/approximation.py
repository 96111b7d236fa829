"""The checks of an approximation: is it near the posterior, and was it found?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ppl.diagnostics.findings import ApproximationWarning, Finding

GREATEST_K = 0.7
NEARLY_EVEN = 0.9  # effective draws, as a share, from which on weights hardly differ


def approximation_findings(attrs: Mapping[str, Any]) -> Iterator[Finding]:
    """What the facts of an approximation tell of it.

    The largest importance ratios are fitted by a generalised Pareto distribution. Above
    a shape k of 0.7 no practical number of draws gives their mean, and the
    approximation has missed a part of the posterior (Yao, Vehtari, Simpson, Gelman,
    "Yes, but did it work?", ICML 2018; Vehtari et al., JMLR 25(72), 2024). Where all
    ratios are nearly the same, this concerns far tails only, and is a note.

    Args:
        attrs: Of the result: method, pareto_k, converged, resampled, and even_weights,
            which is the share of effective draws.
    """
    method, k = attrs.get("method", "the approximation"), float(attrs["pareto_k"])
    if not attrs.get("converged", True):
        yield Finding(
            ApproximationWarning,
            f"{method} ended before it had found its optimum.",
            "Allow it more steps, or look for what the data do not determine.",
        )
    if np.isnan(k):
        text = (
            f"Nothing tells how near {method} is to the posterior: some latent value "
        )
        text += "is a point in it, or it rests on a subsample."
        yield Finding(None, text)
    elif k > GREATEST_K and attrs.get("even_weights", 0.0) > NEARLY_EVEN:
        text = f"The Pareto k of {method} is {k:.2f}, but its importance ratios hardly "
        text += "differ: it may have missed far tails of the posterior, and no more."
        yield Finding(None, text)
    elif k > GREATEST_K:
        kind = "even resampled draws are" if attrs.get("resampled") else "draws are"
        yield Finding(
            ApproximationWarning,
            f"{method} is not near the posterior: the Pareto k of its importance "
            f"ratios is {k:.2f}, above {GREATEST_K}, and {kind} not to be trusted.",
            "Sample with ppl.fit, perhaps with warm_start= this result, or "
            "reparameterise the model.",
        )
