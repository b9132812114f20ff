"""One derived value: the passport column it fills, the value, the named derivation and what it was computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Derived:
    """A value for `column` of the battery table, by derivation `by` of specs/derivations.toml, from `inputs`."""

    column: str
    value: Any
    by: str
    inputs: str
