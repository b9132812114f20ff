"""SHDR, the text an MTConnect adapter sends: lines of a time and keys with their values, as observations."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bdx.canon import Part
from bdx.errors import CorruptSource, UnsafeSource
from bdx.formats.document_text import utf8
from bdx.formats.mtconnect_rows import Observations
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:]*Z?(?:@[0-9.]+)?\|[^|\r\n]{1,256}\|")
_LEVELS = frozenset(("normal", "warning", "fault", "unavailable"))


def fits(text: str) -> bool:
    """Say whether the first lines (commands with `*` aside, of three at most) begin with a time and a key."""
    lines = [line for line in text[:65_536].lstrip("\ufeff").split("\n")[:40] if line.strip() and not line.startswith("*")]
    return bool(lines) and all(_LINE.match(line) for line in lines[:3])


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield tables of observations; the device is that of `device:key`, the category is known to a probe only.

    A key has one value; a condition has level, native code, native severity, qualifier and text, a message a native code and text.
    Raises: CorruptSource where the text is not UTF-8; UnsafeSource for a line without end.
    """
    rows, number = Observations(), 0
    rows.document = 1
    with source.stream() as stream:
        for line in _lines(utf8(stream, source.head, source.uri, 1 << 18), source, spec.raw["limits"]["line_bytes"]):
            number += 1
            if line.startswith("*") or not line.strip():
                continue
            if not _LINE.match(line) or not _observe(rows, line):
                source.log.find("F265", source=source.uri, locator=f"line {number}", value=line[:60])
            if rows.full() and (part := rows.part()) is not None:
                yield part
    if (part := rows.part()) is not None:
        yield part


def _lines(chunks: Iterator[bytes], source: Source, most: int) -> Iterator[str]:
    held, number = b"", 0
    for chunk in chunks:
        lines = (held + chunk).split(b"\n")
        held = lines.pop()
        if len(held) > most:
            raise UnsafeSource(f"a line of more than {most:,} bytes", path=source.uri, offset=f"line {number + len(lines) + 1}")
        for line in lines:
            number += 1
            yield _text(line, source, number)
    if held:
        yield _text(held, source, number + 1)


def _text(line: bytes, source: Source, number: int) -> str:
    try:
        return line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError as error:
        raise CorruptSource("is not UTF-8", path=source.uri, offset=f"line {number}") from error


def _observe(rows: Observations, line: str) -> bool:
    """Add what a line says; returns whether it has one of the forms there are."""
    time, *fields = line.split("|")
    time, _, duration = time.partition("@")
    said = {"timestamp": time, **({"duration": duration} if duration else {})}
    if len(fields) >= 6 and len(fields) % 2 == 0 and fields[1].strip().lower() in _LEVELS:
        names = ("nativeCode", "nativeSeverity", "qualifier")
        extra = {name: text.strip() for name, text in zip(names, fields[2:5], strict=True) if text.strip()}
        _add(rows, fields[0], "Condition", fields[1].strip().capitalize(), {**said, **extra}, "|".join(fields[5:]))
        return True
    if len(fields) == 3:
        _add(rows, fields[0], "Events", "Message", {**said, "nativeCode": fields[1].strip()}, fields[2])
        return True
    if len(fields) % 2:
        return False
    for key, value in zip(fields[::2], fields[1::2], strict=True):
        _add(rows, key, "", "", dict(said), value)
    return True


def _add(rows: Observations, key: str, category: str, element: str, said: dict[str, str], text: str) -> None:
    device, _, name = key.strip().rpartition(":")
    rows.place({"name": device} if device else {}, {}, category)
    rows.add(element, {**said, "name": name}, text.strip())
