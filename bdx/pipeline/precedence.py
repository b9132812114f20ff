"""Whose value stands where sources disagree, and from what difference on they do: --prefer and --tolerance, read once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bdx import spec
from bdx.derive.claims import PREFERRED
from bdx.derive.tolerance import Tolerance
from bdx.errors import UsageError, did_you_mean
from bdx.formats.sink import same_path

METHODS = ("measured", "derived", "declared")
"""How values come about, the strongest first unless the user says otherwise: by a test, by production data, by somebody's word."""


@dataclass(frozen=True, slots=True)
class Precedence:
    """Methods in their order, sources that stand above all others, and the tolerance."""

    methods: tuple[str, ...] = METHODS
    sources: tuple[str, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)

    def rank(self, method: str, uri: str) -> int:
        """Return the standing of what a source says by a method, higher before lower."""
        place = next((number for number, name in enumerate(self.sources) if within(uri, name)), None)
        if place is not None:
            return PREFERRED + len(self.sources) - place
        return len(METHODS) - self.methods.index(method)

    def reason(self, wins: str, loses: str) -> str:
        """Return why the value of one declaring source stands before that of another; empty where it does not."""
        ours, theirs = self.rank("declared", wins), self.rank("declared", loses)
        return "as --prefer asks" if ours > theirs else ""


def within(uri: str, name: str) -> bool:
    """Say whether a source is the one named, or stands in the folder named."""
    folder = Path(name)
    return same_path(name, uri) or (folder.is_dir() and Path(os.path.realpath(uri)).is_relative_to(os.path.realpath(folder)))


def precedence(prefer: str | Sequence[str], tolerance: Sequence[str], uris: Sequence[str]) -> Precedence:
    """Return the precedence that words of the command line ask for: methods in their order, sources, tolerances.

    Raises: UsageError for a word that is neither a method nor a source, and for a tolerance that is no share.
    """
    words = [word for word in ([prefer] if isinstance(prefer, str) else prefer) if word]
    methods: list[str] = []
    sources: list[str] = []
    for word in words:
        if word in METHODS:
            methods.append(word)
        elif any(within(uri, word) for uri in uris):
            sources.append(word)
        else:
            known = [*METHODS, *uris]
            raise UsageError(f"--prefer '{word}' is none of the sources{did_you_mean(word, known)}, nor {', '.join(METHODS)}")
    order = tuple(dict.fromkeys([*methods, *METHODS]))
    return Precedence(order, tuple(dict.fromkeys(sources)), tolerances(tolerance))


def tolerances(words: Sequence[str]) -> Tolerance:
    """Return what words as 2%, rated_capacity_ah=0.5% or material.mass_kg=0.01 ask for.

    Raises: UsageError for an unknown column, a column without numbers, and for what is no share from 0 to 1.
    """
    share = Tolerance().share
    columns: dict[tuple[str, str], float] = {}
    for word in words:
        name, equals, text = word.rpartition("=")
        value = _share(word, text)
        if not equals:
            share = value
            continue
        columns |= _columns(word, name.strip(), value)
    return Tolerance(share, columns)


def _columns(word: str, name: str, value: float) -> Mapping[tuple[str, str], float]:
    table, dot, column = name.rpartition(".")
    tables = [item for item in spec.tables() if item == "battery" or spec.table(item).parent == "battery"]
    if dot and table not in tables:
        raise UsageError(f"--tolerance '{word}': no table '{table}' that is merged{did_you_mean(table, tables)}")
    wanted = [item for item in ([table] if dot else tables) if column in spec.table(item).by_name]
    wanted = wanted[:1] if "battery" in wanted else wanted
    if not wanted:
        known = [item.name for each in ([table] if dot else tables) for item in spec.table(each).columns]
        raise UsageError(f"--tolerance '{word}': no column '{column}'{did_you_mean(column, known)}")
    if not any(spec.table(item).column(column).type in ("int32", "int64", "float64", "decimal") for item in wanted):
        raise UsageError(f"--tolerance '{word}': {column} holds no numbers; texts agree but for case and blanks")
    return {(item, column): value for item in wanted}


def _share(word: str, text: str) -> float:
    text = text.strip()
    try:
        value = float(text.removesuffix("%").strip()) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < 1.0:
        raise UsageError(f"--tolerance '{word}': expected a share as 2% or 0.02, or COLUMN=0.5%")
    return value
