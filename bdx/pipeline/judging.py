"""Cycler files on their way: held to the rules that count even where records are only carried."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.canon import Chunk
from bdx.errors import MappingError
from bdx.pipeline.reading import Opened
from bdx.rules import Checker

ON_THE_WAY = ("T001", "T002", "U001", "U002", "U003", "E009")
"""Rules that a cycler file is held to even where it is only carried: time that runs back, a wrong unit, values no battery has."""


def judged(item: Opened, stream: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks of a source; those of an instrument are watched by the rules of ON_THE_WAY.

    Raises: MappingError where nothing shows the sign of current: within the stream, so that no writer ends it as whole.
    """
    if item.format.world != "instrument":
        yield from stream
        return
    checker = Checker(item.log, item.uri, ON_THE_WAY)
    for chunk in stream:
        checker.watch(chunk)
        yield chunk
    checker.finish()
    unproven = next((found for found in item.log.findings if found.code == "M020"), None)
    if unproven is not None:
        raise MappingError(f"{item.uri}: {unproven.message}")
