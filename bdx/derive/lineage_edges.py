"""Rows of genealogy -> edges that stand: corrections applied, takings out paired with the puttings in that they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from bdx.derive.lineage_rows import EDGE_NUMBERS, EDGE_TEXTS, Rows, codes_of

NEVER = np.iinfo(np.int64).max
"""Time of taking out of what stays in, in microseconds."""

ALWAYS = np.iinfo(np.int64).min
"""Time of putting in where nobody states it."""


@dataclass(slots=True)
class Edges:
    """Edges that stand, one place each in all arrays: who (numbers of items), which step, from when until when, and the other columns."""

    source: Any
    target: Any
    step: Any
    estimated: Any
    since: Any
    until: Any
    facts: pa.Table
    nameless: int = 0
    """Rows that name no input or no output."""
    _numbers: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    def text(self, name: str) -> tuple[Any, list[str]]:
        """Return the codes of a text column and its words."""
        return codes_of(self.facts.column(name))

    def number(self, name: str) -> Any:
        """Return a column of numbers, NaN where there is none."""
        if name not in self._numbers:
            self._numbers[name] = self.facts.column(name).cast(pa.float64()).fill_null(float("nan")).to_numpy()
        return self._numbers[name]


def standing(rows: Rows, source: Any, target: Any, step: Any, void_steps: Any) -> Edges:
    """Return the edges that are left when deletions, changes and deleted steps are applied, in the order of the rows.

    A deletion takes back earlier rows of its input, output and step, without a step those of every step; a change takes the
    place of earlier rows of its input, output, step and position. `void_steps` are numbers of steps that were deleted.
    """
    since, until = rows.numbers("genealogy", "occurred_at"), rows.numbers("genealogy", "removed_at")
    until = np.where(until == ALWAYS, NEVER, until)
    kept = (source >= 0) & (target >= 0)
    nameless = int(len(kept) - kept.sum())
    if len(void_steps):
        kept &= ~np.isin(step, void_steps)
    codes, words = rows.codes("genealogy", "record_action")
    if "delete" in words or "change" in words:
        deletes = codes == (words.index("delete") if "delete" in words else -2)
        changes = codes == (words.index("change") if "change" in words else -2)
        pair = _groups(source, target)
        exact = _groups(pair, step)
        kept &= ~deletes & ~_before(exact, deletes) & ~_before(pair, deletes & (step < 0))
        place = np.nan_to_num(rows.numbers("genealogy", "position_index"), nan=-1).astype(np.int64)
        kept &= ~_before(_groups(exact, place), changes)
    kinds, _ = rows.codes("genealogy", "relation")
    kept &= ~_paired(source, target, kinds, since, until, kept)
    facts = rows.table("genealogy", (*EDGE_TEXTS, *EDGE_NUMBERS))
    estimated = rows.numbers("genealogy", "is_estimated")
    rows.drop("genealogy")
    if kept.all():
        return Edges(source, target, step, estimated, since, until, facts)
    places = np.flatnonzero(kept)
    source, target, step, estimated, since, until = (array[places] for array in (source, target, step, estimated, since, until))
    return Edges(source, target, step, estimated, since, until, facts.take(pa.array(places)), nameless)


def _groups(left: Any, right: Any) -> Any:
    """Return one number per row, the same for rows that agree in both numbers."""
    high = int(right.max(initial=0)) + 2
    return np.unique(left.astype(np.int64) * high + (right.astype(np.int64) + 1), return_inverse=True)[1].reshape(-1)


def _before(groups: Any, marked: Any) -> Any:
    """Return which rows stand before a marked row of their group."""
    places = np.flatnonzero(marked)
    last = np.full(int(groups.max(initial=-1)) + 1, -1, np.int64)
    np.maximum.at(last, groups[places], places)
    return np.arange(len(groups)) < last[groups]


def _paired(source: Any, target: Any, kinds: Any, since: Any, until: Any, kept: Any) -> Any:
    """Set in `until` when what was put in was taken out again; return the rows of taking out that thereby say nothing more.

    A row with a time of taking out alone ends the rows of its input, output and relation that were put in before it and not ended yet.
    """
    ends = kept & (until != NEVER) & (since == ALWAYS)
    told = np.zeros(len(source), bool)
    if not ends.any():
        return told
    groups = _groups(_groups(source, target), kinds)
    touched = np.zeros(int(groups.max()) + 1, bool)
    touched[groups[ends]] = True
    places = np.flatnonzero(kept & touched[groups])
    when = np.where(ends, until, since)[places]
    order = places[np.lexsort((places, when, groups[places]))]
    size, group, ending = len(order), groups[order], ends[order]
    following = np.where(ending, np.arange(size), size)
    following = np.minimum.accumulate(following[::-1])[::-1]
    # The next taking out counts only where it is of the same group.
    inside = following < size
    inside[inside] = group[following[inside]] == group[inside]
    ended = inside & ~ending & (until[order] == NEVER)
    until[order[ended]] = until[order[following[ended]]]
    # Every taking out after a putting in is told by now; so is one that follows another.
    earlier = np.zeros(size, bool)
    earlier[1:] = group[1:] == group[:-1]
    told[order[ending & earlier]] = True
    return told
