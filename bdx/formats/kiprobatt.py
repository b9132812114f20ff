"""Process runs as JSON-LD graphs, one file or many with the tester files they name: one document per file, then the attached tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bdx import spec as specs
from bdx.canon import Document, Part
from bdx.errors import CorruptSource, SourceError, UnsafeSource
from bdx.formats import delimited
from bdx.formats.document_members import Member, everything, is_json
from bdx.formats.document_text import encoding
from bdx.formats.json_text import parse
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_SHOWN = 4


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield `Document("Graph", {"nodes": [...], "file": name}, name)` per file, those of a folder or ZIP in sorted order.

    After them, of each attached file that is a table of the format `attached`: `Document("Attached", {"file": name})` and its parts.
    A graph without nodes yields no document. Files that are neither are a loss.
    Raises: SourceError where a folder holds no such graph; CorruptSource, TruncatedSource, UnsafeSource with the file.
    """
    members = everything(source)
    if members is None:
        yield from _graph(source, spec, "", source)
        return
    runs = [member for member in members if is_json(member.name)]
    if not runs:
        raise SourceError("holds no JSON file", path=source.uri)
    for member in runs:
        yield from _member(member, spec, source)
    others: list[str] = []
    for member in members:
        if is_json(member.name):
            continue
        if _is_attached(member, spec):
            yield Document("Attached", {"file": member.name}, member.name)
            yield from delimited.read(member.open(), specs.format_spec(spec.raw["attached"]))
        else:
            others.append(member.name)
    if others:
        shown = ", ".join(others[:_SHOWN]) + (" and others" if len(others) > _SHOWN else "")
        source.log.lose(
            source.uri, "other files", f"neither a graph of process runs nor a table of {spec.raw['attached']}: {shown}", len(others)
        )


def _member(member: Member, spec: FormatSpec, source: Source) -> Iterator[Part]:
    """Yield the document of one file; one that cannot be read goes to `unread` where that is set."""
    try:
        opened = member.open()
        yield from _graph(opened, spec, member.name, source)
    except SourceError as error:
        if source.unread is None:
            raise
        source.unread(None, error, member.name)


def _graph(opened: Source, spec: FormatSpec, name: str, source: Source) -> Iterator[Part]:
    """Yield the nodes of one file, if it has any."""
    text = _text(opened, spec, name, source)
    if not text.strip():
        source.log.find("F306", source=source.uri, locator=name, value=name or "the file")
        return
    value = parse(text, opened.uri)
    nodes = _nodes(value)
    if nodes is None:
        if not name:
            raise CorruptSource("is JSON, but no graph of process runs: it has neither @context nor @graph", path=opened.uri)
        source.log.find("F307", source=source.uri, locator=name, value=name)
        return
    if not nodes:
        source.log.find("F306", source=source.uri, locator=name, value=name or "the file")
        return
    yield Document("Graph", {"nodes": nodes, "file": name}, name)


def _text(opened: Source, spec: FormatSpec, name: str, source: Source) -> bytes:
    """Return a file as UTF-8; one in another of the encodings is remarked on.

    Raises: UnsafeSource where it is too long, CorruptSource where it is in none of the encodings.
    """
    most = spec.raw["limits"]["file_bytes"]
    with opened.stream() as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise UnsafeSource(f"one file of more than {most:,} bytes", path=opened.uri)
    marked, skip = encoding(data[:4])
    usual, *others = spec.raw["encodings"] if marked == "utf-8" else (marked,)
    for found in (usual, *others):
        try:
            text = data[skip:].decode(found)
        except UnicodeDecodeError:
            continue
        if found != usual:
            source.log.find("F305", source=source.uri, locator=name, value=found, first=f", first {name}" if name else "")
        return text.encode("utf-8", "surrogatepass")
    raise CorruptSource(f"is in none of the encodings {', '.join((usual, *others))}", path=opened.uri)


def _nodes(value: Any) -> list[Any] | None:
    """Return the nodes of a JSON-LD document: of its graph, or the lone one it is; None for JSON that is no such document."""
    if isinstance(value, list):
        return value if any(isinstance(item, dict) and "@id" in item for item in value) else None
    if not isinstance(value, dict):
        return None
    graph = value.get("@graph")
    if graph is not None:
        return graph if isinstance(graph, list) else [graph]
    if "@id" in value:
        return [{key: item for key, item in value.items() if key != "@context"}]
    return [] if "@context" in value else None


def _is_attached(member: Member, spec: FormatSpec) -> bool:
    """Say whether a file is a table of the attached format, by its name and its first bytes."""
    if not member.name.lower().endswith(tuple(spec.raw["attached_names"])):
        return False
    return delimited.sniff(member.open().head, specs.format_spec(spec.raw["attached"]))
