"""A mapping file for a flat export proposed from its headers: what is known is mapped, what is not stands there to be filled in."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from bdx.errors import SourceError, UnsupportedVersion
from bdx.formats import refusal
from bdx.formats.flat_head import APART
from bdx.formats.flat_sheets import is_workbook
from bdx.formats.source import Source
from bdx.mapping import vocabulary
from bdx.mapping.dates import has_offset, order_of
from bdx.mapping.flat_headers import EDGE_ONLY, LONG_ONLY, Meaning, kind_of, tells_records_apart
from bdx.mapping.flat_words import fields
from bdx.pipeline.proposing_grids import IDENTITY, Grid, Header, Written, grids, header_of

_COMMA = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+),[0-9]+(?:[eE][+-]?[0-9]+)?")
_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:[.,][0-9]{3})+")
_MOST_TYPES = 8
LOOKS_LIKE = 3
"""So many known headers, one of them of an item or step, make a file look like an export of a factory."""


@dataclass(slots=True)
class Proposed:
    """One table of the proposal: its header, what each column is taken for (None: not known), what rows make, and what is given."""

    title: str
    header: Header
    meanings: list[Meaning | None]
    makes: list[str]
    sheet: bool = False
    given: dict[str, str] = field(default_factory=dict)
    where: tuple[str, str] | None = None
    rows: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class Proposal:
    """What `map init` proposes for a file; `decimal`, `dates` are empty where nothing shows them."""

    source: str
    written: Written | None
    tables: list[Proposed]
    left: list[str]
    """Sheets and blocks that hold no table of a factory."""
    decimal: str = ""
    dates: str = ""
    zoneless: bool = False
    slashes: bool = False


def propose(source: str | Path) -> Proposal:
    """Return a mapping proposed for a file.

    Raises: SourceError and its kin where it cannot be read; UnsupportedVersion where it is something known that is not read;
    SourceError with the names found where no column names an item, a step or a parameter.
    """
    opened = Source(str(source))
    opened.unzip()
    known = refusal(opened) if opened.head and not is_workbook(opened.head) else None
    if known is not None:
        raise UnsupportedVersion(f"is {known['title']}, which is not read; {known['advice']}", path=opened.uri)
    found, written = grids(opened)
    made = Proposal(opened.uri, written, [], [])
    seen: list[str] = []
    for grid in found:
        header = header_of(grid.rows)
        tables = _tables(grid, header) if header is not None else []
        made.tables += tables
        if not tables and grid.rows:
            made.left.append(grid.title)
            seen += header.names if header is not None else grid.rows[0]
    if not made.tables:
        shown = ", ".join(f"'{name}'" for name in seen[:12] if name) or "none"
        message = (
            f"no column names an item, a step or a parameter; headers found: {shown} (specs/headers.toml holds the words that are known)"
        )
        raise SourceError(message, path=opened.uri)
    _look_at_cells(made)
    return made


def looks_like_export(source: Source) -> bool:
    """Say whether a file of no known format has the headers of a factory export."""
    try:
        found, _ = grids(source)
        headers = [header for grid in found[:4] if (header := header_of(grid.rows)) is not None]
    except SourceError:
        return False
    return any(header.known >= LOOKS_LIKE and _identified(_settled(header)) for header in headers)


def _tables(grid: Grid, header: Header) -> list[Proposed]:
    """Return the tables of a grid: one, or one for each kind of row that a column tells apart."""
    apart = next((place for place, name in enumerate(header.names) if tells_records_apart(name)), None)
    if apart is None:
        made = _proposed(grid, header, header.below)
        return [made] if made is not None else []
    kinds = [kind for kind, _ in Counter(header.samples(apart)).most_common(_MOST_TYPES)]
    found: list[Proposed] = []
    for kind in kinds:
        rows = [row for row in header.below if apart < len(row) and row[apart] == kind]
        used = {place for row in rows for place, cell in enumerate(row) if cell}
        meanings = [known if place in used else None for place, known in enumerate(header.meanings)]
        part = Header(header.at, header.depth, header.units, header.names, meanings, rows)
        made = _proposed(grid, part, rows)
        if made is not None:
            made.where = (header.names[apart], kind)
            found.append(made)
    return found


def _proposed(grid: Grid, header: Header, rows: list[list[str]]) -> Proposed | None:
    meanings = _settled(header)
    if not _identified(meanings):
        return None
    made = Proposed(grid.title, header, meanings, [], grid.sheet, rows=rows)
    named = {found.field for found in meanings if found is not None}
    step = vocabulary.step(grid.title) if grid.title else None
    if step is not None and "step" not in named and not {"input_item_id", "parent_step_run_id"} & named:
        made.given["step"] = step.code
    made.makes = _makes(meanings, named, given=bool(made.given))
    if "item" in made.makes and "item_kind" not in named:
        place = next((place for place, found in enumerate(meanings) if found is not None and found.field == "item_id"), None)
        kind = kind_of(header.names[place]) if place is not None else ""
        kind = step.produces if step is not None and "step" in made.given and step.produces else kind
        if kind:
            made.given["item_kind"] = kind
    return made


def _identified(meanings: list[Meaning | None]) -> bool:
    """Say whether something tells which item, step or parameter a row is of."""
    return any(found is not None and (found.field in IDENTITY or (found.of_value and found.step)) for found in meanings)


def _settled(header: Header) -> list[Meaning | None]:
    """Return what the columns are once they are seen together."""
    found = list(header.meanings)
    named = [item.field if item is not None else "" for item in found]
    if not ("parameter" in named and "value" in named):
        found = [None if item is not None and item.field in LONG_ONLY else item for item in found]
    ends = {"input_item_id", "output_item_id"} & set(named)
    if len(ends) < 2:
        own = next((place for place, name in enumerate(named) if name in ("item_id", "serial_number", "lot_id")), None)
        if ends and own is not None and not any(item is not None and item.of_value for item in found):
            found[own] = Meaning(field=({"input_item_id", "output_item_id"} - ends).pop())
        else:
            found = [None if item is not None and item.field in EDGE_ONLY else item for item in found]
    if not any(item is not None and item.field == "item_id" for item in found) and len(ends) < 2:
        stand_in = next((name for name in ("serial_number", "lot_id") if any(item and item.field == name for item in found)), "")
        found = [Meaning(field="item_id") if item is not None and item.field == stand_in and stand_in else item for item in found]
    taken: set[tuple[str, str]] = set()
    for place, item in enumerate(found):
        if item is not None and item.field:
            if (item.field, item.step) in taken:
                found[place] = None
            taken.add((item.field, item.step))
    beside = second_item(header)
    return (
        found if beside is None else [*found[:beside], *(None if item is not None and item.of_value else item for item in found[beside:])]
    )


def second_item(header: Header) -> int | None:
    """Return where the column of an item comes again under the same word: from there on the values of a row are of another item."""
    words = [name.rpartition(APART)[2].partition(" #")[0] for name in header.names]
    items = [
        place for place, item in enumerate(header.meanings) if item is not None and item.field in ("item_id", "lot_id", "serial_number")
    ]
    return next((place for place in items if words[place] in [words[other] for other in items if other < place]), None)


def _makes(meanings: list[Meaning | None], named: set[str], *, given: bool) -> list[str]:
    """Return the tables that rows make; `given` says that all rows are of one step."""
    known = [found for found in meanings if found is not None]
    if {"input_item_id", "output_item_id"} <= named:
        return ["genealogy"]
    makes: list[str] = []
    long = {"parameter", "value"} <= named
    of_step = {item.name for item in fields().values() if "process_step" in item.feeds} & named
    telling = of_step & {"started_at", "ended_at", "state", "qty_in", "qty_good", "qty_scrap", "parent_step_run_id"}
    if given or "step" in named or any(found.step for found in known) or (telling and "step_run_id" in named):
        makes.append("process_step")
    if long:
        judged = {"verdict", "lower_limit", "upper_limit"} & named
        return [*makes, "quality_result" if judged else "process_parameter"]
    if "item_id" in named and ("step" not in named or {"item_kind", "material_definition_id", "lot_id", "quantity"} & named):
        makes.append("item")
    makes += ["process_parameter"] if any(found.parameter for found in known) else []
    makes += ["quality_result"] if any(found.result for found in known) else []
    makes += ["genealogy"] if any(found.given_input for found in known) and "item_id" in named else []
    return makes or ["process_step" if "step_run_id" in named else "item"]


def _look_at_cells(made: Proposal) -> None:
    """Note how numbers and dates are written, as far as the first rows show it."""
    cells: list[str] = []
    for table in made.tables:
        for place, found in enumerate(table.meanings):
            samples = [row[place] for row in table.rows if place < len(row) and row[place]]
            if found is not None and found.field and fields()[found.field].time:
                _look_at_times(made, samples)
            else:
                cells += samples
    comma = [cell for cell in cells if _COMMA.fullmatch(cell)]
    point = [cell for cell in cells if _POINT.fullmatch(cell)]
    if any(not _THOUSANDS.fullmatch(cell) for cell in comma):
        made.decimal = "," if not any(not _THOUSANDS.fullmatch(cell) for cell in point) else ""
        return
    by_separator = made.written is not None and made.written.separator == "," and not comma
    if by_separator or any(not _THOUSANDS.fullmatch(cell) for cell in point):
        made.decimal = "."


def _look_at_times(made: Proposal, samples: list[str]) -> None:
    if not samples:
        return
    texts = pa.array(samples)
    made.zoneless = made.zoneless or (not has_offset(texts) and any(":" in text for text in samples))
    if any(re.match(r"[0-9]{1,2}[/.][0-9]{1,2}[/.]", text) for text in samples):
        made.slashes = made.slashes or not all("." in text[:3] for text in samples)
        made.dates = made.dates or order_of(texts)
