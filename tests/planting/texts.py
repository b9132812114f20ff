"""Ways to spoil a file as bytes, whatever it holds."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ACTS: dict[str, Callable[..., bytes]] = {}


def act(run: Callable[..., bytes]) -> Callable[..., bytes]:
    """Register an act under the name of its function."""
    ACTS[run.__name__] = run
    return run


def spoil(path: Path, facts: dict[str, Any]) -> Path:
    """Spoil a file in place and return its path, which is a new one where the act is `rename`."""
    given = dict(facts)
    name = given.pop("do")
    if name == "rename":
        return path.rename(path.with_name("input" + given["suffix"]))
    if name == "without":
        (path / given["file"]).unlink()
        return path
    if name == "retype":
        return _retype(path, **given)
    if name == "exchange":
        return _exchange(path, **given)
    if name == "within":
        with (path / given["file"]).open("ab") as file:
            file.write(bytes.fromhex(given["hex"]))
        return path
    path.write_bytes(ACTS[name](path.read_bytes(), **given))
    return path


def _retype(path: Path, *, column: str, to: str = "", spoilt: str = "") -> Path:
    """Give a column of a Parquet file another type, with a text in its first row; without `to` leave the column out."""
    table = pq.read_table(path)
    place = table.schema.get_field_index(column)
    if to:
        cells = table.column(place).cast(to).to_pylist()
        table = table.set_column(place, column, pa.array([spoilt, *cells[1:]]))
    else:
        table = table.remove_column(place)
    pq.write_table(table, path)
    return path


def _exchange(path: Path, *, file: str, column: str, row: int, to: str) -> Path:
    """Write another value into one cell of a table of a data set, and what the descriptor says of that table anew."""
    table = pq.read_table(path / file)
    cells = table.column(column).to_pylist()
    cells[row] = to
    pq.write_table(table.set_column(table.schema.get_field_index(column), table.schema.field(column), pa.array(cells)), path / file)
    data = (path / file).read_bytes()
    descriptor = json.loads((path / "datapackage.json").read_text("utf-8"))
    for entry in descriptor["resources"]:
        if entry["path"] == file:
            entry["bytes"], entry["hash"] = len(data), f"sha256:{hashlib.sha256(data).hexdigest()}"
    (path / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    return path


@act
def cut(data: bytes, *, keep: float = 1.0, drop: int = 0) -> bytes:
    """Keep a share of the bytes from the beginning, less some at the end."""
    return data[: int(len(data) * keep) - drop]


@act
def empty(data: bytes) -> bytes:
    """Keep nothing."""
    return b""


@act
def replace(data: bytes, *, old: str, new: str, times: int = 1, encoding: str = "utf-8") -> bytes:
    """Write another text for one that must be there; times = 0 for every place."""
    before = old.encode()
    assert before in data, f"'{old}' is not in the file"
    return data.replace(before, new.encode(encoding), times or -1)


@act
def rewrite(data: bytes, *, pattern: str, into: str, starts: float = 0.0, lines: int = 0) -> bytes:
    """Rewrite what a regular expression finds in some lines, from a share of the file on; lines = 0 for all to the end."""
    rows = data.decode().splitlines(keepends=True)
    first = int(starts * len(rows))
    last = first + lines if lines else len(rows)
    changed = [re.sub(pattern, into, row) for row in rows[first:last]]
    assert changed != rows[first:last], f"'{pattern}' is not in the lines"
    return "".join([*rows[:first], *changed, *rows[last:]]).encode()


@act
def insert(data: bytes, *, hex: str = "", text: str = "", starts: float = 0.5, within: bool = False) -> bytes:  # noqa: A002
    """Write bytes in front of the line at a share of the file, or within it."""
    place = data.find(b"\n", int(len(data) * starts)) + 1
    place += 12 if within else 0
    return data[:place] + (bytes.fromhex(hex) or text.encode()) + data[place:]


@act
def again(data: bytes, *, line: int = 0, starts: float = 0.5) -> bytes:
    """Write a line, by default the first, once more at a share of the file."""
    rows = data.splitlines(keepends=True)
    rows.insert(int(starts * len(rows)), rows[line])
    return b"".join(rows)


@act
def pack(data: bytes) -> bytes:
    """Compress with gzip."""
    return gzip.compress(data, mtime=0)


@act
def keep_lines(data: bytes, *, lines: int) -> bytes:
    """Keep the first lines."""
    return b"".join(data.splitlines(keepends=True)[:lines])


@act
def drop_lines(data: bytes, *, last: int = 0, first: int = 0, skip: int = 0) -> bytes:
    """Take lines away: so many at the end, or so many behind the first `skip`."""
    rows = data.splitlines(keepends=True)
    del rows[skip : skip + first]
    return b"".join(rows[: len(rows) - last])


@act
def overwrite(data: bytes, *, hex: str = "", zeros: int = 0, starts: float = 0.5) -> bytes:  # noqa: A002
    """Write bytes over those at a share of the file."""
    found, place = bytes.fromhex(hex) or bytes(zeros), int(len(data) * starts)
    return data[:place] + found + data[place + len(found) :]


@act
def recode(data: bytes, *, to: str, read_as: str = "utf-8") -> bytes:
    """Write the text in another encoding, after reading it in one that may be wrong."""
    return data.decode(read_as).encode(to)
