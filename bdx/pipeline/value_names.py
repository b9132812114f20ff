"""What a user calls a value of a passport: a column, a JSON pointer, a field of the model, the words it is shown with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bdx import mapping, spec
from bdx.errors import UsageError, did_you_mean
from bdx.names import fold, shortened
from bdx.pipeline.sections import hidden, label
from bdx.spec import FormatSpec

_NUMBERED = re.compile(r"([a-z_]+)(?:\[(\d+)\]|#(\d+))?\.([A-Za-z0-9_]+)")
_INDEX = re.compile(r"/\d+(?=/|$)")
_LISTED = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """The value that is meant: a column of a table, of child rows one by its number; its place in the document where it has one."""

    table: str
    column: str
    number: int | None = None
    pointer: str = ""


def meant(word: str, model: FormatSpec) -> Asked:
    """Return what a word means in a passport of a model.

    Raises: UsageError for a word that means nothing, with the nearest that does, and for one that means several.
    """
    fields = mapping.fields(model) if model.world == "passport" else []
    if word.startswith("/"):
        return _pointed(word, fields, model)
    column = _column(word)
    if column is not None:
        pointer = next((where for where, table, name in fields if (table, name) == (column.table, column.column)), "")
        return Asked(column.table, column.column, column.number, pointer)
    found = _named(word, fields) or _shown(word, fields)
    if len({(item.table, item.column) for item in found}) > 1:
        some = ", ".join(item.pointer or f"{item.table}.{item.column}" for item in found[:_LISTED])
        raise UsageError(f"'{shortened(word, 80)}' means {len(found)} values of {model.id}: {some}; name one")
    if found:
        return found[0]
    known = [*_columns("battery"), *(where.rpartition("/")[2] for where, _, _ in fields)]
    tables = {table for _, table, _ in fields} - {"battery"}
    known += [f"{table}.{name}" for table in sorted(tables) for name in _columns(table)]
    raise UsageError(f"no value '{shortened(word, 80)}'{did_you_mean(word[:80], known)}; a column, a field of {model.id} or a JSON pointer")


def _columns(table: str) -> list[str]:
    return [name for name in spec.table(table).by_name if name not in hidden()]


def _column(word: str) -> Asked | None:
    if word in _columns("battery"):
        return Asked("battery", word)
    found = _NUMBERED.fullmatch(word)
    if found is None or found[1] not in spec.tables() or found[4] not in _columns(found[1]):
        return None
    if found[1] != "battery" and spec.table(found[1]).parent != "battery":
        return None
    number = found[2] or found[3]
    return Asked(found[1], found[4], int(number) if number and len(number) < 10 else None)


def _pointed(word: str, fields: Iterable[tuple[str, str, str]], model: FormatSpec) -> Asked:
    known = [where for where, _, _ in fields]
    folded = _INDEX.sub("/*", word)
    for where, table, column in fields:
        if where in (word, folded) or (where.endswith("/*") and where[:-2] == word):
            index = re.findall(r"/(\d{1,9})(?=/|$)", word)
            return Asked(table, column, int(index[-1]) + 1 if index and table != "battery" else None, word)
    below = [where for where in known if where.startswith(f"{folded.rstrip('/')}/")]
    if below:
        raise UsageError(f"'{shortened(word, 120)}' holds several values: {', '.join(below[:_LISTED])}; name one")
    raise UsageError(f"no value at '{shortened(word, 120)}' of {model.id}{did_you_mean(word[:200], known)}")


def _named(word: str, fields: Iterable[tuple[str, str, str]]) -> list[Asked]:
    """Return the fields whose pointer ends in the word, "a.b" and "b" alike; those of the battery first, else those of its rows."""
    steps = "/" + fold_steps(word)
    every = [Asked(table, column, None, where) for where, table, column in fields if fold_steps(where).endswith(steps)]
    return [item for item in every if item.table == "battery"] or every


def fold_steps(path: str) -> str:
    """Return a path with every step folded and lists left out."""
    return "/" * path.startswith("/") + "/".join(fold(step) for step in re.split(r"[./]", path) if step not in ("", "*"))


def _shown(word: str, fields: Iterable[tuple[str, str, str]]) -> list[Asked]:
    wanted = fold(word)
    places = {(table, column): where for where, table, column in reversed(list(fields))}
    names = [name for name in _columns("battery") if fold(label("battery", name)) == wanted]
    return [Asked("battery", name, None, places.get(("battery", name), "")) for name in names]
