"""Sources against the schema that the user brings: every JSON value or XML message as it stands, before any mapping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bdx.canon import Document
from bdx.errors import UsageError
from bdx.formats import document
from bdx.pipeline.given_xsd import GivenXsd, is_xsd
from bdx.pipeline.reading import Opened
from bdx.rules.user_schema import UserSchema

JSON_ENGINES = frozenset(("document", "rows-json", "tomato-json"))
"""Engines whose sources are JSON or JSON lines."""


def given_schema(path: str | Path) -> GivenSchema | GivenXsd:
    """Return the schema in a file, or the XML Schemas in a folder, ready for the sources of one run.

    Raises: UsageError where there is none.
    """
    return GivenXsd(path) if is_xsd(path) else GivenSchema(path)


class GivenSchema:
    """A schema at work on the JSON sources of one run; `checked` counts the values looked at.

    Raises: UsageError where the file is no JSON Schema or refers to something that is not on this disk.
    """

    codes = ("D040",)

    def __init__(self, path: str | Path) -> None:
        self._schema = UserSchema(path)
        self._path = path
        self.checked = 0

    def check(self, opened: Opened) -> int:
        """Return how many values of a source were checked, 0 for one that is not JSON; findings go to its log.

        The source is read once more: the schema sees what stands in the file, not what a model makes of it.
        Raises: SourceError where it cannot be read, UsageError for packed bytes on standard input.
        """
        if opened.format.engine not in JSON_ENGINES:
            return 0
        if opened.source.path is None:
            if opened.source.packing:
                raise UsageError("--schema reads a source twice: unpack what comes on standard input first")
            opened.source.seekable().close()
        before = self.checked
        self._schema.check(self._values(opened), opened.log, opened.uri)
        return self.checked - before

    def told(self) -> None:
        """Raise UsageError where no value was checked: a schema that judged nothing is no pass."""
        if not self.checked:
            raise UsageError(f"{self._path} was given and no source is JSON or JSON lines (--allow-empty accepts that)")

    def _values(self, opened: Opened) -> Iterator[Document]:
        for value, locator in document.values(opened.source):
            self.checked += 1
            yield Document(opened.format.id, value, locator)
