"""One passport out of a source of many, with the evidence that a data set or a file beside it holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, spec
from bdx.canon import Chunk
from bdx.derive.merge import IDENTIFIERS
from bdx.errors import SourceError, UnknownFormat, UsageError, did_you_mean
from bdx.formats import dataset
from bdx.names import shortened
from bdx.pipeline.evidence_file import beside
from bdx.pipeline.evidence_lines import EVERY, quoted
from bdx.pipeline.evidence_reading import Evidence, Row, document_of, from_tables, read_evidence
from bdx.pipeline.reading import Opened, ReadOptions, chunks, open_source
from bdx.spec import FormatSpec

_LISTED = 5
_KNOWN = 100_000
"""Names that are looked through for the nearest one."""
_LONG = 16 << 20
"""Files of JSON lines from this length on are searched for the battery before anything is parsed."""


@dataclass(slots=True)
class Found:
    """One passport: its row of `battery`, the rows of child tables, what it is of, the evidence rows that came with it."""

    path: str
    model: FormatSpec
    opened: Opened
    row: Row
    children: dict[str, list[Row]] = field(default_factory=dict)
    evidence: list[Row] = field(default_factory=list)
    sources: list[Row] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The identifiers of the battery, the key first."""
        return list(dict.fromkeys(str(self.row[name]) for name in ("battery_key", *IDENTIFIERS) if self.row[name]))


def passport(path: str, serial: str = "", from_format: str | None = None, evidence: str = "") -> Found:
    """Return the only passport of a source, or the one of a battery; what its bytes do not show to be one is of the format
    that its evidence names.

    Raises: UsageError for a battery that is not there and where there are several and none is named, SourceError and its kin.
    """
    options = ReadOptions(from_format=from_format)
    try:
        opened = open_source(path, 1, options)
    except UnknownFormat:
        told = next((place for place in [evidence, *_places(path)] if place and Path(place).is_file()), "")
        if not told:
            raise
        options.from_format = document_of(told).get("format") or None
        opened = open_source(path, 1, options)
    if opened.format.world not in ("passport", "canonical"):
        raise SourceError(f"is {opened.format.id}, no passport and no data set with batteries", path=path)
    found, others = _picked(_chunks_of(opened, options, serial), serial)
    if "battery" not in found:
        if not others:
            raise SourceError("holds no battery", path=path)
        some = ", ".join(shortened(name, 60) for name in others[:_LISTED])
        if not serial:
            more = ", ..." if len(others) > _LISTED else ""
            raise UsageError(f"'{path}' holds several batteries ({some}{more}); name one: bdx trace {path} SERIAL COLUMN")
        near = did_you_mean(serial, others[:_KNOWN])
        raise UsageError(f"no battery '{shortened(serial, 80)}' in {path}{near}")
    children = {table: rows for table, rows in found.items() if spec.table(table).parent == "battery"}
    model = spec.model(opened.told) if opened.format.world == "passport" and ", " not in opened.told else opened.format
    return Found(path, model, opened, found["battery"][0], children, found.get("evidence", []), found.get("source", []))


def evidence_of(found: Found, path: str = "") -> Evidence:
    """Return the evidence of a passport: of the file given, of the data set it stands in, of the file beside it or beside its folder.

    Raises: SourceError where there is none.
    """
    if path:
        return read_evidence(path, found.names)
    if found.evidence:
        return from_tables(found.path, found.evidence, found.sources, found.names)
    places = _places(found.path)
    for place in places:
        if Path(place).is_file():
            return read_evidence(place, found.names)
    looked = f" ({', '.join(places)} would be)" if places else ""
    raise SourceError(f"no evidence stands with it{looked}; bdx convert writes it where passports are merged or derived", path=found.path)


def _places(path: str) -> list[str]:
    """Return where the evidence of a passport may stand."""
    if path == "-":
        return []
    folder = Path(path).parent
    return [beside(path), *([beside(str(folder))] if folder.name else [])]


