"""What `bdx doctor` prints: how a file begins, the formats it comes near to, what a reading shows, and what to do next."""

from __future__ import annotations

import dataclasses
import json

from bdx.pipeline.doctoring import DoctorResult
from bdx.report.words import plural, times

WIDTH = 100


def render(result: DoctorResult, color: bool = False) -> str:
    """Return the result as a page of text."""
    lines = [f"\033[1m{result.source}\033[0m" if color else result.source]
    packed = f", {result.packing}" if result.packing else ""
    size = f"{result.bytes:,} bytes{packed}; " if result.bytes is not None else f"{result.packing}; " if result.packing else ""
    lines.append(f"  {size}starts with {result.starts}")
    lines += ["", "format"]
    if result.format:
        lines.append(f"  {result.format}  {result.title}")
    if result.error:
        lines.append(f"  error: {result.error}")
    others = [near for near in result.nearest if near.id != result.format.partition("@")[0]]
    if others:
        lines += ["", "could also be" if result.format else "could be"]
        width = max(len(near.id) for near in others)
        for near in others:
            lacks = f"lacks {'; '.join(near.lacks)}" if near.lacks else "fits"
            lines.append(f"  {near.score:4.2f}  {near.id:{width}}  {lacks}"[: WIDTH + 40])
    if result.rows:
        lines += ["", "reads as", "  " + ", ".join(plural(count, f"{name} row") for name, count in result.rows.items() if count)]
        lines += _listed("columns", result.supplied) + _listed("extra", result.extras) + _listed("missing", result.missing)
    if result.findings:
        lines += ["", "oddities"]
        lines += [f"  {found.severity}: {found.code} {found.message}{times(found.count)}" for found in result.findings]
    lines += ["", "to report or to add a format"]
    if result.sample:
        lines.append(f"  wrote {result.sample}: the head with names, numbers and dates of its preamble masked; read it before you share it")
    elif result.starts.startswith("bytes"):
        lines.append("  a binary file cannot be masked: say maker, software and version, and share one of a cell without secrets")
    else:
        lines.append("  bdx doctor FILE --sample OUT writes the head with the values of its preamble masked")
    return "\n".join(lines) + "\n"


def render_json(result: DoctorResult) -> str:
    """Return the result as JSON, schema bdx-doctor/1."""
    return json.dumps({"schema": "bdx-doctor/1", **dataclasses.asdict(result)}, ensure_ascii=False, indent=2, default=str)


def _listed(title: str, names: list[str]) -> list[str]:
    """Return names as an indented list that fits the page."""
    if not names:
        return []
    lines, line = [], f"  {title:8}"
    for name in names:
        if len(line) + len(name) + 2 > WIDTH:
            lines.append(line)
            line = " " * 10
        line += f" {name}"
    return [*lines, line]
