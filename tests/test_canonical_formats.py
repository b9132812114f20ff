"""Canonical tables go through every serialisation and come back exactly; damaged ones are refused by name."""

import hashlib
import io
import json
import os
import random
import threading
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdx import canon, formats, spec
from bdx.canon import Chunk, Log
from bdx.errors import BdxError, CorruptSource, SinkError, SourceError, TruncatedSource, UnsafeSource, UsageError
from bdx.formats import families, rows_cells
from bdx.formats.canonical import WriteOptions
from bdx.formats.source import Source

WHOLE = ("arrow", "h5", "dataset")
SINGLE = ("parquet", "csv", "jsonl")
WORDS = ("", "plain", "Größe", 'quo"te', "a,b;c", "two\nlines", " edge ", "電池", "NaN", "1,5", "null")


def write(format_id: str, chunks: Iterable[Chunk], path: Path, table: str | None = None) -> Log:
    format_spec = spec.format_spec(format_id)
    options = WriteOptions(log=Log(), source="here", table=table)
    if format_id == "dataset":
        path.mkdir()
        formats.engine(format_spec).write_chunks(iter(chunks), path, format_spec, options)
    else:
        with path.open("w+b") as file:
            formats.engine(format_spec).write_chunks(iter(chunks), file, format_spec, options)
    return options.log


def read(format_id: str, path: Path) -> list[Chunk]:
    format_spec = spec.format_spec(format_id)
    return list(formats.engine(format_spec).read_chunks(Source(str(path)), format_spec))


def together(chunks: list[Chunk], table: str) -> pa.Table:
    return pa.Table.from_batches([chunk[table] for chunk in chunks if table in chunk])


def cell(column: spec.Column, dice: random.Random) -> Any:
    """Return a value of a column's type; a third of them null, unless the column is required."""
    if not column.required and dice.random() < 0.33:
        return None
    number = dice.choice([0.0, -1.5, 1e-7, 0.1 + 0.2, 1e22, float("inf"), dice.uniform(-1e3, 1e3)])
    moment = datetime(2026, 3, 1) + timedelta(microseconds=dice.choice([0, 1, 1_500_000, -(10**15)]))
    made: dict[str, Any] = {
        "string": dice.choice(column.enum) if column.enum else dice.choice(WORDS),
        "json": '{"a":[1,"ü"]}',
        "int32": dice.choice([0, -1, 2**31 - 1]),
        "int64": dice.choice([0, -1, 2**63 - 1]),
        "float64": number,
        "bool": dice.random() < 0.5,
        "date": date(1969, 12, 31) + timedelta(days=dice.randrange(30_000)),
        "timestamp": moment,
        "local_timestamp": moment,
        "decimal": dice.choice([Decimal("0.000000000000001"), Decimal("-71.35"), Decimal(0), Decimal("12345678901234567890.5")]),
        "strings": dice.choice([[], ["a", None, "ü,;"], ["x"]]),
    }
    return made[column.type]


def sample(table: str, rows: int) -> pa.RecordBatch:
    """Return a batch of every column of a table, the first row full of values where the dice allow."""
    dice = random.Random(table)
    facts = spec.table(table)
    columns = {column.name: pa.array([cell(column, dice) for _ in range(rows)], canon.TYPES[column.type]) for column in facts.columns}
    first = facts.columns[0]
    columns[first.name] = pa.array([f"k{place}" for place in range(rows)], canon.TYPES[first.type])
    return canon.batch(table, columns)


def family(batteries: int) -> Chunk:
    """Return batteries with children of three tables, some with none, some with many."""
    dice = random.Random(7)
    keys = [f"ü{place}" for place in range(batteries)]
    chunk = {"battery": canon.from_rows("battery", [{"battery_key": key, "full_cycles": place} for place, key in enumerate(keys)])}
    for table in ("material", "document", "carbon_footprint"):
        names = [column.name for column in spec.table(table).columns[1:3]]
        rows = [{"battery_key": key, names[0]: "other", names[1]: str(n)} for key in keys for n in range(dice.choice([0, 0, 1, 5]))]
        chunk[table] = canon.from_rows(table, rows)
    return chunk


