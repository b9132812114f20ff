"""What a mapping file does with a file, for a person."""

from __future__ import annotations

from bdx.pipeline.proposing_check import Checked
from bdx.report.words import times


def render(made: Checked) -> str:
    """Return the columns used and left, the rows made with the first of them, and what did not parse."""
    lines = [made.source]
    for use in made.uses:
        lines += ["", f"{use.table}{f' ({use.place})' if use.place else ''}"]
        width = max((len(name) for name in [*use.used, *use.left]), default=0)
        lines += [f"  {name:<{width}}  {meaning}" for name, meaning in use.used.items()]
        lines += [f"  {name:<{width}}  -> extra" for name in use.left]
        lines += [f"  {name}  is in the mapping file, not in the header" for name in use.missing]
    for table, count in made.rows.items():
        lines += ["", f"{table}: {count:,} rows"]
        for row in made.first[table]:
            lines.append("  " + ", ".join(f"{name}={value}" for name, value in row.items()))
    if made.findings or made.losses:
        lines.append("")
    lines += [f"{found.severity}: {found.code} {found.message}{times(found.count)}" for found in made.findings]
    lines += [f"loss: {loss.what} ({loss.why}){times(loss.count)}" for loss in made.losses]
    return "\n".join(lines) + "\n"
