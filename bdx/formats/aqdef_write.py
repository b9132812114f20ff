"""Writes Q-DAS ASCII transfer files: the description first, then the values with their K-fields, a few lines to each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Document, Part, Table
from bdx.errors import SinkError
from bdx.spec import Facts, FormatSpec

END = "\r\n"
_FIRST = (1, 2, 20, 21)
"""K-fields that a value starts with, in this order."""


def write(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec) -> None:
    """Write the values to a temporary file, and before them their description, which is complete only after the last of them.

    A `Table("values")` has the column `characteristic` (its number in the file) and columns K0001 and so on; the
    `Document("description")` is what `read` yields. Raises: SinkError where there is no characteristic.
    """
    description: Any = None
    with tempfile.TemporaryFile() as spool:
        for part in parts:
            if isinstance(part, Document):
                description = part.value
                continue
            for batch in part.batches if isinstance(part, Table) else ():
                spool.write(_lines(batch))
        count = sum(len(section["characteristics"]) for section in (description or {}).get("sections", ()))
        if not count:
            raise SinkError(f"{spec.id} holds characteristics and their values; the data have no quality_result")
        sink.write(_head(description["sections"][0], count).encode())
        spool.seek(0)
        shutil.copyfileobj(spool, sink, 1 << 20)
        sink.write(_tail(description["sections"][0]).encode())


def _head(section: Facts, count: int) -> str:
    lines = [f"K0100 {count}"]
    lines += [f"{name} {text}" for name, text in section["file"].items()]
    for part, fields in section["parts"].items():
        lines += _fields(fields, part) or [f"K1000/{part} {part}"]
        for index, facts in section["characteristics"].items():
            if facts["part"] == part:
                lines += _fields(facts["fields"], index) or [f"K2000/{index} {index}"]
        for index, facts in section["groups"].items():
            if facts["part"] == part:
                lines += _fields(facts["fields"], index)
    return "".join(_line(line) for line in lines)


def _tail(section: Facts) -> str:
    return "".join(_line(f"{name}/{index} {text}") for name, index, text in section["nodes"])


def _fields(fields: Facts, index: int) -> list[str]:
    return [f"{name}/{index} {text}" for name, text in sorted(fields.items())]


def _line(text: str) -> str:
    """Return a line; what would end it, or part its fields, becomes a blank."""
    return "".join(" " if letter < " " else letter for letter in text).rstrip() + END


def _lines(batch: pa.RecordBatch) -> bytes:
    """Return the lines of some values: K0001, K0002 and what else is said of each."""
    index = batch.column("characteristic").cast(pa.string())
    names = [name for name in batch.schema.names if name.startswith("K")]
    names.sort(key=lambda name: (int(name[1:]) not in _FIRST, name))
    lines = []
    for name in names:
        texts = batch.column(name)
        if texts.null_count < len(texts):
            clean = pc.replace_substring_regex(texts, r"[\x00-\x1f]", " ")
            lines.append(pc.binary_join_element_wise(f"{name}/", index, " ", clean, END, ""))
    if not lines:
        return b""
    joined = pc.binary_join_element_wise(*lines, "", null_handling="replace", null_replacement="")
    return "".join(joined.to_pylist()).encode()
