"""One derived value: the passport column it fills, the value, the named derivation and what it was computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Derived:
    """A value for `column` of the battery table, by derivation `by` of specs/derivations.toml, from `inputs`.

    `rows` names the canonical rows it was computed from, "table[first:last]" or "table[key]", several apart by blanks;
    `version` is the version of the derivation it was computed with.
    """

    column: str
    value: Any
    by: str
    inputs: str
    rows: str = ""
    version: str = ""
