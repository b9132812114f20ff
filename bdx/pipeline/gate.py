"""The gate at the border: what is written is weighed against profiles on its way, and goes out only if it has no gap."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx import formats, gaps, mapping
from bdx.canon import Chunk, Log
from bdx.errors import SinkError, UsageError
from bdx.formats.canonical import WriteOptions
from bdx.gaps.by_record import ByRecord
from bdx.gaps.profile import Profile
from bdx.gaps.result import GapResult
from bdx.pipeline.rejecting import Rejects
from bdx.pipeline.spilling import picked
from bdx.rules import Checker
from bdx.spec import FormatSpec

View = Callable[[Chunk], Chunk]
"""What of a chunk the target can hold."""


class GateError(SinkError):
    """What was to be written has gaps that a required profile does not allow; the destination is untouched (exit 1)."""

    exit_code = 1

    def __init__(self, message: str, results: Sequence[GapResult], log: Log) -> None:
        super().__init__(message)
        self.results = tuple(results)
        self.log = log


class Gate:
    """Profiles that everything written has to meet; without profiles everything passes.

    `category` is taken for every record where a profile tells categories apart, `as_of` is the day it is judged on.
    Raises: UsageError for an unknown profile, a category that none of them knows, and records to put aside without a place.
    """

    def __init__(
        self, profiles: Sequence[str], category: str | None, as_of: date | None, view: View, *, reject: str = "", each: bool = False
    ) -> None:
        _check(profiles, reject, each=each)
        self.profiles = [gaps.load(name) for name in dict.fromkeys(profiles)]
        if category is not None and self.profiles and not any(profile.categories for profile in self.profiles):
            self.profiles[0].category(category)
        self._category, self._as_of, self._view = category, as_of, view
        self._weighing = self._begun()

    def watch(self, stream: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks; what the target can hold of them is weighed."""
        for chunk in stream:
            if self.profiles:
                self._weighing.watch(self._view(chunk))
            yield chunk

    def finish(self) -> None:
        """Raise GateError where any profile has a gap, or had nothing to weigh."""
        if not self.profiles:
            return
        results, log = self._weighing.finish()
        failed = [result for result in results if result.has_gaps or not result.weighed]
        if failed:
            names = ", ".join(result.profile.id for result in failed)
            why = "has gaps" if any(result.has_gaps for result in failed) else "holds nothing that it binds"
            raise GateError(f"--require {names}: what would be written {why}; nothing was written", results, log)

    def each(self, stream: Iterable[Chunk], rejects: Callable[[], Rejects], target: FormatSpec, log: Log) -> Iterator[Chunk]:
        """Yield the chunks without the records that have gaps; these go to the rejects, in the shape of the target."""
        stopped = Stopped(self.profiles, target, log)
        for chunk in stream:
            if not self.profiles or "battery" not in chunk or not chunk["battery"].num_rows:
                yield chunk
                continue
            bad = self._bad(chunk, stopped)
            if not bad.any():
                yield chunk
                continue
            keys = chunk["battery"].column("battery_key")
            stopped.write(picked(chunk, pa.array(np.flatnonzero(bad))), rejects())
            rest = _without(chunk, pa.array(bad), keys)
            if rest:
                yield rest
        stopped.tell()

    def _begun(self) -> _Weighing:
        return _Weighing(self.profiles, self._category, self._as_of)

    def _bad(self, chunk: Chunk, stopped: Stopped) -> Any:
        """Return which records of a chunk have gaps: those that lack something, then those with a value that a rule blames."""
        held = self._view({table: batch for table, batch in chunk.items() if table not in ("source", "evidence")})
        found = np.zeros(chunk["battery"].num_rows, np.bool_)
        for profile in self.profiles:
            judge = ByRecord(profile, category=self._category if profile.categories else None, as_of=self._as_of)
            for what, mask in judge.lacking(held).items():
                stopped.note(profile, what, held["battery"].column("battery_key"), mask)
                found |= mask
        rest = np.flatnonzero(~found)
        found[list(self._invalid(held, rest, stopped))] = True
        return found

    def _invalid(self, held: Chunk, rows: Any, stopped: Stopped) -> Iterator[int]:
        """Yield the records among `rows` that have a gap when weighed alone, by halves: most chunks have none."""
        if not len(rows):
            return
        weighing = self._begun()
        some = picked(held, pa.array(rows))
        weighing.watch(some)
        results, _ = weighing.finish()
        failed = [result for result in results if result.has_gaps]
        if not failed:
            return
        if len(rows) == 1:
            result = failed[0]
            what = next(str(outcome.requirement.paths[0]) for outcome in result.outcomes if outcome.is_gap)
            stopped.note(result.profile, f"{what} (invalid)", some["battery"].column("battery_key"), np.ones(1, np.bool_))
            yield int(rows[0])
            return
        half = len(rows) // 2
        yield from self._invalid(held, rows[:half], stopped)
        yield from self._invalid(held, rows[half:], stopped)


