"""Writes a clean or spoilt test to a file in the manner of an instrument; layouts are rows of fixtures/planted/layouts.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from planting.cycling import Frame

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "planted"


@cache
def layouts() -> dict[str, dict[str, Any]]:
    """Return every layout by id."""
    return {row["id"]: row for row in tomllib.loads((FOLDER / "layouts.toml").read_text("utf-8"))["layout"]}


def write(frame: Frame, layout: str, folder: Path) -> Path:
    """Return the path of the frame written into a folder; columns that the frame no longer has are left out."""
    facts = layouts()[layout]
    path = folder / f"input{facts['suffix']}"
    columns = {name: (header, *rest) for name, header, *rest in facts["columns"] if name in frame}
    if facts["suffix"].endswith(".parquet"):
        pq.write_table(pa.table({header: pa.array(frame[name]) for name, (header, *_) in columns.items()}), path)
        return path
    words = facts.get("states", {})
    cells = [_texts(frame[name], words, *rest) for name, (_, *rest) in columns.items()]
    separator = facts.get("separator", ",")
    lines = [separator.join(header for header, *_ in columns.values()), *(separator.join(row) for row in zip(*cells, strict=True))]
    path.write_text(facts.get("preamble", "") + "\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path


def _texts(values: Any, words: dict[str, str], facts: dict[str, Any] | None = None) -> list[str]:
    facts = facts or {}
    form: Callable[[Any], str] = FORMS[facts.get("form", "digits")]
    if "times" in facts or "unsigned" in facts:
        values = [value if isinstance(value, str) else _moved(value, facts) for value in values.tolist()]
    else:
        values = values.tolist()
    return [words.get(value, value) if isinstance(value, str) else form(value) for value in values]


def _moved(value: float, facts: dict[str, Any]) -> float:
    found = value * facts.get("times", 1.0)
    return abs(found) if facts.get("unsigned") else found


def _digits(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.10g}"


def _clock(value: float) -> str:
    if value is None or not np.isfinite(value):
        return ""
    thousandths = round(value * 1000)
    sign, thousandths = ("-" if thousandths < 0 else ""), abs(thousandths)
    seconds, rest = divmod(thousandths, 1000)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _date(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03}" if value else ""


def _american(value: datetime | None) -> str:
    return f"{value:%m/%d/%Y %H:%M:%S}.{value.microsecond // 1000:03}" if value else ""


FORMS: dict[str, Callable[[Any], str]] = {"digits": _digits, "clock": _clock, "date": _date, "american": _american}
