"""The result of an inference: draws by site, what was noticed, and ways onward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ppl import _arviz, _html
from ppl._errors import ArgumentError, ModelError, unknown_name
from ppl.diagnostics._by_site import AbstractDraws
from ppl.diagnostics._columns import site_columns
from ppl.diagnostics._draws import Floats
from ppl.diagnostics.divergences import Divergences
from ppl.diagnostics.findings import Finding
from ppl.diagnostics.nested import nested_of
from ppl.diagnostics.report import diagnose
from ppl.diagnostics.table import Summary, check_share, tabulate
from ppl.predicting import as_names
from ppl.predictions import Fitted, Predictions, arviz_groups
from ppl.target import LogDensity

if TYPE_CHECKING:
    import xarray

Arrays = Mapping[str, np.ndarray]

HTML_ROWS = 40
_REPR_SITES = 8


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(AbstractDraws):
    """Draws from a posterior, by site, with all that is known about them.

    A mapping from site to draws of shape (chain, draw, *event): `posterior["tau"]`.
    Every method of inference returns this type; one that has no chains returns one.

    Attributes:
        samples: Site to draws (chain, draw, *event) in the constrained space, latent
            sites and deterministic ones. The mapping may compute a value when it is
            asked for it.
        sample_stats: ArviZ's names (lp, energy, diverging, acceptance_rate, step_size,
            tree_depth, n_steps, reached_max_treedepth) to arrays (chain, draw).
        dims: Site to the names of the axes of its event; the rest are called
            `{site}_dim_{i}`.
        coords: Dimension to the labels along it.
        observed_data: Observed sites to their values; their axes are named in `dims`.
        constant_data: Other data of the model, likewise.
        warmup_samples: Draws of the warm-up, if they were kept.
        warmup_sample_stats: Their statistics.
        adapted: What the run has found out about how to sample (step size, metric, last
            positions), for `ppl.fit(…, warm_start=posterior)`.
        deterministic: Which of the sites are functions of others.
        attrs: Facts about the run: seed, sampling_time (seconds), interrupted,
            superchains, ....
        density: The model with its data, for predictions; pickling leaves it out.
    """

    samples: Arrays
    sample_stats: Arrays = field(default_factory=dict)
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    coords: Arrays = field(default_factory=dict)
    observed_data: Arrays = field(default_factory=dict)
    constant_data: Arrays = field(default_factory=dict)
    warmup_samples: Arrays = field(default_factory=dict)
    warmup_sample_stats: Arrays = field(default_factory=dict)
    adapted: Any = None
    deterministic: frozenset[str] = frozenset()
    attrs: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    density: LogDensity | None = None
    _known: dict[tuple[str, float], Floats] = field(default_factory=dict, init=False)

    def __post_init__(self):
        for dim, labels in self.coords.items():
            if np.ndim(labels) != 1:
                raise ArgumentError(
                    f"labels of dimension '{dim}' have shape {np.shape(labels)}.",
                    value=labels,
                    hint="Give one label for each place along the dimension.",
                )

    @cached_property
    def num_chains(self) -> int:
        """How many chains there are."""
        return self._sample_shape[0]

    @cached_property
    def num_draws(self) -> int:
        """How many draws there are in each chain."""
        return self._sample_shape[1]

    @property
    def superchains(self) -> np.ndarray | None:
        """The chains of each superchain, (superchain, chain of it), if there are any.

        Those of a superchain began at one point; see `ppl.diagnostics.nested_rhat`.
        """
        count = int(self.attrs.get("superchains", 0))
        if not count or self.num_chains % count:
            return None
        return np.arange(self.num_chains).reshape(count, -1)

    @cached_property
    def divergences(self) -> Divergences:
        """The divergent draws: their values by site, and where they are."""
        shape = self.num_chains, self.num_draws
        at = np.nonzero(self.sample_stats.get("diverging", np.zeros(shape, bool)))
        values = {name: draws[at] for name, draws in self.samples.items()}
        return Divergences(values, chain=at[0], draw=at[1], count=len(at[0]))

    @cached_property
    def findings(self) -> list[Finding]:
        """What `ppl.diagnostics.diagnose` says of this result, computed once."""
        return diagnose(self, self._columns(self.samples, 0.9))

    def summary(
        self,
        var_names: str | Iterable[str] | None = None,
        prob: float = 0.9,
        *,
        exclude_deterministic: bool = False,
    ) -> Summary:
        """Means, quantiles and diagnostics of every scalar.

        Args:
            var_names: The sites to show, in this order; all by default.
            prob: The share of the draws between the two quantiles.
            exclude_deterministic: Whether to leave out what other sites determine.

        Returns:
            A table to print, to show in a notebook or to read numbers from.
        """
        check_share(prob)
        names = [
            name
            for name in chosen(self.samples, var_names)
            if not (exclude_deterministic and name in self.deterministic)
        ]
        columns = self._columns(names, prob)
        shapes = {name: self[name].shape[2:] for name in names}
        nested, members = None, self.superchains
        if members is not None:
            nested = {name: nested_of(self[name], members).r_hat for name in names}
        return tabulate(
            columns, shapes, prob, dims=self.dims, coords=self.coords, nested=nested
        )

    def predict(
        self,
        *args: Any,
        seed: Any = None,
        return_sites: str | Iterable[str] | None = None,
        redraw: str | Iterable[str] = (),
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> Predictions:
        """Draw data from the model, one data set for each draw of the posterior.

        Args:
            *args: New arguments of the model; give None for what is to be predicted.
                Without any the data of the fit are replicated: every observed site is
                drawn.
            seed: An int or a JAX key; by default that of the run.
            return_sites: What to return; by default sites that are drawn or
                deterministic.
            redraw: Latent sites whose draws are left out, so that they come from
                their prior given the others: groups that the data had not, say.
            batch_size: Draws to compute at once; None bounds memory by itself.
            **kwargs: New keyword arguments of the model.

        Returns:
            A mapping from site to draws (chain, draw, *shape).

        Raises:
            ModelError: This result does not know its model.
            UnknownNameError: A name stands for no site.
            ShapeError: A latent site has another shape with the new arguments.
            ArgumentError: Nothing is left to predict.
        """
        return self._fitted.predict(
            (args, kwargs) if args or kwargs else None,
            seed=self._seed(seed),
            return_sites=None if return_sites is None else as_names(return_sites),
            redraw=as_names(redraw),
            batch_size=batch_size,
        )

    def log_likelihood(self, *, batch_size: int | None = None) -> Predictions:
        """Log densities of the observed values at each draw, pointwise.

        Args:
            batch_size: Draws to compute at once; None bounds memory by itself.

        Returns:
            A mapping from observed site to (chain, draw, *batch shape of its
            distribution). What `factor` adds is left out.

        Raises:
            ModelError: This result does not know its model.
        """
        return self._fitted.log_likelihood(batch_size)

    def predict_prior(
        self, draws: int = 1000, *, seed: Any = None, batch_size: int | None = None
    ) -> Predictions:
        """Draws of all sites from the prior, the observed ones too, in one chain.

        Args:
            draws: How many.
            seed: An int or a JAX key; by default that of the run.
            batch_size: Draws to compute at once; None bounds memory by itself.

        Raises:
            ModelError: This result does not know its model.
        """
        return self._fitted.prior(draws, seed=self._seed(seed), batch_size=batch_size)

    def to_datatree(
        self,
        *,
        posterior_predictive: bool | Predictions = False,
        log_likelihood: bool | Predictions = False,
        prior: int | Predictions = 0,
        predictions: Predictions | None = None,
    ) -> xarray.DataTree:
        """An `xarray.DataTree` that follows ArviZ's schema; arrays are not copied.

        Groups: posterior, sample_stats, observed_data, constant_data, warmup_posterior,
        warmup_sample_stats, as far as there is anything in them; and those asked for.

        Args:
            posterior_predictive: What `predict()` gives; True calls it.
            log_likelihood: What `log_likelihood()` gives; True calls it.
            prior: What `predict_prior()` gives, or how many draws, or True; for the
                groups prior and prior_predictive.
            predictions: What `predict` gives for new arguments.
        """
        if posterior_predictive is True:
            posterior_predictive = self.predict()
        if log_likelihood is True:
            log_likelihood = self.log_likelihood()
        if prior is True:
            prior = self.predict_prior()
        elif prior and not isinstance(prior, Predictions):
            prior = self.predict_prior(prior)
        latent = tuple(name for name in self.samples if name not in self.deterministic)
        warm = tuple(name for name in latent if name in self.warmup_samples)
        groups = {
            "posterior": _arviz.Group(self.samples, latent=latent),
            "sample_stats": _arviz.Group(self.sample_stats),
            "warmup_posterior": _arviz.Group(self.warmup_samples, latent=warm),
            "warmup_sample_stats": _arviz.Group(self.warmup_sample_stats),
            "observed_data": _arviz.Group(self.observed_data, sampled=False),
            "constant_data": _arviz.Group(self.constant_data, sampled=False),
        }
        asked = {
            "posterior_predictive": posterior_predictive,
            "log_likelihood": log_likelihood,
            "predictions": predictions,
        }
        groups |= arviz_groups(asked, prior or None, self.observed_data)
        return _arviz.datatree(
            groups, dims=self.dims, coords=self.coords, attrs=self.attrs
        )

    def to_arviz(self, **groups: Any) -> Any:
        """What the installed ArviZ takes: `InferenceData` before 1.0, then the tree.

        Args:
            **groups: What else should be in it, see `to_datatree`.
        """
        return _arviz.arviz_object(self.to_datatree(**groups))

    def plot_trace(
        self, var_names: str | Iterable[str] | None = None, **kwargs: Any
    ) -> Any:
        """ArviZ's plot of densities and traces; see `ppl._arviz.plot`."""
        return self._plot("trace", chosen(self.samples, var_names), kwargs)

    def plot_rank(
        self, var_names: str | Iterable[str] | None = None, **kwargs: Any
    ) -> Any:
        """ArviZ's plot of the ranks within the chains, flat if they agree."""
        return self._plot("rank", chosen(self.samples, var_names), kwargs)

    def plot_forest(
        self, var_names: str | Iterable[str] | None = None, **kwargs: Any
    ) -> Any:
        """ArviZ's plot of intervals, one line for each scalar."""
        return self._plot("forest", chosen(self.samples, var_names), kwargs)

    def plot_energy(self, **kwargs: Any) -> Any:
        """ArviZ's plot of the energy and its steps, alike if momenta mix well."""
        if "energy" not in self.sample_stats:
            raise unknown_name("statistic", "energy", self.sample_stats)
        return self._plot("energy", None, kwargs)

    def __repr__(self) -> str:
        names = list(self.samples)
        more = f", ... {len(names)} sites" if len(names) > _REPR_SITES else ""
        return f"<Posterior: {self._size}; {', '.join(names[:_REPR_SITES])}{more}>"

    def _repr_html_(self) -> str:
        table = self.summary().html(max_rows=HTML_ROWS)
        return page(f"Posterior: {self._size}", self.attrs, self.findings, table)

    @cached_property
    def _sample_shape(self) -> tuple[int, int]:
        for group in (self.sample_stats, self.samples):
            for values in group.values():
                return values.shape[0], values.shape[1]
        return 0, 0

    @property
    def _size(self) -> str:
        chains = "1 chain" if self.num_chains == 1 else f"{self.num_chains} chains"
        return f"{chains} × {self.num_draws} draws"

    def _columns(self, names: Iterable[str], prob: float) -> dict[str, Floats]:
        """Columns of all scalars of some sites; each site is worked out once."""
        names = list(names)
        new = [name for name in names if (name, prob) not in self._known]
        for name, columns in site_columns(self.samples, new, prob).items():
            self._known[name, prob] = columns
        return {name: self._known[name, prob] for name in names}

    @property
    def _fitted(self) -> Fitted:
        if self.density is None:
            raise ModelError(
                "this result does not know its model.",
                hint="Use ppl.infer.Predictive(model, samples) or "
                "ppl.infer.log_likelihood(model, samples, …).",
            )
        free = {entry.name for entry in self.density.layout.entries}
        latent = {n: v for n, v in self.samples.items() if n in free}
        return Fitted(self.density, latent, frozenset(self.observed_data))

    def _seed(self, seed: Any) -> Any:
        return self.attrs.get("seed", 0) if seed is None else seed

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "density": None}  # most models cannot be pickled

    def _plot(
        self, kind: str, names: list[str] | None, kwargs: Mapping[str, Any]
    ) -> Any:
        return _arviz.plot(self.to_datatree(), kind, names, **kwargs)


def chosen(sites: Iterable[str], var_names: str | Iterable[str] | None) -> list[str]:
    """The sites that `var_names` names, all if it is None."""
    sites = list(sites)
    if var_names is None:
        return sites
    names = list(as_names(var_names))
    for name in names:
        if name not in sites:
            raise unknown_name("site", name, sites)
    return names


def page(
    title: str, attrs: Mapping[str, Any], findings: Iterable[Finding], table: str
) -> str:
    """A result for notebooks: what it is, what was noticed, the table."""
    facts = [title]
    if "seed" in attrs:
        facts.append(f"seed {attrs['seed']}")
    if "sampling_time" in attrs:
        facts.append(f"{float(attrs['sampling_time']):.1f} s")
    if attrs.get("interrupted"):
        facts.append("interrupted")
    found = [
        _html.notice(f.message, f.hint) if f.category else _html.muted(str(f))
        for f in findings
    ]
    return _html.block([_html.title(" · ".join(facts)), *found, table])
