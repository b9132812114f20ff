"""The modules of a BioLogic .mpr: where each lies, the layout of its records, and the facts of settings and log."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from bdx import units
from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsupportedVersion
from bdx.formats.biologic_names import entered, from_ole
from bdx.spec import Facts

_SHORT = 51
"""Bytes before the payload in files of one version number; 59 in those of two (8 more for lengths and versions)."""
_LONG = 59
_BOTH = 0xFFFFFFFF
_MOST_MODULES = 1000
_SETTINGS_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Module:
    """One module: its short name, versions, date as written, and where its payload begins and should end."""

    name: str
    version: int
    newer: int | None
    date: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Walk:
    """The modules of a file; `fault` is what kept the walk from its end, raised after the records were read."""

    modules: tuple[Module, ...]
    fault: SourceError | None = None

    def first(self, name: str) -> Module | None:
        """Return the first module of that name."""
        return next((module for module in self.modules if module.name == name), None)


def walk(file: BinaryIO, first: int, path: str) -> Walk:
    """Return all modules of a file; payloads are skipped, not read."""
    size = file.seek(0, 2)
    modules: list[Module] = []
    place = first
    while place < size:
        try:
            if len(modules) >= _MOST_MODULES:
                raise CorruptSource(f"holds more than {_MOST_MODULES} modules", path=path, offset=place)
            module = _header(file, place, path)
        except SourceError as error:
            return Walk(tuple(modules), error)
        modules.append(module)
        place = module.start + module.length
        if place > size:
            message = f"module {module.name!r} ends {place - size} bytes beyond the file; expected {module.length} bytes of payload"
            return Walk(tuple(modules), TruncatedSource(message, path=path, offset=module.start))
    if not modules:
        return Walk((), TruncatedSource("ends before the first module", path=path, offset=size))
    return Walk(tuple(modules))


def _header(file: BinaryIO, place: int, path: str) -> Module:
    file.seek(place)
    head = file.read(6 + _LONG)
    if not head.startswith(b"MODULE"[: len(head)]):
        raise CorruptSource(f"expected a module, found {head[:6].hex(' ')}", path=path, offset=place)
    if len(head) < 6 + _SHORT:
        raise TruncatedSource("ends within the header of a module", path=path, offset=place)
    name = head[6:16].decode("latin-1").strip(" \0")
    length, version = struct.unpack_from("<II", head, 41)
    if length != _BOTH:
        return Module(name, version, None, _letters(head[49:57]), place + 6 + _SHORT, length)
    if len(head) < 6 + _LONG:
        raise TruncatedSource("ends within the header of a module", path=path, offset=place)
    length, version, newer = struct.unpack_from("<III", head, 45)
    return Module(name, version, newer, _letters(head[57:65]), place + 6 + _LONG, length)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the records: header, place in the record type, and the bits of a flag (0 for a whole value)."""

    header: str
    place: str
    mask: int = 0
    seen: bool = True
    id: int = 0


@dataclass(frozen=True, slots=True)
class Records:
    """Where the records are and how they are laid out. `declared` is the number the header names, `held` what the length makes room for."""

    columns: tuple[Column, ...]
    dtype: np.dtype[Any]
    start: int
    rows: int
    declared: int
    held: int
    present: int
    """Whole records in the file as it is; fewer than `rows` where it was cut."""


