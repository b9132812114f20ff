"""Folders as sources: a folder that is one source stays one, any other stands for the files of known formats in it."""

from __future__ import annotations

from collections.abc import Sequence

from bdx import formats
from bdx.canon import Log
from bdx.errors import SourceError, UnknownFormat, UnsupportedVersion
from bdx.formats import document_members
from bdx.formats.source import Source
from bdx.pipeline.evidence_file import ENDING
from bdx.pipeline.mapped import told
from bdx.pipeline.reading import Opened, ReadOptions, open_source

_NAMED = 3
_DESCRIPTOR = "datapackage.json"


def open_all(uris: Sequence[str], options: ReadOptions, log: Log) -> list[Opened]:
    """Return the sources that names stand for, numbered from 1: files by themselves, folders by what is in them, sorted by path.

    A data set or a folder of documents alone is one source. Files of no known format are left out, counted and named (M069).
    Raises: SourceError where a file cannot be read, or a folder holds nothing that is known.
    """
    found: list[Opened] = []
    for uri in uris:
        if uri == "-" or options.from_format:
            found.append(open_source(uri, len(found) + 1, options))
            continue
        source = Source(uri, Log())
        if not source.is_directory:
            found.append(open_source(uri, len(found) + 1, options))
            continue
        members = _members(source, options)
        if members is None:
            found.append(open_source(uri, len(found) + 1, options))
            continue
        _expanded(uri, members, options, found, log)
    return found


def _members(source: Source, options: ReadOptions) -> list[str] | None:
    """Return the files of a folder that is to be read file by file, data sets within as one; None for a folder that is one source."""
    assert source.path is not None
    if (source.path / _DESCRIPTOR).is_file():
        return None
    files = [member for member in document_members.everything(source) or [] if not member.name.endswith(ENDING)]
    sets = {member.folder for member in files if member.name.rpartition("/")[2] == _DESCRIPTOR}
    names: dict[str, None] = {}
    for member in files:
        within = next((folder for folder in sets if member.folder == folder or member.folder.startswith(f"{folder}/")), None)
        names.setdefault(str(source.path / (member.name if within is None else within)))
    try:
        whole = formats.detect(source)
    except SourceError:
        return list(names)
    if whole.engine == "dataset":
        return list(names)
    # Documents: one source, as long as nothing beside them is data of another kind.
    others = [str(source.path / member.name) for member in files if not document_members.is_json(member.name)]
    return list(names) if any(_known(name, options) for name in others) else None


def _known(name: str, options: ReadOptions) -> bool:
    try:
        told(Source(name, Log()), options.mapping)
    except SourceError:
        return False
    return True


def _expanded(folder: str, names: Sequence[str], options: ReadOptions, found: list[Opened], log: Log) -> None:
    unknown: list[str] = []
    before = len(found)
    for name in names:
        try:
            item = open_source(name, len(found) + 1, options)
        except (UnknownFormat, UnsupportedVersion):
            unknown.append(name)
            continue
        except SourceError as error:
            if type(error) is not SourceError:
                raise
            unknown.append(name)  # an empty file
            continue
        item.source.rest()
        found.append(item)
    if len(found) == before:
        # As it always was for a folder that holds nothing known.
        open_source(folder, before + 1, options)
        raise SourceError("holds no file of a known format", path=folder)
    if unknown:
        named = ", ".join(name.removeprefix(folder).lstrip("/\\") for name in unknown[:_NAMED])
        more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
        log.find("M069", source=folder, value=named + more, count=len(unknown))
