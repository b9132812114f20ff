"""Judgements over production tables as a whole: names that nothing stands for, rows written twice, one value out of its series."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.canon import Chunk
from bdx.rules.register import Bad, Hit, across, fold
from bdx.rules.view import View


@fold("unknown_names")
class UnknownNames:
    """Names in `columns` ("table.column") that no row of the column `known` has, wherever in the source that row stands.

    Both sides are kept as 64-bit hashes, at most `most` of each; beyond that the rule falls silent.
    """

    def __init__(self, *, known: str, columns: tuple[str, ...], most: int = 1 << 17) -> None:
        self._known_table, _, self._known_column = known.partition(".")
        self._columns = [tuple(text.split(".")) for text in columns]
        self._most = most
        self._known: set[int] = set()
        self._used: dict[tuple[str, str], dict[int, tuple[int, str]]] = {}
        self._times: dict[tuple[str, str], dict[int, int]] = {}
        self._full = False

    def feed(self, view: View) -> None:
        """Note the names a batch defines and those it uses."""
        if self._full:
            return
        if view.table == self._known_table and view.has(self._known_column):
            self._known.update(_hash(name) for name in pc.unique(view.array(self._known_column)).drop_null().to_pylist())
        for table, column in self._columns:
            if table == view.table and view.has(column):
                self._use(view, table, column)
        used = sum(len(names) for names in self._used.values())
        self._full = len(self._known) > self._most or used > self._most

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per column that uses names which the source does not define, where it defines any."""
        if self._full or not self._known:
            return
        for (table, column), names in self._used.items():
            unknown = sorted((place, name, key) for key, (place, name) in names.items() if key not in self._known)
            if unknown:
                count = sum(self._times[table, column][key] for _, _, key in unknown)
                yield Hit(table, column, unknown[0][0], count, unknown[0][1], [row for row, _, _ in unknown[:5]])

    def _use(self, view: View, table: str, column: str) -> None:
        coded = view.array(column).dictionary_encode()
        names, codes = coded.dictionary.to_pylist(), coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        first = np.full(len(names), -1)
        places = np.flatnonzero(codes >= 0)
        first[codes[places][::-1]] = places[::-1]
        counts = np.bincount(codes[places], minlength=len(names))
        used, times = self._used.setdefault((table, column), {}), self._times.setdefault((table, column), {})
        for name, place, count in zip(names, first.tolist(), counts.tolist(), strict=True):
            key = _hash(name)
            used.setdefault(key, (view.first + place, name[:60]))
            times[key] = times.get(key, 0) + count


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


@across("row_again")
def row_again(chunk: Chunk, *, tables: tuple[str, ...], apart: tuple[str, ...]) -> Iterator[Bad]:
    """Yield rows that repeat an earlier row of the chunk in every column but those in `apart`."""
    for name in tables:
        rows = chunk.get(name)
        if rows is None:
            continue
        texts = [_texts(rows.column(column)) for column in rows.schema.names if column not in apart and column in spec.table(name).by_name]
        joined = pc.binary_join_element_wise(*texts, "\x1f")
        again = pc.less(pc.index_in(joined, joined), pa.array(range(rows.num_rows), pa.int32()))
        yield Bad(name, "battery_key", again)


def _texts(values: pa.Array) -> pa.Array:
    if pa.types.is_list(values.type):
        return pa.array([None if value is None else "\x1e".join(map(str, value)) for value in values.to_pylist()], pa.string()).fill_null(
            ""
        )
    return values.cast(pa.string()).fill_null("")


@across("out_of_series")
def out_of_series(chunk: Chunk, *, factor: float, rows: int, share: float) -> Iterator[Bad]:
    """Yield measured values of one characteristic and kind of item that lie a factor off a series which is otherwise narrow.

    `rows` is the shortest series judged; all but a `share` of it must lie within a factor of two of its middle.
    """
    results, items = chunk.get("quality_result"), chunk.get("item")
    if results is None or items is None:
        return
    place = pc.index_in(results.column("item_id"), items.column("item_id"))
    kinds = pc.coalesce(items.column("material_definition_id"), items.column("item_kind")).take(place)
    names = [results.column("characteristic_code"), results.column("unit").fill_null(""), kinds]
    series = pc.binary_join_element_wise(*names, "\x1f").dictionary_encode()
    codes = series.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    values = results.column("value_num").to_numpy(zero_copy_only=False)
    bad, centres = np.zeros(len(values), dtype=bool), np.full(len(values), np.nan)
    for number in range(len(series.dictionary)):
        places = np.flatnonzero((codes == number) & (values > 0) & np.isfinite(values))
        centre = float(np.median(values[places])) if len(places) >= rows else 0.0
        ratio = values[places] / centre if centre else np.zeros(0)
        if centre and np.count_nonzero((ratio < 0.5) | (ratio > 2.0)) <= share * len(places):
            bad[places] = (ratio > factor) | (ratio < 1.0 / factor)
            centres[places] = float(f"{centre:.3g}")
    slots = {"parameter": names[0], "measured": names[1], "kind": kinds, "number": results.column("value_num"), "centre": pa.array(centres)}
    yield Bad("quality_result", "value_num", pa.array(bad), slots)