def only(rows: pa.RecordBatch, keys: set[str], want: bool) -> pa.RecordBatch:
    return rows.filter(pa.array([(key in keys) == want for key in rows.column("battery_key").to_pylist()], pa.bool_()))


def series(*columns: str, rows: int = 3, extra: str = "") -> Chunk:
    found = {name: pa.array([float(place) for place in range(rows)]) for name in columns}
    added = {extra: (pa.array([1.5] * rows), {"bdx.source_name": "X(bar)", "bdx.unit": "bar"})} if extra else None
    return {"timeseries": canon.batch("timeseries", found, added)}


@pytest.mark.parametrize("table", spec.tables())
@pytest.mark.parametrize("format_id", [*WHOLE, *SINGLE])
def test_every_table_comes_back_exactly(format_id: str, table: str, tmp_path: Path) -> None:
    batch = sample(table, 40)
    log = write(format_id, [{table: batch}], tmp_path / "it")
    found = read(format_id, tmp_path / "it")
    assert together(found, table).equals(pa.Table.from_batches([batch]), check_metadata=True)
    assert not log.losses


@pytest.mark.parametrize("table", spec.tables())
@pytest.mark.parametrize("format_id", [*WHOLE, "parquet", "csv"])
def test_a_table_without_rows_comes_back(format_id: str, table: str, tmp_path: Path) -> None:
    batch = sample(table, 1).slice(0, 0)
    write(format_id, [{table: batch}], tmp_path / "it")
    found = read(format_id, tmp_path / "it")
    assert sum(chunk[table].num_rows for chunk in found if table in chunk) == 0


@pytest.mark.parametrize("format_id", [*WHOLE, "parquet"])
@pytest.mark.parametrize("batteries", [1, families.PARENT_ROWS + 700])
def test_children_travel_with_their_battery(format_id: str, batteries: int, tmp_path: Path) -> None:
    chunk, origin = family(batteries), {"source": canon.from_rows("source", [{"source_id": "s1"}])}
    half = batteries // 2
    keys = set(chunk["battery"].column("battery_key").slice(0, half).to_pylist())
    first, rest = ({name: only(rows, keys, want) for name, rows in chunk.items()} for want in (True, False))
    log = write(format_id, [part for part in (first, rest, origin) if next(iter(part.values())).num_rows], tmp_path / "it")
    found = read(format_id, tmp_path / "it")
    assert not log.losses
    for part in found:
        assert next(iter(part)) in ("battery", "source")
        own = set(part["battery"].column("battery_key").to_pylist()) if "battery" in part else set()
        for table in part.keys() - {"battery", "source"}:
            assert set(part[table].column("battery_key").to_pylist()) <= own
    for table, rows in {**chunk, **origin}.items():
        assert together(found, table).equals(pa.Table.from_batches([rows])) if rows.num_rows else True


@pytest.mark.parametrize("format_id", ["parquet", "h5", "dataset"])
def test_children_of_nobody_are_a_loss_and_disorder_is_mended(format_id: str, tmp_path: Path) -> None:
    battery = canon.from_rows("battery", [{"battery_key": "a"}, {"battery_key": "b"}])
    material = canon.from_rows("material", [{"battery_key": key, "name": name} for key, name in ("b1", "x2", "a3", "b4")])
    log = write(format_id, [{"battery": battery, "material": material}], tmp_path / "it")
    assert [(loss.what, loss.count) for loss in log.losses] == [("rows of material", 1)]
    names = together(read(format_id, tmp_path / "it"), "material").column("name").to_pylist()
    assert names == ["3", "1", "4"]


