"""Judgements over a whole line: scrap that nobody reports, values marked invalid, items that contradict themselves, unknown origin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.descent import numbered, reached
from bdx.rules.register import Hit, fold
from bdx.rules.view import View

Hashes = npt.NDArray[np.int64]


def hashes(names: pa.Array) -> Hashes:
    """Return texts as 64-bit hashes of this process, 0 where one is null or blank."""
    coded = names.dictionary_encode()
    made = [hash(name) or 1 if name.strip() else 0 for name in coded.dictionary.to_pylist()]
    table = np.array([*made, 0], np.int64)
    return np.asarray(table[coded.indices.fill_null(len(made)).to_numpy(zero_copy_only=False)])


def _is_deleted(view: View) -> npt.NDArray[np.bool_]:
    if not view.has("record_action"):
        return np.zeros(view.rows, dtype=bool)
    return np.asarray(pc.equal(view.array("record_action"), "delete").fill_null(fill_value=False).to_numpy(zero_copy_only=False))


@fold("no_scrap")
class NoScrap:
    """A record whose steps state quantities, none of which is scrap; `steps` is the least number of steps judged."""

    def __init__(self, *, steps: int) -> None:
        self._least, self._steps, self._told = steps, 0, False

    def feed(self, view: View) -> None:
        """Look at one batch."""
        if self._told:
            return
        if view.table == "item":
            self._told = view.has("item_kind") and pc.any(pc.equal(view.array("item_kind"), "scrap")).as_py() is True
        elif view.table == "quality_result":
            self._told = view.has("verdict") and pc.any(pc.equal(view.array("verdict"), "fail")).as_py() is True
        elif view.table == "process_step":
            stated = [view.floats(name) for name in ("qty_in", "qty_good") if view.has(name)]
            given = ~np.isnan(np.vstack(stated)).all(axis=0) if stated else np.zeros(view.rows, dtype=bool)
            ended = ~np.isnan(view.floats("ended_at")) if view.has("ended_at") else np.zeros(view.rows, dtype=bool)
            self._steps += int((given & ended).sum())
            scrap = [view.floats(name) > 0 for name in ("qty_scrap", "qty_rework") if view.has(name)]
            reason = view.has("scrap_reason") and view.array("scrap_reason").null_count < view.rows
            bad = view.has("result") and pc.any(pc.is_in(view.array("result"), pa.array(["nok", "rework"]))).as_py() is True
            self._told = reason or bad or any(bool(values.any()) for values in scrap)

    def finish(self) -> Iterator[Hit]:
        """Yield one hit where there were steps enough and no word of scrap."""
        if not self._told and self._steps >= self._least:
            yield Hit("process_step", "qty_scrap", None, self._steps)


@fold("invalid_values")
class InvalidValues:
    """Values whose attribute is one of `codes`, where they are more than a `share` of a record of `rows` values or more."""

    def __init__(self, *, codes: tuple[str, ...], share: float, rows: int) -> None:
        self._codes = np.array([int(code) for code in codes], np.float64)
        self._share, self._least = share, rows
        self._total, self._bad, self._first = 0, 0, -1
        self._by_name: dict[str, list[int]] = {}

    def feed(self, view: View) -> None:
        """Look at one batch."""
        if not (view.has("attribute_code") and view.has("characteristic_name_raw")):
            return
        attribute = view.floats("attribute_code")
        there, bad = ~np.isnan(attribute), np.isin(attribute, self._codes)
        self._total += int(there.sum())
        self._bad += int(bad.sum())
        if self._first < 0 and bad.any():
            self._first = view.first + int(np.flatnonzero(bad)[0])
        coded = view.array("characteristic_name_raw").dictionary_encode()
        place = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
        counts = (np.bincount(place[mask], minlength=len(coded.dictionary) + 1) for mask in (there, bad))
        for name, every, wrong in zip(coded.dictionary.to_pylist(), *(values.tolist() for values in counts), strict=False):
            if name in self._by_name or len(self._by_name) < 10_000:
                sums = self._by_name.setdefault(name, [0, 0])
                sums[0], sums[1] = sums[0] + every, sums[1] + wrong

    def finish(self) -> Iterator[Hit]:
        """Yield one hit with the characteristic that is worst."""
        if self._total < self._least or self._bad <= self._share * self._total:
            return
        worst = max(self._by_name, key=lambda name: (self._by_name[name][1] / max(self._by_name[name][0], 1), name), default="")
        most = round(100 * self._by_name[worst][1] / max(self._by_name[worst][0], 1)) if worst else 0
        slots = {"total": self._total, "worst": worst[:60], "most": most}
        yield Hit("quality_result", "attribute_code", self._first, self._bad, "", [self._first], slots)


@fold("item_contradicted")
class ItemContradicted:
    """Rows about one item that differ in `columns`; the first `most` items are remembered, rows that correct are not judged."""

    def __init__(self, *, columns: tuple[str, ...], most: int) -> None:
        self._columns, self._most = columns, most
        nothing = np.empty(0, np.int64)
        self._known: dict[str, tuple[Hashes, Hashes]] = dict.fromkeys(columns, (nothing, nothing))
        self._hits: dict[str, Hit] = {}

    def feed(self, view: View) -> None:
        """Compare a batch with the items met before, column by column."""
        if not view.has("item_id"):
            return
        names = view.array("item_id")
        items, corrects = hashes(names), np.zeros(view.rows, dtype=bool)
        if view.has("record_action"):
            corrects = pc.is_in(view.array("record_action"), pa.array(["change", "delete"])).to_numpy(zero_copy_only=False)
        for column in self._columns:
            if not view.has(column) or view.array(column).null_count == view.rows:
                continue
            said = hashes(view.array(column))
            places = np.flatnonzero((items != 0) & (said != 0) & ~corrects)
            for place in places[self._unlike(column, items[places], said[places])].tolist():
                self._note(view, column, place, str(names[place].as_py()))

    def _unlike(self, column: str, items: Hashes, said: Hashes) -> npt.NDArray[np.bool_]:
        """Return which rows say otherwise than the first row about their item, and remember items that are new."""
        known, values = self._known[column]
        if len(known) < self._most:
            fresh, first = np.unique(items, return_index=True)
            new = ~np.isin(fresh, known)
            new &= np.cumsum(new) <= self._most - len(known)
            known, values = np.concatenate([known, fresh[new]]), np.concatenate([values, said[first[new]]])
            order = np.argsort(known, kind="stable")
            self._known[column] = known, values = known[order], values[order]
        place = np.minimum(np.searchsorted(known, items), max(len(known) - 1, 0))
        return np.asarray((known[place] == items) & (values[place] != said)) if len(known) else np.zeros(len(items), dtype=bool)

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per column."""
        yield from self._hits.values()

    def _note(self, view: View, column: str, place: int, item: str) -> None:
        row = view.first + place
        if column not in self._hits:
            self._hits[column] = Hit("item", column, row, 0, view.array(column)[place].as_py(), [], {"item": item[:60]})
        hit = self._hits[column]
        hit.count += 1
        if len(hit.examples) < 5:
            hit.examples.append(row)


