"""Records whose texts UTF-8 can hold: a file name may carry bytes that are no UTF-8, a JSON text half a character."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from bdx.pipeline.result import ValidationResult

Record = TypeVar("Record")


def writable(result: ValidationResult) -> ValidationResult:
    """Return a result with every record in it clean; order and number stay."""
    findings, losses, sources = list(map(clean, result.findings)), list(map(clean, result.losses)), list(map(clean, result.sources))
    return dataclasses.replace(result, findings=findings, losses=losses, sources=sources)


def clean(record: Record) -> Record:
    """Return a record with lone surrogates shown as escapes; the same record where there are none."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(record):  # type: ignore[arg-type]  # any of our records
        value = getattr(record, field.name)
        if isinstance(value, str) and not value.isascii():
            changed[field.name] = _utf8(value)
        elif isinstance(value, Mapping):
            changed[field.name] = {_utf8(key): count for key, count in value.items()}
    if all(getattr(record, name) == value for name, value in changed.items()):
        return record
    return dataclasses.replace(record, **changed)  # type: ignore[type-var]  # idem


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
