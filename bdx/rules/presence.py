"""Judgements on which columns a table brought and which keys it brought twice, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.rules.marks import marks
from bdx.rules.register import Hit, fold
from bdx.rules.view import View


@fold("column_missing")
class ColumnMissing:
    """Required columns of a sparse table that no batch carried; `instead` columns say that the table is of another kind.

    `idle` columns may be missing where every step has a name that matches `rest`: no current flows there.
    """

    def __init__(self, *, instead: tuple[str, ...] = (), idle: tuple[str, ...] = (), rest: str = "") -> None:
        self._instead = instead
        self._idle = idle
        self._rest = rest
        self._loaded = not rest
        self._seen: set[str] = set()
        self._table = ""

    def feed(self, view: View) -> None:
        """Note which columns are there."""
        self._table = view.table
        self._seen.update(view.names())
        if not self._loaded:
            resting = view.has("step_type") and pc.all(pc.match_substring_regex(pc.unique(view.array("step_type")), self._rest)).as_py()
            self._loaded = not resting

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per column that never came."""
        if not self._table or self._seen & set(self._instead):
            return
        for column in spec.table(self._table).columns:
            if column.required and column.name not in self._seen and (self._loaded or column.name not in self._idle):
                yield Hit(self._table, column.name)


@fold("key_again")
class KeyAgain:
    """Keys met before, among about the last 2**bits different ones.

    Each key leaves its 64-bit hash in one slot of a table of fixed size; a later key may take the slot over, so a repeat
    far behind can be missed, never invented. A row whose column `corrects` is one of `words` speaks of an earlier record, so its key
    stands to be met again.
    """

    def __init__(self, *, key: str, bits: int, corrects: str = "", words: tuple[str, ...] = ("change", "delete")) -> None:
        self._column = key
        self._corrects, self._words = corrects, words
        self._slots = np.zeros(1 << bits, dtype=np.uint64)
        self._mask = np.uint64((1 << bits) - 1)
        self._hit: Hit | None = None

    def feed(self, view: View) -> None:
        """Compare each key with what stands in its slot, then leave it there."""
        keys = view.array(self._column)
        hashes = marks(keys)
        slots = (hashes >> np.uint64(1)) & self._mask
        order = np.argsort(slots, kind="stable")
        before = self._slots[slots[order]]
        same_slot = np.flatnonzero(slots[order][1:] == slots[order][:-1]) + 1
        before[same_slot] = hashes[order][same_slot - 1]
        again = np.zeros(len(keys), dtype=bool)
        again[order] = before == hashes[order]
        again &= hashes != 0
        if self._corrects and view.has(self._corrects):
            again &= ~pc.fill_null(pc.is_in(view.array(self._corrects), pa.array(self._words)), False).to_numpy(zero_copy_only=False)
        self._slots[slots[order]] = hashes[order]
        for place in np.flatnonzero(again):
            self._note(view, int(place), keys[int(place)].as_py())

    def finish(self) -> Iterator[Hit]:
        """Yield one hit for all repeats."""
        if self._hit:
            yield self._hit

    def _note(self, view: View, place: int, key: str | None) -> None:
        row = view.first + place
        if self._hit is None:
            self._hit = Hit(view.table, self._column, row, 0, key or "")
        self._hit.count += 1
        if len(self._hit.examples) < 5:
            self._hit.examples.append(row)
