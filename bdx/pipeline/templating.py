"""Templates that a maker fills in: the columns of a passport in the order a person thinks of them, and what each means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from bdx import spec
from bdx.errors import UsageError, did_you_mean
from bdx.formats.sheets_write import head_of
from bdx.formats.xlsx_write import TEXT, WRAPPED, Head, SheetOut, text_cells, write_book
from bdx.gaps import load as load_profile
from bdx.pipeline.sections import hidden, label, roles, sections, suppliers

PASSPORT = "battery-passport"
"""Name of the template of `battery`; the child tables go by their own."""

KEY = "battery_key"
KEY_MEANING = (
    "Serial number of the battery the row belongs to (battery_id or passport_id will do), "
    "or the model_id where it is true of every battery of the model"
)
EXPLAINED = ("table", "column", "label", "section", "type", "unit", "meaning", "law", "tier", "words", "who can tell it", "asked for")
"""What is said of each column, in a file and on the sheet `columns` of a workbook."""

_WIDTHS = (20, 34, 34, 20, 11, 12, 60, 36, 22, 40, 40, 60)
_FORMS = {
    "date": "a date",
    "timestamp": "a time with its zone such as 2026-03-31T12:00:00Z",
    "strings": 'one text, or a list such as ["a", "b"]',
    "bool": "true or false",
    "int64": "a whole number",
    "float64": "a number",
    "decimal": "a number",
}

DUE = ("mandatory", "conditional")
"""Strengths of a requirement that make its columns part of a template."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One column of a template: what it means, in which unit, by which law, who may see it, which words it takes, who can tell it."""

    table: str
    name: str
    label: str
    section: str
    type: str
    unit: str
    meaning: str
    law: str
    tier: str
    words: tuple[str, ...]
    strict: bool
    """Whether no other words are allowed."""
    supplier: tuple[str, ...]
    needed: str = ""
    """How a profile asks for it, empty where none was named or it does not ask."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a profile says of one column."""

    text: str
    basis: str
    suppliers: tuple[str, ...]


def names() -> tuple[str, ...]:
    """Return the names of all templates, the passport itself first."""
    return (PASSPORT, *(table for section in sections() for table in section.tables))


def table_of(name: str) -> str:
    """Return the canonical table of a template.

    Raises: UsageError for an unknown name, with the nearest known one.
    """
    if name == "battery":
        return name
    if name not in names():
        raise UsageError(f"no template '{name}'{did_you_mean(name, names())}; known: {', '.join(names())}")
    return "battery" if name == PASSPORT else name


def template(name: str, profile: str | None = None, category: str | None = None) -> list[Entry]:
    """Return the columns of a template; with a profile only those it makes due, and the key that rows are joined by.

    Raises: UsageError for an unknown template, profile or category, and where the profile asks nothing of the table.
    """
    table = table_of(name)
    if category and not profile:
        raise UsageError("--category goes with --profile")
    wishes = _wishes(profile, category) if profile else {}
    found = [_entry(table, column, section, supplier, wishes) for column, section, supplier in _ordered(table)]
    if not profile:
        return found
    kept = [entry for entry in found if entry.needed or entry.name in (KEY, "serial_number")]
    if not any(entry.needed for entry in kept):
        asked = ", ".join(dict.fromkeys(PASSPORT if path.partition(".")[0] == "battery" else path.partition(".")[0] for path in wishes))
        raise UsageError(f"profile {profile} asks nothing of {table}; it asks for {asked}")
    return kept


def workbook(name: str, profile: str | None = None, category: str | None = None) -> dict[str, list[Entry]]:
    """Return the tables of a workbook: of the passport with all its child tables, else the one table."""
    if table_of(name) != "battery":
        return {name: template(name, profile, category)}
    wishes = _wishes(profile, category) if profile else {}
    asked = {path.partition(".")[0] for path in wishes}
    wanted = [item for item in names() if not profile or table_of(item) in asked]
    return {table_of(item): template(item, profile, category) for item in wanted}


