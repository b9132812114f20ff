"""Gaps: the records of any sources held against one profile or several, in one pass, and against an earlier report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bdx import canon, gaps
from bdx.canon import Chunk, Log
from bdx.errors import UsageError
from bdx.gaps.contradictions import Contradiction, contradictions
from bdx.gaps.result import GapResult
from bdx.gaps.trend import Change, changes, standings
from bdx.pipeline.folders import open_all
from bdx.pipeline.joining import Gathered, gather, join
from bdx.pipeline.reading import Opened, ReadOptions, chunks
from bdx.rules import Checker

SCHEMA, SET = "bdx-gaps/1", "bdx-gaps-set/1"


@dataclass(frozen=True, slots=True)
class GapRun:
    """What one run found: a result per profile, where the profiles contradict one another, what changed since a baseline."""

    sources: tuple[str, ...]
    results: tuple[GapResult, ...]
    contradictions: tuple[Contradiction, ...] = ()
    baseline: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def has_gaps(self) -> bool:
        """Whether any profile has a gap among its mandatory requirements."""
        return any(result.has_gaps for result in self.results)

    @property
    def weighed(self) -> bool:
        """Whether every profile weighed anything."""
        return all(result.weighed for result in self.results)


def find_gaps(sources: Sequence[str | Path], profile: str, **wanted: Any) -> GapResult:
    """Return per requirement of a profile what the sources supply: present, derivable, invalid, missing, withheld, not applicable.

    `profile` is an id or a user's file; `category`, `as_of`, `tier`, `from_format`, `assume_tz`, `battery` as on the command line.
    Several sources are merged first, as `convert` does. Raises: UsageError, SourceError; SourceError where no record was read.
    """
    return find_all(sources, [profile], **wanted).results[0]


def find_all(
    sources: Sequence[str | Path],
    profiles: Sequence[str],
    *,
    category: str | None = None,
    as_of: date | None = None,
    tier: str | None = None,
    baseline: str = "",
    from_format: str | None = None,
    assume_tz: str | None = None,
    battery: str = "",
) -> GapRun:
    """Return what the sources supply of each profile, all in one pass.

    A category that one of several profiles does not tell apart is left out for that one.
    Raises: UsageError where a category fits none of the profiles, or the baseline is no gap report; SourceError.
    """
    known = standings(_documents(baseline)) if baseline else {}
    analyses = _analyses(profiles, category, as_of, tier)
    _check_baseline(baseline, known, [analysis.profile.id for analysis in analyses])
    options = ReadOptions(from_format=from_format, assume_tz=assume_tz, steps=True)
    log = Log()
    opened = open_all([str(uri) for uri in sources], options, log)
    if not opened:
        raise UsageError("no source given")
    checker = Checker(log, opened[0].uri)
    for chunk in merged(opened, options, log, battery):
        for analysis in analyses:
            analysis.watch(chunk)
        checker.watch(chunk)
    checker.finish()
    for item in opened:
        log.merge(item.log, item.uri)
    names = {item.id: item.uri for item in opened}
    results = tuple(analysis.finish(log, names) for analysis in analyses)
    found = contradictions([analysis.profile for analysis in analyses], category) if len(analyses) > 1 else ()
    return GapRun(tuple(item.uri for item in opened), results, found, baseline, tuple(changes(known, results)))


def _check_baseline(path: str, known: Mapping[tuple[str, str], Any], profiles: Sequence[str]) -> None:
    """Raise UsageError where an earlier report is about other profiles: nothing could have changed since."""
    before = sorted({profile for profile, _ in known})
    if path and not set(before) & set(profiles):
        raise UsageError(f"{path} reports on {', '.join(before) or 'no profile'}, not on {', '.join(profiles)}")


def _analyses(profiles: Sequence[str], category: str | None, as_of: date | None, tier: str | None) -> list[gaps.Analysis]:
    loaded = [gaps.load(name) for name in dict.fromkeys(profiles)]
    fits = [profile for profile in loaded if profile.categories]
    if category is not None and not fits:
        loaded[0].category(category)
    return [gaps.Analysis(profile, category=category if profile.categories else None, as_of=as_of, tier=tier) for profile in loaded]


def merged(opened: Sequence[Opened], options: ReadOptions, log: Log, battery: str) -> Iterator[Chunk]:
    """Yield the chunks of sources: those of a lone passport as they are, of several joined as `convert` joins them."""
    if len(opened) == 1 and opened[0].format.world in ("passport", "canonical"):
        yield from chunks(opened[0], options)
        return
    gathered: list[Gathered] = []
    for item in opened:
        yield from gather(item, options, gathered)
    if len(opened) == 1:
        # One cycler or factory file alone: what it could supply is derivable, not present.
        yield {"battery": canon.from_rows("battery", [{"battery_key": f"{opened[0].id}:1"}])}
        return
    yield from join(gathered, log, battery)


def _documents(path: str) -> list[dict[str, Any]]:
    """Return the reports that a file of `bdx gaps -O json` holds."""
    try:
        document = json.loads(Path(path).read_text("utf-8"))
        found = document["results"] if document["schema"] == SET else [document]
        if {item["schema"] for item in found} != {SCHEMA}:
            raise UsageError(f"{path}: schema is '{document['schema']}', expected {SCHEMA} or {SET}")
        standings(found)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no report of bdx gaps -O json: it is no text") from error
    except ValueError as error:
        raise UsageError(f"{path} is no report of bdx gaps -O json, or is cut off: {error}") from error
    except KeyError as error:
        raise UsageError(f"{path} is no report of bdx gaps -O json: it has no {error}") from error
    except (TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is no report of bdx gaps -O json: it is JSON of another shape") from error
    return found  # type: ignore[no-any-return]
