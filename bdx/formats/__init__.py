"""The registry of formats: one spec file registers one; engines are imported when first used.

A format's engine is a module of this package with up to three functions:

    read(source, spec) -> Iterator[Part]      vendor names and raw values, bounded batches
    write(parts, sink, spec) -> None          `sink` is a binary file opened for writing
    sniff(head, spec) -> bool                 only where magic bytes and signatures are not enough
    sniff_source(source, spec) -> bool        instead, for containers whose table of contents may stand anywhere
    near(head, spec) -> (score, lacks)        how near a head comes to the format (0 to 1), and what it lacks

A folder format (dataset) has `read_folder`/`write_folder` instead; they take a path.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from bdx import spec
from bdx.canon import Part
from bdx.errors import AmbiguousFormat, SourceError, UnknownFormat, UnsupportedVersion, UsageError, did_you_mean
from bdx.formats import document_members
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

__all__ = ["Candidate", "FormatSpec", "Source", "candidates", "detect", "engine", "for_suffix", "read", "refusal", "resolve", "write"]

NEAR = 0.5
"""From this score on a format that does not fit is worth naming."""

NEXT_MEMBERS = 8
"""So many JSON files of a folder may tell its format."""


@dataclass(slots=True)
class Candidate:
    """A format that a source could be: score 1 where everything fits, less where something is lacking."""

    format: FormatSpec
    score: float
    lacks: list[str]


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
    return replace(item.release(version), pinned=True) if version else item


def for_suffix(path: str) -> FormatSpec | None:
    """Return the writable format whose extension ends `path`, the longest extension first; None if there is none."""
    if path.endswith(("/", "\\")):
        return spec.format_spec("dataset")
    lowered = path.lower()
    best: tuple[int, FormatSpec] | None = None
    for item in spec.formats():
        for extension in item.raw.get("written", item.extensions) if item.writes else ():
            if lowered.endswith("." + extension) and (best is None or len(extension) > best[0]):
                best = (len(extension), item)
    return best[1] if best else None


def detect(source: Source) -> FormatSpec:
    """Return the format of a source by its bytes; the name of the file never decides.

    Magic bytes outrank signatures. A signature is the spec's own test of the first 64 KiB. A ZIP that is no format itself and
    holds one file is read as that file; a ZIP of several, or a folder that is no data set, is of the format of its first JSON file.
    Raises: UnknownFormat naming the nearest; UnsupportedVersion for what is known and not read, with advice; AmbiguousFormat
    listing all that match; SourceError for no bytes.
    """
    if source.is_directory:
        dataset = spec.format_spec("dataset")
        return dataset if engine(dataset).sniff_folder(source.uri) else _by_members(source) or dataset
    if not source.head:
        raise SourceError("is empty; expected data", path=source.uri)
    found = _fitting(source)
    if not found and source.unzip():
        return detect(source)
    if not found and (inside := _by_members(source)) is not None:
        return inside
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousFormat(f"matches {', '.join(item.id for item in found)}; choose one with -f", path=source.uri)
    raise _unknown(source)


def _by_members(source: Source) -> FormatSpec | None:
    """Return the format of the first JSON file in a folder or ZIP that reads many files; None where there is none of a format known.

    Raises: UnknownFormat where the first JSON file is of no known format, and none of the next is of one that reads whole folders.
    """
    first = document_members.first(source)
    if first is None:
        return None
    try:
        found = detect(first)
    except SourceError:
        inside = next((item for item in _next_members(source) if item.raw.get("folder")), None)
        if inside is None:
            raise
        return inside
    return found if found.engine == "document" or found.raw.get("folder") else None


def _next_members(source: Source) -> Iterator[FormatSpec]:
    """Yield the formats of the JSON files after the first, a few of them, where they are known."""
    for member in (document_members.members(source, tell=False) or [])[1:NEXT_MEMBERS]:
        try:
            yield detect(member.open())
        except SourceError:
            continue


def _fitting(source: Source) -> list[FormatSpec]:
    """Return the formats whose magic bytes or signature fit; of several, those of the highest priority."""
    readable = [item for item in spec.formats() if item.reads]
    strong = [item for item in readable if _magic(source.head, item.raw)]
    found = [item for item in strong if _signature(source, item, default=True)]
    if not found and not strong:
        found = [item for item in readable if not item.raw.get("magic") and _signature(source, item, default=False)]
    best = max((item.raw.get("priority", 0) for item in found), default=0)
    return [item for item in found if item.raw.get("priority", 0) == best]


def _unknown(source: Source) -> SourceError:
    """Return the error for a source that no format fits: what it is known to be, else what it comes nearest to."""
    if source.head.strip(b" \t\r\n\xef\xbb\xbf") in (b"[]", b"{}", b"[{}]"):
        return SourceError("is JSON that holds no records", path=source.uri)
    if not source.head.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        return SourceError("holds nothing but blanks; expected data", path=source.uri)
    known = refusal(source)
    if known is not None:
        return UnsupportedVersion(f"is {known['title']}, which is not read; {known['advice']}", path=source.uri)
    nearest = next(iter(candidates(source)), None)
    if nearest is not None and nearest.score >= NEAR:
        lacks = "; ".join(nearest.lacks)
        return UnknownFormat(f"is no known format; {nearest.format.id} is nearest but lacks {lacks} (see bdx doctor)", path=source.uri)
    return UnknownFormat(f"no known format starts like {_show(source.head)} (bdx doctor says what was tried)", path=source.uri)


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


def candidates(source: Source) -> list[Candidate]:
    """Return the formats that the first bytes come near to, best first; a format that fits has score 1 and lacks nothing."""
    found = []
    for item in spec.formats():
        if not item.reads or source.is_directory:
            continue
        strong = _magic(source.head, item.raw)
        if strong != bool(item.raw.get("magic")):
            continue
        score, lacks = _near(source, item)
        if strong or score > 0:
            found.append(Candidate(item, score, lacks))
    return sorted(found, key=lambda candidate: (-candidate.score, -candidate.format.raw.get("priority", 0), candidate.format.id))


def refusal(source: Source) -> Facts | None:
    """Return what a source is known to be, of the kinds that are not read, or None."""
    for row in spec.refusals():
        known = bool(row.get("magic") or row.get("contains"))
        if known and _magic(source.head, row) == bool(row.get("magic")) and _contains(source.head, row, default=True):
            return row
    return None


def _near(source: Source, item: FormatSpec) -> tuple[float, list[str]]:
    """Return how near a source comes to one format, and what it lacks."""
    if _signature(source, item, default=bool(item.raw.get("magic"))):
        return 1.0, []
    module = engine(item)
    if hasattr(module, "near"):
        score, lacks = module.near(source.head, item)
        if item.raw.get("contains") and not _contains(source.head, item.raw, default=True):
            score /= 2  # Its names are anybody's: what marks its maker is not there.
        return min(float(score), 0.99), list(lacks) or ["what marks it beside its header"]
    return (0.3, ["the signature of its layout"]) if item.raw.get("magic") else (0.0, [])


def _magic(head: bytes, row: Facts) -> bool:
    return any(head[place["at"] :].startswith(bytes.fromhex(place["hex"])) for place in row.get("magic", ()))


def _contains(head: bytes, row: Facts, *, default: bool) -> bool:
    """Test `contains`: byte regexes, each a list that must all match, any of which will do; `default` where there are none."""
    patterns = row.get("contains", ())
    return any(all(_regex(p).search(head) for p in group) for group in patterns) if patterns else default


def _signature(source: Source, item: FormatSpec, *, default: bool) -> bool:
    """Test `contains`, then the engine's own sniff."""
    fits = _contains(source.head, item.raw, default=default)
    if item.raw.get("contains") and not fits:
        return False
    if not item.raw.get("sniff"):
        return fits
    module = engine(item)
    return bool(module.sniff_source(source, item) if hasattr(module, "sniff_source") else module.sniff(source.head, item))


def _regex(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


def _show(head: bytes) -> str:
    text = head[:32].decode("ascii", "replace")
    readable = all(letter.isprintable() or letter.isspace() for letter in text) and "\ufffd" not in text
    return repr(" ".join(text.split())) if readable else head[:12].hex(" ")
