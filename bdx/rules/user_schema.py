"""Documents against a JSON Schema that the user brings: a compiled validator decides, python jsonschema finds the words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bdx.canon import Document, Log
from bdx.errors import UsageError
from bdx.names import shortened
from bdx.rules.documents import Violations, expected
from bdx.rules.schema_files import SchemaFiles, load

CODE = "D040"
_BRANCHING = frozenset(
    ("anyOf", "oneOf", "not", "contains", "dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems")
)
"""Rules whose bare message helps nobody; the reference says which branch came nearest."""


class UserSchema:
    """A schema file, compiled once. Formats are remarks, as in the standard; content of strings is not decoded.

    Draft 3, which the compiled validator does not know, is judged by the reference alone.
    Raises: UsageError naming the file where it is no JSON Schema or refers to something that is not on this disk.
    """

    def __init__(self, path: str | Path) -> None:
        files = load(path)
        self.name = Path(path).name
        self._draft3 = files.draft == "3"
        self._reference = _reference(files, path)
        self._compiled = None if self._draft3 else _compiled(files, path)

    def is_valid(self, value: Any) -> bool:
        """Say whether a value follows the schema."""
        if self._compiled is None:
            return bool(self._reference.is_valid(value))
        return bool(self._compiled.is_valid(value))

    def check(self, documents: Iterable[Document], log: Log, source: str) -> int:
        """Check documents and write a finding D040 for each rule and place that is violated; returns how many documents failed.

        Any number of documents, one after the other; what is kept grows with the places of the schema, not with documents.
        """
        found = Violations(self._words)
        failed = 0
        for document in documents:
            if not self.is_valid(document.value):
                failed += 1
                for error in self._errors(document.value):
                    found.add(document, error)
        found.tell(CODE, log, source, self.name)
        return failed

    def _errors(self, value: Any) -> Iterator[Any]:
        if self._compiled is not None:
            yield from self._compiled.iter_errors(value)
            return
        for error in self._reference.iter_errors(value):
            kind = SimpleNamespace(name=str(error.validator), property=None)
            shown = SimpleNamespace(kind=kind, instance_path=list(error.absolute_path), instance=error.instance, message=error.message)
            kind.name = "missing" if kind.name == "required" else kind.name
            yield shown

    def _words(self, document: Document, error: Any) -> str:
        """Return what the schema expects, for a choice between forms what the nearest one lacks."""
        rule = str(error.kind.name)
        if self._draft3:
            return shortened(str(error.message))
        if rule not in _BRANCHING:
            return expected(error)
        nearest = self._nearest(document.value, list(error.instance_path), rule)
        return f"{expected(error)}; nearest: {nearest}" if nearest else expected(error)

    def _nearest(self, value: Any, path: list[Any], rule: str) -> str:
        from jsonschema.exceptions import best_match

        try:
            same = [e for e in self._reference.iter_errors(value) if list(e.absolute_path) == path and str(e.validator) == rule]
            best = best_match(same)
        except (re.error, RecursionError):
            # A pattern of another dialect, or a document deeper than the reference can walk.
            return ""
        if best is None or best in same:
            return ""
        pointer = "".join(f"/{step}" for step in best.absolute_path)
        return shortened(f"{pointer} {best.message}".strip())


def _reference(files: SchemaFiles, path: str | Path) -> Any:
    """Return the python validator of a schema; raises UsageError where the schema breaks the rules of its draft."""
    import jsonschema
    from jsonschema.validators import validator_for
    from referencing import Registry, Resource
    from referencing.exceptions import CannotDetermineSpecification
    from referencing.jsonschema import UnknownDialect, specification_with

    kind = validator_for({"$schema": _spelled(files)})
    own = specification_with(_spelled(files))
    every = {**files.resources, files.uri: files.schema, files.root: files.schema}
    # Patterns are of the ECMA dialect: the compiled validator refuses bad ones, python's own would refuse good ones.
    lenient = jsonschema.FormatChecker(() if files.draft != "3" else ("regex",))
    try:
        for schema in every.values():
            validator_for(schema, default=kind).check_schema(schema, format_checker=lenient)
        resources = [(uri, Resource.from_contents(schema, default_specification=own)) for uri, schema in every.items()]
        registry: Any = Registry().with_resources(resources).crawl()
    except jsonschema.SchemaError as error:
        raise UsageError(f"{path}: is no JSON Schema of draft {files.draft}: {error.json_path}: {shortened(error.message)}") from error
    except (CannotDetermineSpecification, UnknownDialect, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is no JSON Schema of draft {files.draft}: {shortened(str(error))}") from error
    return kind({"$schema": _spelled(files), "$ref": files.root}, registry=registry)


def _spelled(files: SchemaFiles) -> str:
    return files.dialect if "draft/20" in files.dialect else f"{files.dialect}#"


class _Remark:
    """A keyword that says something about a value without judging it."""

    def __init__(self, parent_schema: Any, value: Any, schema_path: Any) -> None:
        del parent_schema, value, schema_path

    def validate(self, instance: Any) -> None:
        """Accept any value."""


def _compiled(files: SchemaFiles, path: str | Path) -> Any:
    """Return the compiled validator of a schema; raises UsageError where it cannot be compiled."""
    import jsonschema_rs

    try:
        registry = jsonschema_rs.Registry(list(files.resources.items()), draft=_number(files)) if files.resources else None
        return jsonschema_rs.validator_for(
            files.schema if isinstance(files.schema, bool) or "$schema" in files.schema else {"$schema": _spelled(files), **files.schema},
            registry=registry,
            base_uri=files.uri,
            validate_formats=False,
            keywords={"contentMediaType": _Remark, "contentEncoding": _Remark},
            offline=True,
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise UsageError(f"{path}: cannot be compiled: {shortened(str(error).splitlines()[0])}") from error


def _number(files: SchemaFiles) -> int:
    """Return the draft as the compiled validator numbers it."""
    import jsonschema_rs

    names = {"4": "Draft4", "6": "Draft6", "7": "Draft7", "2019-09": "Draft201909", "2020-12": "Draft202012"}
    return int(getattr(jsonschema_rs, names[files.draft]))
