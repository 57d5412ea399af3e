"""How the kernels are compiled: once for an installation, kept on disk, shared by all threads.

Numba's own cache looks at the file of the function it compiled, not at the files of the
functions which that one calls, so a changed helper would leave a stale kernel behind. The
cache therefore lies in a folder named after the digest of all kernel sources.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

_HERE = Path(__file__).parent
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _cache_folder() -> Path:
    mixed = hashlib.sha256(f"{numba.__version__} {numba.config.BOUNDSCHECK}".encode())
    for source in sorted(_HERE.glob("*.py")):
        mixed.update(source.read_bytes())
    beside = _HERE / "__pycache__"
    # An installation that its user may not write to keeps the kernels in the user's own cache.
    base = beside if os.access(beside if beside.exists() else _HERE, os.W_OK) else _users_cache()
    return base / f"kernels-{mixed.hexdigest()[:16]}"


def _users_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paysvc"


def kernel(function: _Function) -> _Function:
    """Compile on first use, without the interpreter's lock, and keep the result on disk."""
    compiled: _Function = numba.njit(function, nogil=True, cache=True, forceinline=True, _nrt=False)
    return compiled


numba.config.CACHE_DIR = str(_cache_folder())
