"""XML sources against the XML Schema that the user brings; entities are refused before any of it is parsed for that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from bdx import spec
from bdx.errors import CorruptSource, TruncatedSource, UnsafeSource, UsageError
from bdx.formats import b2mml
from bdx.formats.source import Source
from bdx.pipeline.reading import Opened
from bdx.rules.xsd_schema import XsdSchema

CODES = ("F285", "F286", "F287", "F288")
_DECLARATION = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>")
_ENDED = frozenset({3, 5, 6, 20})


def is_xsd(path: str | Path) -> bool:
    """Say whether what was given is a folder or XML, and no JSON Schema."""
    path = Path(path)
    if path.is_dir() or path.suffix.lower() == ".xsd":
        return True
    try:
        with path.open("rb") as file:
            return file.read(1_024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    except OSError:
        return False


class GivenXsd:
    """An XML Schema at work on the XML sources of one run; `checked` counts what was judged."""

    codes = CODES

    def __init__(self, path: str | Path) -> None:
        self._facts = spec.format_spec("b2mml").raw
        batch = spec.format_spec("batchml").raw
        names = {name for level in ("segments", "records", "definitions") for name in self._facts.get(level, ())}
        self._schema = XsdSchema(path, names | set(batch["kinds"]) - set(batch["records"]))
        self._path = path
        self.checked = 0

    def check(self, opened: Opened) -> int:
        """Return how many elements of a source were judged, 0 for one that is not XML; findings go to its log.

        Raises: SourceError where it cannot be read, UsageError for packed bytes on standard input.
        """
        source = opened.source
        if source.is_directory or not _is_xml(source.head):
            return 0
        if source.path is None and source.packing:
            raise UsageError("--schema reads a source twice: unpack what comes on standard input first")
        with source.seekable() as stream:
            size = stream.seek(0, 2)
        count = self._schema.check(self._guarded(source), size, opened.log, opened.uri)
        self.checked += count
        return count

    def told(self) -> None:
        """Raise UsageError where nothing was judged: a schema that judged nothing is no pass."""
        if not self.checked:
            raise UsageError(f"{self._path} was given and no source is XML (--allow-empty accepts that)")

    def _guarded(self, source: Source) -> Iterator[bytes]:
        """Yield the bytes, in UTF-8 where the parser may not know their encoding, after a look for what could harm.

        Raises: UnsafeSource for document types; CorruptSource, TruncatedSource.
        """
        guard = _Guard(source)
        first = True
        with source.stream() as stream:
            for block in b2mml._blocks(stream, source, self._facts):
                if isinstance(block, str):
                    text = _DECLARATION.sub(_blank, block) if first else block
                    data = text.encode("utf-8", "surrogatepass")
                else:
                    data = block
                first = False
                guard.feed(data)
                yield data
        guard.finish()


class _Guard:
    """Follows the bytes with expat, which expands nothing that was not declared, and stops at the first declaration."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Look at some more bytes."""
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            where, what = f"line {error.lineno}, column {error.offset + 1}", expat.ErrorString(error.code) or str(error)
            if final and error.code in _ENDED:
                raise TruncatedSource(f"ends before its elements are closed ({what})", path=self._source.uri, offset=where) from error
            raise CorruptSource(f"is not well-formed XML: {what}", path=self._source.uri, offset=where) from error
        except (LookupError, ValueError) as error:
            raise CorruptSource(f"declares an encoding that cannot be read: {error}", path=self._source.uri, offset="line 1") from error

    def finish(self) -> None:
        """Look whether all elements are closed."""
        self.feed(b"", final=True)

    def _doctype(self, *_: object) -> None:
        what = "has a document type declaration, which is not read: entities could harm the reader"
        raise UnsafeSource(what, path=self._source.uri, offset=f"line {self._parser.CurrentLineNumber}")


def _is_xml(head: bytes) -> bool:
    """Say whether the first mark of a file is that of XML, in any of its encodings."""
    return head[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def _blank(found: re.Match[str]) -> str:
    """Return the lines of a declaration without it, so that the rest keeps its place."""
    return "\n" * found[0].count("\n")
