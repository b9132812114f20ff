"""The names of B2MML messages: verbs and nouns of transactions, element names whatever their namespace, bounded in number."""

from __future__ import annotations

import re

from bdx.errors import UnsafeSource
from bdx.formats.source import Source
from bdx.spec import Facts

NAMESPACE = re.compile(r"b2mml|batchml|mesa\.org/xml|wbf\.org/xml", re.IGNORECASE)
ORDER = {"performances": 0, "responses": 1, "segments": 2, "collections": 0, "definitions": 1, "records": 1}
"""The levels, from the outermost in: those of steps, and those of lots, results, equipment and events."""
UNITS = {"segments": "SegmentResponse", "records": "Record", "definitions": "Definition"}
"""Levels that are read one by one, and the name of the document that each becomes."""

_STEPS = ("performances", "responses", "segments")
_RECORDS = ("collections", "definitions", "records")
_OUTERMOST = ("performances", "responses", "collections")


def readable(noun: str, facts: Facts) -> bool:
    """Say whether a message of that noun is read."""
    return any(noun in facts.get(level, ()) for level in ORDER if level != "segments") or noun in facts.get("bare", ())


def verb_and_noun(root: str, facts: Facts) -> tuple[str, str]:
    """Return the verb and the noun of a transaction's name; no verb for a bare noun."""
    for verb in (*facts["data_verbs"], *facts.get("corrections", ()), *facts["refused_verbs"]):
        noun = root.removeprefix(verb)
        if noun != root and (readable(noun, facts) or noun in facts["other_nouns"] or noun in facts.get("batch_nouns", ())):
            return verb, noun
    return "", root


class Names(dict[str, str]):
    """Name as expat gives it -> name a document carries; bounded."""

    def __init__(self, source: Source, limit: int) -> None:
        self.source = source
        self.limit = limit
        self.own = {""}

    def __missing__(self, name: str) -> str:
        uri, _, local = name.rpartition(" ")
        if len(self) >= self.limit:
            raise UnsafeSource(f"has more than {self.limit} different element names", path=self.source.uri)
        ours = uri in self.own or (NAMESPACE.search(uri) and not uri.lower().endswith("extensions"))
        self[name] = local if ours else f"{{{uri}}}{local}"
        return self[name]


class Levels(dict[str, str]):
    """Name as expat gives it -> the level it may begin, or an empty string.

    Inside a performance only the levels of steps count, so that the test results of its materials cost nothing; inside a
    collection of lots, results, equipment or events only those of records do.
    """

    def __init__(self, names: Names, facts: Facts) -> None:
        self.names = names
        self.bare = frozenset(facts.get("bare", ()))
        self._nested = {name: frozenset(inner) for name, inner in facts.get("nested", {}).items()}
        self.known: dict[str, str] = {}
        self._facts = facts
        self._family = ""
        self.turn("")

    def __missing__(self, name: str) -> str:
        self[name] = self.known.get(self.names[name], "")
        return self[name]

    def turn(self, level: str) -> None:
        """Look out for the levels that belong with this one, and for the outermost of the others; for all where it is empty."""
        family = "steps" if level in _STEPS else "records" if level else "all"
        if family == self._family:
            return
        self._family = family
        mine = {"steps": _STEPS, "records": _RECORDS, "all": (*_STEPS, *_RECORDS)}[family]
        self.known = {name: kind for kind in dict.fromkeys((*mine, *_OUTERMOST)) for name in self._facts.get(kind, ())}
        self.clear()

    def begins(self, level: str, name: str) -> bool:
        """Say whether an element may begin the outermost level."""
        return level != "segments" or self.names[name] in self.bare

    def belongs(self, level: str, name: str, outer: str, holder: str) -> bool:
        """Say whether a level may begin right inside an open one, whose element is `holder`."""
        if level == "segments" or outer in _STEPS:
            return level in _STEPS and outer in _STEPS and ORDER[level] >= ORDER[outer]
        if outer == "collections":
            return level in ("records", "definitions")
        return self.names[name] in self._nested.get(holder, ())
