"""The registry of formats: one spec file registers one; engines are imported when first used.

A format's engine is a module of this package with up to three functions:

    read(source, spec) -> Iterator[Part]      vendor names and raw values, bounded batches
    write(parts, sink, spec) -> None          `sink` is a binary file opened for writing
    sniff(head, spec) -> bool                 only where magic bytes and signatures are not enough

A folder format (dataset) has `read_folder`/`write_folder` instead; they take a path.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from bdx import spec
from bdx.canon import Part
from bdx.errors import AmbiguousFormat, SourceError, UnknownFormat, UnsupportedVersion, UsageError, did_you_mean
from bdx.formats.source import Source
from bdx.spec import FormatSpec

__all__ = ["FormatSpec", "Source", "detect", "engine", "for_suffix", "read", "resolve", "write"]


def engine(format_spec: FormatSpec) -> Any:
    """Return the module that reads and writes a format."""
    return importlib.import_module(f"bdx.formats.{format_spec.engine.replace('-', '_')}")


def resolve(name: str) -> FormatSpec:
    """Return the format named `id` or `id@version`.

    Raises: UsageError for an unknown id; UnsupportedVersion for a version bdx does not know.
    """
    wanted, _, version = name.partition("@")
    found = {item.id: item for item in spec.formats()}
    if wanted not in found:
        raise UsageError(f"no format '{wanted}'{did_you_mean(wanted, found)}; `bdx formats` lists all")
    item = found[wanted]
    if version and version not in (item.version, *item.versions):
        known = ", ".join(item.versions or (item.version,)) or "none"
        raise UnsupportedVersion(f"format {wanted} has no version '{version}'; known: {known}")
    return item


def for_suffix(path: str) -> FormatSpec | None:
    """Return the writable format whose extension ends `path`, the longest extension first; None if there is none."""
    if path.endswith(("/", "\\")):
        return spec.format_spec("dataset")
    lowered = path.lower()
    best: tuple[int, FormatSpec] | None = None
    for item in spec.formats():
        for extension in item.extensions if item.writes else ():
            if lowered.endswith("." + extension) and (best is None or len(extension) > best[0]):
                best = (len(extension), item)
    return best[1] if best else None


def detect(source: Source) -> FormatSpec:
    """Return the format of a source by its bytes; the name of the file never decides.

    Magic bytes outrank signatures. A signature is the spec's own test of the first 64 KiB.
    Raises: UnknownFormat naming what was tried; AmbiguousFormat listing all that match; SourceError for no bytes.
    """
    if source.is_directory:
        return spec.format_spec("dataset")
    if not source.head:
        raise SourceError("is empty; expected data", path=source.uri)
    readable = [item for item in spec.formats() if item.reads]
    strong = [item for item in readable if _magic(source.head, item)]
    found = [item for item in strong if _signature(source, item, default=True)]
    if not found and not strong:
        found = [item for item in readable if not item.raw.get("magic") and _signature(source, item, default=False)]
    if len(found) > 1:
        best = max(item.raw.get("priority", 0) for item in found)
        found = [item for item in found if item.raw.get("priority", 0) == best]
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousFormat(f"matches {', '.join(item.id for item in found)}; choose one with -f", path=source.uri)
    if source.head.strip(b" \t\r\n\xef\xbb\xbf") in (b"[]", b"{}", b"[{}]"):
        raise SourceError("is JSON that holds no records", path=source.uri)
    tried = ", ".join(item.id for item in readable)
    raise UnknownFormat(f"no known format starts like {_show(source.head)}; tried {tried}", path=source.uri)


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield the parts of a source read as the given format."""
    if not format_spec.reads:
        raise UsageError(f"format {format_spec.id} can be written, not read")
    return engine(format_spec).read(source, format_spec)  # type: ignore[no-any-return]


def write(parts: Iterable[Part], sink: BinaryIO, format_spec: FormatSpec) -> None:
    """Write parts to an open binary file in the given format."""
    if not format_spec.writes:
        raise UsageError(f"format {format_spec.id} can be read, not written")
    engine(format_spec).write(parts, sink, format_spec)


def _magic(head: bytes, item: FormatSpec) -> bool:
    rows = item.raw.get("magic", ())
    return any(head[row["at"] :].startswith(bytes.fromhex(row["hex"])) for row in rows)


def _signature(source: Source, item: FormatSpec, *, default: bool) -> bool:
    """Test `contains` (any of the byte regexes, each a list that must all match), then the engine's own sniff."""
    patterns = item.raw.get("contains", ())
    if patterns:
        default = any(all(_regex(p).search(source.head) for p in group) for group in patterns)
        if not default:
            return False
    if item.raw.get("sniff"):
        return bool(engine(item).sniff(source.head, item))
    return default


def _regex(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


def _show(head: bytes) -> str:
    text = head[:32].decode("ascii", "replace")
    readable = all(letter.isprintable() or letter.isspace() for letter in text) and "\ufffd" not in text
    return repr(" ".join(text.split())) if readable else head[:12].hex(" ")
