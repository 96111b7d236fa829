"""The laws that the source obeys: layers, sizes, plain words; each names its offenders.

A law is a function from a module to what is wrong with it. To add one, write it; then
in `test_structure` list it in `LAWS` and give it a line in `OFFENDERS`, which shows
that it catches something.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# A package's layer holds for all that is in it, unless something inside has its own.
# A private module directly in ppl/ that is not listed is a helper, at the bottom.
LAYERS = {
    "ppl.infer.engine": 0,
    "ppl.nn": 0,
    "ppl.distributions": 1,
    "ppl._fitting": 2,
    "ppl._missing": 2,
    "ppl._recording": 2,
    "ppl._sites": 2,
    "ppl.primitives": 2,
    "ppl.control": 2,
    "ppl.priors": 3,
    "ppl.handlers": 3,
    "ppl.arguments": 4,
    "ppl.constant_arguments": 4,
    "ppl.layout": 4,
    "ppl.visiting": 4,
    "ppl.target": 4,
    "ppl.one_draw": 4,
    "ppl.predicting": 4,
    "ppl.checks": 4,
    "ppl.optim": 4,
    "ppl.util": 4,
    "ppl.contrib": 3,
    "ppl.contrib.einstein": 5,
    "ppl.contrib.render": 5,
    "ppl.infer": 5,
    "ppl.posterior": 5,
    "ppl.predictions": 5,
    "ppl.moments": 5,
    "ppl.diagnostics": 5,
    "ppl._arviz": 5,
}
TOP = 6  # ppl/__init__.py, which only re-exports
ENGINE = "ppl.infer.engine"
ENGINE_SEEN_FROM = 4  # below, the language has never heard of samplers

# In these packages no file knows another, except the few that others are built from.
# A file whose name starts with an underscore is such a base as well.
APART = {
    "ppl.distributions": {
        "constraints",
        "bijectors",
        "transforms",
        "distribution",
        "util",
        "independent",
        "masked",
        "transformed",
        "delta",
        "truncated",
        "zero_inflated",
        "hurdle",
    },
    "ppl.handlers": {"base"},
    "ppl.infer.engine.kernels": {"base"},
    "ppl.infer.engine.adapt": {"base"},
    "ppl.infer.engine.sinks": {"base"},
    "ppl.infer.guides": {"base"},
}

# What is about siblings and nothing else knows all of them; none of them knows it.
ABOUT_SIBLINGS = ("ppl.distributions.kl",)

# Third parties that a user may do without, or that cost too much to import at once.
OPTIONAL = {
    *("IPython", "arviz", "diffrax", "formulaic", "graphviz", "matplotlib", "narwhals"),
    *("optax", "pandas", "polars", "scipy", "tqdm", "xarray", "zarr"),
}
AT_THE_TOP_TOO = {"scipy"}  # always installed

MAX_FILE_LINES = 400
MAX_BODY_LINES = 60
MAX_POSITIONAL = 6
LONG_FILES: set[str] = set()  # "ppl/x.py": over 400 lines for a good reason, never 600
LONG_BODIES: set[str] = set()  # "ppl.x.function"
# Public signatures that are NumPyro's, so that scripts port by renaming the import.
LONG_SIGNATURES = {
    "ppl.primitives.sample",
    "ppl.infer.mcmc.NUTS.__init__",
    "ppl.infer.mcmc.HMC.__init__",
    "ppl.infer.stein.stein_vi.SteinVI.__init__",
    "ppl.infer.stein.stein_vi.ASVGD.__init__",
    "ppl.infer.stein.mixture.MixtureGuidePredictive.__init__",
}


@dataclass(frozen=True)
class Module:
    """One source file: its place, its dotted name and what is in it."""

    path: str
    name: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")


def read(folder: str) -> dict[str, Module]:
    modules = {}
    for file in sorted((ROOT / folder).rglob("*.py")):
        path = file.relative_to(ROOT)
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        modules[name] = Module(path.as_posix(), name, file.read_text())
    return modules


PPL = read("ppl")
AROUND = read("tests") | read("benchmarks") | read("examples")


# --- reading imports and functions ----------------------------------------------------


def prefixes(name: str) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def layer(name: str) -> int | None:
    if name == "ppl":
        return TOP
    for prefix in prefixes(name):
        if prefix in LAYERS:
            return LAYERS[prefix]
    return 0 if re.fullmatch(r"ppl\._\w+", name) else None


def targets(module: Module, node: ast.stmt, known: Iterable[str]) -> list[str]:
    """The modules that an import statement names, absolutely."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parts = module.name.split(".")
        kept = parts[: len(parts) - node.level + module.is_package]
        base = ".".join([*kept, *([base] if base else [])])
    members = [f"{base}.{alias.name}" for alias in node.names]
    return [member if member in known else base for member in members]