def _chunks_of(opened: Opened, options: ReadOptions, serial: str) -> Iterator[Chunk]:
    """Yield the chunks that may tell of a battery; of a data set only the tables that can, of long files only the lines."""
    if opened.format.engine == "dataset":
        wanted = {name: tuple(spec.table(name).by_name) for name in spec.tables() if _tells(name)}
        for table, batch in dataset.read_columns(opened.source, wanted):
            yield {table: _whole(table, batch)}
        return
    path = opened.source.path
    lines = path is not None and path.suffix in (".jsonl", ".ndjson") and opened.format.world == "passport"
    if serial and lines and path is not None and path.stat().st_size > _LONG:
        with tempfile.TemporaryDirectory() as folder:
            some = Path(folder) / path.name
            if _copied(path, some, quoted(serial)[1:-1].encode()):
                few = open_source(str(some), 1, ReadOptions(from_format=opened.format.full_id))
                yield from chunks(few, options)
                opened.releases.update(few.releases)
                return
    yield from chunks(opened, options)


def _tells(table: str) -> bool:
    return table in ("battery", "evidence", "source") or spec.table(table).parent == "battery"


def _whole(table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with every column of its table, texts as texts."""
    columns = zip(batch.schema.names, batch.columns, strict=True)
    plain = {name: array.dictionary_decode() if pa.types.is_dictionary(array.type) else array for name, array in columns}
    return canon.batch(table, plain)


def _copied(path: Path, to: Path, text: bytes) -> bool:
    """Copy the lines that hold a text; say whether there are any."""
    some = False
    with path.open("rb") as source, to.open("wb") as sink:
        for line in source:
            if text in line:
                sink.write(line)
                some = True
    return some


def _picked(stream: Iterator[Chunk], serial: str) -> tuple[dict[str, list[Row]], list[str]]:
    """Return the rows of the battery that is meant, by table, and the names of the batteries that were met.

    Without a serial number the only battery is meant, and none is returned where there are more.
    """
    found: dict[str, list[Row]] = {}
    held: dict[str, list[pa.RecordBatch]] = {}
    names, met = {serial} - {""}, 0
    others: list[str] = []
    for chunk in stream:
        for batch in [chunk["battery"]] if "battery" in chunk else []:
            met += batch.num_rows
            others += batch.column("battery_key").slice(0, max(0, _KNOWN - len(others))).to_pylist()
            place = _place(batch, serial)
            if place is not None and "battery" not in found:
                found["battery"] = batch.slice(place, 1).to_pylist()
                names |= {str(found["battery"][0][name]) for name in ("battery_key", *IDENTIFIERS) if found["battery"][0][name]}
        for table, batch in chunk.items():
            if table != "battery" and _tells(table):
                held.setdefault(table, []).append(_of(batch, table, names) if names else batch)
    if "battery" not in found or (not serial and met > 1):
        return {}, others
    for table, batches in held.items():
        found[table] = [row for batch in batches for row in _of(batch, table, names).to_pylist()]
    return found, others


def _of(batch: pa.RecordBatch, table: str, names: set[str]) -> pa.RecordBatch:
    """Return the rows that may be of a battery: child rows by their key, evidence by that of the battery or of its rows."""
    if table == "source":
        return batch
    wanted = pa.array(sorted(names), pa.string())
    if table != "evidence":
        return batch.filter(pc.is_in(batch.column("battery_key"), wanted))
    keys = pc.replace_substring_regex(batch.column("key"), r"#\d+$", "")
    return batch.filter(pc.is_in(keys, pa.concat_arrays([wanted, pa.array([EVERY])])))


def _place(batch: pa.RecordBatch, serial: str) -> int | None:
    """Return the row of a battery by any of its names, of the first one where none is asked for."""
    if not serial:
        return 0 if batch.num_rows else None
    for name in ("battery_key", *IDENTIFIERS):
        place = pc.index(batch.column(name), pa.scalar(serial, pa.string())).as_py()
        if place >= 0:
            return int(place)
    return None
