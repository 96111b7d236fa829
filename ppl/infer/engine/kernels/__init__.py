"""Kernels, one a file."""

from ppl.infer.engine.kernels.nuts import NUTS

__all__ = ["NUTS"]
