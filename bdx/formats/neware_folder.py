"""Loose .ndc files of a BTS server folder: the file that holds the records is read, and those beside it are found by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bdx import spec as specs
from bdx.canon import Log, Part
from bdx.errors import SourceError, UnsafeSource
from bdx.formats.neware_blocks import BLOCK
from bdx.formats.neware_run import Run
from bdx.formats.source import Source
from bdx.spec import FormatSpec

_MAIN = "data.ndc"
_MAX_BYTES = 4 << 30
_MAX_VERSION = 40
_HEADER = 160
_TAIL = re.compile(r"_(?:runInfo|step|log|es|AUX_\d+_\d+_\d+|\d{1,3})(?=\.ndc$)", re.IGNORECASE)
_BESIDE = re.compile(r"_(?:runInfo|step|log|es|AUX_\d+_\d+_\d+)\.ndc")


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether a file starts like the header block of an .ndc and goes on, if it does, with a block of the rows its kind has."""
    kinds = {int(number) for number in spec.raw["others"]} | set(spec.raw["main"])
    if len(head) < _HEADER or head[0] not in kinds or not 0 < head[2] <= _MAX_VERSION:
        return False
    if head[1] or head[3:8] != b"\0\1\0\0\0" or any(head[16:_HEADER]):
        return False
    return len(head) < BLOCK + 2 or head[BLOCK : BLOCK + 2] == bytes([head[0] + 1, 0])


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield what the main file and the files beside it say of a test as `info`, then all records as one table.

    Raises: SourceError for a file that belongs to a test but holds no records, naming the one that does; CorruptSource,
    UnsupportedVersion; TruncatedSource after the last whole record of a file that was cut.
    """
    folder = Folder(source)
    what = spec.raw["others"].get(str(folder.kind))
    if what is not None:
        raise SourceError(f"holds {what} of a test, not its records; open {folder.named_main} instead", path=source.uri)
    yield from Run(source, specs.format_spec(spec.raw["shares"]).raw, folder).parts()


class Folder:
    """The files of one test under the names they have in an archive (`data.ndc`, `data_step.ndc`)."""

    def __init__(self, source: Source) -> None:
        self.fault: tuple[str, int | str] | None = None
        self.partial = ""
        self.absent = "there is no such file beside it" if source.path else "standard input has no files beside it"
        self._uri = source.uri
        with source.seekable() as file:
            size = file.seek(0, 2)
            if size > _MAX_BYTES:
                raise UnsafeSource(f"holds {size} bytes; expected records of one test", path=source.uri)
            file.seek(0)
            self._main = file.read()
        self._stem = source.path.name.removesuffix(source.path.suffix) if source.path else "data"
        self.members: dict[str, Any] = {_MAIN: source.path}
        if source.path is not None:
            for path in sorted(source.path.parent.glob(f"{_escaped(self._stem)}_*.ndc")):
                if _BESIDE.fullmatch(path.name[len(self._stem) :]):
                    self.members["data" + path.name[len(self._stem) :]] = path

    @property
    def kind(self) -> int:
        """What the opened file holds, by its first byte."""
        return self._main[0] if self._main else -1

    @property
    def named_main(self) -> str:
        """Name of the file of the same test that holds the records."""
        return _TAIL.sub("", f"{self._stem}.ndc") if self.members[_MAIN] else "the file without such an ending"

    def label(self, name: str) -> str:
        """Return what a member is called where it lies."""
        return self._stem + name.removeprefix("data") if self.members[_MAIN] else name

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises: SourceError where the file cannot be read.
        """
        path: Path | None = self.members[name]
        if name == _MAIN or path is None:
            return self._main
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise UnsafeSource(f"holds {path.stat().st_size} bytes; expected facts of one test", path=str(path))
            return path.read_bytes()
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror or error}", path=str(path)) from error

    def xml(self, name: str, log: Log) -> dict[str, Any]:
        """Return nothing: a server folder holds no XML."""
        return {}


def _escaped(stem: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", stem)
