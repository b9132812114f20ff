"""XML messages against an XML Schema that the user brings: small ones as a whole, large ones record by record in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from bdx.canon import Log
from bdx.errors import CorruptSource, UnsafeSource, UsageError
from bdx.names import shortened
from bdx.rules.xsd_files import XsdFile, XsdFiles, lxml, parser
from bdx.rules.xsd_violations import Violations

WHOLE = 8 << 20
"""Up to this many bytes a message is held and judged as a whole."""
RECORD = 32 << 20
"""No record, and nothing between two, is longer."""
KEPT = 1_000


class XsdSchema:
    """A schema file, or a folder of which the file is taken that declares the root of each message; compiled when first needed.

    `records` are the names of elements that are judged one by one where a message is large.
    Raises: UsageError where there is no schema, one cannot be compiled, or lxml is not installed.
    """

    def __init__(self, path: str | Path, records: Iterable[str]) -> None:
        self._etree = lxml()
        self._files = XsdFiles(path)
        self._records = frozenset(records)
        self._compiled: dict[tuple[str, str], _Judge] = {}
        if self._files.single:
            self._judge("", "")

    def check(self, blocks: Iterable[bytes], size: int, log: Log, source: str) -> int:
        """Check a message of that many bytes and write a finding for each kind of violation; returns how many elements were judged.

        Raises: CorruptSource where it is no XML, UnsafeSource where one record is too large.
        """
        found = Violations(log, source)
        check = _Check(self._etree, self._judge, self._files, found, whole=size <= WHOLE)
        try:
            for block in blocks:
                check.feed(block)
            judged = check.finish()
        except self._etree.XMLSyntaxError as error:
            raise CorruptSource(
                f"is not well-formed XML: {shortened(error.msg or '')}", path=source, offset=f"line {error.lineno}"
            ) from error
        except _TooLong as error:
            raise UnsafeSource(str(error), path=source) from error
        found.tell()
        return judged

    def _judge(self, namespace: str, name: str) -> _Judge | None:
        """Return the compiled schema that declares an element, None where there is none."""
        key = (namespace, "" if self._files.single else name)
        if key in self._compiled:
            return self._compiled[key]
        faults: list[str] = []
        for file in self._files.declaring(namespace, name):
            try:
                judge = _Judge(self._etree, self._files, file, self._records)
            except self._etree.LxmlError as error:
                faults.append(f"{file.path.name}: {shortened(str(error))}")
                continue
            self._compiled[key] = judge
            return judge
        if faults:
            raise UsageError(f"{self._files.path}: cannot be compiled: {faults[0]}")
        return None


class _Judge:
    """A compiled schema file and, beside it, one that declares the records for all."""

    def __init__(self, etree: Any, files: XsdFiles, file: XsdFile, records: frozenset[str]) -> None:
        self.name = file.path.name
        self.namespace = file.namespace
        self.whole = etree.XMLSchema(etree.parse(str(file.path), parser(etree)))
        declared = files.declared(file)
        types = {name: kind for name, kind in files.types(file, records).items() if name not in declared}
        self.records = frozenset(types) | (records & declared)
        rows = "".join(f'<xsd:element name="{name}" type="{kind}"/>' for name, kind in sorted(types.items()))
        space = f' targetNamespace="{escape(file.namespace)}" xmlns="{escape(file.namespace)}"' if file.namespace else ""
        text = (
            f'<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"{space} elementFormDefault="qualified">'
            f'<xsd:include schemaLocation="{escape(file.path.as_uri())}"/>{rows}</xsd:schema>'
        )
        self.record = etree.XMLSchema(etree.fromstring(text, parser(etree)))


class _TooLong(Exception):
    """One record that is longer than the bound."""


class _Check:
    """One message: fed in blocks, judged as it grows."""

    def __init__(self, etree: Any, judge: Any, files: XsdFiles, found: Violations, *, whole: bool) -> None:
        self._etree = etree
        self._choose = judge
        self._files = files
        self._found = found
        self._whole = whole
        self._look = self._pull(None)
        self._parser: Any = None
        self._held: list[bytes] = []
        self._root: tuple[str, str, int] | None = None
        self._judge: _Judge | None = None
        self._inside: Any = None
        self._gone: Any = None
        self._top = ""
        self._kept: list[Any] = []
        self._since = 0
        self._judged = 0

    def _pull(self, names: list[str] | None) -> Any:
        """Return a parser that tells when those elements begin and end, all of them where none are named."""
        return self._etree.XMLPullParser(
            ("start", "end"),
            tag=names,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )

    def feed(self, block: bytes) -> None:
        """Take in some more of the message."""
        self._since += len(block)
        if self._since > RECORD and not self._whole:
            raise _TooLong(f"has a record, or a stretch without one, of more than {RECORD:,} bytes")
        if self._parser is None:
            self._held.append(block)
            self._look.feed(block)
            for event, element in self._look.read_events():
                if event == "start" and self._begin(element):
                    return
            return
        self._parser.feed(block)
        self._events()

    def finish(self) -> int:
        """Judge what is left; returns how many elements were judged."""
        if self._parser is None:
            self._look.close()
            assert self._root is not None
            space, name, line = self._root
            self._found.undeclared(space, name, self._files.near(space, name), line)
            return 1
        assert self._judge is not None
        root = self._parser.close()
        self._events()
        self._let_go()
        top = next(root.iter(self._top))
        if self._whole:
            self._against(self._judge.whole, top)
            if self._found.any:
                # A content model that is broken once is not followed any further: what stands below is judged by itself.
                for element in top.iter(*self._tags()):
                    self._against(self._judge.record, element)
            return 1
        if len(self._kept) < KEPT:
            self._against(self._judge.whole, top)
            return self._judged + 1
        for element in self._kept:
            self._against(self._judge.record, element)
        self._found.only_records(self._judged + len(self._kept))
        return self._judged + len(self._kept)

    def _begin(self, element: Any) -> bool:
        """Say whether an element is the message below any envelope: one that the schema declares for all; begin to read if it is."""
        space, name = _parts(element.tag)
        if self._root is None:
            self._root = (space, name, element.sourceline)
        if not self._files.declares(space, name) or (judge := self._choose(space, name)) is None:
            return False
        self._judge, self._top = judge, element.tag
        self._parser = self._pull(self._tags())
        held, self._held = self._held, []
        for block in held:
            self._parser.feed(block)
        self._look = None
        self._events()
        return True

    def _tags(self) -> list[str]:
        """Return the records as lxml writes their names."""
        assert self._judge is not None
        space = f"{{{self._judge.namespace}}}" if self._judge.namespace else ""
        return [f"{space}{name}" for name in self._judge.records] or [f"{space}-"]

    def _events(self) -> None:
        """Take up the records that have begun or ended since."""
        for event, element in self._parser.read_events():
            if self._whole or element.tag == self._top:
                continue
            if event == "start":
                if self._inside is None:
                    self._inside = element
            elif element is self._inside:
                self._inside = None
                self._since = 0
                self._record(element)

    def _record(self, element: Any) -> None:
        """Judge a record that is complete, and let it go; the first under each parent stays, so that the whole can be judged."""
        assert self._judge is not None
        self._let_go()
        before = element.getprevious()
        if (before is None or before.tag != element.tag) and len(self._kept) < KEPT:
            self._kept.append(element)
            return
        self._against(self._judge.record, element)
        self._judged += 1
        element.clear()
        # It may not be taken out while it is the last the parser knows.
        self._gone = element

    def _let_go(self) -> None:
        if self._gone is not None:
            self._gone.getparent().remove(self._gone)
            self._gone = None

    def _against(self, schema: Any, element: Any) -> None:
        if not schema.validate(element):
            for error in schema.error_log:
                self._found.add(error, self._judge.name if self._judge else "")


def _parts(tag: str) -> tuple[str, str]:
    """Return namespace and local name of a tag as lxml writes it."""
    space, brace, name = tag.rpartition("}")
    return (space[1:], name) if brace else ("", tag)
