"""Compiled programs kept on disk, in a folder that only the user can read.

JAX's persistent compilation cache does the work. It runs what it finds, so the folder
is private to the user. `PPL_COMPILATION_CACHE` names another folder, or says `off`; a
folder that is already configured in JAX is left as it is.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

_LIMIT_BYTES = 2**30
_ready = False


def enable_compilation_cache() -> None:
    """Switch the cache on, once, before the first program of a run is compiled."""
    global _ready
    if _ready:
        return
    _ready = True
    wanted = os.environ.get("PPL_COMPILATION_CACHE", "")
    if (
        wanted.lower() in ("off", "0", "no")
        or jax.config.values["jax_compilation_cache_dir"]
    ):
        return
    folder = Path(wanted).expanduser() if wanted else _default_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _private(folder):
            return
        _prune(folder)
    except OSError:
        return  # no place to write: everything works, it only compiles anew
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # JAX decides at its first compilation otherwise


def _default_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ppl" / "compiled"


def _private(folder: Path) -> bool:
    """Whether nobody else can put programs there."""
    status = folder.stat()
    mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return mine and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _prune(folder: Path) -> None:
    """Remove the files that were used longest ago, down to the limit."""
    files = [(f.stat().st_mtime, f.stat().st_size, f) for f in folder.iterdir()]
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total <= _LIMIT_BYTES:
            return
        file.unlink(missing_ok=True)
        total -= size
