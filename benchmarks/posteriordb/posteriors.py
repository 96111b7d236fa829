"""The posteriors: which model and data each has, and where they are on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import Data, Model, Problem, eight_schools, eight_schools_centred
from benchmarks.posteriordb import models, regressions
from benchmarks.posteriordb.regressions import Columns

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "posteriordb"
VARIABLE = "PPL_POSTERIORDB"


@dataclass(frozen=True)
class Entry:
    """How a posterior is fitted.

    Attributes:
        write: Gives the model in a language.
        prepare: The model's arguments, of the data as they are stored.
        draws: Draws of each chain, where the usual number is not enough.
        warns: Whether no sampler can do it, so that a warning is the right answer.
        peer_dense: Whether the peer gets a dense metric, for strong correlations.
    """

    write: Callable[[Any], Model]
    prepare: Callable[[Columns], Data]
    draws: int | None = None
    warns: bool = False
    peer_dense: bool = False


def _entries() -> dict[str, Entry]:
    r, m = regressions, models
    found = {
        "arK-arK": Entry(m.autoregression, m.lagged),
        "arma-arma11": Entry(m.moving_average, m.series),
        "bball_drive_event_0-hmm_drive_0": Entry(m.hidden_markov, m.drives),
        "diamonds-diamonds": Entry(r.diamonds, r.centred_diamonds, peer_dense=True),
        "earnings-earn_height": Entry(r.flat, r.earn_height),
        "earnings-logearn_height_male": Entry(r.flat, r.log_earn_height_male),
        "earnings-logearn_interaction": Entry(r.flat, r.log_earn_interaction),
        "eight_schools-eight_schools_centered": Entry(
            eight_schools_centred, m.schools, warns=True
        ),
        "eight_schools-eight_schools_noncentered": Entry(eight_schools, m.schools),
        "gp_pois_regr-gp_regr": Entry(m.gaussian_process, m.points),
        "hudson_lynx_hare-lotka_volterra": Entry(m.predator_prey, m.pelts),
        "kidiq-kidscore_interaction": Entry(r.flat_coefficients, r.kid_interaction),
        "kidiq-kidscore_momhs": Entry(r.flat_coefficients, r.kid_school),
        "kidiq-kidscore_momiq": Entry(r.flat_coefficients, r.kid_iq),
        "kidiq_with_mom_work-kidscore_interaction_c": Entry(
            r.flat, r.kid_centred_interaction
        ),
        "low_dim_gauss_mix-low_dim_gauss_mix": Entry(m.mixture, m.series),
        "mesquite-logmesquite": Entry(r.flat, r.log_mesquite),
        "mesquite-logmesquite_logvas": Entry(r.flat, r.log_mesquite_volume),
        "mesquite-mesquite": Entry(r.flat, r.mesquite),
        "sblrc-blr": Entry(r.proper, r.simulated),
    }
    for year in (1972, 1980, 1988, 1996):
        found[f"nes{year}-nes"] = Entry(r.flat, r.election)
    return dict(sorted(found.items()))


ENTRIES = _entries()

Reference = dict[str, dict[str, float]]


def home(folder: str | Path | None = None) -> Path:
    """Where the posteriors are: as told, by the environment, or beside the checkout."""
    return Path(folder or os.environ.get(VARIABLE) or FOLDER)


def stored(folder: Path) -> list[str]:
    """The names of the posteriors that are there, with data and reference."""
    kinds = [{f.stem for f in (folder / k).glob("*.json")} for k in KINDS]
    return sorted(kinds[0] & kinds[1])


KINDS = ("data", "reference")


def problem(name: str, folder: Path) -> Problem:
    """A posterior as the other benchmarks know them."""
    entry = ENTRIES[name]

    @cache
    def data() -> Data:
        raw = json.loads((folder / "data" / f"{name}.json").read_text())
        return entry.prepare({k: _column(v) for k, v in raw.items()})

    return Problem(name, cache(entry.write), data)


def _column(value: Any) -> Any:
    return np.asarray(value, np.float64) if isinstance(value, list) else value


def reference(name: str, folder: Path) -> Reference:
    """What is known of each component: mean, sd and so on."""
    text = (folder / "reference" / f"{name}.json").read_text()
    return json.loads(text)["components"]
