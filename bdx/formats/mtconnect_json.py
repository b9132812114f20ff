"""MTConnect documents as JSON, in the shapes of cppagent versions 1 and 2: the same parts as the XML gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bdx import canon
from bdx.canon import Document, Part
from bdx.errors import CorruptSource, SourceError, UnsupportedVersion
from bdx.formats.document_text import records
from bdx.formats.mtconnect_nodes import components, from_json, pairs
from bdx.formats.mtconnect_rows import Observations
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

_SINGULAR = {"DeviceStreams": "DeviceStream", "ComponentStreams": "ComponentStream"}


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield the parts of every document: one object, an array of them, or one per line."""
    facts, rows = spec.raw, Observations()
    with source.stream() as stream:
        for record in records(stream, source.head, source.uri, facts["limits"]["document_bytes"]):
            kind = next((name for name in _kinds(facts) if isinstance(record.value, dict) and name in record.value), "")
            place = record.locator or None
            if not kind:
                raise CorruptSource("is no MTConnect document", path=source.uri, offset=place)
            document = record.value[kind]
            if not isinstance(document, dict):
                raise CorruptSource(f"{kind} is no object", path=source.uri, offset=place)
            if kind == facts["error"]:
                raise SourceError(f"is the error answer of an agent: {_errors(document)}", path=source.uri, offset=place)
            if kind == facts["assets"]:
                raise held_assets([name for name, _ in pairs(document.get("Assets"))], source)
            rows.document += 1
            head = {"kind": kind, "schema": _version(document), **_scalars(document.get("Header")), "ordinal": rows.document}
            yield Document("Header", head, record.locator)
            yield from _devices(document, record.locator) if kind == facts["devices"] else _streams(rows, document, facts, source)
    if (part := rows.part()) is not None:
        yield part


def held_assets(names: list[str], source: Source) -> UnsupportedVersion:
    """Return the error that names the assets of a document."""
    counts = ", ".join(f"{name} ({names.count(name)})" for name in list(dict.fromkeys(names))[:6]) or "nothing"
    return UnsupportedVersion(
        f"is MTConnectAssets, which describes tools and parts and holds no observations; in it: {counts}; "
        "give the answers to current or sample, and to probe",
        path=source.uri,
    )


def _kinds(facts: Facts) -> tuple[str, ...]:
    return facts["streams"], facts["devices"], facts["assets"], facts["error"]


def _version(document: dict[str, Any]) -> str:
    found = document.get("schemaVersion")
    return found if isinstance(found, str) else ""


def _scalars(value: Any) -> dict[str, str]:
    """Return what is no list or object of an object, as text."""
    if not isinstance(value, dict):
        return {}
    return {name: _text(held) for name, held in value.items() if held is not None and not isinstance(held, dict | list)}


def _errors(document: dict[str, Any]) -> str:
    errors = document.get("Errors", document.get("Error"))
    found = []
    for _, one in pairs(errors if isinstance(errors, list) or not _scalars(errors) else {"Error": errors}):
        said = _scalars(one) if isinstance(one, dict) else {"value": _text(one)}
        found.append(": ".join(said[name] for name in ("errorCode", "value", "ErrorMessage") if name in said))
    return "; ".join(found[:5]) or "without a text"


def _devices(document: dict[str, Any], locator: str) -> Iterator[Part]:
    for name, device in pairs(document.get("Devices")):
        yield from components(from_json(name, device), locator)


def _streams(rows: Observations, document: dict[str, Any], facts: Facts, source: Source) -> Iterator[Part]:
    for name, device in pairs(document.get("Streams")):
        if not isinstance(device, dict) or _SINGULAR.get(name, name) != "DeviceStream":
            source.log.lose(source.uri, f"'{name}'", "is no device stream")
            continue
        for component in _components(device):
            said = _scalars(component)
            for category in component:
                if category not in facts["categories"]:
                    if isinstance(component[category], dict | list):
                        source.log.lose(source.uri, f"'{category}'", "is no category of observations")
                    continue
                rows.place(_scalars(device), said, category)
                for element, one in pairs(component[category]):
                    _observe(rows, element, one)
                    if rows.full() and (part := rows.part()) is not None:
                        yield part


def _components(device: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the component streams of a device, each named in an object of its own or not."""
    held = device.get("ComponentStreams", device.get("ComponentStream", []))
    for one in held if isinstance(held, list) else [held]:
        component = one.get("ComponentStream", one) if isinstance(one, dict) else None
        if isinstance(component, dict):
            yield component


def _observe(rows: Observations, element: str, value: Any) -> None:
    """Add one observation; an object as its value is a data set, one of objects a table."""
    if not isinstance(value, dict):
        rows.add(element, {}, _text(value))
        return
    said = _scalars({name: held for name, held in value.items() if name != "value"})
    for name, held in value.items():
        if name != "value" and isinstance(held, dict | list):
            said[name] = canon.dumps(held)
    found = value.get("value")
    if not isinstance(found, dict):
        rows.add(element, said, " ".join(map(_text, found)) if isinstance(found, list) else None if found is None else _text(found))
        return
    entries: list[tuple[str, str | None, str | None, bool]] = []
    for key, entry in found.items():
        if not isinstance(entry, dict):
            entries.append((key, None, _text(entry), False))
        elif entry.get("removed") is True:
            entries.append((key, None, None, True))
        else:
            entries += [(key, cell, _text(one), False) for cell, one in entry.items()]
    rows.entries(element, said, entries)


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return canon.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