@fold("unknown_origin")
class UnknownOrigin:
    """Finished items that no raw material reaches along edges; at most `most` edges are followed, of more nothing is said."""

    def __init__(self, *, kinds: tuple[str, ...], raw: tuple[str, ...], most: int) -> None:
        self._kinds, self._raw, self._most = kinds, raw, most
        self._edges: list[tuple[Hashes, Hashes]] = []
        self._finished: list[tuple[Hashes, Hashes]] = []
        self._begin: list[Hashes] = []
        self._count = 0

    def feed(self, view: View) -> None:
        """Keep the edges, the finished items with their rows, and the raw materials of a batch."""
        stays = ~_is_deleted(view)
        if view.table == "item" and view.has("item_kind") and view.has("item_id"):
            kind, items = view.array("item_kind"), hashes(view.array("item_id"))
            for words, into in ((self._kinds, self._finished), (self._raw, self._begin)):
                places = np.flatnonzero(pc.is_in(kind, pa.array(words, pa.string())).to_numpy(zero_copy_only=False) & stays)
                if len(places) and into is self._finished:
                    self._finished.append((items[places], view.first + places))
                elif len(places):
                    self._begin.append(items[places])
        elif view.table == "genealogy" and self._count <= self._most:
            self._count += view.rows
            source, target = hashes(view.array("input_item_id")), hashes(view.array("output_item_id"))
            whole = (source != 0) & (target != 0) & stays
            self._edges.append((source[whole], target[whole]))

    def finish(self) -> Iterator[Hit]:
        """Yield one hit for the items that nothing known reaches."""
        if not self._count or self._count > self._most or not self._finished:
            return
        source, target = (np.concatenate(column) for column in zip(*self._edges, strict=True))
        finished, rows = (np.concatenate(column) for column in zip(*self._finished, strict=True))
        begin = np.concatenate([np.empty(0, np.int64), *self._begin])
        (a, b, ends, start), names = numbered(source, target, finished, begin)
        lost = ~reached(a, b, start, len(names))[ends]
        _, first = np.unique(ends, return_index=True)
        lost_rows = np.sort(rows[first][lost[first]])
        if len(lost_rows):
            slots: dict[str, object] = {"total": len(first)}
            yield Hit("item", "item_id", int(lost_rows[0]), len(lost_rows), "", lost_rows[:5].tolist(), slots)
