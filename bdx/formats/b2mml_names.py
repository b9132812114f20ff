"""The names of B2MML messages: verbs and nouns of transactions, element names whatever their namespace, bounded in number."""

from __future__ import annotations

import re

from bdx.errors import UnsafeSource
from bdx.formats.source import Source
from bdx.spec import Facts

NAMESPACE = re.compile(r"b2mml|batchml|mesa\.org/xml|wbf\.org/xml", re.IGNORECASE)
ORDER = {"performances": 0, "responses": 1, "segments": 2}
"""The levels, from the outermost in."""


def verb_and_noun(root: str, facts: Facts) -> tuple[str, str]:
    """Return the verb and the noun of a transaction's name; no verb for a bare noun."""
    for verb in (*facts["data_verbs"], *facts["refused_verbs"]):
        noun = root.removeprefix(verb)
        if noun != root and (noun in facts["performances"] or noun in facts["responses"] or noun in facts["other_nouns"]):
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
    """Name as expat gives it -> the level it may begin, or an empty string."""

    def __init__(self, names: Names, facts: Facts) -> None:
        self.names = names
        self.known = {name: level for level in ORDER for name in facts[level]}

    def __missing__(self, name: str) -> str:
        self[name] = self.known.get(self.names[name], "")
        return self[name]
