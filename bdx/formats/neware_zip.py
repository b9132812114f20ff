"""The ZIP and XML around Neware's .ndc members, opened with bounds: what it declares, what it holds, what its facts say."""

from __future__ import annotations

import re
import zipfile
from typing import Any, BinaryIO
from xml.parsers import expat

from bdx.canon import Log
from bdx.errors import CorruptSource, TruncatedSource, UnsafeSource
from bdx.formats.neware_cut import members
from bdx.formats.packed import ZIP_FAULTS

_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_MAX_MEMBERS = 10_000
_MAX_TOTAL = 16 << 30
_FREE = 64 << 20
_MAX_RATIO = 200
_MAX_XML = 32 << 20
_MAX_DEPTH = 64
_END = b"PK\x05\x06"
_HEAD = 16


class Archive:
    """An opened .ndax; `read` gives the bytes of one member, never more than it declares.

    An archive without an end of directory was cut: it gives what stands before the cut, and `fault` says so.
    Raises: TruncatedSource where no member stands before the cut, CorruptSource for a damaged directory, UnsafeSource where the
    members declare far more bytes than any recording compresses to.
    """

    absent = "there is no such member"

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.path = path
        self.fault: tuple[str, int | str] | None = None
        self.partial = ""
        self._before: dict[str, bytes] = {}
        size = file.seek(0, 2)
        try:
            self._zip = zipfile.ZipFile(file)
        except ZIP_FAULTS as error:
            file.seek(max(0, size - 66_000))
            if _END in file.read():
                raise CorruptSource(f"is not a readable archive: {error}", path=path) from error
            self.fault = ("has no end of directory; the archive was cut", size)
            self._before, self.partial = members(file, size, max(_FREE, _MAX_RATIO * size), path)
            if len(self._before.get("data.ndc", b"")) < _HEAD:
                raise TruncatedSource(f"{self.fault[0]} before its records", path=path, offset=size) from error
            self.members: dict[str, Any] = dict(self._before)
            return
        items = self._zip.infolist()
        self.members = {item.filename: item for item in items}
        total = sum(item.file_size for item in items)
        if len(items) > _MAX_MEMBERS or total > _MAX_TOTAL or (total > _FREE and total > _MAX_RATIO * size):
            raise UnsafeSource(f"declares {total} bytes in {len(items)} members for an archive of {size}", path=path)

    def label(self, name: str) -> str:
        """Return what a member is called where it lies."""
        return name

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises: CorruptSource where it is absent, encrypted, packed in an unknown way or fails its checksum.
        """
        if name in self._before:
            return self._before[name]
        item = self.members.get(name)
        if item is None:
            raise CorruptSource(f"has no member {name}; an .ndax holds one", path=self.path)
        if item.flag_bits & 1:
            raise CorruptSource("is encrypted; expected a plain member", path=self.path, offset=name)
        if item.compress_type not in (_STORED, _DEFLATED):
            raise CorruptSource(f"is packed by method {item.compress_type}; expected deflate", path=self.path, offset=name)
        try:
            data = self._zip.read(item)
        except ZIP_FAULTS as error:
            raise CorruptSource(f"cannot be unpacked: {error}", path=self.path, offset=name) from error
        if len(data) != item.file_size:
            raise TruncatedSource(f"holds {len(data)} of {item.file_size} bytes", path=self.path, offset=name)
        return data

    def xml(self, name: str, log: Log) -> dict[str, Any]:
        """Return the tree of an XML member as nested dicts of attributes and children; {} with a finding where it cannot be read.

        Raises: UnsafeSource for a document type, entities or depth no Neware file has.
        """
        reason = self.absent
        if name in self.members:
            try:
                return parse(self.read(name), self.path, name)
            except expat.ExpatError as error:
                reason = f"not well formed: {error}"
            except CorruptSource as error:
                reason = str(error)
        log.find("F026", source=self.path, locator=name, value=name, reason=reason)
        return {}


def parse(data: bytes, path: str, name: str) -> dict[str, Any]:
    """Return an XML document as nested dicts; a tag met again among its siblings gets its number.

    The files declare GB2312 and hold more than that: undecodable bytes become U+FFFD.
    Raises: UnsafeSource; ExpatError where it is not well formed.
    """
    if len(data) > _MAX_XML:
        raise UnsafeSource(f"holds {len(data)} bytes of XML; expected facts of a test", path=path, offset=name)
    utf8 = re.match(rb"""\s*(?:\xef\xbb\xbf)?<\?xml[^>]*encoding=["']utf-?8""", data[:200], re.IGNORECASE)
    text = data.decode("utf-8" if utf8 else "gb18030", "replace").rstrip("\0")
    stack: list[dict[str, Any]] = [{}]

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) > _MAX_DEPTH:
            raise UnsafeSource(f"nests deeper than {_MAX_DEPTH} levels", path=path, offset=name)
        node: dict[str, Any] = dict(attributes)
        parent, key, count = stack[-1], tag, 1
        while key in parent:
            count += 1
            key = f"{tag}#{count}"
        parent[key] = node
        stack.append(node)

    def end(_: str) -> None:
        stack.pop()

    def refuse(*_: object) -> None:
        raise UnsafeSource("declares a document type; Neware writes none", path=path, offset=name)

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(text.encode("utf-8"), True)
    return stack[0]
