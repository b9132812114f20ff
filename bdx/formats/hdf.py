"""All canonical tables in one HDF5 file: a group per table, a dataset per column, a mask beside it where values are missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from bdx import spec
from bdx.canon import Chunk, Part
from bdx.errors import CorruptSource, SinkError, SourceError, UnsafeSource
from bdx.formats.canonical import FAULTS, WriteOptions, as_parts, guard, workspace
from bdx.formats.families import arrange, wanted_batches
from bdx.formats.hdf_columns import TableGroup, read_table
from bdx.formats.source import Source
from bdx.spec import FormatSpec

LAYOUT = "bdx-h5/1"
SEAL = f"\n{LAYOUT} sha256:".encode()
"""Begins the last 82 bytes of a file: the SHA-256 of all before. On damaged bytes the HDF5 library itself may never return."""

EXPANSION = 2_000
"""More rows than this for each byte of the file cannot come from compression, only from a forged header."""


def read(source: Source, format_spec: FormatSpec) -> Iterator[Part]:
    """Yield one part per batch, named by its canonical table."""
    return as_parts(read_chunks(source, format_spec))


def read_chunks(source: Source, format_spec: FormatSpec) -> Iterator[Chunk]:
    """Yield the tables slice by slice, children with their parents.

    Raises: SourceError for the HDF5 file of another program, UnsafeSource for links out of the file, CorruptSource.
    """
    file = _opened(source)
    try:
        with guard(source.uri, "HDF5"):
            _refuse_foreign(file, format_spec, source)
            tables = {name: _group(file, name, source) for name in _listed(file, source)}
            sizes = {name: _row_count(group, name, source) for name, group in tables.items()}
        yield from arrange(sizes, lambda name, step: read_table(tables[name], name, sizes[name], step, source), source.uri)
    finally:
        with suppress(*FAULTS):
            file.close()


def _opened(source: Source) -> Any:
    import h5py

    with guard(source.uri, "HDF5"):
        if source.path is None:
            spool = source.seekable()
            _check_seal(spool, source)
            return h5py.File(spool, "r")
        with source.seekable() as stream:
            _check_seal(stream, source)
        return h5py.File(source.path, "r", locking=False)


def _check_seal(file: BinaryIO, source: Source) -> None:
    """Compare the bytes with the hash behind them; a file without one was changed by another program and is read as it is."""
    length = len(SEAL) + 65
    end = file.seek(0, 2) - length
    if end > 0:
        file.seek(end)
        seal = file.read()
        if seal.startswith(SEAL) and seal != _seal(file, end):
            raise CorruptSource("does not have the SHA-256 stated in its last line; it was damaged or cut", path=source.uri)
    file.seek(0)


def _seal(file: BinaryIO, end: int) -> bytes:
    digest = hashlib.sha256()
    file.seek(0)
    while end > 0 and (data := file.read(min(end, 1 << 20))):
        digest.update(data)
        end -= len(data)
    return SEAL + digest.hexdigest().encode() + b"\n"


def _refuse_foreign(file: Any, format_spec: FormatSpec, source: Source) -> None:
    if "bdx_layout" in file.attrs:
        layout = str(file.attrs["bdx_layout"])
        if layout != LAYOUT:
            raise SourceError(f"has HDF5 layout '{layout}', expected {LAYOUT}", path=source.uri)
        return
    members = [str(name) for name in file]
    for row in format_spec.raw.get("foreign", ()):
        if row["member"] in members:
            advice = "leave out -f and it is detected"
            raise SourceError(f"is an HDF5 file of {row['title']}, not of layout {LAYOUT}; {advice}", path=source.uri)
    found = ", ".join(members[:6]) or "nothing"
    known = "bdx, battdat, cellpy, MATR, Arbin SQL or Indigo"
    raise SourceError(f"is HDF5 of no layout that is read (it holds {found}); expected {known}", path=source.uri)


def _listed(file: Any, source: Source) -> list[str]:
    names = json.loads(str(file.attrs["tables"]))
    if not isinstance(names, list) or not set(map(str, names)) <= set(spec.tables()) or len(set(map(str, names))) < len(names):
        raise CorruptSource(f"lists tables {names!r:.80}, expected names of canonical tables, each once", path=source.uri)
    return [str(name) for name in names]


def _group(file: Any, name: str, source: Source) -> Any:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise UnsafeSource(f"/{name} is a link to somewhere else; bdx does not follow links", path=source.uri)
    group = file[name]
    if not isinstance(group, h5py.Group):
        raise CorruptSource(f"/{name} is not a group", path=source.uri)
    return group


def _row_count(group: Any, name: str, source: Source) -> int:
    rows = int(group.attrs["rows"])
    if rows < 0:
        raise CorruptSource(f"/{name} has {rows} rows", path=source.uri)
    size = source.size
    if size is not None and rows > size * EXPANSION:
        raise UnsafeSource(f"/{name} claims {rows} rows in a file of {size} bytes", path=source.uri)
    return rows


def write_chunks(chunks: Iterable[Chunk], sink: BinaryIO, _format_spec: FormatSpec, options: WriteOptions) -> None:
    """Write every table of every chunk; `options.table` limits it to one.

    Raises: SinkError where there is nothing to write or a text holds what HDF5 cannot (a NUL character).
    """
    import h5py

    tables: dict[str, TableGroup] = {}
    with workspace(sink) as target:
        with _open_new(h5py, target) as file:
            for table, batch in wanted_batches(chunks, options):
                if table not in tables:
                    tables[table] = TableGroup(file.create_group(table), table)
                tables[table].append(batch)
            for writer in tables.values():
                writer.finish()
            file.attrs["bdx_layout"] = LAYOUT
            file.attrs["tables"] = json.dumps(list(tables))
        seal = _seal(target, target.seek(0, 2))
        target.seek(0, 2)
        target.write(seal)


def _open_new(h5py: Any, target: BinaryIO) -> Any:
    try:
        return h5py.File(target, "w", libver=("v110", "v110"))
    except FAULTS as error:
        raise SinkError(f"no HDF5 file can be made: {error}") from error