def _ordered(table: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return (column, section, who can tell) in the order of the template."""
    if table == "battery":
        return [(name, section.title, section.supplier) for section in sections() for name in section.columns]
    home = next(section for section in sections() if table in section.tables)
    known = [column.name for column in spec.table(table).columns if column.name == KEY or column.name not in hidden()]
    return [(name, home.title, home.supplier) for name in known]


def _entry(table: str, name: str, section: str, supplier: tuple[str, ...], wishes: dict[str, _Wish]) -> Entry:
    column = spec.table(table).column(name)
    wish = wishes.get(f"{table}.{name}")
    told = wish.suppliers if wish else _told(table, name) or supplier
    law = wish.basis if wish and wish.basis else column.source
    words = column.enum or (tuple(roles()) if (table, name) == ("document", "role") else ())
    return Entry(
        table=table,
        name=name,
        label=label(table, name),
        section=section,
        type=column.type,
        unit=column.unit,
        meaning=KEY_MEANING if name == KEY else column.meaning,
        law="" if law in ("-", "bdx") or law.startswith("specs/") else law,
        tier=column.tier,
        words=words,
        strict=bool(column.enum),
        supplier=() if name == KEY else tuple(suppliers().get(word, word) for word in told),
        needed=wish.text if wish else "",
    )


def _told(table: str, name: str) -> tuple[str, ...]:
    """Return who can tell a column by the profile of passports, in the order it names them; empty where it does not speak of it."""
    base = name.removesuffix("_time")
    for requirement in load_profile("ec-guidance").requirements:
        if any((path.table, path.column) in ((table, name), (table, base)) for path in requirement.paths):
            return requirement.supplier
    return ()


def _wishes(profile: str, category: str | None) -> dict[str, _Wish]:
    """Return what a profile makes due, by column; the columns that tell its rows apart come with it."""
    known = load_profile(profile)
    wanted = known.category(category) if category else None
    found: dict[str, _Wish] = {}
    for requirement in known.requirements:
        strengths = [requirement.strength[wanted]] if wanted else list(requirement.strength.values())
        strength = next((word for word in DUE if word in strengths), "")
        if not strength:
            continue
        for need in requirement.needs:
            paths = [str(path) for path in need]
            choice = f" (one of {', '.join(path.removeprefix('battery.') for path in paths)} will do)" if len(paths) > 1 else ""
            when = f", {requirement.condition}" if requirement.condition else ""
            text = f"{strength}{when}: {requirement.id} {requirement.name}{choice}"
            for path in need:
                for column in (path.column, *(name for name, _ in path.where)):
                    _add(found, f"{path.table}.{column}", _Wish(text, requirement.basis, requirement.supplier))
                if f"{path.column}_time" in spec.table(path.table).by_name:
                    _add(found, f"{path.table}.{path.column}_time", _Wish(text, requirement.basis, requirement.supplier))
    return found


def _add(found: dict[str, _Wish], path: str, wish: _Wish) -> None:
    """Add what one requirement says of a column to what others said."""
    known = found.get(path)
    if known is None:
        found[path] = wish
    elif wish.text not in known.text:
        basis = known.basis if wish.basis in known.basis else f"{known.basis}; {wish.basis}"
        found[path] = _Wish(f"{known.text}; {wish.text}", basis, tuple(dict.fromkeys((*known.suppliers, *wish.suppliers))))


def explanation(entry: Entry) -> tuple[str, ...]:
    """Return the cells that explain a column, in the order of EXPLAINED."""
    tier = entry.tier.replace("_", " ")
    words, supplier = " | ".join(entry.words), "; ".join(entry.supplier)
    return (
        *(entry.table, entry.name, entry.label, entry.section, entry.type, entry.unit),
        *(entry.meaning, entry.law, tier, words, supplier, entry.needed),
    )


def write_workbook(tables: dict[str, list[Entry]], sink: BinaryIO) -> None:
    """Write a workbook with a sheet per table, hints and drop-down lists at its columns, and a sheet that explains them all."""
    sheets = []
    for table, entries in tables.items():
        sheet = SheetOut(table)
        for entry in entries:
            head = head_of(spec.table(table).column(entry.name))
            head.words, head.strict, head.hint = entry.words, entry.strict, _hint(entry)
            head.style = TEXT if entry.type in ("timestamp", "local_timestamp") else head.style
            sheet.heads.append(head)
        sheets.append(sheet)
    told = SheetOut("columns", [Head(name, WRAPPED, width) for name, width in zip(EXPLAINED, _WIDTHS, strict=True)])
    rows = [explanation(entry) for entries in tables.values() for entry in entries]
    columns = [pa.array([row[place] or None for row in rows], pa.string()) for place in range(len(EXPLAINED))]
    told.append([(place, text_cells(column, WRAPPED)) for place, column in enumerate(columns)], len(rows))
    write_book([*sheets, told], sink)


def _hint(entry: Entry) -> str:
    """Return what a cell says of itself when it is entered."""
    form = _FORMS.get(entry.type, "")
    unit = f"in {entry.unit}" if entry.unit else ""
    return ". ".join(part for part in (entry.meaning, ", ".join(item for item in (form, unit) if item), entry.law) if part)
