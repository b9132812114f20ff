"""What a mapping file does with a file: columns used and left, rows made, values that do not parse, the first rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bdx import formats, mapping
from bdx.canon import Finding, Loss, Part, Table
from bdx.mapping.flat_plan import Plan, plan
from bdx.pipeline.evening import even
from bdx.pipeline.mapped import by_mapping
from bdx.pipeline.reading import ReadOptions, open_source

FIRST_ROWS = 3


@dataclass(slots=True)
class Use:
    """One table of the mapping under one header: what its columns are used for, which are left and which are not there."""

    table: str
    place: str
    used: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Checked:
    """What `map check` tells of one file."""

    source: str
    uses: list[Use] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def check(by: str | Path, source: str | Path, *, assume_tz: str | None = None) -> Checked:
    """Return what a mapping file does with a file, which is read to its end.

    Raises: UsageError for a fault in the mapping file; SourceError and its kin.
    """
    flat = by_mapping(str(by))
    options = ReadOptions(mapping=str(by), assume_tz=assume_tz)
    opened = open_source(str(source), 1, options)
    made = Checked(opened.uri)
    context = mapping.Context(opened.uri, opened.id, opened.log, options={"assume_tz": assume_tz})
    parts = _watched(formats.read(opened.source, flat), flat.raw["table"], made)
    for chunk in mapping.to_canonical(even(parts), flat, context):
        for name, batch in chunk.items():
            made.rows[name] = made.rows.get(name, 0) + batch.num_rows
            shown = made.first.setdefault(name, [])
            shown += [_filled(row) for row in batch.slice(0, FIRST_ROWS - len(shown)).to_pylist()]
    made.findings, made.losses = opened.log.findings, opened.log.losses
    return made


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and name != "source_id"}


def _watched(parts: Iterator[Part], tables: Any, made: Checked) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, Table):
            names = [(item.metadata or {}).get(b"bdx.name", item.name.encode()).decode() for item in part.schema][:-1]
            sheet = (part.schema.metadata or {}).get(b"sheet", b"").decode()
            for number in map(int, part.name.split(",")):
                name = tables[number].get("name", f"table {number + 1}")
                use = _use(plan(tables[number], names), names, name, f"sheet '{sheet}'" if sheet else "")
                if use not in made.uses:
                    made.uses.append(use)
        yield part


def _use(found: Plan, names: list[str], name: str, place: str) -> Use:
    used = {names[at]: f"{item}{f' of {step}' if step else ''}" for (item, step), at in found.fields.items()}
    for value in found.values:
        told = " ".join(word for word in (value.code, f"[{value.unit}]" if value.unit else "", value.role, value.step) if word)
        used[value.header] = f"{value.table}: {told}"
    ordered = {header: used[header] for header in names if header in used}
    return Use(name, place, ordered, [header for header in names if header not in used], found.missing)