class _Weighing:
    """One analysis for each profile, and the rules that tell invalid values."""

    def __init__(self, profiles: Sequence[Profile], category: str | None, as_of: date | None) -> None:
        self._log = Log()
        self._checker = Checker(self._log, "what would be written")
        self._analyses = [
            gaps.Analysis(profile, category=category if profile.categories else None, as_of=as_of, tier=None) for profile in profiles
        ]

    def watch(self, chunk: Chunk) -> None:
        for analysis in self._analyses:
            analysis.watch(chunk)
        self._checker.watch(chunk)

    def finish(self) -> tuple[list[GapResult], Log]:
        self._checker.finish()
        return [analysis.finish(self._log) for analysis in self._analyses], self._log


class Stopped:
    """The records that are put aside, as documents of the target on lines, and what they lack."""

    def __init__(self, profiles: Sequence[Profile], target: FormatSpec, log: Log) -> None:
        self._target, self._log = target, log
        self._lacks: dict[str, dict[str, int]] = {profile.id: {} for profile in profiles}
        self._first: dict[str, str] = {}
        self._counts: dict[str, set[str]] = {}
        self._total: dict[str, int] = dict.fromkeys(self._lacks, 0)

    def note(self, profile: Profile, what: str, keys: pa.Array, mask: Any) -> None:
        """Remember what some records lack for a profile."""
        lacks = self._lacks[profile.id]
        lacks[what] = lacks.get(what, 0) + int(mask.sum())
        named = keys.filter(pa.array(mask))
        self._first.setdefault(profile.id, str(named[0].as_py()))
        self._counts.setdefault(profile.id, set()).update(named.to_pylist())

    def write(self, chunk: Chunk, rejects: Rejects) -> None:
        """Write records to the rejects."""
        for name, keys in self._counts.items():
            self._total[name] += len(keys)
        self._counts = {}
        sink = io.BytesIO()
        if self._target.engine == "document":
            context = mapping.Context(source="rejected", source_id="s1", log=Log(), model=self._target.full_id)
            formats.engine(self._target).write(mapping.from_canonical(iter([chunk]), self._target, context), sink, self._target, lines=True)
        else:
            lines = formats.resolve("jsonl")
            formats.engine(lines).write_chunks(iter([chunk]), sink, lines, WriteOptions(table="battery", log=Log(), source="rejected"))
        for line in sink.getvalue().splitlines():
            if line.strip():
                rejects.keep(line)

    def tell(self) -> None:
        """Say for each profile how many records it stopped, and what they lack most."""
        for name, count in self._total.items():
            if count:
                worst = sorted(self._lacks[name].items(), key=lambda item: (-item[1], item[0]))
                shown = ", ".join(f"{what} ({number:,})" for what, number in worst[:5])
                more = f" and {len(worst) - 5} more" if len(worst) > 5 else ""
                facts: dict[str, Any] = {"profile": name, "value": self._first[name], "lacks": shown + more, "count": count}
                self._log.find("M185", source=f"--require {name}", table="battery", **facts)


def _check(require: Sequence[str], reject: str, *, each: bool) -> None:
    """Raise UsageError where --require-each has nothing to require or nowhere to put records."""
    if each and not require:
        raise UsageError("--require-each goes with --require PROFILE")
    if each and not reject:
        raise UsageError("--require-each puts records aside: give --reject FILE")


def _without(chunk: Chunk, bad: pa.Array, keys: pa.Array) -> Chunk:
    """Return a chunk without some of its records, their children and their evidence."""
    stopped = keys.filter(bad)
    found: Chunk = {}
    for table, batch in chunk.items():
        if table == "battery":
            kept = batch.filter(pc.invert(bad))
        elif table == "evidence":
            bare = pc.replace_substring_regex(batch.column("key"), r"#\d+$", "")
            gone = pc.or_(pc.is_in(batch.column("key"), value_set=stopped), pc.is_in(bare, value_set=stopped))
            kept = batch.filter(pc.invert(gone))
        elif "battery_key" in batch.schema.names:
            kept = batch.filter(pc.invert(pc.is_in(batch.column("battery_key"), value_set=stopped)))
        else:
            kept = batch
        if kept.num_rows:
            found[table] = kept
    return found