@pytest.mark.parametrize("format_id", ["parquet", "h5", "dataset"])
def test_a_later_source_widens_the_table(format_id: str, tmp_path: Path) -> None:
    parts = [series("test_time_second", "voltage_volt"), series("test_time_second", "current_ampere", extra="extra_p")]
    write(format_id, parts, tmp_path / "it")
    found = together(read(format_id, tmp_path / "it"), "timeseries")
    assert found.column_names == ["test_time_second", "voltage_volt", "current_ampere", "extra_p"]
    assert found.column("voltage_volt").to_pylist() == [0.0, 1.0, 2.0, None, None, None]
    assert found.column("extra_p").to_pylist() == [None, None, None, 1.5, 1.5, 1.5]
    assert found.schema.field("extra_p").metadata == {b"bdx.source_name": b"X(bar)", b"bdx.unit": b"bar"}


def test_csv_names_the_column_it_can_no_longer_hold(tmp_path: Path) -> None:
    log = write("csv", [series("test_time_second"), series("test_time_second", "voltage_volt"), series("current_ampere")], tmp_path / "it")
    assert [(loss.what, loss.count) for loss in log.losses] == [
        ("column timeseries.voltage_volt", 3),
        ("column timeseries.current_ampere", 3),
    ]


@pytest.mark.parametrize("format_id", [*WHOLE, *SINGLE])
def test_the_same_rows_give_the_same_bytes_in_any_batches(format_id: str, tmp_path: Path) -> None:
    whole = series("test_time_second", "voltage_volt", rows=200_000)["timeseries"]
    digests = []
    for place, step in enumerate((65_536, 65_536, 30_000)):
        path = tmp_path / str(place)
        write(format_id, [{"timeseries": whole.slice(start, step)} for start in range(0, whole.num_rows, step)], path)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
    if format_id not in ("arrow",):  # there a batch of the run is a message of the stream
        assert digests[0] == digests[2]


@pytest.mark.parametrize("format_id", SINGLE)
def test_what_one_table_cannot_hold_is_counted(format_id: str, tmp_path: Path) -> None:
    big = canon.from_rows("cycle", [{"test_id": "s1", "cycle_count": place, "basis": "x" * 100} for place in range(20_000)])
    log = write(format_id, [series("test_time_second"), {"cycle": big}], tmp_path / "it")
    assert [(loss.source, loss.what, loss.count) for loss in log.losses] == [("here", "rows of cycle", 20_000)]
    assert [list(chunk) for chunk in read(format_id, tmp_path / "it")] == [["timeseries"]]


def test_small_companions_ride_in_parquet(tmp_path: Path) -> None:
    tail = {"test": sample("test", 2), "source": sample("source", 1)}
    write("parquet", [series("test_time_second"), tail], tmp_path / "it")
    found = read("parquet", tmp_path / "it")
    assert [list(chunk) for chunk in found] == [["timeseries"], ["test", "source"]]
    assert all(found[1][name].equals(rows) for name, rows in tail.items())


@pytest.mark.parametrize("format_id", [*WHOLE, *SINGLE])
def test_a_table_can_be_asked_for(format_id: str, tmp_path: Path) -> None:
    chunks = [series("test_time_second"), {"cycle": sample("cycle", 3)}]
    write(format_id, chunks, tmp_path / "it", table="cycle")
    assert together(read(format_id, tmp_path / "it"), "cycle").num_rows == 3
    if format_id != "arrow":
        with pytest.raises(SinkError, match="hold no table item"):
            write(format_id, chunks, tmp_path / "other", table="item")
        with pytest.raises(UsageError, match="did you mean 'cycle'"):
            write(format_id, chunks, tmp_path / "third", table="cycles")


@pytest.mark.parametrize("format_id", [*WHOLE, *SINGLE])
def test_nothing_to_write_is_an_error(format_id: str, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="nothing to write"):
        write(format_id, [], tmp_path / "it")


