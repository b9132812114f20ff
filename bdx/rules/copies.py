"""Judgements over what data say more than once: a document in two places, two records of one battery, many of one model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.rules.checks import Told
from bdx.rules.marks import marks
from bdx.rules.register import Hit, check, fold
from bdx.rules.view import Floats, View
from bdx.rules.wording import show


@fold("facts_differ")
class FactsDiffer:
    """Batteries met again with another value of a fact that cannot change, among about the last 2**bits batteries.

    Each battery leaves the hash of its key and short hashes of its facts in one slot of a table of fixed size. A later battery may
    take the slot over: a contradiction far behind can be missed, never invented. Facts that either record lacks are not compared.
    """

    def __init__(self, *, key: str, columns: tuple[str, ...], bits: int) -> None:
        self._key = key
        self._names = columns
        self._mask = np.uint64((1 << bits) - 1)
        self._keys = np.zeros(1 << bits, np.uint64)
        self._facts = np.zeros((1 << bits, len(columns)), np.uint32)
        self._hits: dict[str, Hit] = {}

    def feed(self, view: View) -> None:
        """Compare each record with the one in its slot, in the order of the rows, then leave it there."""
        if not view.has(self._key):
            return
        hashes = marks(view.array(self._key))
        slots = ((hashes >> np.uint64(1)) & self._mask).astype(np.int64)
        facts = np.stack([_marks(view, name) for name in self._names], axis=1)
        order = np.argsort(slots, kind="stable")
        held = np.r_[True, slots[order][1:] != slots[order][:-1]]
        before = np.r_[-1, order[:-1]]
        seen = np.where(held, self._keys[slots[order]], hashes[before])
        known = np.where(held[:, None], self._facts[slots[order]], facts[before])
        same = (seen == hashes[order]) & (hashes[order] != 0)
        unlike = same[:, None] & (known != facts[order]) & (known != 0) & (facts[order] != 0)
        for number, name in enumerate(self._names):
            self._note(view, name, np.sort(order[unlike[:, number]]))
        self._keys[slots[order]] = hashes[order]
        self._facts[slots[order]] = facts[order]

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per fact that two records say differently."""
        yield from self._hits.values()

    def _note(self, view: View, name: str, rows: Floats) -> None:
        if not len(rows):
            return
        first = int(rows[0])
        key = view.array(self._key)[first].as_py()
        told: dict[str, object] = {"key": key}
        value = view.array(name)[first].as_py()
        hit = self._hits.setdefault(name, Hit(view.table, name, view.first + first, 0, value, [], told))
        hit.count += len(rows)
        hit.examples += [view.first + int(row) for row in rows[: 5 - len(hit.examples)]]


