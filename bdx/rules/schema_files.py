"""A JSON Schema file and every file it refers to, from this disk only; nothing is ever fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from bdx.errors import UsageError, did_you_mean

DRAFTS = {
    "http://json-schema.org/draft-03/schema": "3",
    "http://json-schema.org/draft-04/schema": "4",
    "http://json-schema.org/draft-06/schema": "6",
    "http://json-schema.org/draft-07/schema": "7",
    "https://json-schema.org/draft/2019-09/schema": "2019-09",
    "https://json-schema.org/draft/2020-12/schema": "2020-12",
}
_NEWEST = "https://json-schema.org/draft/2020-12/schema"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_NAMED = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"))
_VALUES = frozenset(("const", "enum", "default", "examples"))
_BESIDE = 1_000
"""JSON files in the folder that are looked into for one with a wanted identifier."""


@dataclass(frozen=True, slots=True)
class SchemaFiles:
    """A schema, the URI it stands at and the one it gives itself, its draft ("7", "2020-12"), and what it refers to by URI."""

    uri: str
    root: str
    schema: Any
    draft: str
    dialect: str
    resources: dict[str, Any]


def load(path: str | Path) -> SchemaFiles:
    """Return a schema file with all it refers to.

    Relative references are files beside it. An http or urn reference is met by a file beside it that has this identifier, or
    that stands where the schema's own identifier says.
    Raises: UsageError naming the file and what is wrong: not there, not JSON, no schema, a draft that does not exist, or a
    reference that leads nowhere on this disk.
    """
    place = Path(path)
    schema = _parsed(place)
    dialect = _dialect(place, schema)
    uri = place.resolve().as_uri()
    found = _Collected(place)
    found.take(uri, schema)
    root = urldefrag(urljoin(uri, _identifier(schema)))[0]
    return SchemaFiles(uri, root, schema, DRAFTS[dialect], dialect, {key: value for key, value in found.resources.items() if key != uri})


def _parsed(path: Path) -> Any:
    try:
        schema = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a schema: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not JSON, so no JSON Schema: {error}") from error
    if not isinstance(schema, dict | bool):
        raise UsageError(f"{path}: a JSON Schema is an object, true or false, not a {type(schema).__name__}")
    return schema


def _dialect(path: Path, schema: Any) -> str:
    """Return the URI of the draft that a schema names; the newest where it names none."""
    named = schema.get("$schema", _NEWEST) if isinstance(schema, dict) else _NEWEST
    bare = named.rstrip("#") if isinstance(named, str) else named
    if bare not in DRAFTS:
        raise UsageError(f"{path}: $schema is {named!r}, which is no draft of JSON Schema{did_you_mean(str(bare), DRAFTS)}")
    return str(bare)


class _Collected:
    """Resources by URI, filled from the main schema outwards."""

    def __init__(self, main: Path) -> None:
        self._main = main
        self._root = ""
        self._beside: dict[str, Path] | None = None
        self._embedded: set[str] = set()
        self.resources: dict[str, Any] = {}

    def take(self, uri: str, schema: Any) -> None:
        """Keep a schema and follow its references until none is new."""
        self._root = urljoin(uri, _identifier(schema))
        waiting = [(uri, schema)]
        while waiting:
            at, document = waiting.pop()
            self.resources[at] = document
            uses, identifiers = _scanned(document, at)
            self._embedded |= identifiers
            for target, written in uses:
                bare = urldefrag(target)[0]
                if bare in self.resources or bare in self._embedded or bare.rstrip("#") in DRAFTS or _is_vocabulary(bare):
                    continue
                found = _parsed(self._file(bare, written))
                self.resources[bare] = found
                waiting.append((bare, found))

    def _file(self, uri: str, written: str) -> Path:
        """Return the file a URI names."""
        parts = urlsplit(uri)
        if parts.scheme == "file":
            found = Path(unquote(parts.path))
            if found.is_file():
                return found
            raise UsageError(f"{self._main}: refers to '{written}', and there is no file {found}")
        named = self._identified().get(uri)
        if named is not None:
            return named
        base = urlsplit(self._root)
        if (parts.scheme, parts.netloc) == (base.scheme, base.netloc) and parts.netloc:
            folder = base.path.rpartition("/")[0] + "/"
            if parts.path.startswith(folder):
                found = self._main.parent / unquote(parts.path[len(folder) :])
                if found.is_file():
                    return found
        raise UsageError(
            f"{self._main}: refers to '{written}', which is neither in the file nor beside it; no schema is read from the network"
        )

    def _identified(self) -> dict[str, Path]:
        """Return the JSON files of the folder by the identifier each gives itself."""
        if self._beside is None:
            self._beside = {}
            for path in sorted(self._main.parent.glob("*.json"))[:_BESIDE]:
                try:
                    schema = json.loads(path.read_bytes())
                except (OSError, ValueError, RecursionError):
                    continue
                name = urldefrag(_identifier(schema))[0]
                if name:
                    self._beside.setdefault(name, path)
        return self._beside


def _identifier(schema: Any) -> str:
    name = (schema.get("$id") or schema.get("id")) if isinstance(schema, dict) else ""
    return name if isinstance(name, str) else ""


def _is_vocabulary(uri: str) -> bool:
    """Say whether a URI is a part of the two newest drafts themselves."""
    return uri.startswith(("https://json-schema.org/draft/2019-09/meta/", "https://json-schema.org/draft/2020-12/meta/"))


def _scanned(document: Any, uri: str) -> tuple[list[tuple[str, str]], set[str]]:
    """Return the references of a schema as (absolute, as written), and the identifiers that it and schemas within it have."""
    uses, identifiers = [], {uri}
    for base, schema in _subschemas(document, uri):
        identifiers.add(urldefrag(base)[0])
        for keyword in _REFERENCES:
            written = schema.get(keyword)
            if isinstance(written, str) and not written.startswith("#"):
                uses.append((urljoin(base, written), written))
    return uses, identifiers


def _subschemas(document: Any, uri: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object of a schema that may be a schema, with the URI that its references start from."""
    waiting: list[tuple[str, Any, bool]] = [(uri, document, False)]
    while waiting:
        base, node, named = waiting.pop()
        if isinstance(node, list):
            waiting.extend((base, item, False) for item in node)
        elif isinstance(node, dict):
            if named:
                waiting.extend((base, item, False) for item in node.values())
                continue
            name = _identifier(node)
            base = urljoin(base, name) if name and not name.startswith("#") else base
            yield base, node
            waiting.extend((base, item, key in _NAMED) for key, item in node.items() if key not in _VALUES)
