"""Violations of an XML Schema -> findings: like elements and faults counted together, the first of each with its line."""

from __future__ import annotations

import re
from typing import Any

from bdx.canon import Log
from bdx.names import shortened

AGAINST, UNDECLARED, MORE, RECORDS_ONLY = "F285", "F286", "F287", "F288"
SHOWN = 100
_NAMESPACE = re.compile(r"\{[A-Za-z][\w+.-]*:[^}\s']*\}")
_NAMED = re.compile(r"^Element '([^']*)'(?:, attribute '([^']*)')?: (.*)$", re.DOTALL)


class Violations:
    """Violations of one message, like elements and faults counted together."""

    def __init__(self, log: Log, source: str) -> None:
        self._log = log
        self._source = source
        self._groups: dict[tuple[str, str, str], list[Any]] = {}
        self._met: set[tuple[int, str]] = set()
        self._beyond = 0

    @property
    def any(self) -> bool:
        """Whether something was found."""
        return bool(self._groups)

    def add(self, error: Any, model: str) -> None:
        """Count an error of the validator; one that was met before at its place is not counted again."""
        seen = (error.line, error.message)
        if error.line and seen in self._met:
            return
        if len(self._met) < 100_000:
            self._met.add(seen)
        text = _NAMESPACE.sub("", error.message)
        named = _NAMED.match(text)
        element, attribute, words = (named[1], named[2] or "", named[3]) if named else ("", "", text)
        place = f"{element}/@{attribute}" if attribute else element
        key = (place, str(error.type_name), model)
        group = self._groups.get(key)
        if group is not None:
            group[0] += 1
            group[1] = min(group[1], error.line)
        elif len(self._groups) < SHOWN:
            self._groups[key] = [1, error.line, shortened(words.strip(), 300)]
        else:
            self._beyond += 1

    def undeclared(self, namespace: str, name: str, near: str, line: int) -> None:
        """Write that no schema declares the message."""
        space = f"namespace {namespace}" if namespace else "no namespace"
        self._log.find(UNDECLARED, source=self._source, locator=f"line {line}", value=name, space=space, near=near)

    def only_records(self, count: int) -> None:
        """Write that what stands around the records was not judged."""
        self._log.find(RECORDS_ONLY, source=self._source, count=count)

    def tell(self) -> None:
        """Write one finding per element and fault."""
        for (place, kind, model), (count, line, words) in self._groups.items():
            rule = kind.removeprefix("SCHEMAV_").lower()
            self._log.find(
                AGAINST,
                source=self._source,
                column=f"{place} {rule}",
                locator=f"line {line}",
                count=count,
                place=place or "the document",
                expected=words,
                model=model,
            )
        if self._beyond:
            self._log.find(MORE, source=self._source, count=self._beyond, value=SHOWN)
