"""Many files as one source of documents: those of a folder or a ZIP, in sorted order; lone parts of one battery put together."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from bdx.errors import CorruptSource, SourceError
from bdx.formats import packed
from bdx.formats.document_parts import folded, lone_part, whole
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_NAMES = (".json", ".jsonl", ".ndjson", ".jsonld")
_PACKED = ("", ".gz", ".bz2", ".xz", ".zst")


@dataclass(slots=True)
class Member:
    """One file of a folder or of a ZIP; `name` is its path in there, with / between."""

    name: str
    holder: Source

    @property
    def folder(self) -> str:
        """The folder within, "" at the top."""
        return self.name.rpartition("/")[0]

    def open(self) -> Source:
        """Return the member as a source of its own, unpacked where it is packed.

        Raises: SourceError where it cannot be read.
        """
        uri = f"{self.holder.uri.rstrip('/')}/{self.name}"
        if self.holder.is_directory:
            assert self.holder.path is not None
            return Source(str(self.holder.path / self.name), self.holder.log)
        stream = packed.member(self.holder.seekable(), self.name, uri)
        found = Source("-", self.holder.log, stream)
        found.uri = uri
        return found


def members(source: Source, *, tell: bool = True) -> list[Member] | None:
    """Return the JSON files of a folder or of a ZIP, sorted by folder and name; None for a source that is one file itself.

    Files that are no JSON by their names are a loss, hidden ones are not looked at. Raises: SourceError where there is no JSON file.
    """
    shown = everything(source)
    if shown is None:
        return None
    wanted = [member for member in shown if is_json(member.name)]
    if not wanted:
        raise SourceError("holds no JSON file", path=source.uri)
    if tell and len(wanted) < len(shown):
        first = min(member.name for member in shown if not is_json(member.name))
        source.log.lose(source.uri, "other files", f"only JSON files are read; {first} is none by its name", len(shown) - len(wanted))
    return wanted


def everything(source: Source) -> list[Member] | None:
    """Return the files of a folder or of a ZIP, hidden ones aside, sorted by folder and name; None for a source that is one file."""
    if source.is_directory:
        assert source.path is not None
        names = [path.relative_to(source.path).as_posix() for path in source.path.rglob("*") if path.is_file()]
    elif source.head.startswith(b"PK\x03\x04") and not source.packing:
        names = _zipped(source)
    else:
        return None
    shown = [name for name in names if not any(step.startswith((".", "__MACOSX")) for step in PurePosixPath(name).parts)]
    return [Member(name, source) for name in sorted(shown, key=lambda name: (name.rpartition("/")[0], name))]


def is_json(name: str) -> bool:
    """Say whether a file is JSON or JSON lines by its name, packed or not."""
    lowered = name.lower()
    return any(lowered.endswith(kind + packing) for kind in _NAMES for packing in _PACKED)


def first(source: Source) -> Source | None:
    """Return the first JSON file of a folder or a ZIP by which its model is told; None where there is none."""
    try:
        found = members(source, tell=False)
    except SourceError:
        return None
    return found[0].open() if found else None


def _zipped(source: Source) -> list[str]:
    try:
        with source.seekable() as stream, zipfile.ZipFile(stream) as archive:
            return [item.filename for item in archive.infolist() if not item.is_dir()]
    except packed.ZIP_FAULTS as error:
        raise CorruptSource(f"is a damaged ZIP: {error}", path=source.uri) from error


class Parts:
    """The lone parts of one folder, until all of them are there."""

    def __init__(self, spec: FormatSpec, uri: str) -> None:
        self._spec = spec
        self._uri = uri
        self._held: list[tuple[str, str, dict[str, Any]]] = []

    def take(self, value: dict[str, Any], name: str) -> bool:
        """Keep a document of the file `name` if it is a lone part; say whether it is."""
        part = lone_part(value, self._spec)
        if part:
            self._held.append((name, part, value))
        return bool(part)

    def finish(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Yield one whole document per battery, with where it stood, and begin anew.

        Parts that differ are of one battery. Where one comes again, the names of the files without those of the parts tell.
        Raises: SourceError where they do not.
        """
        held, self._held = self._held, []
        kinds = {part for _, part, _ in held}
        if len(kinds) == len(held):
            batteries = [held] if held else []
        elif len(kinds) == 1:
            batteries = [[item] for item in held]
        else:
            groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
            for name, part, document in held:
                groups.setdefault(self._battery(name, part), []).append((name, part, document))
            batteries = list(groups.values())
            self._refuse_mixed(batteries)
        for battery in batteries:
            value: dict[str, Any] = {}
            for _, _, item in battery:
                value.update(whole(item, self._spec))
            yield value, battery[0][0] if len(battery) == 1 else f"{_shared([name for name, _, _ in battery])}*"

    def _refuse_mixed(self, batteries: list[list[tuple[str, str, dict[str, Any]]]]) -> None:
        for battery in batteries:
            seen: dict[str, str] = {}
            for name, part, _ in battery:
                if part in seen:
                    raise self._mixed(f"{seen[part]} and {name} are both {part}")
                seen[part] = name
        if all(len(battery) == 1 for battery in batteries):
            raise self._mixed("parts of several batteries stand in one folder")

    def _mixed(self, what: str) -> SourceError:
        advice = "give each battery a folder, or its files a common beginning before the name of the part"
        return SourceError(f"{what}, and nothing tells whose they are; {advice}", path=self._uri)

    def _battery(self, name: str, part: str) -> str:
        """Return what the name of a file says beside the name of its part."""
        stem = folded(PurePosixPath(name).name.partition(".")[0])
        also = next((row.get("also", ()) for row in self._spec.raw.get("part", ()) if row["name"] == part), ())
        for spelling in sorted((part, *also), key=len, reverse=True):
            if folded(spelling) in stem:
                return stem.replace(folded(spelling), "")
        return stem


def _shared(names: list[str]) -> str:
    """Return the beginning that names share."""
    low, high = min(names), max(names)
    return low[: next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]
