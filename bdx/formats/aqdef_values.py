"""Measured values of a Q-DAS file, block by block and without a loop over them: lines without K-fields, and K-fields that belong to them.

A value is what one characteristic was measured to be at one time: a field group of a line without K-fields, or a K0001 (K0020 for
counted faults) with the K0 fields after it. Fields of a value may follow it within a number of lines; where they do not simply follow
it, `aqdef_sequence` reads on, line by line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bdx.formats.aqdef_lines import BLANK, DC4, SI, Block, Ints, Keys, keys_of, spans, value_lines

STARTS = (1, 20)
"""K-fields that a value starts with."""


@dataclass(slots=True)
class Layout:
    """The columns of the values: K-fields by number, their place in a line without K-fields, and which characteristics count faults.

    `counted` holds section and characteristic as one number (see `place_of`); `typed` those whose kind is stated at all.
    """

    keys: list[int]
    measured: list[int]
    counting: list[int]
    counted: Ints
    typed: Ints
    sections: Ints
    window: int
    prefix: str = ""

    @property
    def schema(self) -> pa.Schema:
        """The schema of the table of values."""
        facts = [pa.field("section", pa.int32()), pa.field("characteristic", pa.int64()), pa.field("line", pa.int64())]
        return pa.schema(facts + [pa.field(f"K{key:04d}", pa.string()) for key in self.keys])

    def section_of(self, lines: Ints) -> Ints:
        """Return the section that each line of the source stands in."""
        return np.searchsorted(self.sections, lines, side="right") - 1


def place_of(section: Ints, index: Ints) -> Ints:
    """Return one number for a characteristic: its section and index."""
    return section * (1 << 32) + index


class Irregular(Exception):
    """The lines of a block do not simply follow one another."""


@dataclass(slots=True)
class Groups:
    """The field groups of lines without K-fields, in order: line in block, characteristic, first field and number of fields."""

    line: Ints
    index: Ints
    first: Ints
    count: Ints
    fields: pa.StringArray


def groups_of(block: Block, uncoded: np.ndarray) -> Groups:
    """Return the groups of the lines marked; a group without any text is no value."""
    buffer = block.buffer
    bounds = np.flatnonzero((buffer == 10) | (buffer == SI) | (buffer == DC4))
    kind = buffer[bounds]
    line = np.cumsum(kind == 10) - (kind == 10)
    begins = np.empty_like(bounds)
    begins[:1], begins[1:] = 0, bounds[:-1] + 1
    opens = np.ones(len(bounds), np.bool_)
    opens[1:] = kind[:-1] != DC4
    wanted = uncoded[line]
    line, begins, bounds, opens = line[wanted], begins[wanted], bounds[wanted], opens[wanted]
    fields = spans(buffer, np.maximum(begins, block.starts[line]), bounds)
    first = np.flatnonzero(opens)
    count = np.diff(np.append(first, len(opens)))
    line = line[first]
    new = np.ones(len(first), np.bool_)
    new[1:] = line[1:] != line[:-1]
    heads = np.flatnonzero(new)
    index = np.arange(len(first)) - np.repeat(heads, np.diff(np.append(heads, len(first)))) + 1
    filled = np.asarray(fields.is_valid().to_numpy(zero_copy_only=False), np.int64)
    some = np.add.reduceat(filled, first) > 0 if len(first) else np.zeros(0, np.bool_)
    return Groups(line[some], index[some], first[some], count[some], fields)


@dataclass(slots=True)
class Records:
    """Values of a block in the order of their first lines; `last` is the last line that says something of each."""

    line: Ints
    place: Ints
    index: Ints
    section: Ints
    last: Ints
    complete: np.ndarray
    fields: dict[int, Ints]
    texts: pa.StringArray


class Values:
    """Reads blocks of lines as values; `beyond` counts fields of lines that have more of them than the format knows."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.beyond = 0

    def read(self, block: Block, *, final: bool) -> tuple[pa.RecordBatch, int]:
        """Return the values that are complete, and the number of lines they and what lies between them took.

        Raises: Irregular where K-fields of values do not simply follow the values they belong to.
        """
        keys = keys_of(block)
        records = self._records(block, keys, groups_of(block, value_lines(block, keys)), final=final)
        done = _cut(records, len(block.ends), final=final)
        take = int(np.searchsorted(records.line, done))
        return self._batch(records, block.first, take), done

    def _records(self, block: Block, keys: Keys, groups: Groups, *, final: bool) -> Records:
        coded = np.flatnonzero((keys.key >= 0) & (keys.key < 1000) & ((keys.key < 100) | (keys.key >= 200)))
        if (keys.index[coded] < 1).any() or (keys.nth[coded] >= 0).any():
            raise Irregular
        key, number = keys.key[coded], len(groups.line)
        texts = pa.concat_arrays([groups.fields, _trimmed(block, keys.text[coded], block.ends[coded])])
        line = np.concatenate([groups.line, coded])
        index = np.concatenate([groups.index, keys.index[coded]])
        section = self.layout.section_of(line + block.first)
        place = place_of(section, index)
        starts = np.ones(len(line), np.bool_)
        starts[number:] = np.isin(key, STARTS)
        order = np.lexsort((line, place))
        record = _follow(place[order], starts[order])
        owner = np.empty_like(record)
        owner[order] = record
        heads = order[starts[order]]
        last = np.zeros(len(heads), np.int64)
        np.maximum.at(last, owner, line)
        if (line - line[heads][owner] > self.layout.window).any():
            raise Irregular
        complete = self._complete(place[heads], line[heads], len(block.ends)) | final
        found = Records(line[heads], place[heads], index[heads], section[heads], last, complete, {}, texts)
        self._fill(found, groups, owner, key, len(groups.fields))
        return _in_order(found)

    def _complete(self, place: Ints, line: Ints, lines: int) -> np.ndarray:
        """Say of each value, ordered by characteristic and line, whether nothing more can be said of it after this block."""
        followed = np.zeros(len(place), np.bool_)
        followed[:-1] = place[1:] == place[:-1]
        return followed | (line + self.layout.window < lines)

    def _fill(self, found: Records, groups: Groups, owner: Ints, key: Ints, offset: int) -> None:
        """Set which text each field of each value is: -1 for none."""
        number, count = len(groups.line), len(found.line)
        own = owner[:number]
        counting = np.isin(found.place[own], self.layout.counted)
        counting |= ~np.isin(found.place[own], self.layout.typed) & (groups.count > len(self.layout.measured))
        width = np.where(counting, len(self.layout.counting), len(self.layout.measured))
        self.beyond += int(np.maximum(groups.count - width, 0).sum())
        valid = np.asarray(groups.fields.is_valid().to_numpy(zero_copy_only=False), np.bool_)
        for name in self.layout.keys:
            at = np.full(count, -1, np.int64)
            if number:
                slot = np.where(counting, _slot(self.layout.counting, name), _slot(self.layout.measured, name))
                there = (slot >= 0) & (slot < groups.count)
                text = groups.first[there] + slot[there]
                at[own[there]] = np.where(valid[text], text, -1)
            said = np.flatnonzero(key == name)
            if len(said):
                whose = owner[number + said]
                if (at[whose] >= 0).any():
                    raise Irregular
                at[whose] = offset + said
                if (at[whose] != offset + said).any():
                    raise Irregular
            found.fields[name] = at

    def _batch(self, records: Records, first: int, take: int) -> pa.RecordBatch:
        arrays = [
            pa.array(records.section[:take].astype(np.int32)),
            pa.array(records.index[:take]),
            pa.array(records.line[:take] + first),
        ]
        for name in self.layout.keys:
            at = records.fields[name][:take]
            none = at < 0
            arrays.append(pa.nulls(take, pa.string()) if none.all() else records.texts.take(pa.array(at, mask=none)))
        return pa.RecordBatch.from_arrays(arrays, schema=self.layout.schema)


