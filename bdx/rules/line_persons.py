"""Where canonical tables name a person: columns marked as personal, and fields of `extra` under names that stand for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.rules.register import Hit, fold
from bdx.rules.view import View

PSEUDONYM = r"^person:[0-9a-f]{20}$"
"""How bdx writes a pseudonym; one names nobody."""
_VEILED = r'"person:[0-9a-f]{20}"'
_EXAMPLES = 5


@cache
def columns(table: str) -> tuple[str, ...]:
    """Return the columns of a table that name persons."""
    return tuple(column.name for column in spec.table(table).columns if column.personal)


@cache
def looked_through(table: str) -> bool:
    """Say whether the `extra` of a table may hold fields that name persons."""
    return table in _facts()["tables"]


@cache
def _facts() -> spec.Facts:
    return spec.load(spec.root() / "personal.toml", "personal")


@cache
def _words() -> str:
    """Return a pattern of the names, any of blank, hyphen and underscore or none between their words."""
    return "(?:" + "|".join(r"[\s_-]?".join(map(re.escape, name.split())) for name in _facts()["names"]) + ")"


@cache
def key() -> re.Pattern[str]:
    """Return what the name of a field matches that names a person."""
    return re.compile(rf"(?is)(?:.*[/.:}}@~])?\s*{_words()}\s*")


@cache
def _in_text() -> str:
    """Return a pattern of such a field in JSON text, where it has a value."""
    return rf'(?is)"(?:[^"]*[/.:}}@~])?\s*{_words()}\s*"\s*:\s*(?:"[^"]|[\[{{0-9-])'


def named(texts: pa.Array) -> pa.BooleanArray:
    """Return where a text names somebody: it is not empty and no pseudonym of bdx."""
    given = pc.greater(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0)
    return pc.and_not(given, pc.match_substring_regex(texts, PSEUDONYM)).fill_null(fill_value=False)


def told(extra: pa.Array) -> pa.BooleanArray:
    """Return where the JSON texts of `extra` have a field under a name that stands for people."""
    if extra.null_count == len(extra):
        return pa.repeat(pa.scalar(value=False), len(extra))
    found = pc.match_substring_regex(extra, _in_text()).fill_null(fill_value=False)
    if not found.true_count:
        return found
    bare = pc.replace_substring_regex(extra.filter(found), _VEILED, '""')
    return pc.replace_with_mask(found, found, pc.match_substring_regex(bare, _in_text()))


@fold("names_a_person")
class NamesAPerson:
    """Rows that name a person, by table and column. What it finds carries no value: the name would stand in every report."""

    def __init__(self, *, done: str = "") -> None:
        self._done = done
        self._found: dict[tuple[str, str], Hit] = {}

    def feed(self, view: View) -> None:
        """Look at one batch."""
        for column in columns(view.table):
            if view.has(column):
                self._take(view, column, named(view.array(column)))
        if looked_through(view.table) and view.has("extra"):
            self._take(view, "extra", told(view.array("extra")))

    def finish(self) -> Iterator[Hit]:
        """Yield one hit per column."""
        yield from self._found.values()

    def _take(self, view: View, column: str, mask: pa.BooleanArray) -> None:
        count = mask.true_count
        if not count:
            return
        rows = [view.first + place for place in pc.indices_nonzero(mask)[:_EXAMPLES].to_pylist()]
        hit = self._found.get((view.table, column))
        if hit is None:
            self._found[view.table, column] = Hit(view.table, column, rows[0], count, "", rows, {"done": self._done})
            return
        hit.count += count
        hit.examples.extend(rows[: _EXAMPLES - len(hit.examples)])