def records(file: BinaryIO, module: Module, facts: Facts, size: int, path: str, *, cell: bool) -> Records:
    """Return the layout of the records of a data module.

    Raises: UnsupportedVersion for a version or a column ID that is not known, naming it and the width it must have;
    CorruptSource where IDs and lengths contradict each other; TruncatedSource for a file that ends before the records.
    """
    known = _layout_of(module, facts, path)
    file.seek(module.start)
    head = file.read(known["records"])
    if len(head) < known["records"] and (len(head) < 5 or module.length >= known["records"]):
        raise TruncatedSource("ends before the first record", path=path, offset=module.start + len(head))
    if module.length < known["records"]:
        message = f"the data module has {module.length} bytes; expected {known['records']} before the first record"
        raise CorruptSource(message, path=path, offset=module.start)
    declared, count = struct.unpack_from("<IB", head)
    wide = np.dtype(known["ids"])
    if not count or 5 + count * wide.itemsize > len(head):
        raise CorruptSource(f"{count} columns; expected 1 to {(len(head) - 5) // wide.itemsize}", path=path, offset=module.start + 4)
    ids = [int(number) for number in np.frombuffer(head, wide, count, 5)]
    columns, fields, strangers = _fields(ids, facts, cell=cell)
    body = module.length - known["records"]
    if strangers:
        _refuse(strangers, ids, body, declared, np.dtype(fields).itemsize if fields else 0, path, module.start + 5)
    dtype = np.dtype(fields)
    held, rest = divmod(body, dtype.itemsize)
    if rest:
        width = f"{body / declared:g}" if declared else "no"
        message = f"{body} bytes of records for {declared} rows are {width} bytes each; the columns {ids} take {dtype.itemsize}"
        raise CorruptSource(message, path=path, offset=module.start)
    start = module.start + known["records"]
    rows = min(held, declared)
    return Records(tuple(columns), dtype, start, rows, declared, held, min(rows, max(0, size - start) // dtype.itemsize))


def _layout_of(module: Module, facts: Facts, path: str) -> Facts:
    for known in facts["data"]:
        if known["version"] == module.version and (module.newer in known["newer"] if "newer" in known else module.newer is None):
            return known  # type: ignore[no-any-return]
    found = f"{module.version}" if module.newer is None else f"{module.version}/{module.newer}"
    names = [f"{row['version']}" + (f"/{'|'.join(map(str, row['newer']))}" if "newer" in row else "") for row in facts["data"]]
    message = f"data module of version {found} is not known; known: {', '.join(names)}"
    raise UnsupportedVersion(message, path=path, offset=module.start)


def _fields(ids: list[int], facts: Facts, *, cell: bool) -> tuple[list[Column], list[tuple[str, str]], list[int]]:
    """Return the columns, the fields of a record and the IDs that nobody knows."""
    flags, known = facts["flags"], {row["id"]: row for row in facts["columns"]["quantities"]}
    columns: list[Column] = []
    fields: list[tuple[str, str]] = []
    strangers: list[int] = []
    byte = ""
    for index, number in enumerate(ids):
        if str(number) in flags:
            if not byte:
                byte = f"c{index}"
                fields.append((byte, "u1"))
            flag = flags[str(number)]
            columns.append(Column(flag["header"], byte, flag["mask"], id=number))
            continue
        row = known.get(number) or known.get(number & 0xFF)
        if row is None:
            strangers.append(number)
            continue
        header = row["cell"] if cell and "cell" in row else row["header"]
        if "then" in row and any(other in ids for other in row["beside"]):
            header = row["then"]
        fields.append((f"c{index}", row["type"]))
        columns.append(Column(header, f"c{index}", seen=row.get("seen", True), id=number))
    return columns, fields, strangers


def _refuse(strangers: list[int], ids: list[int], body: int, declared: int, width: int, path: str, offset: int) -> None:
    named = "ID" + ("s " if len(strangers) > 1 else " ") + ", ".join(map(str, dict.fromkeys(strangers)))
    if declared and not body % declared:
        reason = f"records are {body // declared} bytes, the known columns take {width}, so {body // declared - width} are unaccounted for"
    else:
        reason = (
            "there are no records to measure it by" if not declared else f"{body} bytes are no whole number for each of {declared} records"
        )
    message = f"column {named} (of {ids}) not known to bdx: {reason}; export the file as text (.mpt)"
    raise UnsupportedVersion(message, path=path, offset=offset)


def facts_of(file: BinaryIO, found: Walk, facts: Facts) -> dict[str, Any]:
    """Return what settings and log say of the test, under the keys of the text export; `start` is a naive wall time."""
    info: dict[str, Any] = {}
    settings, log = found.first("VMP Set"), found.first("VMP LOG")
    mass = capacity = None
    if settings is not None:
        for key, value in _read(file, settings, facts["settings"]):
            if key == "technique":
                info["technique"] = facts["techniques"].get(str(value), f"technique {value}")
            elif key == "mass":
                mass = _short(value)
            elif key == "capacity":
                capacity = units.convert(_short(value), "mAh", "Ah")
            else:
                info[key] = value
    entered(info, mass, capacity)
    if log is not None:
        info |= _log(dict(_read(file, log, facts["log"])))
    return info | {"modules": {module.name: module.date for module in found.modules}}


def _log(raw: dict[str, Any]) -> dict[str, Any]:
    info = {key: raw[key] for key in ("File", "Host", "Address") if raw.get(key)}
    version = raw.get("version", "")
    bt_lab = version.startswith("1.")
    if version:
        info["software"] = f"{'BT-Lab' if bt_lab else 'EC-Lab'} {version}"
    if "channel" in raw:
        number = raw["channel"]
        info["channel"] = f"{chr(65 + number // 8 % 26)}{number % 8 + 1}" if bt_lab else str(number + 1)
    if raw.get("Channel SN"):
        info["Channel SN"] = raw["Channel SN"]
    if raw.get("Device SN"):
        info["instrument"] = f"BioLogic (SN {raw['Device SN']})"
    start = from_ole(raw.get("start", 0.0))
    return info | ({"start": start} if start else {})


def _read(file: BinaryIO, module: Module, layout: Facts) -> Iterator[tuple[str, Any]]:
    """Yield the facts of a module that lie within it."""
    file.seek(module.start)
    data = file.read(min(module.length, _SETTINGS_BYTES))
    for key, (offset, kind) in layout.items():
        if kind == "pascal":
            length = data[offset] if offset < len(data) else 0
            text = data[offset + 1 : offset + 1 + length].decode("cp1252", "replace").strip("\0 ")
            if text:
                yield key, "\n".join(line.strip() for line in text.splitlines())
        elif offset + np.dtype(kind).itemsize <= len(data):
            value = np.frombuffer(data, kind, 1, offset)[0].item()
            if math.isfinite(value):
                yield key, value


def _short(value: float) -> float:
    """Return the number that was written into four bytes: 1.39, not 1.3899999856948853."""
    return float(f"{value:.7g}")


def _letters(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")
