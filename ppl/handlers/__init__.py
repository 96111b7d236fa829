"""Effect handlers, one a file; each interprets the sites of the model it wraps."""

from ppl.handlers.block import block
from ppl.handlers.condition import condition
from ppl.handlers.do import do
from ppl.handlers.infer_config import infer_config
from ppl.handlers.lift import lift
from ppl.handlers.mask import mask
from ppl.handlers.reparam import reparam
from ppl.handlers.replay import replay
from ppl.handlers.scale import scale
from ppl.handlers.scope import scope
from ppl.handlers.seed import seed
from ppl.handlers.substitute import substitute
from ppl.handlers.trace import trace
from ppl.handlers.uncondition import uncondition

__all__ = [
    "block",
    "condition",
    "do",
    "infer_config",
    "lift",
    "mask",
    "reparam",
    "replay",
    "scale",
    "scope",
    "seed",
    "substitute",
    "trace",
    "uncondition",
]
