"""What stands before the header of a BioLogic text export: where the header is, and the facts of the test."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from bdx import units
from bdx.errors import MappingError, SourceError, TruncatedSource
from bdx.formats.biologic_names import entered
from bdx.formats.source import HEAD_BYTES, Source

_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*\"?(?:EC|BT)-Lab ASCII FILE", re.IGNORECASE)
_DECLARED = re.compile(rb"^\W*Nb header lines\s*:\s*([0-9]{1,7})", re.IGNORECASE | re.MULTILINE)
_LARGEST_HEADER = 32 << 20
_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,6}))?")
_AMOUNT = re.compile(r"([0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(\S+)")
_SOFTWARE = re.compile(r"(EC-Lab|BT-Lab|BTSuite)\b.*?v?([0-9]+(?:\.[0-9]+)+)\s*\(software\)", re.IGNORECASE)
_CHANNEL = re.compile(r"(\S+)\s*(?:\(SN\s*(.*?)\))?")
_TABLE = re.compile(r"\S.*?\s{3,}\S*")


def marked(head: bytes) -> bool:
    """Say whether a file begins as the text exports do, in any encoding that keeps ASCII or doubles it."""
    return _FIRST.match(head[:200].replace(b"\0", b"").lstrip(b"\xff\xfe")) is not None


def declared_header(source: Source) -> tuple[int, list[bytes]] | None:
    """Return (line of the header, the lines from the first to some after it), or None for a file that declares none.

    Raises: TruncatedSource for a file that ends before its header; SourceError for a header beyond 32 MiB.
    """
    if not marked(source.head) or b"\0" in source.head[:64]:
        return None
    found = _DECLARED.search(source.head[:1000])
    if found is None or int(found.group(1)) < 1:
        return None
    line, head = int(found.group(1)), source.head
    newline = b"\n" if b"\n" in head or b"\r" not in head else b"\r"
    if head.count(newline) < line + 20 and len(head) >= HEAD_BYTES:
        head = _longer(source, line, newline)
    lines = head.split(newline)
    if len(lines) < line or (len(lines) == line and not lines[-1]):
        raise TruncatedSource(f"declares {line} header lines and ends after {len(lines)}", path=source.uri, offset=f"line {len(lines)}")
    return line, lines


def _longer(source: Source, line: int, newline: bytes) -> bytes:
    """Return the start of the file up to the header and 64 KiB beyond it."""
    with source.seekable() as file:
        head = bytearray()
        while len(head) < _LARGEST_HEADER:
            more = file.read(1 << 20)
            head += more
            if not more or head.count(newline) > line:
                return bytes(head + (file.read(HEAD_BYTES) if more else b""))
    raise SourceError(f"declares its header on line {line}, which is beyond 32 MiB", path=source.uri, offset="line 2")


def facts(lines: list[str]) -> dict[str, Any]:
    """Return the facts of the test from the lines before the header; `started` is a naive wall time, `settings` the rest as written."""
    info: dict[str, Any] = {}
    settings: list[str] = []
    for number, line in enumerate(lines):
        text = line.strip()
        key, mark, value = (part.strip() for part in f"{text} ".partition(" : "))
        if number < 2 and (marked(text.encode()) or key == "Nb header lines"):
            continue
        if not text:
            continue
        if not mark or len(key) > 60 or _TABLE.fullmatch(key):
            if number < 4 and not info and not settings:
                info["technique"] = text
            elif _SOFTWARE.search(text):
                info["software"] = _named(text)
            else:
                settings.append(text)
        elif value:
            info[key] = f"{info[key]}\n{value}" if key == "Comments" and key in info else info.get(key, value)
    return _refine(info) | ({"settings": settings} if settings else {})


def _named(text: str) -> str:
    found = _SOFTWARE.search(text)
    assert found is not None
    maker = {"ec": "EC-Lab", "bt": "BT-Lab"}.get(found.group(1)[:2].lower(), "") if "-" in found.group(1) else found.group(1)
    return f"{maker} {found.group(2)}"


def _refine(info: dict[str, Any]) -> dict[str, Any]:
    """Return the facts with those that have a home under the names that the binary file's reader uses."""
    if "Technique" in info:
        info["technique"] = info.pop("Technique")
    if "Device" in info:
        info["instrument"] = f"BioLogic {info.pop('Device')}"
    channel = _CHANNEL.fullmatch(info.get("Run on channel", ""))
    if channel is not None:
        info.pop("Run on channel")
        info["channel"] = channel.group(1)
        if channel.group(2):
            info["Channel SN"] = channel.group(2)
    started = date(info.get("Acquisition started on", ""))
    if started is not None:
        info["started"] = started
        info.pop("Acquisition started on")
    mass, capacity = (_amount(info.get(key, ""), unit) for key, unit in (("Mass of active material", "mg"), ("Battery capacity", "Ah")))
    entered(info, mass, capacity)
    for key, kept in (("Mass of active material", "active mass"), ("Battery capacity", "nominal capacity")):
        if kept in info:
            info.pop(key)
    return info


def date(text: str) -> datetime | None:
    """Return the wall time of a date in the American order that BioLogic keeps in every language, None for another text."""
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    month, day, year, hour, minute, second = (int(part) for part in found.groups()[:6])
    if month > 12 >= day:
        month, day = day, month
    try:
        return datetime(year, month, day, hour, minute, second, int((found.group(7) or "0").ljust(6, "0")))
    except ValueError:
        return None


def _amount(text: str, unit: str) -> float | None:
    """Return a number with its unit in another unit; None where it cannot be read so."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return units.convert(float(found.group(1).replace(",", ".")), found.group(2).replace("A.h", "Ah"), unit)
    except MappingError:
        return None