def test_arrow_streams_through_a_real_pipe() -> None:
    chunks = [*(series("test_time_second", rows=50_000) for _ in range(5)), family(20), {"source": sample("source", 1)}]
    out, into = os.pipe()
    format_spec = spec.format_spec("arrow")

    def produce() -> None:
        with os.fdopen(into, "wb", buffering=0) as sink:
            formats.engine(format_spec).write_chunks(iter(chunks), sink, format_spec, WriteOptions(log=Log()))
            sink.write(b"the next program")

    thread = threading.Thread(target=produce)
    with os.fdopen(out, "rb") as end:
        thread.start()
        whole = end.read()
    thread.join()
    assert whole.endswith(b"the next program")
    found = list(formats.engine(format_spec).read_chunks(Source("-", stdin=io.BytesIO(whole[:-16])), format_spec))
    assert [list(chunk) for chunk in found] == [list(chunk) for chunk in chunks]
    assert all(a[name].equals(b[name]) for a, b in zip(found, chunks, strict=True) for name in a)
    first = pa.ipc.open_stream(io.BytesIO(whole)).read_all()
    assert first.num_rows == 250_000, "a plain consumer reads the whole first run"


def test_arrow_says_where_it_was_cut(tmp_path: Path) -> None:
    write("arrow", [series("test_time_second")], tmp_path / "it")
    data = (tmp_path / "it").read_bytes()
    (tmp_path / "it").write_bytes(data[:-8])
    with pytest.raises(TruncatedSource, match="without its end marker"):
        read("arrow", tmp_path / "it")


def test_arrow_of_others_is_refused_and_its_file_form_read(tmp_path: Path) -> None:
    table = pa.table({"a": [1]})
    with pa.ipc.new_stream(str(tmp_path / "foreign"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(SourceError, match=r"bdx\.table in its schema, and its columns \(a\)"):
        read("arrow", tmp_path / "foreign")
    mine = series("test_time_second")["timeseries"]
    with pa.ipc.new_file(str(tmp_path / "file"), mine.schema) as writer:
        writer.write_batch(mine)
    assert read("arrow", tmp_path / "file")[0]["timeseries"].equals(mine)
    plain = pa.table({"Test Time / s": pa.array(range(200), pa.int32()), "voltage_volt": [3.7] * 200})
    with pa.ipc.new_file(str(tmp_path / "plain"), plain.schema) as writer:
        writer.write_table(plain, max_chunksize=50)
    rows = together(read("arrow", tmp_path / "plain"), "timeseries").to_pylist()
    assert rows[::199] == [{"test_time_second": 0.0, "voltage_volt": 3.7}, {"test_time_second": 199.0, "voltage_volt": 3.7}]
    data = (tmp_path / "plain").read_bytes()
    (tmp_path / "cut").write_bytes(data[: data.rfind(b"ARROW1")])
    kept = []
    with pytest.raises(TruncatedSource, match="after 200 rows; expected the end of an Arrow file"):
        kept += formats.engine(spec.format_spec("arrow")).read_chunks(Source(str(tmp_path / "cut")), spec.format_spec("arrow"))
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    with pytest.raises(TruncatedSource, match=r"within a batch, after (50|100|150) rows"):
        read("arrow", tmp_path / "cut")


def test_vendor_columns_do_not_hide_a_canonical_header(tmp_path: Path) -> None:
    many = {f"extra_{letter}": ["x", "2"] for letter in "abcdefgh"}
    table = {"test_time_second": ["0", "1"], "frequency_hertz": ["10", "100"], **many}
    lines = [",".join(table), *(",".join(row) for row in zip(*table.values(), strict=True))]
    (tmp_path / "it").write_text("\n".join(lines) + "\n")
    assert formats.detect(Source(str(tmp_path / "it"))).id == "csv"
    write("jsonl", read("csv", tmp_path / "it"), tmp_path / "lines")
    assert formats.detect(Source(str(tmp_path / "lines"))).id == "jsonl"


def test_a_vendor_column_of_text_with_a_unit_stays_text(tmp_path: Path) -> None:
    text = {"extra_over": (pa.array(["...", "u..", None]), {"bdx.unit": "bits"}), "extra_q": (pa.array([1, None, 3]), {"bdx.unit": "mA.h"})}
    batch = canon.batch("timeseries", {"test_time_second": [0.0, 1.0, 2.0], "voltage_volt": [3.7, 3.7, 3.7]}, text)
    write("csv", [{"timeseries": batch}], tmp_path / "it")
    assert (tmp_path / "it").read_text().startswith("test_time_second,voltage_volt,extra_over,extra_q [mA.h]\n")
    (tmp_path / "older").write_text((tmp_path / "it").read_text().replace("extra_over", "extra_over [bits]"))
    for name in ("it", "older"):
        found = read("csv", tmp_path / name)[0]["timeseries"]
        assert found.column("extra_over").to_pylist() == ["...", "u..", None]
        assert found.column("extra_q").to_pylist() == [1.0, None, 3.0]


def test_parquet_of_others_is_read_where_its_columns_are_canonical(tmp_path: Path) -> None:
    pq.write_table(pa.table({"Test Time / s": pa.array([0, 1], pa.int32()), "voltage_volt": [3.7, 3.8]}), tmp_path / "bdf")
    found = read("parquet", tmp_path / "bdf")[0]["timeseries"]
    assert found.to_pylist() == [{"test_time_second": 0.0, "voltage_volt": 3.7}, {"test_time_second": 1.0, "voltage_volt": 3.8}]
    pq.write_table(pa.table({"speed": [1]}), tmp_path / "foreign")
    with pytest.raises(SourceError, match="speed"):
        read("parquet", tmp_path / "foreign")
    pq.write_table(pa.table({"voltage_volt": ["x"]}), tmp_path / "typed")
    with pytest.raises(CorruptSource, match="voltage_volt is string"):
        read("parquet", tmp_path / "typed")


def test_hdf5_of_others_is_named(tmp_path: Path) -> None:
    for member, title in (("raw_data", "battdat"), ("CellpyData", "cellpy"), ("other", "no layout that is read")):
        with h5py.File(tmp_path / member, "w") as file:
            file.create_group(member)
        with pytest.raises(SourceError, match=title):
            read("h5", tmp_path / member)


def unsealed(path: Path) -> Path:
    """Take the hash off the end, as another program does that changes the file."""
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"\nbdx-h5/1 sha256:")])
    return path


