"""The JSON document engine: containers, encodings, lossless numbers, hostile input, detection; and the schema check."""

import copy
import io
import json
import random
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passport_reading import places

from bdx import formats, spec
from bdx.canon import Document, Log
from bdx.errors import BdxError, CorruptSource, SinkError, SourceError, TruncatedSource, UnknownFormat, UnsafeSource, UnsupportedVersion
from bdx.formats import document
from bdx.formats.json_text import dumps, parse
from bdx.formats.source import Source
from bdx.rules.documents import DocumentCheck

HERE = Path(__file__).resolve()
FIXTURES = HERE.parents[1] / "fixtures"
SAMPLES = HERE.parents[2] / "shared/samples"
CX = spec.format_spec("catenax-battery-pass")
IDTA = spec.format_spec("idta-02035")
STORY = (FIXTURES / "formats/catenax-battery-pass/story/input.json").read_bytes()
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not here")

sys.path.insert(0, str(FIXTURES / "make"))
import passports  # noqa: E402


def read(data: bytes, format_spec: spec.FormatSpec = CX) -> list[Document]:
    return list(formats.read(Source("-", stdin=io.BytesIO(data)), format_spec))  # type: ignore[arg-type]


def minimal(number: int) -> dict[str, Any]:
    return {"identification": {"idDmc": f"b{number}"}}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("container", ["one", "array", "lines"])
def test_every_container_in_every_encoding(encoding: str, container: str, tmp_path: Path) -> None:
    values = [{**minimal(n), "note": "Straße \U0001f50b"} for n in range(3)]
    text = {
        "one": json.dumps(values[0], indent=1, ensure_ascii=False),
        "array": json.dumps(values, ensure_ascii=False),
        "lines": "\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n\n",
    }[container]
    path = tmp_path / "in.json"
    path.write_bytes(text.encode(encoding))
    found = list(formats.read(Source(str(path)), CX))
    expected = values[:1] if container == "one" else values
    assert [part.value for part in found] == expected
    places = {"one": [""], "array": ["item 1", "item 2", "item 3"], "lines": ["line 1", "line 2", "line 3"]}
    assert [part.locator for part in found] == places[container]
    assert formats.detect(Source(str(path))).id == CX.id
    assert read(text.encode(encoding)) == found


def test_lines_may_be_blank_span_chunks_and_end_without_a_break() -> None:
    large = {**minimal(1), "pad": "x" * 2_500_000}
    text = b"\n\r\n" + json.dumps(large).encode() + b"\r\n\n" + json.dumps(minimal(2)).encode()
    assert [(part.value["identification"]["idDmc"], part.locator) for part in read(text)] == [("b1", "line 3"), ("b2", "line 5")]


def test_one_line_is_one_document() -> None:
    assert [part.locator for part in read(json.dumps(minimal(1)).encode() + b"\n  \n")] == [""]


def test_numbers_keep_every_digit() -> None:
    text = b'{"a": 0.1234567890123456789, "b": 1e400, "c": 123456789012345678901234567890, "d": 1.50, "e": 1E2, "f": -0.0}'
    value = parse(text, "x")
    assert value["a"] == Decimal("0.1234567890123456789") and value["b"] == Decimal("1e400")
    assert value["c"] == 123456789012345678901234567890 and value["d"] == 1.5 and type(value["d"]) is float
    again = dumps(value)
    assert parse(again, "x") == value
    assert b"0.1234567890123456789" in again and b"123456789012345678901234567890" in again


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (b'{"identification": 1, "identification": 2}', CorruptSource, "'identification' twice"),
        (b'{"a": {"k": 1, "k": 1}}', CorruptSource, "'k' twice"),
        (b'{"a": NaN}', CorruptSource, "JSON does not have|is not JSON"),
        (b'{"a": Infinity}', CorruptSource, "JSON does not have|is not JSON"),
        (b'{"a": "\\ud800"}', CorruptSource, "surrogate"),
        (b'{"a": "\xff"}', CorruptSource, "UTF-8"),
        (b'{"a": 1e99999999999999999999}', CorruptSource, "no bounds"),
        (b'{"a": ' + b"9" * 5000 + b"}", CorruptSource, "no bounds"),
        (b'{"a": 1', TruncatedSource, "line 1"),
        (b'{"a": "unfinished', TruncatedSource, "line 1"),
        (b'{\n "a": [1, 2,\n', TruncatedSource, "line"),
        (b'{"a": 1} trailing', CorruptSource, "line 1 column"),
        (b"{'a': 1}", CorruptSource, "line 1 column 2"),
        (b"[1, 2]", CorruptSource, "expected a JSON object, found a number"),
        (b'"text"', CorruptSource, "found a text"),
        (b"   \n ", SourceError, "no document"),
        (b"[" * 100_000, UnsafeSource, "nests deeper"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, UnsafeSource, "nests deeper"),
        (b'{"a":' * 300 + b"1.0" + b"}" * 300, UnsafeSource, "nests deeper"),
    ],
)
def test_hostile_text_is_named(text: bytes, error: type[BdxError], words: str) -> None:
    with pytest.raises(error, match=words):
        read(text)