def _marks(view: View, name: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Return a 32-bit mark per value, 0 for null or a column that is not there; equal values have equal marks."""
    if not view.has(name):
        return np.zeros(view.rows, np.uint32)
    values = view.array(name)
    if values.null_count == len(values):
        return np.zeros(view.rows, np.uint32)
    if pa.types.is_string(values.type):
        coded = view.coded(name)
        found = marks(values) if coded is None else marks(coded.dictionary)[coded.indices.fill_null(0).to_numpy()]
        return np.where(
            values.is_valid(), ((found >> np.uint64(20)) & np.uint64(0xFFFFFFFF)).astype(np.uint32) | np.uint32(1), np.uint32(0)
        )
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    bits = values.cast(pa.float64(), safe=False).fill_null(0).to_numpy(zero_copy_only=False) + 0.0
    mixed = (bits.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)
    return np.where(values.is_valid(), mixed.astype(np.uint32) | np.uint32(1), np.uint32(0))


@fold("model_facts_differ")
class ModelFactsDiffer:
    """Batteries whose model has another value of a fact that all batteries of a model share, among the first `models` models met."""

    def __init__(self, *, key: str, maker: str, columns: tuple[str, ...], share: float, models: int) -> None:
        self._key = key
        self._maker = maker
        self._names = columns
        self._share = share
        self._most = models
        self._known: dict[str, dict[str, object]] = {}
        self._hits: dict[str, Hit] = {}

    def feed(self, view: View) -> None:
        """Compare the values of a batch with the first met of each model."""
        if not view.has(self._key):
            return
        models = view.array(self._key)
        if view.has(self._maker):
            models = pc.binary_join_element_wise(models, view.array(self._maker).fill_null(""), "\x1f")
        coded = models.dictionary_encode()
        labels = coded.dictionary.to_pylist()
        for name in self._names:
            if view.has(name):
                self._fact(view, name, labels, coded.indices)

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per fact."""
        yield from self._hits.values()

    def _fact(self, view: View, name: str, labels: list[str], places: pa.Array) -> None:
        values = view.array(name)
        known = self._known.setdefault(name, {})
        if len(known) < self._most:
            given = (
                pa.table({"model": places, "row": np.arange(view.rows)}).filter(pc.is_valid(values)).group_by("model", use_threads=False)
            )
            firsts = given.aggregate([("row", "min")])
            for model, row in sorted(
                zip(firsts["model"].to_pylist(), firsts["row_min"].to_pylist(), strict=True), key=lambda pair: pair[1]
            ):
                if model is not None and len(known) < self._most:
                    known.setdefault(labels[model], values[row].as_py())
        wanted = pa.array([known.get(label) for label in labels], values.type).take(places)
        if pa.types.is_string(values.type):
            unlike = pc.not_equal(pc.utf8_lower(values), pc.utf8_lower(wanted))
        else:
            unlike = pc.greater(pc.abs(pc.subtract(values, wanted)), pc.multiply(pc.abs(wanted), self._share))
        rows = np.flatnonzero(unlike.fill_null(fill_value=False).to_numpy(zero_copy_only=False))
        if not len(rows):
            return
        first = int(rows[0])
        told: dict[str, object] = {
            "model": labels[places[first].as_py()].partition("\x1f")[0],
            "before": show(wanted[first].as_py()),
        }
        hit = self._hits.setdefault(name, Hit(view.table, name, view.first + first, 0, values[first].as_py(), [], told))
        hit.count += len(rows)
        hit.examples += [view.first + int(row) for row in rows[: 5 - len(hit.examples)]]


@check("copies_differ", applies=lambda column: column.type == "json", texts=True)
def copies_differ(now: pa.Array) -> Told:
    """Return where a document says one thing in two places and differently: the second place, what it says, and the column.

    What a model says twice is read once; a copy is carried along only where it differs, under its place in the document.
    """
    places = _copies()
    if not places:
        return None
    some = pc.match_substring_regex(now, "|".join(f'"{re.escape(place)}":' for place in places)).fill_null(fill_value=False)
    if not some.true_count:
        return None
    found: dict[str, tuple[str, str, str]] = {}
    for text in pc.unique(now.filter(some)).to_pylist():
        try:
            models = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        for carried in models.values() if isinstance(models, dict) else ():
            for place, column in places.items():
                if isinstance(carried, dict) and isinstance(carried.get(place), str):
                    found.setdefault(text, (place, str(carried[place]), column))
    if not found:
        return None
    row = pc.index_in(now, pa.array(list(found), pa.string()))
    slots = zip(("place", "other", "name"), zip(*found.values(), strict=True), strict=True)
    return pc.is_valid(row), {slot: pa.array(words, pa.string()).take(row) for slot, words in slots}


@cache
def _copies() -> dict[str, str]:
    """Return the places in which models say again what stands in a column of the battery, from the mappings, and that column."""
    found: dict[str, str] = {}
    for name in spec.names("mappings"):
        for entry in spec.facts("mappings", name).get("fields", ()):
            for copy in entry.get("copies", ()) if "to" in entry else ():
                found["/" + copy["at"].replace(".", "/")] = entry["to"]
    return found
