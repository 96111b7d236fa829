"""The checks of an approximation: is it near the posterior, and was it found?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ppl.diagnostics.findings import ApproximationWarning, Finding

GREATEST_K = 0.7


def approximation_findings(attrs: Mapping[str, Any]) -> Iterator[Finding]:
    """What the facts of an approximation tell of it.

    The largest importance ratios are fitted by a generalised Pareto distribution. Above
    a shape k of 0.7 no practical number of draws gives their mean, and the
    approximation has missed a part of the posterior (Yao, Vehtari, Simpson, Gelman,
    "Yes, but did it work?", ICML 2018; Vehtari et al., JMLR 25(72), 2024).

    Args:
        attrs: Of the result: method, pareto_k, converged, resampled.
    """
    method, k = attrs.get("method", "the approximation"), float(attrs["pareto_k"])
    if not attrs.get("converged", True):
        yield Finding(
            ApproximationWarning,
            f"{method} ended before it had found its optimum.",
            "Allow it more steps, or look for what the data do not determine.",
        )
    if np.isnan(k):
        text = f"{method} is a point: nothing tells how near the posterior is to it."
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
