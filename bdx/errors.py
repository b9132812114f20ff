"""Every way bdx itself can fail; faults of the data are findings, not exceptions.

BdxError                        exit 2
  UsageError                    exit 2   unknown id, option clash
  SpecError                     exit 2   a spec file, the key, what is wrong
  SourceError(path, offset)     exit 3   a source cannot be read
    UnknownFormat                        no format matches the bytes
    AmbiguousFormat                      more than one does
    UnsupportedVersion                   the format is known, this version is not
    CorruptSource                        bytes contradict the format
    TruncatedSource                      bytes end too early
    UnsafeSource                         bytes would harm the reader (bombs, entities, depth)
  MappingError                  exit 3   no canonical meaning: unit unknown, target missing
  SinkError                     exit 4   the destination cannot hold or take the data
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BdxError(Exception):
    """Base of all errors that bdx raises on purpose; `exit_code` is what the command returns."""

    exit_code = 2


class UsageError(BdxError):
    """The caller asked for something that does not exist or does not fit together."""


class SpecError(BdxError):
    """A spec file is missing, malformed or contradicts its meta schema."""


class SourceError(BdxError):
    """A source cannot be read; `path` and `offset` (bytes, or a locator such as "line 7") say where."""

    exit_code = 3

    def __init__(self, message: str, *, path: str = "", offset: int | str | None = None) -> None:
        self.path = path
        self.offset = offset
        where = path
        if offset is not None:
            place = f"byte {offset}" if isinstance(offset, int) else offset
            where = f"{path}: {place}" if path else place
        super().__init__(f"{where}: {message}" if where else message)


class UnknownFormat(SourceError):
    """No format matches the bytes."""


class AmbiguousFormat(SourceError):
    """More than one format matches the bytes."""


class UnsupportedVersion(SourceError):
    """The format is known, the version is not."""


class CorruptSource(SourceError):
    """The bytes contradict the format."""


class TruncatedSource(SourceError):
    """The bytes end before the format says they should."""


class UnsafeSource(SourceError):
    """Reading on would endanger the reader: archive bombs, XML entities, excessive depth."""


class MappingError(BdxError):
    """A vendor field cannot be given its canonical meaning."""

    exit_code = 3


class SinkError(BdxError):
    """The destination cannot hold or take the data; it was left untouched."""

    exit_code = 4


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known word, whatever its case, or an empty string."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return f" (did you mean '{folded[near[0]]}'?)" if near else ""