def test_a_fault_in_lines_names_its_line() -> None:
    good = json.dumps(minimal(1)).encode()
    with pytest.raises(CorruptSource, match=r"line 3.*'idDmc' twice") as caught:
        read(good + b"\n" + good + b'\n{"identification": {"idDmc": "x", "idDmc": "y"}}\n')
    assert caught.value.offset == "line 3"
    with pytest.raises(TruncatedSource, match="line 2"):
        read(good + b"\n" + good[:-3])


def test_a_duplicate_key_with_equal_value_is_still_refused() -> None:
    with pytest.raises(CorruptSource, match="twice"):
        parse(b'{"a":1,"a":1}', "x")


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
        max_leaves=25,
    ),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_any_json_survives_parse_and_dump(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    found = parse(text, "x")
    assert found == value
    assert parse(dumps(found), "x") == value


def test_cut_and_flipped_files_raise_only_our_errors() -> None:
    chance = random.Random(7)
    for _ in range(400):
        data = bytearray(STORY)
        if chance.random() < 0.5:
            del data[chance.randrange(len(data)) :]
        for _ in range(chance.choice([0, 1, 3])):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(bytes(data))
        except BdxError:
            continue


def test_a_document_of_more_than_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", 3_000_000)
    with pytest.raises(UnsafeSource, match="one per line"):
        read(b'{"a":"' + b"x" * 4_000_000 + b'"}')
    with pytest.raises(UnsafeSource, match="line"):
        read(b'{"a":1}\n{"a":"' + b"x" * 5_000_000 + b'"}\n')


def test_writing_one_several_and_lines() -> None:
    def written(values: list[Any], lines: bool = False) -> bytes:
        sink = io.BytesIO()
        document.write((Document("x", value) for value in values), sink, CX, lines=lines)
        return sink.getvalue()

    assert written([{"a": 1.5}]) == b'{\n  "a": 1.5\n}\n'
    assert json.loads(written([{"a": 1}, {"b": 2}, {"c": 3}])) == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert written([{"a": Decimal("0.10")}, {"b": 2}], lines=True) == b'{"a":0.10}\n{"b":2}\n'
    with pytest.raises(SinkError, match="no battery"):
        written([])
    with pytest.raises(SinkError, match="cannot hold"):
        written([{"a": object()}])


@pytest.mark.parametrize(
    ("value", "version"),
    [
        ({"identification": {"idDmc": "x"}, "specVersion": "urn:io.catenax.battery.battery_pass:7.0.0"}, "7.0.0"),
    ],
)
def test_other_versions_are_named_and_refused(value: dict[str, Any], version: str) -> None:
    data = json.dumps(value).encode()
    assert formats.detect(Source("-", stdin=io.BytesIO(data))).id == CX.id  # type: ignore[arg-type]
    with pytest.raises(UnsupportedVersion, match=f"{CX.id} {version}.*6.1.0"):
        read(data)


@pytest.mark.parametrize(
    "value",
    [
        {"$schema": "http://json-schema.org/draft-04/schema", "properties": {"identification": {"idDmc": {}}}},
        {"identification": {"idDmc": "x"}, "additionalData": []},
        {"shells": [{"identification": {"idDmc": "x"}, "performance": {}}]},
        {"properties": {"TechnicalPropertyAreas": {}}},
    ],
)
def test_keys_deep_inside_do_not_make_a_passport(value: dict[str, Any]) -> None:
    with pytest.raises((UnknownFormat, UnsupportedVersion)):
        formats.detect(Source("-", stdin=io.BytesIO(json.dumps(value).encode())))  # type: ignore[arg-type]


def test_a_part_stands_in_its_place_of_the_whole() -> None:
    whole = passports.idta()
    for name, part in whole.items():
        found = read(json.dumps(part).encode(), IDTA)
        assert [part.value for part in found] == [{name: part}]
        assert formats.detect(Source("-", stdin=io.BytesIO(json.dumps(part).encode()))).id == IDTA.id  # type: ignore[arg-type]
    assert read(json.dumps(whole).encode(), IDTA)[0].value == whole


def test_other_json_is_no_passport() -> None:
    for data in (b'{"name": "x"}', b'[{"identification": 1}]', b"identification,idDmc\n1,2\n", b'{"Documents": 1, "performance": 2}'):
        with pytest.raises(UnknownFormat):
            formats.detect(Source("-", stdin=io.BytesIO(data)))  # type: ignore[arg-type]


# ---- the schema check


JUNK = [None, True, 0, -1, 1.5, "", "x" * 120, "2026-01-01", "2026-01-01\n", [], {}, ["x"], ["x", "x"], [{"a": 1}, {"a": 1}], "LMT", 1e10]


def mutated(value: Any, chance: random.Random) -> Any:
    found = copy.deepcopy(value)
    for _ in range(chance.choice([1, 1, 2, 4])):
        around = places(found)
        if not around:
            return found
        holder, key = chance.choice(around)
        if chance.random() < 0.4:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(chance.choice([*JUNK, chance.choice(around)[1]]))
    return found


@pytest.mark.parametrize(("model", "make"), [("catenax-battery-pass@6.1.0", passports.catenax), ("idta-02035@1.0.1", passports.idta)])
def test_story_is_valid_and_the_explanation_agrees_with_jsonschema(model: str, make: Any) -> None:
    import jsonschema

    reference = jsonschema.Draft202012Validator(spec.schema(spec.model(model).schema))
    base = make()
    assert reference.is_valid(base)
    chance = random.Random(11)
    failed = 0
    for _ in range(150):
        value = mutated(base, chance)
        log = Log()
        check = DocumentCheck(log, "x")
        check.check([Document(model, value)])
        expected = list(reference.iter_errors(value))
        assert check.failed == bool(expected)
        assert sum(finding.count for finding in log.findings) == len(expected)
        failed += check.failed
    assert 50 < failed < 150


def test_violations_of_one_rule_at_one_place_add_up() -> None:
    documents = []
    for number in range(5):
        value = passports.catenax(number)
        del value["metadata"]["version"]
        value["materials"]["composition"][0]["concentration"] = value["materials"]["composition"][1]["concentration"] = -1
        documents.append(Document(CX.full_id, value, f"line {number + 1}"))
    log = Log()
    check = DocumentCheck(log, "in.jsonl")
    check.check(documents[:2])
    check.check(documents[2:])
    found = {finding.column: finding for finding in log.findings}
    assert found["/metadata/version required"].count == 5
    assert found["/materials/composition/*/concentration minimum"].count == 10
    assert found["/metadata/version required"].locator == "line 1 /metadata/version"
    assert "is missing" in found["/metadata/version required"].message
    assert (check.checked, check.failed) == (5, 5)


def test_exact_numbers_can_be_checked() -> None:
    value = passports.catenax()
    value["performance"]["rated"]["capacity"]["value"] = Decimal("14.0000000000000000000001")
    value["performance"]["dynamic"]["fullCycles"]["value"] = 2**70
    log = Log()
    check = DocumentCheck(log, "x")
    check.check([Document(CX.full_id, value)])
    assert check.failed == 0


@needs_samples
@pytest.mark.parametrize(
    ("schema", "official", "sample"),
    [
        (
            ("catenax-battery-pass@6.1.0", ""),
            "passport/catenax_battery_pass/6.1.0/BatteryPass-schema.json",
            "passport/catenax_battery_pass/6.1.0/BatteryPass.json",
        ),
        *(
            (
                ("idta-02035", part),
                f"aas/samm_value_only/{name}-schema.json",
                next((f"{path.relative_to(SAMPLES)}" for path in sorted(SAMPLES.glob(f"passport/idta_*/*/{name}.json"))), ""),
            )
            for part, name in {
                "BatteryNameplate": "NameplateBattery",
                "HandoverDocumentation": "HandoverDocumentationBattery",
                "CarbonFootprint": "CarbonFootprintBattery",
                "TechnicalData": "TechnicalDataBattery",
                "ProductCondition": "ProductConditionBattery",
                "MaterialComposition": "MaterialCompositionBattery",
                "Circularity": "CircularityBattery",
            }.items()
        ),
    ],
    ids=lambda value: "-".join(filter(None, value)) if isinstance(value, tuple) else None,
)
def test_our_schema_judges_as_the_official_one(schema: tuple[str, str], official: str, sample: str) -> None:
    import jsonschema

    theirs = jsonschema.Draft4Validator(json.loads((SAMPLES / official).read_text("utf-8")))
    ours = jsonschema.Draft202012Validator(spec.schema(schema[0]))
    example = json.loads((SAMPLES / sample).read_text("utf-8"))
    story = passports.catenax() if not schema[1] else passports.idta()[schema[1]]
    chance = random.Random(5)
    verdicts = []
    for number in range(200):
        base = example if number % 2 and theirs.is_valid(example) else story
        value = mutated(base, chance) if number > 1 else (story, example)[number]
        whole = {schema[1]: value} if schema[1] else value
        verdicts.append(theirs.is_valid(value))
        log = Log()
        check = DocumentCheck(log, "x")
        check.check([Document(schema[0] if "@" in schema[0] else IDTA.full_id, whole)])
        assert ours.is_valid(whole) == verdicts[-1], value
        # The compiled validator reads patterns as ECMA 262 does: a break at the end does not match.
        assert (not check.failed) == verdicts[-1] or "\\n" in json.dumps(value)
    assert verdicts[0] and 5 < sum(verdicts) < 195


def test_no_official_text_in_our_schemas() -> None:
    for path in spec.root().glob("schemas/*.json"):
        if path.stem.startswith(("catenax", "idta")):
            text = path.read_text("utf-8")
            assert not re.search(r'"(title|description|examples?)"\s*:\s*["\[]|x-samm', text)
