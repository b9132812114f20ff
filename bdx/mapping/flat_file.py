"""A mapping file of the user's: loaded, and every word in it held against what is known, with the line it stands on."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bdx import spec
from bdx.errors import UsageError, did_you_mean
from bdx.mapping import vocabulary
from bdx.mapping.flat_plan import EXTRA, VALUE_TABLES
from bdx.mapping.flat_words import facts as words_of
from bdx.mapping.flat_words import fields, values
from bdx.names import fold
from bdx.spec import Facts


def load(path: str | Path) -> Facts:
    """Return the facts of a mapping file, frozen.

    Raises: UsageError naming file, line and word, with the nearest known one.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"mapping file {path} cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, path: str) -> Facts:
    """Return the facts that the text of a mapping file states; raises as `load`."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    file = _File(path, text)
    file.keys(found, _meta(), "")
    file.types(found)
    for number, table in enumerate(found["table"], 1):
        file.table(table, number)
    return spec.freeze(found)  # type: ignore[no-any-return]


@cache
def _meta() -> Mapping[str, Any]:
    return json.loads((spec.root() / "_meta" / "flat.json").read_text("utf-8"))  # type: ignore[no-any-return]


class _File:
    """Checks one file; every refusal names the line of the word it is about."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def keys(self, found: Any, schema: Mapping[str, Any], where: str) -> None:
        """Refuse keys that are not known."""
        schema = _meta()["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if isinstance(found, list):
            for item in found:
                self.keys(item, schema.get("items", {}), where)
        if not isinstance(found, dict):
            return
        known = schema.get("properties", {})
        for key, value in found.items():
            if known and key not in known:
                self._refuse(key, f"no key '{key}'{f' in {where}' if where else ''}{did_you_mean(key, known)}; known: {', '.join(known)}")
            if key == "columns" and isinstance(value, dict):
                for header, meaning in value.items():
                    self._value_keys(header, meaning)
            else:
                self.keys(value, known.get(key, {}), key)

    def _value_keys(self, header: str, meaning: Any) -> None:
        known = _meta()["$defs"]["value"]["properties"]
        for key in meaning if isinstance(meaning, dict) else ():
            if key not in known:
                self._refuse(header, f"'{header}' has no key '{key}'{did_you_mean(key, known)}; known: {', '.join(known)}")

    def types(self, found: Mapping[str, Any]) -> None:
        """Refuse what the schema of mapping files does not allow."""
        import jsonschema_rs

        for fault in jsonschema_rs.validator_for(_meta()).iter_errors(found):  # type: ignore[arg-type]
            steps = [str(step) for step in fault.instance_path]
            named = next((step for step in reversed(steps) if not step.isdigit()), "")
            message = str(fault.message)
            if "oneOf" in str(fault.schema_path) or "anyOf" in str(fault.schema_path):
                message = "expected the name of a field, or one of parameter, result, input, field with what belongs to it"
            self._refuse(named, f"{'.'.join(steps) or 'top level'}: {message}")

    def table(self, table: Mapping[str, Any], number: int) -> None:
        """Refuse a table whose words mean nothing."""
        for header, meaning in table["columns"].items():
            if isinstance(meaning, str):
                self._field(header, meaning)
            else:
                self._value(header, meaning)
        for name, value in table.get("set", {}).items():
            self._field(name, name)
            if name == "step" and vocabulary.step(value) is None:
                self._refuse(name, f"no step '{value}'{did_you_mean(value, _codes('step'))}")
            self._word(name, name, value, table["makes"], written=True)
        for name, pairs in table.get("words", {}).items():
            self._field(name, name)
            for word, value in pairs.items():
                self._word(word, name, value, table["makes"], written=False)
        plain = {meaning if isinstance(meaning, str) else meaning.get("field", "") for meaning in table["columns"].values()}
        if ("parameter" in plain) != ("value" in plain):
            lacking = "value" if "parameter" in plain else "parameter"
            self._refuse(
                "", f"table {number} has a column that is '{'parameter' if lacking == 'value' else 'value'}' and none that is '{lacking}'"
            )
        if {"parameter", "value"} <= plain and not set(table["makes"]) & set(VALUE_TABLES):
            self._refuse("makes", f"table {number} has one value per row; makes must hold one of {', '.join(VALUE_TABLES)}")

    def _field(self, header: str, name: str) -> None:
        if name != EXTRA and name not in fields():
            self._refuse(header, f"'{header}' is '{name}': no field of that name{did_you_mean(name, fields())}; `bdx map fields` lists all")

    def _value(self, header: str, meaning: Mapping[str, Any]) -> None:
        code = meaning.get("parameter", meaning.get("result"))
        if code is not None and code != vocabulary.OTHER and vocabulary.parameter(code) is None:
            near = did_you_mean(code, _codes("parameter"))
            self._refuse(header, f"'{header}' is '{code}': no parameter of that name{near}; \"other\" keeps it under its own name")
        if "field" in meaning:
            self._field(header, meaning["field"])
        if "step" in meaning and meaning["step"] not in _codes("step"):
            self._refuse(header, f"'{header}': no step '{meaning['step']}'{did_you_mean(meaning['step'], _codes('step'))}")

    def _word(self, near: str, name: str, value: str, makes: Iterable[str], *, written: bool) -> None:
        """Refuse a value that is none of the enumeration of its column."""
        for table in makes:
            column = fields()[name].feeds.get(table, "")
            allowed = spec.table(table).by_name[column].enum if column else ()
            known = values(f"{table}.{column}") if allowed else {}
            if allowed and value not in allowed and not (written and fold(value) in known):
                self._refuse(near, f"'{value}' is no value of {table}.{column}{did_you_mean(value, allowed)}; known: {', '.join(allowed)}")

    def _refuse(self, word: str, message: str) -> None:
        key = (
            re.compile(rf"""^\s*(?:\[+[^\]]*)?["']?{re.escape(word)}["']?\s*(?:=|\]|\.)|[{{,]\s*{re.escape(word)}\s*=""") if word else None
        )
        line = next((number for number, text in enumerate(self._lines, 1) if key is not None and key.search(text)), 0)
        raise UsageError(f"{self._path}{f', line {line}' if line else ''}: {message}")


@cache
def _codes(kind: str) -> tuple[str, ...]:
    return tuple(row["code"] for row in spec.load(spec.root() / "vocabulary.toml", "vocabulary")[kind])


def results() -> frozenset[str]:
    """Return the codes that are results of a test."""
    return frozenset(words_of()["results"])
