"""Q-DAS ASCII transfer files (AQDEF): one description of parts and characteristics, then all measured values as one table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from bdx.canon import Document, Part, Table
from bdx.errors import CorruptSource, UnsupportedVersion
from bdx.formats import aqdef_write
from bdx.formats.aqdef_header import Scan, scan
from bdx.formats.aqdef_lines import BLOCK, Block, block_of, blocks, wide_encoding
from bdx.formats.aqdef_sequence import Sequence
from bdx.formats.aqdef_values import Irregular, Layout, Values
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_FIELD = re.compile(r"K\d{4}(?:/\d*){0,2}(?:[ \t]|$)")
_COUNT = re.compile(r"K010[01](?:/\d*)?[ \t]+\d")
_VALUE = re.compile(r"[ \t]*[-+]?[\d.,]*(?:[eE][-+]?\d+)?[ \t]*[\x0f\x14]")
_NEEDED = 3


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first lines are K-fields, or values as a file of values alone (.dfx) has them."""
    wide = wide_encoding(head)
    text = head.decode(wide, "ignore").lstrip("\ufeff") if wide else head.decode("utf-8-sig", "replace")
    lines = [line.strip(" \t\0\x1a") for line in re.split(r"[\r\n]+", text[:4096]) if line.strip(" \t\0\x1a")]
    if not lines:
        return False
    if _COUNT.match(lines[0]) or _VALUE.match(lines[0]):
        return True
    return len(lines) >= _NEEDED and all(_FIELD.match(line) for line in lines[:_NEEDED])


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield `Document("description")`, then `Table("values")`: one row per value, its K0 fields as text.

    The document holds `sections` (one per K0100), each with `file`, `parts`, `characteristics`, `groups` and `nodes`: K-field ->
    text by index. The table has section (from 0), characteristic (its index), line, and a column for every K0 field that occurs.
    A file of descriptions (.dfd) is read with the values (.dfx) that stand beside it, and the other way round.
    Raises: UnsupportedVersion for values whose description is not there; UnsafeSource, CorruptSource, TruncatedSource.
    """
    facts, values, prefix = spec.raw, source, ""
    found = held = scan(source, facts)
    if not found.described and found.valued:
        description = _beside(source, ".dfx", ".dfd")
        if description is None:
            raise UnsupportedVersion(
                "holds values and no description of them, as a .dfx does; give the .dfd, with the .dfx of the same name beside it",
                path=source.uri,
            )
        found = scan(description, facts)
    elif not found.described:
        raise CorruptSource("describes no part and no characteristic (K1001, K2001)", path=source.uri)
    elif not found.valued and (_suffix(source) == ".dfd"):
        other = _beside(source, ".dfd", ".dfx")
        if other is None:
            source.log.find("F225", source=source.uri, value=Path(source.uri).with_suffix(".dfx").name)
        else:
            values, held, prefix = other, scan(other, facts), f"{Path(other.uri).name} "
    yield Document("description", found.document() | {"values": prefix})
    layout = _layout(found, held, facts, prefix)
    yield Table("values", layout.schema, _batches(values, held, layout, facts, source))


def write(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec, *, lines: bool = False) -> None:
    """Write a description and the values of its characteristics as one file (.dfq).

    Raises: SinkError where there is no characteristic.
    """
    aqdef_write.write(parts, sink, spec)


def _suffix(source: Source) -> str:
    return source.path.suffix.lower() if source.path is not None else ""


def _beside(source: Source, own: str, wanted: str) -> Source | None:
    """Return the file of the same name and the wanted suffix, in whatever case, or None."""
    if source.path is None or _suffix(source) != own:
        return None
    suffix = source.path.suffix
    for name in dict.fromkeys((wanted.upper() if suffix.isupper() else wanted, wanted, wanted.upper(), wanted.capitalize())):
        path = source.path.with_suffix(name)
        if path.is_file():
            return Source(str(path), source.log)
    return None


def _layout(found: Scan, held: Scan, facts: Facts, prefix: str) -> Layout:
    """Return the columns of the values, and how the fields of lines without K-fields are to be read."""
    measured, counting = list(facts["measured"]), list(facts["counting"])
    kinds = {
        number * (1 << 32) + index: fields.get("K2004") or section.characteristics.get(0, {}).get("K2004")
        for number, section in enumerate(found.sections)
        for index, fields in section.characteristics.items()
    }
    uncoded = {*measured, *counting} - {-1} if held.uncoded else set()
    return Layout(
        keys=sorted(held.keys | uncoded),
        measured=measured,
        counting=counting,
        counted=np.array([place for place, kind in kinds.items() if kind in facts["counting_kinds"]], np.int64),
        typed=np.array([place for place, kind in kinds.items() if kind], np.int64),
        sections=np.array([section.line for section in held.sections], np.int64),
        window=facts["limits"]["window"],
        prefix=prefix,
    )


def _batches(values: Source, held: Scan, layout: Layout, facts: Facts, source: Source) -> Iterator[pa.RecordBatch]:
    """Yield the values of a source; what no value takes is told to the log of `source`."""
    reader, sequence = Values(layout), Sequence(layout)
    kept: Block | None = None
    regular = not held.numbered
    for block in blocks(values, held.encoding, facts, BLOCK):
        whole = _joined(kept, block)
        kept = None
        if regular:
            try:
                batch, done = reader.read(whole, final=False)
            except Irregular:
                regular = False
            else:
                if batch.num_rows:
                    yield batch
                kept, regular = _rest(whole, done), done > 0 or len(whole.data) < facts["limits"]["block_bytes"]
                continue
        yield from sequence.read(whole)
    if kept is not None and regular:
        try:
            yield reader.read(kept, final=True)[0]
        except Irregular:
            yield from sequence.read(kept)
    elif kept is not None:
        yield from sequence.read(kept)
    yield from sequence.finish()
    _tell(reader, sequence, values, source)


def _tell(reader: Values, sequence: Sequence, values: Source, source: Source) -> None:
    for key, count in sorted(sequence.lost.items()):
        place = f"line {sequence.first_lost}" if sequence.first_lost else "the end"
        source.log.find("F227", source=source.uri, column=f"K{key:04d}", locator=place, count=count, value=f"K{key:04d}")
        source.log.lose(source.uri, f"K{key:04d}", "belongs to no value", count)
    if beyond := reader.beyond + sequence.beyond:
        source.log.lose(source.uri, "fields at the end of lines of values", "the format names no field there", beyond)
    if values is not source:
        values.close()


def _joined(kept: Block | None, block: Block) -> Block:
    return block if kept is None else block_of(kept.data + block.data, kept.first)


def _rest(block: Block, done: int) -> Block | None:
    """Return the lines of a block from one on, or None where none are left."""
    if done >= len(block.ends):
        return None
    start = int(block.ends[done - 1]) + 1 if done else 0
    return block_of(block.data[start:], block.first + done)
