"""What a canonical row cannot say of its document: raw values and unknown fields by JSON pointer, put back on writing.

A row's `extra` holds {model: {pointer: raw}}; pointers are relative to the element the row was read from. Two keys are
no pointers: "-" lists pointers that the model would write and the source did not have, "+" those that it had where the model has no place
for such a row, "#" names the place a row came from
where its values alone would put it elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING", "__bool__": lambda self: False})()

Notes = dict[str, Any]


def same(a: Any, b: Any) -> bool:
    """Say whether two values are the same JSON: numbers by value, true is not 1."""
    kind, other = type(a), type(b)
    if kind is str or other is str or a is None or b is None:
        return bool(a == b) if kind is other else False
    if kind is bool or other is bool:
        return a is b
    if kind is dict and other is dict:
        return len(a) == len(b) and all(key in b and same(value, b[key]) for key, value in a.items())
    if kind is list and other is list:
        return len(a) == len(b) and all(map(same, a, b))
    if kind in _CONTAINERS or other in _CONTAINERS:
        return False
    return bool(a == b)


_CONTAINERS = (dict, list)


def dumps(value: Any) -> str:
    """Return compact JSON with sorted keys, every digit of a number kept."""
    try:
        return orjson.dumps(value, default=_digits, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return orjson.dumps(_with_large_numbers(value), default=_digits, option=orjson.OPT_SORT_KEYS).decode()


def _with_large_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_large_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_large_numbers(item) for item in value]
    return orjson.Fragment(str(value).encode()) if type(value) is int and not -(2**63) <= value < 2**64 else value


def _digits(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())
    raise TypeError


def loads(text: str) -> dict[str, Any]:
    """Return the notes of an `extra` cell; no notes for a cell that is not ours."""
    value: Any = None
    try:
        value = orjson.loads(text)
        exact = dumps(value) == text
    except orjson.JSONDecodeError:
        exact = False
    if not exact:
        try:
            value = json.loads(text, parse_float=_exact)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _exact(text: str) -> float | Decimal:
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else Decimal(text)


def escape(key: str) -> str:
    """Return a key as one step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key


@lru_cache(maxsize=16384)
def steps(pointer: str) -> tuple[str, ...]:
    """Return the unescaped steps of a JSON pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


@lru_cache(maxsize=16384)
def _order(pointer: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, int(step), "") if step.isdecimal() else (1, 0, step) for step in steps(pointer))


def in_order(notes: Notes) -> list[str]:
    """Return the pointers of notes, the entries of a list by number."""
    found = [pointer for pointer in notes if pointer[:1] == "/" or not pointer]
    return sorted(found, key=_order) if len(found) > 1 else found


def note_unknown(element: dict[str, Any], known: frozenset[str], pointer: str, notes: Notes) -> None:
    """Note the fields of an object that the model does not have, and that it was there where it was empty."""
    for key, value in element.items():
        if key not in known:
            notes[f"{pointer}/{escape(key)}"] = value
    if not element:
        notes[pointer] = {}


def note_rest(items: list[Any], pointer: str, notes: Notes) -> None:
    """Note the items after the first of a list that has one place in the canonical tables."""
    for number in range(1, len(items)):
        notes[f"{pointer}/{number}"] = items[number]


def add_notes(notes: Notes, more: Notes) -> None:
    """Take over notes; the lists of absent pointers are joined."""
    for pointer, raw in more.items():
        if pointer in ("-", "+"):
            notes.setdefault(pointer, []).extend(raw)
        else:
            notes[pointer] = raw


def lookup(root: Any, pointer: str) -> Any:
    """Return the value at a pointer, MISSING where there is none."""
    for step in steps(pointer):
        if type(root) is dict:
            root = root.get(step, MISSING)
        elif type(root) is list and step.isdecimal() and int(step) < len(root):
            root = root[int(step)]
        else:
            return MISSING
    return root


def put(root: Any, pointer: str, value: Any, lists: Set[str], *, replace: bool) -> bool:
    """Put a value at a pointer, making what holds it; say whether there was a place for it.

    In a list the value takes its number and pushes the rest back, unless it is to replace what is there.
    """
    path = steps(pointer)
    holder = root
    for step in path[:-1]:
        holder = holder.get(step) if type(holder) is dict else None
    if type(holder) is dict and path:
        holder[path[-1]] = value
        return True
    where = ""
    for number, step in enumerate(path):
        where += "/" + escape(step)
        last = number == len(path) - 1
        empty: Any = value if last else [] if where in lists else {}
        if type(root) is dict and last:
            root[step] = value
        elif type(root) is dict:
            root = root.setdefault(step, empty)
        elif type(root) is list and step.isdecimal():
            index = int(step)
            if index >= len(root):
                root.append(empty)
                index = len(root) - 1
            elif last and replace:
                root[index] = value
            elif last:
                root.insert(index, value)
            root = root[index]
        else:
            return False
    return True


def remove(root: Any, pointer: str) -> None:
    """Take away the value at a pointer, and the objects and lists that are empty without it."""
    path = steps(pointer)
    if not path:
        return
    trail = [root]
    for step in path[:-1]:
        trail.append(lookup(trail[-1], "/" + escape(step)))
    for holder, step in zip(reversed(trail), reversed(path), strict=True):
        if type(holder) is dict:
            holder.pop(step, None)
        elif type(holder) is list and step.isdecimal() and int(step) < len(holder):
            del holder[int(step)]
        else:
            return
        if holder:
            return


def leftover(raw: Any, written: Any, pointer: str = "") -> Iterator[str]:
    """Yield the pointers of what `raw` holds and `written` does not have a place for."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            at = f"{pointer}/{escape(key)}"
            if isinstance(written, dict) and key in written:
                yield from leftover(value, written[key], at)
            elif value is not None:
                yield at
    elif isinstance(raw, list):
        for number, value in enumerate(raw):
            if isinstance(written, list) and number < len(written):
                yield from leftover(value, written[number], f"{pointer}/*")
            elif not isinstance(written, list) and number == 0:
                yield from leftover(value, written, f"{pointer}/*")
            else:
                yield f"{pointer}/*"
