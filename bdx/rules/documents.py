"""JSON documents against the schema of their model: every violation a finding, like places counted together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bdx import spec
from bdx.canon import Document, Log

_SHOWN = 60


class DocumentCheck:
    """Checks documents against specs/schemas/<model_id>.json; the schema is compiled once.

    `check` takes them in lists of any length and never stops at the first fault: D001 names the first document and
    pointer for each schema rule and place (numbers of lists left out), and counts the rest.
    """

    def __init__(self, model_id: str, version: str, log: Log, source: str) -> None:
        import jsonschema_rs

        self._model = model_id if not version or model_id.endswith(version) else f"{model_id}@{version}"
        self._validator = jsonschema_rs.validator_for(spec.schema(model_id))
        self._log = log
        self._source = source
        self.checked = 0
        self.failed = 0

    def check(self, documents: list[Document]) -> None:
        """Check documents; the compiled yes or no comes first, an explanation only where it is no."""
        groups: dict[tuple[str, str], _Group] = {}
        is_valid = self._validator.is_valid
        for document in documents:
            if not is_valid(document.value):
                self.failed += 1
                self._explain(document, groups)
        self.checked += len(documents)
        for (place, rule), group in groups.items():
            self._log.find(
                "D001",
                source=self._source,
                column=f"{place} {rule}",
                locator=group.locator,
                count=group.count,
                value=group.value,
                expected=group.expected,
                place=place or "the document",
                model=self._model,
            )

    def _explain(self, document: Document, groups: dict[tuple[str, str], _Group]) -> None:
        for error in self._validator.iter_errors(document.value):
            rule, path, expected = str(error.kind.name), list(error.instance_path), _expected(error)
            if rule == "required":
                path.append(error.kind.property)
            place = "".join("/*" if isinstance(step, int) else f"/{_escape(step)}" for step in path)
            group = groups.get((place, rule))
            if group is None:
                pointer = "".join(f"/{_escape(str(step))}" for step in path)
                where = f"{document.locator} {pointer}" if document.locator else pointer or "the document"
                group = groups[place, rule] = _Group(where, _found(error, rule), expected)
            group.count += 1


class _Group:
    """Violations of one schema rule at one place, by their first."""

    __slots__ = ("count", "expected", "locator", "value")

    def __init__(self, locator: str, value: str, expected: str) -> None:
        self.locator = locator
        self.value = value
        self.expected = expected
        self.count = 0


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _found(error: Any, rule: str) -> str:
    """Return the value at fault in few characters; a missing one has none."""
    if rule == "required":
        return ""
    text = json.dumps(error.instance, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


_PLAIN: Mapping[str, str] = {
    "minLength": "at least {limit} characters",
    "maxLength": "at most {limit} characters",
    "minItems": "at least {limit} items",
    "maxItems": "at most {limit} items",
    "minimum": "at least {limit}",
    "maximum": "at most {limit}",
    "exclusiveMinimum": "more than {limit}",
    "exclusiveMaximum": "less than {limit}",
    "minProperties": "at least {limit} fields",
    "pattern": "a text like {pattern}",
}


def _expected(error: Any) -> str:
    """Return what the schema expects in our words, with what was found."""
    kind, rule = error.kind, str(error.kind.name)
    if rule == "required":
        return "is missing and required"
    if rule == "type":
        wanted = " or ".join(kind.types)
    elif rule == "enum":
        wanted = "one of " + ", ".join(str(option) for option in kind.options)
    elif rule == "uniqueItems":
        wanted = "no item twice"
    elif rule in _PLAIN:
        wanted = _PLAIN[rule].format(limit=getattr(kind, "limit", ""), pattern=getattr(kind, "pattern", ""))
    elif rule in ("anyOf", "oneOf"):
        wanted = "one of the forms the schema names"
    else:
        wanted = str(error.message)
    return f"found {_found(error, rule)}, expected {wanted}"
