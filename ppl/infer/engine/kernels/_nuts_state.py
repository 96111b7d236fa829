"""What the no-U-turn sampler remembers of every chain from one step to the next."""

from __future__ import annotations

from typing import NamedTuple

from ppl._typing import Array


class Leaf(NamedTuple):
    """A point of a trajectory: vectors (dim, chains), numbers (chains,).

    Attributes:
        position: q.
        momentum: Whitened momentum p.
        gradient: Of the log density at q.
        integral: T, the running integral of p along the trajectory.
        product: p . T.
    """

    position: Array
    momentum: Array
    gradient: Array
    integral: Array
    product: Array


class Stored(NamedTuple):
    """Leaves kept for U-turn checks: (slots, dim, chains); p . T, (slots, chains).

    In the first half of the slots are the first leaves of the sub-trees that are open,
    by level; in the second half the leaves just before those.
    """

    momentum: Array
    integral: Array
    product: Array


class Candidate(NamedTuple):
    """A candidate for the draw: vectors (dim, chains)."""

    position: Array
    gradient: Array


class Decisions(NamedTuple):
    """What the newest leaf has decided, carried out as the next step begins: (chains,).

    Keeping the choosing apart from the doing has the masks computed once; XLA would
    repeat a computation of shape (chains,) in every loop over (dim, chains).

    Attributes:
        take: The leaf becomes the sub-tree's candidate.
        accept: The sub-tree's candidate becomes the tree's.
        swap: The trajectory goes on from its other end.
        begin: A new trajectory is due.
        done: A draw is finished.
    """

    take: Array
    accept: Array
    swap: Array
    begin: Array
    done: Array


class Progress(NamedTuple):
    """Where every chain is in its trajectory: numbers (chains,).

    Attributes:
        draw: Draws finished.
        unvalued: The target is yet to be evaluated at the starting point.
        depth: Doublings done.
        leaf: Leaves in the present sub-tree.
        leaves: Leaves in the trajectory, without the initial point.
        sign: Direction of the doubling of the newest leaf, +1 or -1.
        start_energy: Energy of the initial point.
        log_weight: Log sum of the weights of the tree.
        log_weight_sub: The same of the present sub-tree.
        logp: Log density of the tree's candidate.
        logp_sub: The same of the sub-tree's.
        energy: Energy of the tree's candidate.
        energy_sub: The same of the sub-tree's.
        accept_sum: Sum of the leaves' acceptance probabilities.
        crossed: The sub-tree's first leaf and the tree's far end have turned.
    """

    draw: Array
    unvalued: Array
    depth: Array
    leaf: Array
    leaves: Array
    sign: Array
    start_energy: Array
    log_weight: Array
    log_weight_sub: Array
    logp: Array
    logp_sub: Array
    energy: Array
    energy_sub: Array
    accept_sum: Array
    crossed: Array


class NUTSState(NamedTuple):
    """State of all chains.

    Attributes:
        progress: Where each chain is.
        decided: What its newest leaf has decided.
        statistics: Of the draw that is done, if one is, (count, chains).
        leaf: The newest leaf.
        outer: The end of the trajectory that does not grow.
        candidate: From the tree: the draw, once the trajectory ends.
        candidate_sub: From the present sub-tree.
        stored: Leaves for later U-turn checks.
    """

    progress: Progress
    decided: Decisions
    statistics: Array
    leaf: Leaf
    outer: Leaf
    candidate: Candidate
    candidate_sub: Candidate
    stored: Stored

    @property
    def draw(self) -> Array:
        """Draws finished, int32 (chains,)."""
        return self.progress.draw