def test_hdf5_links_are_not_followed(tmp_path: Path) -> None:
    write("h5", [series("test_time_second")], tmp_path / "secret")
    path = tmp_path / "it"
    for link in (h5py.ExternalLink(str(tmp_path / "secret"), "/timeseries"), h5py.SoftLink("/elsewhere")):
        for place in ("timeseries", "timeseries/test_time_second"):
            write("h5", [series("test_time_second")], path)
            with h5py.File(unsealed(path), "r+") as file:
                del file[place]
                file[place] = link
            with pytest.raises(UnsafeSource, match="does not follow links"):
                read("h5", path)
            path.unlink()


def test_hdf5_claims_are_checked(tmp_path: Path) -> None:
    write("h5", [series("test_time_second")], tmp_path / "it")
    with h5py.File(unsealed(tmp_path / "it"), "r+") as file:
        file["timeseries"].attrs["rows"] = 2**60
        file["timeseries/test_time_second"].resize((2**60,))
    with pytest.raises(UnsafeSource, match="claims"):
        read("h5", tmp_path / "it")


def test_hdf5_refuses_what_it_would_cut(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"item\.name.*NUL"):
        write("h5", [{"item": canon.from_rows("item", [{"item_id": "a", "name": "b\0c"}])}], tmp_path / "it")


