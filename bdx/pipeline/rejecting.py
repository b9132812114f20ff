"""Records that do not go on with the others: kept as they stood, each with a finding that says where and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from bdx.canon import Document, Finding, Log, Part
from bdx.errors import BdxError, SourceError, UnsupportedVersion
from bdx.formats.document_release import OtherModel
from bdx.formats.json_text import dumps
from bdx.formats.sink import Destination
from bdx.rules.documents import first_violation

MOST_FINDINGS = 10_000
"""Records with a finding of their own; more of a kind are counted together."""

_NUMBER = re.compile(r"(?:line|item) (\d+)")


class AllRejected(BdxError):
    """Every record was turned away: the file of rejects holds them, nothing else was written (exit 1)."""

    exit_code = 1

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = list(findings)
        """Why."""


class Rejects:
    """Where records go that are turned away; without a sink, only what cannot be read is, and only told."""

    def __init__(self, sink: BinaryIO | None = None, *, judges: bool = True) -> None:
        self._sink = sink
        self._judges = judges
        self.count = 0

    @property
    def judges(self) -> bool:
        """Whether records are held to their schema and their values as well."""
        return self._sink is not None and self._judges

    def of(self, uri: str, log: Log) -> Turned:
        """Return what turns records of one source away."""
        return Turned(self, uri, log)

    def keep(self, raw: bytes | None) -> None:
        """Count a record and write it as it stood."""
        self.count += 1
        if self._sink is not None and raw is not None:
            self._sink.write(raw + b"\n")


@contextmanager
def rejecting(path: str, *, force: bool, apart: Iterable[str], judges: bool = True) -> Iterator[Rejects | None]:
    """Give what writes rejects to a file, None where no file is named; the file is there at the end even where it stays empty.

    Without `judges` documents pass whatever their schema says: parts of a record that is put together are not whole yet.
    """
    if not path:
        yield None
        return
    nothing_passed: AllRejected | None = None
    with Destination(path, force=force, sources=apart) as sink:
        try:
            yield Rejects(sink, judges=judges)
        except AllRejected as error:
            nothing_passed = error
    if nothing_passed is not None:
        raise nothing_passed


class Turned:
    """The records of one source that are turned away, and why."""

    def __init__(self, rejects: Rejects, uri: str, log: Log) -> None:
        self._rejects = rejects
        self._uri = uri
        self._log = log

    def unread(self, raw: bytes | None, error: SourceError, place: str) -> None:
        """Turn away a record that cannot be read, or that is of another model or version."""
        text = str(error).removeprefix(self._uri).removeprefix(": ").removeprefix(place).removeprefix(": ").strip()
        self._find("F181" if isinstance(error, OtherModel | UnsupportedVersion) else "F180", place, value=text)
        self._rejects.keep(raw)

    def fitting(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield the documents that follow the schema of their model; a model without one lets all pass."""
        for part in parts:
            found = first_violation(part) if isinstance(part, Document) else None
            if found is None:
                yield part
                continue
            assert isinstance(part, Document)
            self._find("F182", found.locator, expected=found.expected, value=found.value, model=part.name)
            self._rejects.keep(_as_it_stood(part))

    def unusable(self, document: Document, place: str, value: str, expected: str) -> None:
        """Turn away a document with a value that has no canonical meaning."""
        self._find("F183", place, value=value, expected=expected)
        self._rejects.keep(_as_it_stood(document))

    def _find(self, code: str, locator: str, **facts: Any) -> None:
        number = _NUMBER.search(locator)
        if self._rejects.count < MOST_FINDINGS:
            row = int(number[1]) if number else self._rejects.count + 1
            self._log.find_each(code, source=self._uri, table="", column="", row=row, locator=locator, **facts)
        else:
            self._log.find(code, source=self._uri, locator=locator, **facts)


def _as_it_stood(document: Document) -> bytes:
    return dumps(document.value) if document.raw is None else document.raw
