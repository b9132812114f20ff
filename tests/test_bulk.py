"""Passports in bulk: many containers, broken records among whole ones, releases in turn, and that sharing work changes nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdx import formats, mapping, spec
from bdx.canon import Document, Log
from bdx.cli import run
from bdx.errors import CorruptSource, SinkError, SourceError, TruncatedSource
from bdx.formats import document_text, packing
from bdx.formats.document_write import file_name
from bdx.formats.json_text import dumps, parse
from bdx.formats.source import Source
from bdx.mapping import paths_distinct, paths_read
from bdx.mapping.paths_extra import same
from bdx.pipeline.converting import convert
from bdx.pipeline.rejecting import AllRejected

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES / "make"))
import passports  # noqa: E402

CX = "catenax-battery-pass"
PARTS: dict[str, Any] = passports.idta()


def passport(number: int) -> bytes:
    return dumps(passports.catenax(number))


def serials(path: Path) -> list[str]:
    """Return the serial numbers of a file of Catena-X passports, one a line."""
    return [json.loads(line)["identification"]["identification"]["serial"][0]["value"] for line in path.read_bytes().splitlines()]


def named(*numbers: int) -> list[str]:
    return [passports.SERIAL.format(number) for number in numbers]


# ---- containers


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_lines_are_read_and_written(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    source.write_bytes(PACKERS[suffix](b"\n".join(map(passport, range(3)))))
    convert([source], tmp_path / f"out.jsonl{suffix}", to=CX)
    convert([tmp_path / f"out.jsonl{suffix}"], tmp_path / "again.jsonl", to=CX)
    assert (tmp_path / f"out.jsonl{suffix}").read_bytes()[:2] != b'{"'
    assert serials(tmp_path / "again.jsonl") == named(0, 1, 2)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_cut_packing_is_named(suffix: str, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(60_000).hex().encode()
    data = PACKERS[suffix](passport(1) + b"\n" + passport(2)[:-1] + b',"noise":"' + noise + b'"}\n')
    (tmp_path / "in").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises((TruncatedSource, CorruptSource)):
        convert([tmp_path / "in"], tmp_path / "out.jsonl", to=CX, from_format=CX)
    assert not (tmp_path / "out.jsonl").exists()


def test_the_same_data_are_packed_into_the_same_bytes(tmp_path: Path) -> None:
    def packed(kind: str) -> bytes:
        sink = io.BytesIO()
        with packing.packed(sink, kind) as stream:
            stream.write(b"x" * 1000)
        return sink.getvalue()

    assert all(packed(kind) == packed(kind) and len(packed(kind)) < 200 for kind in packing.PACKINGS.values())


def folder_of(root: Path) -> Path:
    (root / "in/sub").mkdir(parents=True)
    for number in (2, 0, 1):
        (root / f"in/p{number}.json").write_bytes(passport(number))
    (root / "in/sub/lines.jsonl").write_bytes(passport(10) + b"\r\n\r\n" + passport(11))
    (root / "in/sub/z.json.gz").write_bytes(gzip.compress(passport(12)))
    (root / "in/notes.txt").write_text("not a passport")
    (root / "in/.hidden.json").write_text("{")
    return root / "in"


@pytest.mark.parametrize("zipped", [False, True])
def test_many_files_in_sorted_order_without_being_told(zipped: bool, tmp_path: Path) -> None:
    source = folder_of(tmp_path)
    if zipped:
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for path in sorted(source.rglob("*"), reverse=True):
                archive.write(path, path.relative_to(source).as_posix())
        source = tmp_path / "in.zip"
    assert formats.detect(Source(str(source))).id == CX
    result = convert([source], tmp_path / "out.jsonl", to=CX)
    assert serials(tmp_path / "out.jsonl") == named(0, 1, 2, 10, 11, 12)
    assert [(loss.what, loss.count) for loss in result.losses if "JSON" in loss.why] == [("other files", 1)]
    places = [part.locator for part in formats.read(Source(str(source)), spec.format_spec(CX)) if isinstance(part, Document)]
    assert places == ["p0.json", "p1.json", "p2.json", "sub/lines.jsonl line 1", "sub/lines.jsonl line 3", "sub/z.json.gz"]


def test_a_folder_of_something_else_is_no_passport(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SourceError, match="holds no file of a known format"):
        convert([tmp_path], tmp_path / "out.jsonl", to=CX)
    with pytest.raises(SourceError, match="no JSON file"):
        convert([tmp_path], tmp_path / "out.jsonl", to=CX, from_format=CX)


def idta_files(folder: Path, name: Callable[[str], str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, value in PARTS.items():
        (folder / name(part)).write_bytes(dumps(value))


@pytest.mark.parametrize("layout", ["one folder", "folder each", "beginning", "ending"])
def test_lone_parts_become_one_passport_per_battery(layout: str, tmp_path: Path) -> None:
    source, count = tmp_path / "in", 2
    if layout == "one folder":
        idta_files(source, lambda part: f"{part}.json")
        count = 1
    for battery in ("a1", "b2") if count == 2 else ():
        if layout == "folder each":
            idta_files(source / battery, lambda part: f"{part}.json")
        elif layout == "beginning":
            idta_files(source, lambda part, battery=battery: f"{battery}_{part}.json")
        else:
            idta_files(source, lambda part, battery=battery: f"{part}-{battery}.json")
    convert([source], tmp_path / "out.jsonl", to="idta-02035")
    values = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert len(values) == count and all(same(value, passports.idta()) for value in values)


def test_parts_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        idta_files(tmp_path / "in", lambda part, number=number: f"{sorted(PARTS).index(part) * 7 + number * 3}x{number}{part[0]}.json")
    with pytest.raises(SourceError, match="nothing tells whose they are"):
        convert([tmp_path / "in"], tmp_path / "out.jsonl", to="idta-02035")


def test_a_folder_gets_a_file_for_each_battery(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([passport(1), passport(2), passport(1)]))
    convert([tmp_path / "in.jsonl"], f"{tmp_path}/out/", to=CX)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["BX36-000001-2.json", "BX36-000001.json", "BX36-000002.json"]
    assert same(json.loads((tmp_path / "out/BX36-000002.json").read_bytes()), passports.catenax(2))


def test_a_folder_gets_a_file_for_each_part(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(dumps(passports.idta()))
    convert([tmp_path / "in.json"], f"{tmp_path}/out/", to="idta-02035", by_part=True)
    (battery,) = (tmp_path / "out").iterdir()
    assert {path.stem: json.loads(path.read_bytes()) for path in battery.iterdir()} == passports.idta()
    with pytest.raises(SinkError, match="has no parts"):
        convert([FIXTURES / f"formats/{CX}/story/input.json"], f"{tmp_path}/other/", to=CX, by_part=True)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BX36-1", "BX36-1"),
        ("../../etc/passwd", "etc_passwd"),
        ("a/b:c", "a_b_c"),
        ("..", ""),
        ("CON", "_CON"),
        ("nul.x", "_nul.x"),
        ("äß", ""),
    ],
)
def test_file_names_are_safe(text: str, name: str) -> None:
    assert file_name(text) == name


# ---- broken records among whole ones


def wrong(path: str, value: Any) -> bytes:
    document = passports.catenax(99)
    holder = document
    *steps, last = path.split(".")
    for step in steps:
        holder = holder[step]
    holder[last] = value
    return dumps(document)


BROKEN: dict[str, tuple[bytes, str, str]] = {
    "cut": (passport(7)[:700], "F180", "ends before"),
    "double key": (passport(7).replace(b'"metadata":', b'"specVersion":1,"metadata":', 1), "F180", "'specVersion' twice"),
    "not a number": (b'{"identification":{"idDmc":NaN}}', "F180", "constant that JSON does not have"),
    "infinity": (b'{"identification":{"idDmc":-Infinity}}', "F180", "constant that JSON does not have"),
    "deep": (b'{"identification":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, "F180", "nests deeper"),
    "array": (b"[1]", "F180", "expected a JSON object, found an array"),
    "mark": (b"\xef\xbb\xbf" + passport(7), "F180", "byte order mark"),
    "latin": (passport(7).replace(b"Carbon", b"\xe9", 1), "F180", "not UTF-8"),
    "half": (b'{"identification":{"idDmc":"\\ud800"}}', "F180", "surrogate"),
    "other model": (b'{"hello":1}', "F181", "is no catenax-battery-pass"),
    "other version": (passport(7).replace(b"battery_pass:6.1.0", b"battery_pass:9.9.9", 1), "F181", "9.9.9"),
    "off schema": (wrong("performance.rated.capacity.value", "14 Ah"), "F182", "line 3 /performance/rated/capacity/value"),
    "missing": (wrong("metadata", {}), "F182", "/metadata/"),
    "no such day": (wrong("metadata.issueDate", "2026-02-30"), "F183", "line 3 /metadata/issueDate"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_record_is_put_aside_and_the_rest_passes(kind: str, tmp_path: Path) -> None:
    line, code, words = BROKEN[kind]
    (tmp_path / "in.jsonl").write_bytes(b"\r\n".join([passport(1), passport(2), line, b"", passport(3)]))
    result = convert([tmp_path / "in.jsonl"], tmp_path / "out.jsonl", to=CX, reject=tmp_path / "bad.jsonl")
    assert serials(tmp_path / "out.jsonl") == named(1, 2, 3)
    assert (tmp_path / "bad.jsonl").read_bytes() == line + b"\r\n" and result.rejected == 1
    (found,) = [item for item in result.findings if item.code.startswith("F18")]
    assert found.code == code and words in found.message and found.locator.startswith("line 3") and found.row == 3


@pytest.mark.parametrize("kind", [kind for kind, (_, code, _) in BROKEN.items() if code in ("F180", "F181")])
def test_a_broken_record_stops_without_reject_and_is_a_finding_of_validate(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([passport(1), passport(2), BROKEN[kind][0], passport(3)]))
    with pytest.raises(SourceError, match=r"line 3.*--reject FILE"):
        convert([tmp_path / "in.jsonl"], tmp_path / "out.jsonl", to=CX)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    assert run(["validate", str(tmp_path / "in.jsonl"), "-O", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [item["code"] for item in found["findings"] if item["severity"] == "error"] == [BROKEN[kind][1]]


def test_the_first_line_may_be_the_broken_one(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([passport(0)[:-40], passport(1), passport(2)]))
    convert([tmp_path / "in.jsonl"], tmp_path / "out.jsonl", to=CX, reject=tmp_path / "bad.jsonl")
    assert serials(tmp_path / "out.jsonl") == named(1, 2)


def test_items_of_an_array_are_put_aside_too(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(b"[" + b",".join([passport(1), b"5", wrong("metadata", {}), passport(2)]) + b"]")
    result = convert([tmp_path / "in.json"], tmp_path / "out.jsonl", to=CX, reject=tmp_path / "bad.jsonl")
    assert serials(tmp_path / "out.jsonl") == named(1, 2)
    assert [found.locator.partition(" /")[0] for found in result.findings if found.code.startswith("F18")] == ["item 2", "item 3"]
    assert (tmp_path / "bad.jsonl").read_bytes() == b"5\n" + wrong("metadata", {}) + b"\n"


def test_a_file_of_a_folder_is_put_aside(tmp_path: Path) -> None:
    source = folder_of(tmp_path)
    (source / "p1.json").write_bytes(passport(1)[:900])
    result = convert([source], tmp_path / "out.jsonl", to=CX, reject=tmp_path / "bad.jsonl")
    assert serials(tmp_path / "out.jsonl") == named(0, 2, 10, 11, 12) and result.rejected == 1
    assert any(found.code == "F180" and found.message.startswith("p1.json") for found in result.findings)


def test_nothing_rejected_leaves_an_empty_file_and_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_bytes(passport(1) + b"\n" + passport(2))
    arguments = ["convert", f"{tmp_path}/in.jsonl", "-t", CX, "-o", f"{tmp_path}/out.jsonl", "--reject", f"{tmp_path}/bad.jsonl"]
    assert run(arguments) == 0
    assert (tmp_path / "bad.jsonl").read_bytes() == b""
    assert run(arguments) == 4 and "--force" in capsys.readouterr().err


def test_rejects_are_counted_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_bytes(passport(1) + b"\n{}\n" + passport(2)[:99])
    arguments = ["convert", f"{tmp_path}/in.jsonl", "-t", CX, "-o", f"{tmp_path}/out.jsonl", "--reject", f"{tmp_path}/bad.jsonl"]
    assert run(arguments) == 1
    told = capsys.readouterr().err
    assert "rejected 2 records" in told and "line 2" in told and "line 3" in told


def test_all_rejected_writes_the_rejects_only(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(wrong("metadata", {}) + b"\n" + wrong("safety", 5) + b"\n")
    with pytest.raises(AllRejected, match="all 2 records"):
        convert([tmp_path / "in.jsonl"], tmp_path / "out.jsonl", to=CX, reject=tmp_path / "bad.jsonl")
    assert not (tmp_path / "out.jsonl").exists() and len((tmp_path / "bad.jsonl").read_bytes().splitlines()) == 2


def test_a_huge_text_is_read_and_a_line_too_long_is_put_aside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = passports.catenax(5)
    document["commercial"]["purpose"] = "x" * 50_000_000
    assert next(document_text.records(io.BytesIO(dumps(document)), b"{", "in", 1 << 28)).value == document
    monkeypatch.setattr(formats.document, "MAX_BYTES", 100_000)
    document["commercial"]["purpose"] = "x" * 300_000
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([passport(1), dumps(document), passport(2)]))
    result = convert([tmp_path / "in.jsonl"], tmp_path / "out.jsonl", to=CX, reject=tmp_path / "bad.jsonl")
    assert serials(tmp_path / "out.jsonl") == named(1, 2) and result.rejected == 1
    assert any("line 2" in found.message and "more than" in found.message for found in result.findings)


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_lines_do_not_depend_on_the_chunks(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_text, "_CHUNK", size)
    text = b'{"a":1}\r\n\n  \n{"b":[1,\n{"c":"\xc3\xa4"}\n\n[1]\n{"d":1}'
    bad: list[tuple[str, bytes | None]] = []
    found = list(document_text.records(io.BytesIO(text), text, "in", 1000, lambda raw, error, place: bad.append((place, raw))))
    assert [(record.value, record.locator) for record in found] == [
        ({"a": 1}, "line 1"),
        ({"c": "ä"}, "line 5"),
        ([1], "line 7"),
        ({"d": 1}, "line 8"),
    ]
    assert bad == [("line 4", b'{"b":[1,')]


@pytest.mark.parametrize("text", ['{"a":\n{"b":1}\n}', '[\n{"a":1}\n,{"b":2}\n]', '{\n"a": 1\n}', '[{"a":1},\n{"b":2}]', '{"a":1}\n\n'])
def test_a_lone_text_over_several_lines_is_no_lines(text: str) -> None:
    values = [record.value for record in document_text.records(io.BytesIO(text.encode()), b"{", "in", 1000)]
    whole = json.loads(text)
    assert values == (whole if isinstance(whole, list) else [whole])


# ---- exact, however a text is written


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1.50,"b":"\\u00e4\\/\\ud83d\\ude00","c":1e-07,"d":1E+5,"e":[0.10]}',
        '{ "a" : 12345678901234567890123, "b": 0.1000000000000000055511151231257827 }',
        '{"a":"1.50,","b":"e-05","c":"\\\\u0041"}',
    ],
)
def test_the_fast_parse_says_what_the_exact_one_says(text: str) -> None:
    found, exact = parse(text.encode(), "in"), json.loads(text, parse_float=__import__("decimal").Decimal)
    assert same(found, exact) or all(float(found[key]) == float(exact[key]) for key in found if not isinstance(exact[key], str | list))
    assert {key: value for key, value in found.items() if isinstance(value, str)} == {k: v for k, v in exact.items() if isinstance(v, str)}
    assert type(found["a"]) is not float or found["a"] == 1.5


@pytest.mark.parametrize("text", ['{"a":1,"\\u0061":1}', '{"x":"\\u00e9","b":{"c":1.50,"c":1.50}}', '{"a":1e-07,"a":1e-07}'])
def test_a_double_key_hides_behind_no_spelling(text: str) -> None:
    with pytest.raises(CorruptSource, match="twice"):
        parse(text.encode(), "in")


# ---- sharing work changes nothing


def varied(count: int) -> list[Any]:
    """Return passports of three models in turn, some with unknown fields, differing copies and odd values deep inside."""
    found = []
    for number in range(count):
        document = passports.catenax(number)
        model = number % 3
        document["materials"]["composition"][0]["renewable"] = float(model)
        document["performance"]["rated"]["capacity"]["value"] = 10.0 + model
        if number % 5 == 0:
            document["materials"]["composition"][1]["strange"] = {"deep": [model, {"x": None}]}
        if number % 7 == 0:
            document["sustainability"]["carbonFootprint"][model]["unit"] = "stone"
            document["performance"]["rated"]["odd"] = [model]
        if number % 11 == 0:
            del document["materials"]["hazardous"]
        found.append(document)
    return found


def through(values: list[Any], target: str) -> tuple[list[Any], Log]:
    log = Log()
    context = mapping.Context("in", "s1", log, CX)
    parts = iter([Document(f"{CX}@6.1.0", value, f"line {number}") for number, value in enumerate(values, 1)])
    chunks = mapping.to_canonical(parts, spec.format_spec(CX), context)
    written = mapping.from_canonical(chunks, spec.format_spec(target), mapping.Context("in", "s1", log))
    return [json.loads(dumps(part.value)) for part in written if isinstance(part, Document)], log


@pytest.mark.parametrize("target", [CX, "idta-02035"])
def test_rows_that_say_the_same_are_written_once_to_the_same_end(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = varied(200)
    shared, log = through(values, target)
    monkeypatch.setattr(paths_distinct, "_LEAST", 1 << 30)
    single, plain_log = through(values, target)
    assert shared == single and (target != CX or all(map(same, shared, values)))
    assert log.losses == plain_log.losses and log.findings == plain_log.findings


def test_what_is_remembered_reads_as_if_it_were_not(monkeypatch: pytest.MonkeyPatch) -> None:
    values = varied(60)
    alone = [through([value], CX)[0][0] for value in values]
    assert through(values, CX)[0] == alone


def test_distinct_rows_are_told_apart_to_the_last_bit() -> None:
    texts = pa.array([["a", "b"], ["a\x1e", "b"], [], None, ["ab"]] * 40)
    batch = pa.record_batch({"battery_key": [str(n) for n in range(200)], "x": [0.0, -0.0, 0.0, None, 0.0] * 40, "t": texts})
    found = paths_distinct.distinct(batch, "battery_key")
    assert found is not None
    first, kinds = found
    assert first.tolist() == [0, 1, 2, 3, 4] and kinds.tolist() == [0, 1, 2, 3, 4] * 40
    assert paths_distinct.distinct(batch.slice(0, 10), "battery_key") is None


def test_releases_in_turn_keep_the_order_of_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = (f"{CX}@6.1.0", "idta-02035@1.0.1", f"{CX}@6.0.0")
    documents = []
    for number in range(60):
        value = passports.idta(number) if number % 3 == 1 else passports.catenax(number)
        documents.append(Document(turns[number % 3], value, f"line {number}"))
    monkeypatch.setattr(paths_read, "STEP", 16)
    chunks = list(mapping.to_canonical(iter(documents), spec.format_spec(CX), mapping.Context("in", "s1", Log(), CX)))
    keys = chunks[0]["battery"].column("battery_key").to_pylist()
    assert len(chunks) == 1 and keys == [passports.SERIAL.format(n) for n in range(60)]
    for table, batch in chunks[0].items():
        order = [keys.index(key) for key in batch.column("battery_key").to_pylist()]
        assert order == sorted(order), table
