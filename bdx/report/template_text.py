"""What `bdx template` prints: the header of a sheet, and what each of its columns means."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from bdx.pipeline.templating import EXPLAINED, Entry, explanation


def header(entries: Sequence[Entry]) -> str:
    """Return the header line of a sheet."""
    return ",".join(entry.name for entry in entries) + "\n"


def explained(entries: Sequence[Entry], form: str) -> str:
    """Return what each column means, as text, markdown or csv."""
    if form == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(EXPLAINED)
        writer.writerows(explanation(entry) for entry in entries)
        return text.getvalue()
    if form == "markdown":
        rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in explanation(entry)) + " |" for entry in entries]
        return "\n".join(["| " + " | ".join(EXPLAINED) + " |", "|" + "---|" * len(EXPLAINED), *rows]) + "\n"
    return "\n".join(_text(entries)) + "\n"


def _text(entries: Sequence[Entry]) -> list[str]:
    lines: list[str] = []
    section = ""
    for entry in entries:
        if entry.section != section:
            section = entry.section
            lines += [*([""] if lines else []), section.upper()]
        kind = f"{entry.type} in {entry.unit}" if entry.unit else entry.type
        lines.append(f"  {entry.name}  ({kind})")
        lines.append(f"      {entry.meaning}")
        facts = [entry.law, entry.tier.replace("_", " "), f"from {', '.join(entry.supplier)}" if entry.supplier else ""]
        told = "; ".join(fact for fact in facts if fact)
        lines += [f"      {told}"] if told else []
        lines += [f"      {'one of' if entry.strict else 'such as'}: {', '.join(entry.words)}"] if entry.words else []
        lines += [f"      {entry.needed}"] if entry.needed else []
    return lines