def _slot(names: list[int], name: int) -> int:
    return names.index(name) if name in names else -1


def _trimmed(block: Block, starts: Ints, ends: Ints) -> pa.StringArray:
    """Return the texts of K-fields without the blanks around them."""
    last = len(block.buffer) - 1
    while (blank := (starts < ends) & BLANK[block.buffer[np.minimum(starts, last)]]).any():
        starts = starts + blank
    while (blank := (starts < ends) & BLANK[block.buffer[np.maximum(ends - 1, 0)]]).any():
        ends = ends - blank
    return spans(block.buffer, starts, ends)


def _follow(place: Ints, starts: np.ndarray) -> Ints:
    """Return the number of the value that each entry belongs to, entries ordered by characteristic and line.

    Raises: Irregular where one stands before any value of its characteristic.
    """
    new = np.ones(len(place), np.bool_)
    new[1:] = place[1:] != place[:-1]
    if (new & ~starts).any():
        raise Irregular
    return np.cumsum(starts) - 1


def _in_order(found: Records) -> Records:
    """Return the values in the order of their first lines, within a line in that of the characteristics."""
    order = np.lexsort((found.index, found.line))
    if (np.diff(order) > 0).all():
        return found
    fields = {name: at[order] for name, at in found.fields.items()}
    line, place, index, section = found.line[order], found.place[order], found.index[order], found.section[order]
    return Records(line, place, index, section, found.last[order], found.complete[order], fields, found.texts)


def _cut(records: Records, lines: int, *, final: bool) -> int:
    """Return the line up to which everything is known, and from which on no line speaks of what came before."""
    if final or not len(records.line):
        return lines
    open_lines = records.line[~records.complete]
    limit = int(open_lines.min()) if len(open_lines) else lines
    reach = np.maximum.accumulate(records.last)
    first = np.ones(len(records.line), np.bool_)
    first[1:] = records.line[1:] != records.line[:-1]
    clear = first.copy()
    clear[1:] &= reach[:-1] < records.line[1:]
    lines_at = records.line[clear & (records.line <= limit)]
    return int(lines_at.max()) if len(lines_at) else 0
