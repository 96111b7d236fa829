"""Loops and branches under NumPyro's dotted name; see `ppl.control`."""

from ppl.control import cond, scan

__all__ = ["cond", "scan"]
