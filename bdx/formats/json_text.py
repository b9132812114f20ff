"""Lossless JSON text: parse without losing a digit or a key, write with the digits that were there."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from bdx.errors import CorruptSource, SinkError, SourceError, TruncatedSource, UnsafeSource

MAX_DEPTH = 254
"""Deepest nesting read or written; the serialiser's own bound, so what can be read can be written."""

MAX_BYTES = 256 << 20
"""Largest single document in bytes."""

_BLANKS = b" \t\r\n"


class _DuplicateKey(ValueError):
    """An object names a key twice."""


def parse(text: bytes, path: str, place: str = "") -> Any:
    """Return the value of one JSON text in UTF-8, floats as float where that is exact and as Decimal where it is not.

    The fast parse is trusted only where writing its result gives the text back, blanks and escapes aside: then no key was
    doubled and no digit lost. `place` says where the text stands ("line 7"); errors name line and column within it otherwise.
    Raises: CorruptSource, TruncatedSource, UnsafeSource.
    """
    if len(text) > MAX_BYTES:
        raise UnsafeSource(f"one document of {len(text):,} bytes; at most {MAX_BYTES:,} are read", path=path, offset=place or None)
    try:
        value = orjson.loads(text)
        again = orjson.dumps(value)
        if again == text or _alike(text, again):
            return value
    except orjson.JSONDecodeError as error:
        # The number may be too large for the fast parser only; the exact one decides. Its words win where both refuse.
        return _parse_exact(text, path, place, error)
    except TypeError as error:
        raise _too_deep(path, place) from error
    return _parse_exact(text, path, place, None)


_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
_ZEROS = re.compile(rb"\.([0-9]*?[0-9])0+(?=[,\]}])")
_POWERS = (b"e-0", b"e+", b"E-", b"E+")
_POWER = re.compile(rb"(?<=[0-9])[eE](?:\+|(-))?0*(?=[1-9][0-9]*[,\]}])")


def _alike(text: bytes, again: bytes) -> bool:
    """Say whether a text says what it was read as: the same but for blanks, ways to escape and ways to write a number.

    It may miss that two are alike, and never takes two for alike that are not.
    """
    again, text = again.translate(None, _BLANKS), text.translate(None, _BLANKS)
    if again == text:
        return True
    if b"\\" in text:
        text = _ESCAPE.sub(_plain_escape, text)
    if any(mark in text for mark in _POWERS):
        text = _POWER.sub(rb"e\1", text)
    return again == _ZEROS.sub(rb".\1", text)


def _plain_escape(found: re.Match[bytes]) -> bytes:
    """Return an escaped character as the fast writer has it."""
    try:
        return orjson.dumps(orjson.loads(b'"' + found[0] + b'"'))[1:-1]
    except orjson.JSONDecodeError:
        return found[0]


def _parse_exact(text: bytes, path: str, place: str, first: orjson.JSONDecodeError | None) -> Any:
    try:
        decoded = text.decode("utf-8")
        value = json.loads(decoded, object_pairs_hook=_object, parse_float=exact_float, parse_constant=_no_constant)
        decoded_again = orjson.dumps(value, default=_exact_number)
    except UnicodeDecodeError as error:
        raise CorruptSource(f"byte {error.start} of the document is not UTF-8", path=path, offset=place or None) from error
    except json.JSONDecodeError as error:
        raise _broken(first or error, text, path, place) from error
    except RecursionError as error:
        raise _too_deep(path, place) from error
    except TypeError as error:
        if "ecursion" in str(error):
            raise _too_deep(path, place) from error
        if "surrogate" in str(error) or "UTF-8" in str(error):
            raise CorruptSource("half of a surrogate pair stands in a text", path=path, offset=place or None) from error
        return value  # an integer beyond 64 bits: exact in Python, written by `dumps` below
    except (ValueError, InvalidOperation) as error:
        reason = str(error) if isinstance(error, _DuplicateKey) else "a number or constant that JSON does not have or that has no bounds"
        raise CorruptSource(reason, path=path, offset=place or None) from error
    del decoded_again
    return value


def _broken(error: json.JSONDecodeError, text: bytes, path: str, place: str) -> SourceError:
    where = f"line {error.lineno} column {error.colno}"
    offset = f"{place} column {error.colno}" if place else where
    ends = len(text.rstrip(_BLANKS))
    if error.pos >= len(text[:ends].decode("utf-8", "replace")) or "Unterminated" in error.msg or "unexpected end" in error.msg:
        return TruncatedSource("JSON ends before its value is complete", path=path, offset=offset)
    return CorruptSource(f"is not JSON: {error.msg}", path=path, offset=offset)


def _too_deep(path: str, place: str) -> UnsafeSource:
    return UnsafeSource(f"nests deeper than {MAX_DEPTH} levels", path=path, offset=place or None)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _DuplicateKey(f"an object holds the key '{double[:80]}' twice")
    return found


def exact_float(text: str) -> float | Decimal:
    """Return the number a text writes: a float where its shortest form is the same number, else a Decimal."""
    number = float(text)
    exact = Decimal(text)
    if math.isfinite(number) and Decimal(repr(number)) == exact:
        return number
    return exact


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _exact_number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())
    raise TypeError(f"{type(value).__name__} is not JSON")


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """Return a value as JSON in UTF-8; a Decimal is written with its digits, an integer of any size as it is.

    Raises: SinkError for what JSON cannot hold.
    """
    option = orjson.OPT_INDENT_2 if indent else 0
    try:
        return orjson.dumps(value, default=_exact_number, option=option)
    except TypeError:
        try:
            return orjson.dumps(_with_large_numbers(value), default=_exact_number, option=option)
        except (TypeError, RecursionError) as error:
            raise SinkError(f"JSON cannot hold the document: {error}") from error


def _with_large_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_large_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_large_numbers(item) for item in value]
    if type(value) is int and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value).encode())
    return value
