"""A live line about a run: draws, divergences, step size, speed, time left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Counts what the host loop sees, and shows it if `visible`.

    Attributes:
        total: Draws of all chains in the whole run.
        visible: Whether to show a bar.
        draws: Draws finished, of all chains.
        divergences: Draws of the present phase that diverged.
        leapfrogs: Gradient evaluations in these draws.
        step_size: The present mean step size.
    """

    total: int
    visible: bool = True
    draws: int = 0
    divergences: int = 0
    leapfrogs: int = 0
    step_size: float = float("nan")
    phase: str = "warmup"
    _bar: Any = field(default=None, repr=False)
    _began: float = field(default_factory=time.perf_counter, repr=False)

    def __enter__(self) -> Progress:
        self._began = time.perf_counter()
        if self.visible:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self.total, unit="draw", mininterval=0.2)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self.show(force=True)
            self._bar.close()
            self._bar = None

    def enter(self, phase: str) -> None:
        """Begin a phase, with divergences counted anew."""
        self.phase, self.divergences = phase, 0

    def add(self, draws: int, divergences: int, leapfrogs: int) -> None:
        """Count what one chunk has brought."""
        self.draws += draws
        self.divergences += divergences
        self.leapfrogs += leapfrogs
        if self._bar is not None:
            self._bar.update(draws)
            self.show(force=False)

    def show(self, *, force: bool) -> None:
        """Write the text beside the bar."""
        seconds = max(time.perf_counter() - self._began, 1e-9)
        self._bar.set_description(self.phase, refresh=False)
        self._bar.set_postfix_str(
            f"divergences {self.divergences}, step size {self.step_size:.3g}, "
            f"{self.leapfrogs / seconds:,.0f} leapfrogs/s",
            refresh=force,
        )