def imports(module: Module, known: Iterable[str] = ()) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        for target in targets(module, node, known):
            yield node.lineno, target


def functions(
    node: ast.AST, prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Each function with its dotted name and whether it is a method with a `self`."""
    for child in ast.iter_child_nodes(node):
        inner = f"{prefix}.{getattr(child, 'name', '')}".rstrip(".")
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            unbound = "staticmethod" in {ast.unparse(d) for d in child.decorator_list}
            yield inner, child, isinstance(node, ast.ClassDef) and not unbound
        yield from functions(child, inner)


def in_functions(tree: ast.AST) -> set[ast.AST]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    nodes = (node for node in ast.walk(tree) if isinstance(node, kinds))
    return {inside for f in nodes for inside in ast.walk(f)}


def for_types_only(tree: ast.AST) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:`."""
    blocks = (
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)
    )
    return {inside for block in blocks for inside in ast.walk(block)}


# --- the laws -------------------------------------------------------------------------


def imports_only_downwards(module: Module) -> Iterator[str]:
    own = layer(module.name)
    if own is None:
        yield f"{module.path}: {module.name} has no layer; give it one in LAYERS"
        return
    for line, target in imports(module, PPL):
        theirs = layer(target) if target.split(".")[0] == "ppl" else None
        if theirs is None or target == module.name:
            continue
        where = f"{module.path}:{line}: layer {own} imports {target}"
        within_engine = module.name.startswith(ENGINE)
        if target in list(prefixes(module.name)):
            yield f"{where}, its own package; name the module that is meant"
        elif theirs > own:
            yield f"{where} of layer {theirs}, which is above it"
        elif target.startswith(ENGINE) and not within_engine and own < ENGINE_SEEN_FROM:
            yield f"{where}; only layers from {ENGINE_SEEN_FROM} on see the engine"


def siblings_stay_apart(module: Module) -> Iterator[str]:
    for line, target in imports(module, PPL):
        for package, bases in APART.items():
            inside = f"{package}."
            if not (module.name.startswith(inside) and target.startswith(inside)):
                continue
            own = module.name.removeprefix(inside).split(".")[0]
            if inside + own in ABOUT_SIBLINGS:
                continue
            theirs = target.removeprefix(inside).split(".")[0]
            if own != theirs and theirs not in bases and not theirs.startswith("_"):
                yield (
                    f"{module.path}:{line}: imports its sibling {target}; move what "
                    "both need into a base"
                )


def functions_import_only_what_is_optional(module: Module) -> Iterator[str]:
    tree = module.tree
    inside, types = in_functions(tree), for_types_only(tree)
    for node in ast.walk(tree):
        for target in targets(module, node, PPL):
            where, party = f"{module.path}:{node.lineno}", target.split(".")[0]
            if node in inside and party not in OPTIONAL:
                yield f"{where}: imports {target} inside a function"
            elif node not in inside | types and party in OPTIONAL - AT_THE_TOP_TOO:
                yield f"{where}: imports {target}, which is optional, at once"


def files_are_short(module: Module) -> Iterator[str]:
    lines = len(module.source.splitlines())
    limit = 600 if module.path in LONG_FILES else MAX_FILE_LINES
    if lines > limit:
        yield f"{module.path}: {lines} lines, {limit} allowed"


def functions_are_short(module: Module) -> Iterator[str]:
    for name, function, _ in functions(module.tree, module.name):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = (function.end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > MAX_BODY_LINES and name not in LONG_BODIES:
            yield (
                f"{module.path}:{function.lineno}: the body of {name} has {lines} "
                f"lines, {MAX_BODY_LINES} allowed"
            )


def signatures_are_short(module: Module) -> Iterator[str]:
    for name, function, bound in functions(module.tree, module.name):
        count = len(function.args.posonlyargs + function.args.args) - bound
        if count > MAX_POSITIONAL and name not in LONG_SIGNATURES:
            yield (
                f"{module.path}:{function.lineno}: {name} has {count} positional "
                f"parameters, {MAX_POSITIONAL} allowed; make some keyword-only"
            )


def jax_stays_public(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        named = any("jax._src" in t for t in targets(module, node, ()))
        if named or (isinstance(node, ast.Attribute) and node.attr == "_src"):
            yield f"{module.path}:{node.lineno}: jax._src is out of bounds"


def mistakes_are_named(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assert):
            yield f"{module.path}:{node.lineno}: assert; raise an error of ppl._errors"
        elif isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{module.path}:{node.lineno}: NotImplementedError; see ppl._errors"


def modules_open_with_a_sentence(module: Module) -> Iterator[str]:
    first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    if not re.fullmatch(r"\S+ .*[.!?]", first) or re.search(r"[.!?] [A-Z]", first):
        yield f"{module.path}: opens with {first!r}, which is not one sentence"
