"""A workbook (.xlsx) as a table of contents: its sheets, which cell styles are dates, its shared strings; opened with bounds."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers import expat

import pyarrow as pa

from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsafeSource
from bdx.formats.packed import ZIP_FAULTS
from bdx.formats.xlsx_xml import pieces, strings

_MOST_MEMBERS, _MOST_SHEETS = 20_000, 2_000
_MOST_TOTAL, _FREE, _MOST_RATIO = 32 << 30, 256 << 20, 400
_MOST_XML = 32 << 20
_MOST_STRINGS = 16_000_000
_BOOK, _LINKS, _STYLES, _STRINGS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml", "xl/sharedStrings.xml"
_DATE_FORMATS = {*range(14, 18), 22, *range(27, 32), 34, 35, 36, *range(50, 59)}
_CLOCK_FORMATS = {18, 19, 20, 21, 32, 33, 45, 46, 47}
_QUOTED = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)


class Workbook:
    """An opened workbook. `sheets` maps the names of its tables, in their order, to members of the ZIP.

    Raises: TruncatedSource without an end of the ZIP; CorruptSource; UnsafeSource where the members declare far more bytes than
    any table compresses to.
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.path = path
        size = file.seek(0, 2)
        try:
            self._zip = zipfile.ZipFile(file)
        except ZIP_FAULTS as error:
            raise TruncatedSource("is cut off or no ZIP: it has no table of contents at its end", path=path, offset=size) from error
        members = self._zip.infolist()
        self._members = {item.filename: item for item in members}
        total = sum(item.file_size for item in members)
        if len(members) > _MOST_MEMBERS or total > _MOST_TOTAL or (total > _FREE and total > _MOST_RATIO * size):
            raise UnsafeSource(f"declares {total:,} bytes in {len(members):,} members for a file of {size:,}", path=path)
        if _BOOK not in self._members:
            raise CorruptSource(f"has no member {_BOOK}; a workbook holds one", path=path)
        self.since_1904 = False
        self.sheets: dict[str, str] = {}
        self._read_contents()
        self._styles: dict[int, str] | None = None
        self._texts: list[pa.Array] = []
        self._known = 0
        self._rest: Iterator[bytes] | None = None

    def stream(self, member: str) -> Iterator[bytes]:
        """Yield the bytes of a member bit by bit: 64 KiB, then 1 MiB at a time.

        Raises: CorruptSource where it is absent, encrypted, packed in an unknown way or fails its checksum.
        """
        item = self._members.get(member)
        if item is None:
            raise CorruptSource(f"has no member {member}, which its table of contents names", path=self.path)
        if item.flag_bits & 1:
            raise CorruptSource("is encrypted; expected a plain workbook", path=self.path, offset=member)
        done, size = 0, 1 << 16
        try:
            with self._zip.open(item) as file:
                while data := file.read(size):
                    done += len(data)
                    yield data
                    size = 1 << 20
        except ZIP_FAULTS as error:
            raise CorruptSource(f"cannot be unpacked beyond byte {done}: {error}", path=self.path, offset=member) from error
        if done != item.file_size:
            raise TruncatedSource(f"holds {done} of {item.file_size} bytes", path=self.path, offset=member)

    def style(self, index: int) -> str:
        """Return what a cell style shows its number as: "date", "clock" or "" for a plain number."""
        if self._styles is None:
            self._styles = self._read_styles()
        return self._styles.get(index, "")

    def dated(self) -> tuple[set[int], set[int]]:
        """Return the cell styles that are dates, and those that are times of day or durations."""
        self.style(0)
        assert self._styles is not None
        return {key for key, kind in self._styles.items() if kind == "date"}, {key for key, kind in self._styles.items() if kind == "clock"}

    def texts(self, most: int | None = None) -> pa.Array:
        """Return the shared strings, at least up to index `most` (all where it is None).

        Raises: UnsafeSource for more strings than any table of a cycler holds.
        """
        if self._rest is None:
            self._rest = pieces(self.stream(_STRINGS), "sst", b"si", self.path) if _STRINGS in self._members else iter(())
        while most is None or self._known <= most:
            piece = next(self._rest, None)
            if piece is None:
                break
            self._texts.append(strings(piece, self.path))
            self._known += len(self._texts[-1])
            if self._known > _MOST_STRINGS:
                raise UnsafeSource(f"holds more than {_MOST_STRINGS:,} shared strings", path=self.path)
        if len(self._texts) > 1:
            self._texts = [pa.concat_arrays(self._texts)]
        return self._texts[0] if self._texts else pa.array([], pa.string())

    def _read_contents(self) -> None:
        targets: dict[str, str] = {}
        for tag, attributes in self._elements(_LINKS):
            kind = attributes.get("Type", "")
            if tag == "Relationship" and kind.endswith("/worksheet"):
                target = attributes.get("Target", "")
                targets[attributes.get("Id", "")] = target[1:] if target.startswith("/") else f"xl/{target}"
        for tag, attributes in self._elements(_BOOK):
            if tag == "workbookPr":
                self.since_1904 = attributes.get("date1904") in ("1", "true")
            elif tag == "sheet":
                link = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id" and ":" in key), "")
                if link in targets:
                    self.sheets[attributes.get("name", f"sheet {len(self.sheets) + 1}")] = targets[link]
        if len(self.sheets) > _MOST_SHEETS:
            raise UnsafeSource(f"holds {len(self.sheets)} sheets", path=self.path)

    def _read_styles(self) -> dict[int, str]:
        if _STYLES not in self._members:
            return {}
        formats: dict[str, str] = {}
        found: list[str] = []
        inside = False
        for tag, attributes in self._elements(_STYLES):
            if tag == "numFmt":
                formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif tag in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
                inside = tag == "cellXfs"
            elif tag == "xf" and inside:
                key = attributes.get("numFmtId", "0")
                found.append(shown_as(key, formats.get(key)))
        return {index: kind for index, kind in enumerate(found) if kind}

    def _elements(self, member: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield (tag without prefix, attributes) of the start of every element of a small member."""
        data = b""
        for part in self.stream(member):
            data += part
            if len(data) > _MOST_XML:
                raise UnsafeSource(f"holds more than {_MOST_XML:,} bytes of XML", path=self.path, offset=member)
        found: list[tuple[str, dict[str, str]]] = []
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = lambda tag, attributes: found.append((tag.rpartition(":")[2], attributes))

        def refuse(*_: object) -> None:
            raise UnsafeSource("declares a document type; a workbook has none", path=self.path, offset=member)

        parser.StartDoctypeDeclHandler = refuse
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, ValueError) as error:
            raise CorruptSource(f"is not well-formed: {error}", path=self.path, offset=member) from error
        return iter(found)

    def is_empty(self, name: str) -> bool:
        """Say whether the first 64 KiB of a sheet show no row."""
        try:
            return re.search(rb"<(?:\w+:)?row\b", next(self.stream(self.sheets[name]), b"")) is None
        except SourceError:
            return False


def shown_as(number: str, code: str | None) -> str:
    """Return what a number format shows: "date", "clock" or "". `code` is None for a format that every workbook knows by number."""
    if code is None:
        known = int(number) if number.isdigit() else 0
        return "date" if known in _DATE_FORMATS else "clock" if known in _CLOCK_FORMATS else ""
    plain = _QUOTED.sub("", code.split(";")[0]).lower().replace("general", "")
    if re.search(r"[yd]", plain) or ("m" in plain and not re.search(r"[hs]", plain)):
        return "date"
    return "clock" if re.search(r"[hs]", plain) else ""
