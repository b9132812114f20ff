"""What a Q-DAS file says of its parts, characteristics and groups, gathered from all of it before the first value is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdx.errors import UnsafeSource
from bdx.formats.aqdef_lines import Block, Keys, blocks, keys_of, value_lines, wide_encoding
from bdx.formats.source import Source
from bdx.spec import Facts

Fields = dict[str, Any]
_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"
"""Bytes that mean nothing in Windows-1252."""


@dataclass(slots=True)
class Section:
    """One data set of a file: from one K0100 to the next; the numbers of its parts and characteristics are its own."""

    line: int
    file: Fields = field(default_factory=dict)
    parts: dict[int, Fields] = field(default_factory=dict)
    characteristics: dict[int, Fields] = field(default_factory=dict)
    part_of: dict[int, int] = field(default_factory=dict)
    groups: dict[int, Fields] = field(default_factory=dict)
    group_part: dict[int, int] = field(default_factory=dict)
    nodes: list[tuple[str, int, Any]] = field(default_factory=list)
    declared: int | None = None
    valued: bool = False
    part: int = 1

    @property
    def empty(self) -> bool:
        """Whether nothing but its own first line was said of it."""
        return not (self.parts or self.characteristics or self.valued)

    def characteristic_parts(self) -> list[int]:
        """Return the parts in the order they came."""
        return list(dict.fromkeys([*(index for index in self.parts if index), *self.part_of.values()]))


@dataclass(slots=True)
class Scan:
    """All that is known of a file before its values are read; `keys` are the K-fields of values that occur, by number.

    `uncoded` says that there are lines of values without K-fields, `numbered` that K-fields name a value by its number, or all at once.
    """

    encoding: str = ""
    sections: list[Section] = field(default_factory=list)
    keys: set[int] = field(default_factory=set)
    uncoded: bool = False
    numbered: bool = False
    lines: int = 0

    @property
    def described(self) -> bool:
        """Whether the file says anything of a part or characteristic."""
        return any(section.parts or section.characteristics for section in self.sections)

    @property
    def valued(self) -> bool:
        """Whether the file holds values."""
        return any(section.valued for section in self.sections)

    def document(self) -> dict[str, Any]:
        """Return the sections as plain data, fields that are said of all (index 0) spread over those that do not say them."""
        return {"sections": [_plain(section) for section in self.sections]}


def scan(source: Source, facts: Facts) -> Scan:
    """Return what a source says beside its values; faults of its lines are told to its log.

    Raises: UnsafeSource for more fields than any file has.
    """
    return _Scanner(source, facts).run()


class _Scanner:
    """Reads a source once; texts stay bytes until the encoding of the whole is known."""

    def __init__(self, source: Source, facts: Facts) -> None:
        self.source = source
        self.most = facts["limits"]["header_fields"]
        self.facts = facts
        self.found = Scan(wide_encoding(source.head))
        self.section = Section(1)
        self.found.sections.append(self.section)
        self.fields = 0
        self.odd: Counter[str] = Counter()
        self.first: dict[str, tuple[int, bytes]] = {}

    def run(self) -> Scan:
        """Return the scan, its texts decoded."""
        found, wide = self.found, bool(self.found.encoding)
        valid, undefined = True, False
        for block in blocks(self.source, found.encoding, self.facts):
            if not wide and not block.data.isascii():
                valid = valid and _decodes(block.data)
                undefined = undefined or any(mark in block.data for mark in (bytes([byte]) for byte in _UNDEFINED))
            self._block(block)
            found.lines = block.first + len(block.ends) - 1
        if not wide:
            found.encoding = "utf-8" if valid else "latin-1" if undefined else "cp1252"
        text_encoding = "utf-8" if wide else found.encoding
        for section in found.sections:
            _decode(section, text_encoding)
        if not valid:
            self.source.log.find("F224", source=self.source.uri, value={"cp1252": "Windows-1252"}.get(found.encoding, "Latin-1"))
        self._tell(text_encoding)
        return found

    def _block(self, block: Block) -> None:
        keys = keys_of(block)
        values = value_lines(block, keys)
        coded = (keys.key >= 0) & ((keys.key < 100) | ((keys.key >= 200) & (keys.key < 1000)))
        self.found.keys.update(np.unique(keys.key[coded]).tolist())
        self.found.uncoded = self.found.uncoded or bool(values.any())
        self.found.numbered = self.found.numbered or bool((coded & ((keys.index < 1) | (keys.nth >= 0))).any())
        valued = np.flatnonzero(values | coded)
        rest = np.flatnonzero((block.starts < block.ends) & ~values & ~coded)
        seen = 0
        for row in rest.tolist():
            before = int(np.searchsorted(valued, row))
            self.section.valued = self.section.valued or before > seen
            seen = before
            self._line(block, keys, row)
        self.section.valued = self.section.valued or len(valued) > seen

    def _line(self, block: Block, keys: Keys, row: int) -> None:
        """Take in one line that is no value."""
        key, index = int(keys.key[row]), int(keys.index[row])
        text = block.data[int(keys.text[row]) : int(block.ends[row])].strip(b" \t\0\x1a")
        if key < 0 or keys.nth[row] >= 0:
            if line := block.line(row).strip(b" \t\0\x1a"):
                self._note("F222", block.first + row, line)
            return
        if key == 100 and not self.section.empty:
            self.section = Section(block.first + row)
            self.found.sections.append(self.section)
        self.fields += 1
        if self.fields > self.most:
            raise UnsafeSource(f"says more than {self.most:,} fields beside its values", path=self.source.uri)
        self._put(f"K{key:04d}", key, index, text, block.first + row)

    def _put(self, name: str, key: int, index: int, text: bytes, line: int) -> None:
        section, level = self.section, key // 1000
        if key == 100:
            section.declared = int(text) if text.isdigit() and len(text) < 10 else None
        if level == 1:
            section.part = index or section.part
            target = section.parts.setdefault(index, {})
        elif level in (2, 3, 8):
            section.part_of.setdefault(index, section.part)
            target = section.characteristics.setdefault(index, {})
        elif 5000 <= key < 5100:
            section.group_part.setdefault(index, section.part)
            target = section.groups.setdefault(index, {})
        elif 5100 <= key < 5200:
            section.nodes.append((name, index, text))
            return
        else:
            target = section.file
            name = f"{name}/{index}" if level else name
        if not text:
            target.setdefault(name, text)
            return
        if target.get(name):
            self._note("F223", line, f"{name}/{index}".encode())
        target[name] = text

    def _note(self, code: str, line: int, value: bytes) -> None:
        self.odd[code] += 1
        self.first.setdefault(code, (line, value))

    def _tell(self, encoding: str) -> None:
        """Hand what is odd about the lines to the log."""
        log, uri = self.source.log, self.source.uri
        for code, count in self.odd.items():
            line, value = self.first[code]
            log.find(code, source=uri, locator=f"line {line}", count=count, value=value[:120].decode(encoding, "replace"))
        for section in self.found.sections:
            held = sum(1 for index in section.characteristics if index)
            if section.declared is not None and section.declared != held:
                log.find("F220", source=uri, locator=f"line {section.line}", value=section.declared, held=held)


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode(section: Section, encoding: str) -> None:
    """Turn the texts of a section from bytes into text."""
    for group in (section.parts, section.characteristics, section.groups, {0: section.file}):
        for fields in group.values():
            for name, text in fields.items():
                fields[name] = text.decode(encoding, "replace")
    section.nodes = [(name, index, text.decode(encoding, "replace")) for name, index, text in section.nodes]


def _plain(section: Section) -> dict[str, Any]:
    parts = {index: _spread(section.parts, index) for index in section.characteristic_parts() or [1]}
    return {
        "line": section.line,
        "file": section.file,
        "parts": parts,
        "characteristics": {
            index: {"part": section.part_of[index], "fields": _spread(section.characteristics, index)}
            for index in section.characteristics
            if index
        },
        "groups": {index: {"part": section.group_part[index], "fields": fields} for index, fields in section.groups.items()},
        "nodes": section.nodes,
    }


def _spread(said: dict[int, Fields], index: int) -> Fields:
    """Return the fields of one index, and those said of all that it does not say itself."""
    common = {name: text for name, text in said.get(0, {}).items() if text}
    return common | {name: text for name, text in said.get(index, {}).items() if text or name not in common}
