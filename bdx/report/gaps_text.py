"""What `bdx gaps` prints for people: coverage by section, then each gap with its basis, its supplier and the next step."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from bdx.gaps.result import STATUSES, GapResult, Outcome
from bdx.pipeline.gap_run import GapRun

WIDTH = 100
_COLOURS = {"invalid": "31", "missing": "31", "derivable": "33", "withheld": "36", "present": "32"}
_INITIALS = ("bms", "lca", "mes")
COLUMNS = ("present", "derivable", "missing", "invalid", "withheld", "not applicable")


def render(run: GapRun, color: bool = False) -> str:
    """Return a run as a page of text, 100 columns wide, with ANSI colours only if asked: each profile, contradictions, what changed."""
    pages = [_page(result, color) for result in run.results]
    if found := "\n".join(_contradictions(run, color)):
        pages.append(found + "\n")
    if run.baseline:
        pages.append("\n".join(_changes(run, color)) + "\n")
    return "\n".join(pages)


def coverage(result: GapResult) -> list[tuple[str, list[int]]]:
    """Return requirements per section and status, in the order of `COLUMNS`; the last row is all of them."""
    sections = dict.fromkeys(outcome.requirement.section for outcome in result.outcomes)
    found = []
    for section in (*sections, ""):
        statuses = [outcome.status for outcome in result.outcomes if section in ("", outcome.requirement.section)]
        found.append((section or "all", [statuses.count(status) for status in COLUMNS]))
    return found


def _contradictions(run: GapRun, color: bool) -> Iterator[str]:
    if run.contradictions:
        yield _paint(f"The profiles contradict one another in {_count(len(run.contradictions), 'place')}", "1", color)
    for found in run.contradictions:
        yield from _wrap("  ", found.text)


def _changes(run: GapRun, color: bool) -> Iterator[str]:
    yield _paint(f"Since {run.baseline}: " + (_count(len(run.changes), "change") if run.changes else "nothing changed"), "1", color)
    for change in run.changes:
        passed = " -> ".join(filter(None, (change.before, change.after)))
        code = "31" if change.kind in ("opened", "worse", "new") else "32"
        yield f"  {_paint(change.kind.ljust(7), code, color)} {change.id:<7} {change.name}: {passed}"


def _page(result: GapResult, color: bool) -> str:
    blocks = [_header(result, color), _coverage(result, color)]
    blocks += [_gaps(result, color), _derivable(result, color), _lesser(result, color), _rest(result)]
    return "\n\n".join("\n".join(block) for block in (list(block) for block in blocks) if block) + f"\n\n{_last(result, color)}\n"


def brief(result: GapResult) -> list[str]:
    """Return the two or three lines a conversion says about the gaps of what it wrote."""
    if not result.weighed:
        why = _list(f"{count:,} {reason}" for reason, count in result.outside.items()) or "no requirement binds these records"
        return [f"gaps: {result.profile.id}: nothing weighed: {why}"]
    gaps = [outcome.requirement for outcome in result.outcomes if outcome.is_gap]
    met = sum(outcome.strength == "mandatory" and outcome.status == "present" for outcome in result.outcomes)
    head = f"gaps: {result.profile.id}: {_count(len(gaps), 'mandatory requirement')} not met, {met} met"
    return [head, *_wrap("  ", _list(f"{wanted.id} {wanted.name}" for wanted in gaps))]


def _header(result: GapResult, color: bool) -> Iterator[str]:
    profile = result.profile
    yield _paint(f"{profile.id} {profile.version}: {profile.title}", "1", color)
    yield from _wrap("  source    ", profile.source)
    if profile.categories:
        met = ", ".join(f"{name} {count:,}" for name, count in result.categories.items())
        yield from _wrap("  category  ", f"{result.category}, given for every record" if result.category else met or "not known")
    if any(outcome.requirement.due for outcome in result.outcomes):
        yield f"  as of     {result.as_of or 'no day given: every requirement counts as in force'}"
    if result.tier:
        yield f"  viewer    {words(result.tier)}"
    weighed = "" if result.assessed == result.records else f", {result.assessed:,} of them weighed"
    yield f"  records   {result.records:,}{weighed}"
    for note in (*result.notes, *filter(None, [profile.note])):
        yield from _wrap("  note      ", note)


def _coverage(result: GapResult, color: bool) -> Iterator[str]:
    found = coverage(result)
    width = max(len("requirements"), *(len(section) for section, _ in found)) + 2
    heads = [status.replace("not applicable", "n/a") for status in COLUMNS]
    yield _paint("requirements".ljust(width) + "".join(head.rjust(11) for head in heads), "1", color)
    for section, counts in found:
        cells = zip(COLUMNS, counts, strict=True)
        yield section.ljust(width) + "".join(
            _paint(f"{n or '.':>11}", _COLOURS.get(status, "") if n else "2", color) for status, n in cells
        )


def _gaps(result: GapResult, color: bool) -> Iterator[str]:
    gaps = [outcome for outcome in result.outcomes if outcome.is_gap]
    if not gaps:
        return
    yield _paint(f"Gaps: {_count(len(gaps), 'mandatory requirement')} not met", "1", color)
    told: dict[str, str] = {}
    for outcome in gaps:
        wanted = outcome.requirement
        due = f"; from {wanted.due}" if wanted.due else ""
        yield from _title(outcome, color)
        yield from _wrap(" " * 10, f"{wanted.basis}; {words(wanted.tier)}{due}; can come from {_list(map(words, wanted.supplier))}")
        if outcome.faults:
            yield from _wrap(" " * 10, f"faults {_list(outcome.faults)} were found in {_list(_tables(outcome))}")
        lacking = outcome.lacking or ([] if outcome.faults else [" | ".join(map(str, need)) for need in wanted.needs])
        for need in lacking:
            yield from _wrap(" " * 10 + "lacks ", need.replace(" | ", " or "))
        yield from _wrap(" " * 10 + "-> ", wanted.action)
        for hint in outcome.hints:
            yield from _wrap(" " * 10 + "-> ", hint)
        if wanted.note:
            first = told.setdefault(wanted.note, wanted.id)
            yield from _wrap(" " * 10, wanted.note if first == wanted.id else f"Note: as {first}.")


def _derivable(result: GapResult, color: bool) -> Iterator[str]:
    found = [outcome for outcome in result.outcomes if outcome.derivations and not outcome.is_gap]
    if found:
        yield _paint(f"Derivable: bdx convert can compute {len(found)} from what was read", "1", color)
    for outcome in found:
        yield from _title(outcome, color)
        for method in outcome.derivations:
            yield from _wrap(" " * 10 + "by ", method)


def _lesser(result: GapResult, color: bool) -> Iterator[str]:
    found = [o for o in result.outcomes if o.status in ("missing", "invalid") and not o.is_gap]
    if found:
        yield _paint(f"Missing or invalid, but asked for only in some cases: {len(found)}", "1", color)
    for outcome in found:
        yield from _title(outcome, color)
        wanted = outcome.requirement
        if outcome.faults:
            yield from _wrap(" " * 10, f"faults {_list(outcome.faults)} were found in {_list(_tables(outcome))}")
        why = wanted.condition if outcome.strength == "conditional" else f"optional, {wanted.condition}" if wanted.condition else "optional"
        yield from _wrap(" " * 10, f"{why} ({wanted.basis}) -> {wanted.action}")


def _rest(result: GapResult) -> Iterator[str]:
    withheld = [outcome.requirement.id for outcome in result.outcomes if outcome.status == "withheld"]
    if withheld and result.tier:
        yield from _wrap("Withheld from ", f"{words(result.tier)}: {_ids(withheld)}")
    reasons: dict[str, list[str]] = {}
    for outcome in result.outcomes:
        if outcome.status == "not applicable":
            reasons.setdefault(" or ".join(outcome.reasons), []).append(outcome.requirement.id)
    if reasons:
        yield from _wrap("Not applicable: ", "; ".join(f"{reason}: {_ids(ids)}" for reason, ids in reasons.items()))


def _last(result: GapResult, color: bool) -> str:
    summary = result.summary
    counts = ", ".join(f"{count} {status}" for status, count in summary["statuses"].items() if count)
    verdict = _count(summary["gaps"], "gap") if result.has_gaps else "no gaps" if result.weighed else "nothing weighed"
    code = "32" if result.weighed and not result.has_gaps else "31"
    return f"{_paint(verdict, code, color)}; {_count(summary['requirements'], 'requirement')}: {counts}"


def _title(outcome: Outcome, color: bool) -> Iterator[str]:
    """Yield the line that names a requirement, with its records at the right."""
    said = told(outcome)
    name = f"  {outcome.requirement.id:<7} {outcome.requirement.name}"
    space = max(2, WIDTH - len(name) - len(said))
    yield name + " " * space + _paint(said, _COLOURS.get(outcome.status, ""), color)


def told(outcome: Outcome) -> str:
    """Return how a requirement stands: its status, or of many records how many are short of it."""
    counts = {status: outcome.records.get(status, 0) for status in STATUSES[:3]}
    weighed = sum(count for status, count in outcome.records.items() if status not in ("not applicable", "withheld"))
    if weighed <= 1:
        return outcome.status
    return ", ".join(f"{status} {count:,}" for status, count in counts.items() if count) + f" of {weighed:,}"


def _tables(outcome: Outcome) -> list[str]:
    return list(dict.fromkeys(f"{path.table}.{path.column}" for path in outcome.requirement.paths))


def words(name: str) -> str:
    """Return an id of a tier or supplier as people write it."""
    return name.upper() if name in _INITIALS else name.replace("_", " ")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _ids(names: list[str]) -> str:
    """Return ids with runs of three and more written as "ec-1 to ec-5"."""
    runs: list[list[str]] = []
    for name in names:
        stem, _, number = name.rpartition("-")
        follows = runs and number.isdecimal() and runs[-1][-1] == f"{stem}-{int(number) - 1}"
        if follows:
            runs[-1].append(name)
        else:
            runs.append([name])
    return _list(f"{run[0]} to {run[-1]}" if len(run) > 2 else _list(run) for run in runs)


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


def _wrap(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False
    )


def _paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color and code else text
