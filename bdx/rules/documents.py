"""JSON documents against the schema of their model: every violation a finding, like places counted together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from bdx import spec
from bdx.canon import Document, Log
from bdx.names import shortened

_SHOWN = 60


class DocumentCheck:
    """Checks documents against the schema of the model and version that each is of; a schema is compiled once.

    `check` takes them in lists of any length and never stops at the first fault: D001 names the first document and
    pointer for each schema rule and place (numbers of lists left out), and counts the rest; D002 stands in its place
    where the schema is known to refuse what is sound.
    """

    def __init__(self, log: Log, source: str) -> None:
        self._log = log
        self._source = source
        self.checked = 0
        self.failed = 0

    def check(self, documents: list[Document]) -> None:
        """Check documents; the compiled yes or no comes first, an explanation only where it is no."""
        for name, group in groupby(documents, key=_name):
            validator = _validator(name)
            if validator is None:
                continue
            defects = known_defects(spec.model(name).schema)
            found, excused = Violations(), Violations(defects.reason)
            for document in group:
                self.checked += 1
                if not validator.is_valid(document.value):
                    self.failed += 1
                    for error in validator.iter_errors(document.value):
                        (excused if defects.excuse(document, error) else found).add(document, error)
            found.tell("D001", self._log, self._source, name)
            excused.tell("D002", self._log, self._source, name)


def _name(document: Document) -> str:
    return document.name


@cache
def _validator(model: str) -> Any:
    """Return the compiled schema of a model such as `catenax-battery-pass@6.1.0`, None where it has none."""
    import jsonschema_rs

    name = spec.model(model).schema
    return jsonschema_rs.validator_for(spec.schema(name)) if name else None


class Defects:
    """Places where a schema is known to refuse what is sound: its table `x-defects`.

    Each names a place and a rule, and the reason; `meant` is the pattern that the value must have to be sound, `where` the values
    that other places of the document must have.
    """

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = {(row["at"], row["rule"]): row for row in rows}

    def excuse(self, document: Document, error: Any) -> bool:
        """Say whether an error is the fault of the schema."""
        rule, _, place = place_of(error)
        row = self._rows.get((place, rule))
        if row is None:
            return False
        if "meant" in row and not (isinstance(error.instance, str) and re.search(row["meant"], error.instance)):
            return False
        return all(_at(document.value, pointer) in values for pointer, values in row.get("where", {}).items())

    def reason(self, document: Document, error: Any) -> str:
        """Return what the schema gets wrong, with what was found."""
        rule, _, place = place_of(error)
        found = "is missing" if rule == "required" else f"found {_found(error, rule)}"
        return f"{found}, and {self._rows[place, rule]['reason']}"


@cache
def known_defects(schema: str) -> Defects:
    """Return the known defects of a schema."""
    return Defects(spec.schema(schema).get("x-defects", []) if schema else [])


def _at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        value = value.get(step) if isinstance(value, dict) else None
    return value


class Violations:
    """Violations of one schema, like places (numbers of lists left out) and rules counted together."""

    def __init__(self, words: Callable[[Document, Any], str] | None = None) -> None:
        self._words = words or (lambda _, error: expected(error))
        self._groups: dict[tuple[str, str], _Group] = {}

    def add(self, document: Document, error: Any) -> None:
        """Count an error of the compiled validator; the first of its group is put into words."""
        rule, path, place = place_of(error)
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


def place_of(error: Any) -> tuple[str, list[Any], str]:
    """Return the rule that an error breaks, the path of what breaks it, and that path as a pointer without numbers of lists."""
    rule, path = str(error.kind.name), list(error.instance_path)
    if rule == "required":
        path.append(error.kind.property)
    return rule, path, "".join("/*" if isinstance(step, int) else f"/{_escape(step)}" for step in path)


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
    return shortened(json.dumps(error.instance, ensure_ascii=False, default=str), _SHOWN)


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
        return f"has fields that the schema does not know: {shortened(', '.join(map(str, kind.unexpected)))}"
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
        return shortened(str(error.message))
    return f"found {_found(error, rule)}, expected {wanted}"


@dataclass(slots=True)
class Violation:
    """The first violation of a document: where, what was found, what was expected."""

    locator: str
    value: str
    expected: str


def first_violation(document: Document) -> Violation | None:
    """Return the first thing in which a document does not follow the schema of its model; None for one that does."""
    validator = _validator(document.name)
    if validator is None or validator.is_valid(document.value):
        return None
    error = next(iter(validator.iter_errors(document.value)))
    rule, path = str(error.kind.name), list(error.instance_path)
    if rule == "required":
        path.append(error.kind.property)
    return Violation(where(document, path), _found(error, rule), expected(error))
