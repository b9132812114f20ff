"""Gaps as a table that a spreadsheet opens: one requirement of one profile per row."""

from __future__ import annotations

import csv
import io

from bdx.pipeline.gap_run import GapRun
from bdx.report.gaps_text import words

_COUNTS = ("present", "derivable", "missing", "invalid", "withheld", "not applicable")
_HEAD = ("profile", "id", "section", "name", "status", "gap", "strength", *(name.replace(" ", "_") for name in _COUNTS))
_TAIL = ("columns", "basis", "from", "tier", "level", "supplier", "next_step", "condition", "lacking", "hints", "verified")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(run: GapRun) -> str:
    """Return RFC 4180 text in UTF-8 order of the profiles; a cell that a spreadsheet would run as a formula is quoted with '."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow((*_HEAD, *_TAIL))
    for result in run.results:
        for outcome in result.outcomes:
            wanted = outcome.requirement
            cells = [
                *(result.profile.id, wanted.id, wanted.section, wanted.name, outcome.status, str(outcome.is_gap).lower(), outcome.strength),
                *(str(outcome.records.get(name, 0)) for name in _COUNTS),
                *(" & ".join(" | ".join(map(str, need)) for need in wanted.needs), wanted.basis, str(wanted.due or ""), wanted.tier),
                *(wanted.level, ", ".join(map(words, wanted.supplier)), wanted.action, wanted.condition),
                *("; ".join(f"{need} ({count})" for need, count in outcome.lacking.items()), "; ".join(outcome.hints)),
                str(wanted.verified).lower(),
            ]
            writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return out.getvalue()
