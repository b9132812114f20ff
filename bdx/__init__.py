"""Battery data exchange: one library call behind each command of the `bdx` tool.

>>> import bdx
>>> tables = bdx.read("cycler.ndax")                      # canonical tables as pyarrow
>>> bdx.convert(["cycler.ndax", "line.xml", "master.csv"], "passport.json", to="idta-02035")
>>> bdx.validate(["passport.json"]).findings
>>> bdx.find_gaps(["passport.json"], "ec-guidance", category="ev").outcomes
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bdx.canon import Finding, Loss
    from bdx.errors import BdxError
    from bdx.pipeline import read
    from bdx.pipeline.checking import validate
    from bdx.pipeline.comparing import diff
    from bdx.pipeline.converting import convert
    from bdx.pipeline.viewing import inspect

__all__ = ["BdxError", "Finding", "Loss", "__version__", "convert", "diff", "find_gaps", "inspect", "read", "validate"]

_HOMES = {
    "BdxError": ("bdx.errors", "BdxError"),
    "Finding": ("bdx.canon", "Finding"),
    "Loss": ("bdx.canon", "Loss"),
    "convert": ("bdx.pipeline.converting", "convert"),
    "diff": ("bdx.pipeline.comparing", "diff"),
    "find_gaps": ("bdx.pipeline.gap_run", "find_gaps"),
    "inspect": ("bdx.pipeline.viewing", "inspect"),
    "read": ("bdx.pipeline", "read"),
    "validate": ("bdx.pipeline.checking", "validate"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import bdx` stays instant."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'bdx' has no attribute '{name}'")
    value = getattr(importlib.import_module(home[0]), home[1])
    globals()[name] = value
    return value