def test_hdf5_goes_to_a_sink_that_cannot_seek(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            Pipe.data += bytes(data)
            return len(data)

    for format_id in ("h5", "parquet"):
        Pipe.data = b""
        format_spec = spec.format_spec(format_id)
        formats.engine(format_spec).write_chunks([series("voltage_volt")], Pipe(), format_spec, WriteOptions(log=Log()))
        source = Source("-", stdin=io.BytesIO(Pipe.data))
        found = list(formats.engine(format_spec).read_chunks(source, format_spec))
        source.close()
        assert found[0]["timeseries"].equals(series("voltage_volt")["timeseries"])


def test_dataset_is_checked_against_its_descriptor(tmp_path: Path) -> None:
    folder = tmp_path / "it"
    write("dataset", [family(3), {"source": sample("source", 1)}], folder)
    descriptor = json.loads((folder / "datapackage.json").read_text("utf-8"))
    assert descriptor["$schema"].endswith("/2.0/datapackage.json")
    for entry in descriptor["resources"]:
        data = (folder / entry["path"]).read_bytes()
        assert entry["bytes"] == len(data)
        assert entry["hash"] == "sha256:" + hashlib.sha256(data).hexdigest()
    entry = descriptor["resources"][0]

    def with_entry(**changes: Any) -> Path:
        changed = {**descriptor, "resources": [{**entry, **changes}, *descriptor["resources"][1:]]}
        (folder / "datapackage.json").write_text(json.dumps(changed), "utf-8")
        return folder

    for changes, error, match in (
        ({"hash": "sha256:00"}, CorruptSource, "sha256"),
        ({"bdx:rows": 99}, CorruptSource, "rows"),
        ({"path": "../battery.parquet"}, UnsafeSource, "expected battery.parquet"),
        ({"path": "/etc/passwd"}, UnsafeSource, "expected battery.parquet"),
        ({"name": "nonsense"}, CorruptSource, "canonical table"),
    ):
        with pytest.raises(error, match=match):
            read("dataset", with_entry(**changes))
    (with_entry() / "material.parquet").unlink()
    with pytest.raises(CorruptSource, match="cannot be read"):
        read("dataset", folder)


def test_dataset_with_children_in_disorder_is_refused(tmp_path: Path) -> None:
    keys = [f"k{place}" for place in range(families.PARENT_ROWS * 2)]
    battery = canon.from_rows("battery", [{"battery_key": key} for key in keys])
    material = canon.from_rows("material", [{"battery_key": key} for key in (keys[-1], keys[0])])
    chunks = families.arrange(
        {"battery": battery.num_rows, "material": 2},
        lambda table, step: iter([battery.slice(0, step), battery.slice(step)] if table == "battery" else [material]),
        "it",
    )
    with pytest.raises(CorruptSource, match="row 2 of table material has battery_key 'k0'"):
        list(chunks)


@pytest.mark.parametrize("format_id", [*WHOLE, *SINGLE])
def test_damage_is_refused_by_name(format_id: str, tmp_path: Path) -> None:
    write(format_id, [family(6), series("test_time_second", extra="extra_p")], tmp_path / "it")
    files = sorted((tmp_path / "it").iterdir()) if format_id == "dataset" else [tmp_path / "it"]
    dice = random.Random(format_id)
    refused = 0
    for place in range(120):
        path = files[place % len(files)]
        data = path.read_bytes()
        where = dice.randrange(len(data))
        cut = place % 3 == 0
        path.write_bytes(data[:where] if cut else data[:where] + bytes([data[where] ^ (1 << dice.randrange(8))]) + data[where + 1 :])
        try:
            read(format_id, tmp_path / "it")
        except BdxError as error:
            refused += 1
            assert str(tmp_path) in str(error)
        path.write_bytes(data)
    assert refused >= {"csv": 1, "jsonl": 1}.get(format_id, 40)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.floats(allow_nan=False)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**19), max_value=10**19)
moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(text, st.none() | text, st.none() | numbers, st.none() | decimals, st.none() | moments), min_size=1, max_size=6))
@pytest.mark.parametrize("format_id", ["csv", "jsonl"])
def test_any_cell_survives_text(format_id: str, tmp_path: Path, cells: list[tuple[Any, ...]]) -> None:
    # A carriage return alone is a line end to a CSV reader even inside quotes of some; a NUL ends text for others.
    names = [row[0].replace("\0", "").replace("\r", "") for row in cells]
    notes = [None if row[1] is None else row[1].replace("\0", "").replace("\r", "") for row in cells]
    item = canon.from_rows(
        "item",
        [{"item_id": a, "name": b, "quantity": row[2], "produced_at": row[4]} for a, b, row in zip(names, notes, cells, strict=True)],
    )
    footprint = canon.from_rows("carbon_footprint", [{"battery_key": "k", "value": row[3]} for row in cells])
    for table, batch in (("item", item), ("carbon_footprint", footprint)):
        write(format_id, [{table: batch}], tmp_path / "it")
        assert together(read(format_id, tmp_path / "it"), table).equals(pa.Table.from_batches([batch]))


@given(st.lists(st.none() | numbers, max_size=20))
def test_numbers_are_written_as_short_as_they_read_back(values: list[float | None]) -> None:
    array = pa.array(values, pa.float64())
    assert rows_cells.text_of(array, pa.field("x", array.type)).cast(pa.float64()).equals(array)


def test_times_that_text_cannot_tell_are_refused(tmp_path: Path) -> None:
    far = pa.array([2**62], pa.timestamp("us", tz="UTC"))
    for format_id in ("csv", "jsonl"):
        with pytest.raises(SinkError, match="produced_at"):
            write(format_id, [{"item": canon.batch("item", {"item_id": ["a"], "produced_at": far})}], tmp_path / "it")


def sheet(tmp_path: Path, data: str | bytes, name: str = "sheet.csv", format_id: str = "csv") -> tuple[dict[str, Any], Log]:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    source = Source(str(path))
    format_spec = spec.format_spec(format_id)
    chunks = list(formats.engine(format_spec).read_chunks(source, format_spec))
    table = next(iter(chunks[0]))
    return together(chunks, table).to_pydict(), source.log


def test_unknown_columns_are_losses_with_the_nearest_name(tmp_path: Path) -> None:
    _, log = sheet(tmp_path, "serial_number,model_id,nominal_volts,nominal_voltage [furlong],colour\nA,M,36,36,red\nB,M,,,\n")
    whats = {loss.what: loss.why for loss in log.losses}
    assert "did you mean 'nominal_voltage_v'" in whats["column 'nominal_volts'"]
    assert "furlong" in whats["column 'nominal_voltage [furlong]'"]
    assert [loss.count for loss in log.losses] == [1, 1, 1]


@pytest.mark.parametrize(
    ("header", "raw", "column", "value"),
    [
        ("nominal_voltage [mV]", "36500", "nominal_voltage_v", 36.5),
        ("Nominal Voltage (V)", "36.5", "nominal_voltage_v", 36.5),
        ("nominal_voltage_v [mV]", "36500", "nominal_voltage_v", 36.5),
        ("battery_mass [g]", "3100", "battery_mass_kg", 3.1),
        ("warranty_period [year]", "2", "warranty_period_months", 24),
        ("warranty_period [year]", "0.3", "warranty_period_months", None),
        ("idle_temperature_max [K]", "323.15", "idle_temperature_max_c", 50.0),
        ("Battery Category", "LMT", "battery_category", "lmt"),
    ],
)
def test_units_and_spellings_of_a_header(header: str, raw: str, column: str, value: Any, tmp_path: Path) -> None:
    found, log = sheet(tmp_path, f"serial_number,model_id,{header}\nA,M,{raw}\n")
    assert found[column] == [pytest.approx(value) if isinstance(value, float) else value]
    assert [finding.code for finding in log.findings] == ([] if value is not None else ["F001"])
    assert not log.losses


