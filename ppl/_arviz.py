"""Results as an xarray tree in the layout of ArviZ, for ArviZ 0.23 and 1.x."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ppl._errors import ArgumentError
from ppl.diagnostics._labels import coordinate, coordinate_sizes, event_dims

if TYPE_CHECKING:
    import xarray

SAMPLE_DIMS = ("chain", "draw")
RESERVED = (*SAMPLE_DIMS, "sample", "pred_id")
"""Dimensions to which ArviZ gives a meaning."""

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Group:
    """The variables of one group of the tree.

    Attributes:
        variables: Name to array; (chain, draw, *event) if `sampled`, else (*event,).
        sampled: Whether the arrays have the sample dimensions.
        latent: Which of them the sampler moved, if that is worth saying.
        dims: Names of their axes, if these are not those of the whole tree.
        coords: Labels along these, likewise.
    """

    variables: Mapping[str, np.ndarray]
    sampled: bool = True
    latent: tuple[str, ...] = ()
    dims: Mapping[str, Sequence[str]] | None = None
    coords: Mapping[str, Any] | None = None


def datatree(
    groups: Mapping[str, Group],
    *,
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Scalar],
) -> xarray.DataTree:
    """A tree of labelled groups; every dimension has a coordinate, no array is copied.

    What xarray and netCDF cannot take is renamed: a `/` in a name becomes a `.`, and a
    dimension that is called like a variable or like one that ArviZ reserves gets
    `_dim` at its end. Truth values among the attributes become 0 and 1.

    Args:
        groups: The groups by name; those without variables are left out.
        dims: Variable to the names of the axes of its event.
        coords: Dimension to the labels along it.
        attrs: What to say of the whole result.

    Returns:
        The tree.
    """
    import xarray

    common = _library_attrs(attrs)
    tree = {
        f"/{name}": _dataset(group, dims, coords, common)
        for name, group in groups.items()
        if group.variables
    }
    whole = _plain({**common, **attrs})
    for name in ("/posterior", "/warmup_posterior"):
        if name in tree:
            tree[name] = tree[name].assign_attrs({**whole, **tree[name].attrs})
    return xarray.DataTree.from_dict({"/": xarray.Dataset(attrs=whole), **tree})


def arviz_object(tree: xarray.DataTree) -> Any:
    """What the installed ArviZ takes: an `InferenceData` before 1.0, then the tree."""
    arviz = import_arviz()
    if _before_one(arviz):
        return arviz.InferenceData.from_datatree(tree)
    return tree


def plot(
    tree: xarray.DataTree, kind: str, var_names: Iterable[str] | None, **kwargs: Any
) -> Any:
    """Draw with ArviZ.

    Args:
        tree: The result.
        kind: trace, rank, forest or energy.
        var_names: The sites to show, or None.
        **kwargs: What else ArviZ's function takes.

    Returns:
        Matplotlib axes from ArviZ 0.23, a `PlotCollection` from 1.x.
    """
    arviz = import_arviz()
    renamed = kind == "trace" and not _before_one(arviz)
    name = "plot_trace_dist" if renamed else f"plot_{kind}"
    if var_names is not None:
        kwargs["var_names"] = [_clean(var) for var in var_names]
    return getattr(arviz, name)(arviz_object(tree), **kwargs)


def import_arviz() -> Any:
    """ArviZ, without what 0.23 tells of its future whenever it is imported."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)
        import arviz
    return arviz


def _before_one(arviz: Any) -> bool:
    return int(arviz.__version__.partition(".")[0]) < 1


def _dataset(
    group: Group,
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any],
) -> xarray.Dataset:
    import xarray

    dims = dims if group.dims is None else group.dims
    coords = coords if group.coords is None else group.coords
    variables = _unique(group.variables)
    sample_dims = SAMPLE_DIMS if group.sampled else ()
    labels: dict[str, Any] = {}
    sizes = coordinate_sizes(coords)
    data = {}
    for site, name in variables.items():
        values = np.asarray(group.variables[site])
        if values.ndim < len(sample_dims):
            raise ArgumentError(
                f"shape {values.shape} has no chain and draw dimensions.", site=site
            )
        event = values.shape[len(sample_dims) :]
        own = event_dims(site, event, dims.get(site, ()), sizes)
        sizes |= dict(zip(own, event, strict=True))
        names = [_free(_clean(dim), variables.values()) for dim in own]
        for dim, new, size in zip(own, names, event, strict=True):
            labels[new] = _label_array(coordinate(coords, dim, size))
        for dim, size in zip(sample_dims, values.shape, strict=False):
            labels[dim] = np.arange(size)
        origin = {"site": site} if name != site else {}
        data[name] = ((*sample_dims, *names), values, origin)
    about = dict(attrs)
    if sample_dims:
        about["sample_dims"] = list(sample_dims)
    if group.latent:
        about["sampled_variables"] = [variables[site] for site in group.latent]
    _refuse_reserved(data)
    return xarray.Dataset(data, coords=labels, attrs=_plain(about))


def _library_attrs(attrs: Mapping[str, Scalar]) -> dict[str, Any]:
    """Who made the tree and when, unless `attrs` say so."""
    usual: dict[str, Any] = {
        "created_at": datetime.now(UTC).isoformat(),
        "creation_library": "ppl",
        "creation_library_language": "Python",
        "inference_library": "ppl",
    }
    version = _version()
    if version:
        usual["creation_library_version"] = version
    usual |= {name: attrs[name] for name in usual if name in attrs}
    if "inference_library_version" in attrs:
        usual["inference_library_version"] = attrs["inference_library_version"]
    elif version and usual["inference_library"] == "ppl":
        usual["inference_library_version"] = version
    return usual


def _version() -> str:
    try:
        return importlib.metadata.version("ppl")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return ""


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as netCDF stores them: texts, numbers and lists of texts."""
    plain = {}
    for name, value in attrs.items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, bool):
            plain[name] = int(value)
        elif isinstance(value, str | int | float | list):
            plain[name] = value
        elif value is not None:
            plain[name] = str(value)
    return plain


def _clean(name: str) -> str:
    return name.replace("/", ".")


def _unique(names: Iterable[str]) -> dict[str, str]:
    """Each name with one that may stand in a file, all different."""
    found: dict[str, str] = {}
    for name in names:
        new = _clean(name)
        while new in found.values():
            new += "_"
        found[name] = new
    return found


def _free(dim: str, taken: Iterable[str]) -> str:
    """`dim`, or a longer name if a variable or ArviZ has it already."""
    taken = {*taken, *RESERVED}
    while dim in taken:
        dim += "_dim"
    return dim


def _label_array(labels: np.ndarray) -> np.ndarray:
    """Labels of mixed types as texts."""
    return labels.astype(str) if labels.dtype == object else labels


def _refuse_reserved(names: Iterable[str]) -> None:
    for name in names:
        if name in SAMPLE_DIMS:
            raise ArgumentError(
                "ArviZ keeps this name for a dimension.",
                site=name,
                hint="Rename the site, or read it from the posterior directly.",
            )
