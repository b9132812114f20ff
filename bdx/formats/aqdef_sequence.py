"""Measured values of a Q-DAS file read line by line, where fields come in any order: said of all, by number, or ahead of the value."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from bdx.formats.aqdef_lines import Block, keys_of, value_lines
from bdx.formats.aqdef_values import Layout

ROWS = 8_192
"""Values handed on at a time."""
HELD = 20_000
"""Values that a later line may still speak of."""
_BLANKS = " \t\0\x1a"


@dataclass(slots=True)
class Value:
    """One value: where it starts, which characteristic it is of, its number among those, and its fields."""

    section: int
    index: int
    line: int
    nth: int
    fields: dict[int, str] = field(default_factory=dict)


class Sequence:
    """Takes lines in order; a field that a value has already starts the next value of that characteristic.

    A field of index 0 is one of the latest value of every characteristic, or of the next where there is none; one with the
    number of a value is one of that. What belongs to no value any more is counted in `lost`, by K-field.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.beyond = 0
        self.lost: Counter[int] = Counter()
        self.first_lost = 0
        self._held: deque[Value] = deque()
        self._open: dict[tuple[int, int], Value] = {}
        self._counts: Counter[tuple[int, int]] = Counter()
        self._by_number: dict[tuple[int, int, int], Value] = {}
        self._ahead: dict[int, str] = {}
        self._counted = frozenset(layout.counted.tolist())
        self._typed = frozenset(layout.typed.tolist())

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yield the values that nothing can be said of any more."""
        keys, done = keys_of(block), []
        values = value_lines(block, keys)
        for row in range(len(block.ends)):
            key, line = int(keys.key[row]), block.first + row
            if values[row]:
                self._uncoded(block.line(row).decode("utf-8", "replace"), line)
            elif 0 <= key < 100 or 200 <= key < 1000:
                text = block.data[int(keys.text[row]) : int(block.ends[row])].decode("utf-8", "replace").strip(_BLANKS)
                self._coded(key, int(keys.index[row]), int(keys.nth[row]), text, line)
            while self._held and (len(self._held) > HELD or self._held[0].line + self.layout.window < line):
                done.append(self._next())
            if len(done) >= ROWS:
                yield self._batch(done)
                done = []
        if done:
            yield self._batch(done)

    def finish(self) -> Iterator[pa.RecordBatch]:
        """Yield the values that are left."""
        self.lost.update(self._ahead.keys())
        while self._held:
            yield self._batch([self._next() for _ in range(min(ROWS, len(self._held)))])

    def _section(self, line: int) -> int:
        return int(self.layout.sections.searchsorted(line, side="right")) - 1

    def _new(self, section: int, index: int, line: int) -> Value:
        place = section, index
        self._counts[place] += 1
        value = Value(section, index, line, self._counts[place])
        self._held.append(value)
        self._by_number[section, index, value.nth] = value
        if place in self._open:
            self._ahead.clear()
        self._open[place] = value
        return value

    def _next(self) -> Value:
        value = self._held.popleft()
        del self._by_number[value.section, value.index, value.nth]
        if self._open.get((value.section, value.index)) is value:
            del self._open[value.section, value.index]
        return value

    def _uncoded(self, line: str, number: int) -> None:
        section = self._section(number)
        for index, group in enumerate(line.split("\x0f"), 1):
            texts = group.split("\x14")
            if not any(text.strip(_BLANKS) for text in texts):
                continue
            place = section * (1 << 32) + index
            counting = place in self._counted or (place not in self._typed and len(texts) > len(self.layout.measured))
            names = self.layout.counting if counting else self.layout.measured
            self.beyond += max(len(texts) - len(names), 0)
            value = self._new(section, index, number)
            value.fields = {name: text for name, text in zip(names, texts, strict=False) if name >= 0 and text} | {
                name: text for name, text in self._ahead.items() if name not in names
            }

    def _coded(self, key: int, index: int, nth: int, text: str, line: int) -> None:
        section = self._section(line)
        if index == 0:
            self._common(section, key, nth, text)
        elif nth > 0:
            value = self._by_number.get((section, index, nth))
            if value is None and nth == self._counts[section, index] + 1:
                value = self._new(section, index, line)
            self._set(value, key, text, line)
        else:
            value = self._open.get((section, index))
            if value is None or key in value.fields or value.line + self.layout.window < line:
                value = self._new(section, index, line)
                value.fields.update((name, said) for name, said in self._ahead.items() if name != key)
            value.fields[key] = text

    def _common(self, section: int, key: int, nth: int, text: str) -> None:
        if nth > 0:
            values = [value for value in self._held if value.section == section and value.nth == nth]
        else:
            values = [value for (place, _), value in self._open.items() if place == section]
        wanting = [value for value in values if key not in value.fields]
        for value in wanting:
            value.fields[key] = text
        if not wanting and nth <= 0:
            self._ahead[key] = text
        elif not wanting:
            self.lost[key] += 1

    def _set(self, value: Value | None, key: int, text: str, line: int) -> None:
        if value is None or key in value.fields:
            self.lost[key] += 1
            self.first_lost = self.first_lost or line
        else:
            value.fields[key] = text

    def _batch(self, values: list[Value]) -> pa.RecordBatch:
        columns: list[pa.Array] = [
            pa.array([value.section for value in values], pa.int32()),
            pa.array([value.index for value in values], pa.int64()),
            pa.array([value.line for value in values], pa.int64()),
        ]
        columns += [pa.array([value.fields.get(key) or None for value in values], pa.string()) for key in self.layout.keys]
        return pa.RecordBatch.from_arrays(columns, schema=self.layout.schema)
