"""What a rule finds and what it lets pass, as small tables: the same cases that prove it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from bdx import canon, spec
from bdx.canon import Chunk, Log
from bdx.errors import SpecError
from bdx.rules.engine import Checker


@dataclass(frozen=True, slots=True)
class Example:
    """One case of a rule: why it fails or passes, the columns that matter, and what the rule says; nothing where it passes."""

    why: str
    tables: Chunk
    message: str = ""
    column: str = ""
    rows: tuple[int, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether the rule finds a fault in it."""
        return bool(self.message)


def examples(code: str) -> list[Example]:
    """Return the cases of a rule as it judges them now, those that fail first; none for a rule that no table can show.

    Raises: SpecError where a case cannot be read.
    """
    folder = _folder()
    path = folder / f"{code}.toml" if folder else None
    if path is None or not path.is_file():
        return []
    try:
        cases = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid TOML: {error}") from error
    return [_judged(code, case) for kind in ("fail", "pass") for case in cases.get(kind, ())]


@cache
def _folder() -> Path | None:
    """Return the folder of cases: inside an installed wheel, else beside the package."""
    here = Path(__file__).resolve().parents[1]
    return next((folder for folder in (here / "_examples", here.parent / "fixtures" / "rules") if folder.is_dir()), None)


def tables_of(case: dict[str, Any]) -> Chunk:
    """Return the tables of a case; "null" stands for null, { repeat, times } and { first, step, times } for many values."""
    return {table: canon.batch(table, _columns(table, case[table])) for table in spec.tables() if table in case}


def _judged(code: str, case: dict[str, Any]) -> Example:
    tables = tables_of(case)
    log = Log()
    checker = Checker(log, "", (code,))
    checker.watch(tables)
    checker.finish()
    told = {name: batch.select(list(case[name])) for name, batch in tables.items()}
    found = next(iter(log.findings), None)
    if found is None:
        return Example(case["why"], told)
    return Example(case["why"], told, found.message.removeprefix(": "), found.column, tuple(found.examples))


def _columns(table: str, columns: dict[str, Any]) -> dict[str, pa.Array]:
    made = {}
    for name, values in columns.items():
        cells = [None if value == "null" else value for value in _spread(values)]
        wanted = canon.field_of(table, name).type
        made[name] = pa.array(cells).cast(wanted) if pa.types.is_decimal(wanted) else pa.array(cells, wanted)
    return made


def _spread(values: Any) -> Iterator[Any]:
    """Yield the cells of a column: { repeat, times } and { first, step, times } stand for many."""
    for item in values if isinstance(values, list) else [values]:
        if isinstance(item, dict) and "repeat" in item:
            yield from [item["repeat"]] * item["times"]
        elif isinstance(item, dict):
            yield from (item["first"] + item["step"] * number for number in range(item["times"]))
        else:
            yield item
