"""Plates, and control flow that handlers see through."""

from ppl.control.branches import cond, switch
from ppl.control.loops import fori_loop, scan, while_loop
from ppl.control.mapped import remat, vmap
from ppl.control.plates import plate, plate_stack

__all__ = [
    "cond",
    "fori_loop",
    "plate",
    "plate_stack",
    "remat",
    "scan",
    "switch",
    "vmap",
    "while_loop",
]
