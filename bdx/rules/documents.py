"""JSON documents against the schema of their model: every violation a finding, like places counted together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
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
        found = Violations()
        is_valid = self._validator.is_valid
        for document in documents:
            if not is_valid(document.value):
                self.failed += 1
                for error in self._validator.iter_errors(document.value):
                    found.add(document, error)
        self.checked += len(documents)
        found.tell("D001", self._log, self._source, self._model)


class Violations:
    """Violations of one schema, like places (numbers of lists left out) and rules counted together."""

    def __init__(self, words: Callable[[Document, Any], str] | None = None) -> None:
        self._words = words or (lambda _, error: expected(error))
        self._groups: dict[tuple[str, str], _Group] = {}

    def add(self, document: Document, error: Any) -> None:
        """Count an error of the compiled validator; the first of its group is put into words."""
        rule, path = str(error.kind.name), list(error.instance_path)
        if rule == "required":
            path.append(error.kind.property)
        place = "".join("/*" if isinstance(step, int) else f"/{_escape(step)}" for step in path)
        group = self._groups.get((place, rule))
        if group is None:
            group = self._groups[place, rule] = _Group(where(document, path), _found(error, rule), self._words(document, error))
        group.count += 1

    def tell(self, code: str, log: Log, source: str, model: str) -> None:
        """Write one finding per place and rule."""
        for (place, rule), group in self._groups.items():
            log.find(
                code,
                source=source,
                column=f"{place} {rule}",
                locator=group.locator,
                count=group.count,
                value=group.value,
                expected=group.expected,
                place=place or "the document",
                model=model,
            )


def where(document: Document, path: Iterable[object]) -> str:
    """Return where something stands: the place of its document, and the JSON pointer to it."""
    pointer = "".join(f"/{_escape(str(step))}" for step in path)
    return f"{document.locator} {pointer}".strip() or "the document"


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
    return _cut(json.dumps(error.instance, ensure_ascii=False, default=str), _SHOWN)


def _cut(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


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
    "maxProperties": "at most {limit} fields",
    "pattern": "a text like {pattern}",
}


def expected(error: Any) -> str:
    """Return what the schema expects in our words, with what was found."""
    kind, rule = error.kind, str(error.kind.name)
    if rule == "required":
        return "is missing and required"
    if rule in ("additionalProperties", "unevaluatedProperties"):
        return f"has fields that the schema does not know: {_cut(', '.join(map(str, kind.unexpected)))}"
    if rule == "type":
        wanted = " or ".join(kind.types)
    elif rule == "enum":
        wanted = "one of " + ", ".join(str(option) for option in kind.options)
    elif rule == "const":
        wanted = json.dumps(kind.expected_value, ensure_ascii=False, default=str)
    elif rule == "multipleOf":
        wanted = f"a multiple of {kind.multiple_of}"
    elif rule == "uniqueItems":
        wanted = "no item twice"
    elif rule in _PLAIN:
        wanted = _PLAIN[rule].format(limit=getattr(kind, "limit", ""), pattern=getattr(kind, "pattern", ""))
    elif rule in ("anyOf", "oneOf"):
        wanted = "one of the forms the schema names"
    else:
        return _cut(str(error.message))
    return f"found {_found(error, rule)}, expected {wanted}"
