"""Small networks for flows, under NumPyro's names: pytrees whose leaves are weights.

A network is made with `key=`, which draws its weights, and is then called like a
function. Its arrays are its parameters, whatever optimises or samples them; masks and
sizes belong to its structure.
"""

from ppl.nn.autoregressive import AutoregressiveNN
from ppl.nn.block_autoregressive import BlockMaskedDense, BlockNeuralAutoregressiveNN
from ppl.nn.dense import MLP, Dense, MaskedDense

__all__ = [
    "MLP",
    "AutoregressiveNN",
    "BlockMaskedDense",
    "BlockNeuralAutoregressiveNN",
    "Dense",
    "MaskedDense",
]