def test_a_battery_always_has_a_key(tmp_path: Path) -> None:
    found, _ = sheet(tmp_path, "battery_key,serial_number,battery_id,model_id\nK,S,B,m\n,S,B,m\n,,B,m\n,,,m\n")
    assert found["battery_key"] == ["K", "S", "B", "s1:4"]
    found, _ = sheet(tmp_path, '{"serial_number":"S","model_id":"m"}\n{"model_id":"m"}\n', "x.jsonl", "jsonl")
    assert found["battery_key"] == ["S", "s1:2"]


def test_a_finding_names_the_row_of_the_spreadsheet(tmp_path: Path) -> None:
    rows = "".join(f"S{place};1\n" for place in range(200_000))
    found, log = sheet(tmp_path, "serial_number;full_cycles\n1;2;3\n\n" + rows + "X;many\n;\n")
    assert len(found["serial_number"]) == 200_001
    assert [(f.code, f.locator, f.count) for f in log.findings] == [
        ("F001", "row 200004", 1),
        ("F002", "row 2", 1),
        ("F004", "row 3", 2),
    ]
    assert found["locator"][-1] == "row 200004"


def test_a_last_line_that_may_be_cut_is_named(tmp_path: Path) -> None:
    for tail, codes in ((b"1,1.0207\n2,1.02", ["F049"]), (b"1,1.0207\n2,1.02\n", []), (b"1,1.0207\n2,1.0208", []), (b"1,1.02\n", [])):
        (tmp_path / "it").write_bytes(b"test_time_second,voltage_volt\n" + tail)
        source = Source(str(tmp_path / "it"))
        assert list(formats.engine(spec.format_spec("csv")).read_chunks(source, spec.format_spec("csv")))
        assert [found.code for found in source.log.findings] == codes, tail


def test_headers_that_fit_two_tables_are_settled_by_the_file_name(tmp_path: Path) -> None:
    data = "battery_key,name,identifier\nA,nickel,7440-02-0\n"
    with pytest.raises(SourceError, match="material, hazardous_substance alike"):
        sheet(tmp_path, data)
    found, _ = sheet(tmp_path, data, "material.csv")
    assert found["name"] == ["nickel"]


def test_text_in_two_encodings_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(CorruptSource, match="byte 40"):
        sheet(tmp_path, b"serial_number,manufacturer_name\nX,M\xc3\xbc\nY,\xff\n")


def test_a_header_of_others_is_not_ours(tmp_path: Path) -> None:
    for head in (b"DataPoint,Voltage(V)\n1,2\n", b"", b"\n\n", b"a;b\n", b'{"a":1}\n', bytes(100), b"name,unit,colour,shape,size\n"):
        assert not formats.engine(spec.format_spec("csv")).sniff(head, spec.format_spec("csv"))
        assert not formats.engine(spec.format_spec("jsonl")).sniff(head, spec.format_spec("jsonl"))


def test_bdf_csv_has_preferred_labels_and_names_what_it_leaves(tmp_path: Path) -> None:
    chunk = series("test_time_second", "voltage_volt", "current_ampere", extra="extra_p")
    log = write("bdf-csv", [chunk, {"source": sample("source", 1)}], tmp_path / "it")
    assert (tmp_path / "it").read_text("utf-8").splitlines()[:2] == ["Test Time / s,Voltage / V,Current / A", "0,0,0"]
    assert [loss.what for loss in log.losses] == ["column timeseries.extra_p", "rows of source"]
    with pytest.raises(SinkError, match=r"current_ampere \(Current / A\)"):
        write("bdf-csv", [series("test_time_second", "voltage_volt")], tmp_path / "it")
    plain = {"test_time_second": [0.0], "voltage_volt": [1.0], "current_ampere": [1.0]}
    tests = [{"timeseries": canon.batch("timeseries", {"test_id": [name], **plain})} for name in ("s1", "s2")]
    with pytest.raises(SinkError, match="one test, the data hold s1, s2"):
        write("bdf-csv", tests, tmp_path / "it")
