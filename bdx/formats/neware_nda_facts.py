"""Facts of the test in the head of an .nda file: who ran what where, in the names the archives use for them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from bdx.spec import Facts

_SERVER = re.compile(rb"BTS(?:Server|_XWJ)[^\0]{1,60}")
_CLIENT = re.compile(rb"BTS \d[^\0]{1,60}")
_BTS9 = re.compile(rb"\d+(?:\.[0-9A-Za-z]+){4,}")
_EARLIEST, _LATEST = datetime(2005, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def facts(version: int, head: bytes, rows: bytes, spec: Facts) -> dict[str, Any]:
    """Return the facts of a test of versions 1 to 29; `head` is the file up to its records, `rows` the section of the test."""
    info: dict[str, Any] = {"VersionInfo": _software(head), "Step": {"SCQ": _mass(version, head, spec)}}
    layout = next(row for row in spec["test"] if version >= row["from"])
    count = len(rows) // layout["size"]
    if not count:
        return info
    row = rows[(count - 1) * layout["size"] : count * layout["size"]]
    texts = _texts(row, layout["fields"])
    info["Step"]["Creator"] = texts.pop("Creator", None)
    again = layout.get("again", 0)
    if again and row[1:3] == row[again : again + 2]:
        info["Channel"] = "-".join(str(row[place]) for place in layout["channel"])
    return {**info, "TestInfo": texts}


def facts_bts9(version: int, head: bytes, row: bytes, spec: Facts) -> dict[str, Any]:
    """Return the facts of a test of BTS 9; `row` is its section of the test."""
    found = _BTS9.search(head[:2048])
    software = {"ZwjVersion": {"SvrVer": found.group().decode("ascii")}} if found else {}
    info: dict[str, Any] = {"VersionInfo": software, "Step": {"SCQ": _mass(version, head, spec)}}
    if len(row) < 12:
        return info
    layout = int.from_bytes(row[:2], "little")
    places = spec["test_bts9"]
    texts = _texts_by_mask(row, places) if layout < places["fixed_from"] else _texts(row, places["fixed"])
    info["Step"]["Creator"] = texts.pop("Creator", None)
    return {**info, "TestInfo": texts}


def text(raw: bytes) -> str:
    """Return a text field up to its zero byte; files hold GB 2312 and its successors."""
    return raw.split(b"\0", 1)[0].decode("gb18030", "replace").strip()


def _texts_by_mask(row: bytes, layout: Facts) -> dict[str, Any]:
    """Return the blocks of text whose bit is set, and the numbers after them where they hold two moments."""
    mask = int.from_bytes(row[layout["mask"] : layout["mask"] + 4], "little")
    place = layout["blocks"]
    texts: dict[str, Any] = {}
    for bit, name in sorted(layout["bits"].items(), key=lambda item: int(item[0])):
        if mask >> int(bit) & 1:
            words = text(row[place : place + layout["block"]])
            if name and words:
                texts[name] = words
            place += layout["block"]
    moments = [moment(row[place + at : place + at + 8]) for at in (4, 12)]
    if None in moments or moments[0] > moments[1]:  # type: ignore[operator]
        return {}
    numbers = {"TestID": int.from_bytes(row[place : place + 4], "little")}
    return {**texts, **numbers, "StartTimeUTC": moments[0], "EndTimeUTC": moments[1]}


def _texts(row: bytes, places: Facts) -> dict[str, Any]:
    """Return the texts at fixed places that are not empty."""
    found = {name: text(row[start : start + length]) for name, (start, length) in places.items()}
    return {name: words for name, words in found.items() if words}


def moment(raw: bytes) -> datetime | None:
    """Return the moment of a count of microseconds since 1970, or None where it is none of these days."""
    micros = int.from_bytes(raw, "little")
    low, high = ((limit - _EPOCH) // timedelta(microseconds=1) for limit in (_EARLIEST, _LATEST))
    return _EPOCH + timedelta(microseconds=micros) if low < micros < high else None


def _software(head: bytes) -> dict[str, Any]:
    found = {}
    for key, pattern in (("SvrVer", _SERVER), ("CurrClientVer", _CLIENT)):
        hit = pattern.search(head)
        if hit:
            found[key] = hit.group().decode("ascii", "replace").strip()
    return {"ZwjVersion": found} if found else {}


def _mass(version: int, head: bytes, spec: Facts) -> int | None:
    place = next(at for first, at in spec["mass"]["at"] if version >= first)
    return int.from_bytes(head[place : place + 4], "little") or None
