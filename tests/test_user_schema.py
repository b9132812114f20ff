"""`--schema`: documents against a schema that the user brings, from this disk only, with the verdicts of python jsonschema."""

from __future__ import annotations

import copy
import json
import random
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for

from bdx import spec
from bdx.canon import Document, Log
from bdx.cli import cli as main
from bdx.cli.schema import json_schema
from bdx.errors import UsageError
from bdx.pipeline.checking import validate
from bdx.rules.user_schema import UserSchema

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "fixtures" / "make"))

import passports  # noqa: E402

SAMPLES = ROOT.parent / "shared" / "samples" / "passport"
DRAFTS = {
    "3": "http://json-schema.org/draft-03/schema#",
    "4": "http://json-schema.org/draft-04/schema#",
    "6": "http://json-schema.org/draft-06/schema#",
    "7": "http://json-schema.org/draft-07/schema#",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}


def saved(folder: Path, schema: Any, name: str = "main.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(schema), "utf-8")
    return path


def found(schema: UserSchema, *values: Any) -> list[Any]:
    log = Log()
    schema.check([Document("x", value, f"line {number}") for number, value in enumerate(values, 1)], log, "in.jsonl")
    return log.findings


# --- verdicts


def pack(draft: str) -> dict[str, Any]:
    """A schema with most of what a draft offers, for a small record of a pack."""
    home = "$defs" if draft.startswith("20") else "definitions"
    cell = {"type": "object", "properties": {"id": {"type": "string", "pattern": "^C[0-9]+$"}, "v": {"type": "number", "maximum": 5}}}
    schema: dict[str, Any] = {
        "$schema": DRAFTS[draft],
        "type": "object",
        "properties": {
            "serial": {"type": "string", "minLength": 3, "maxLength": 12},
            "kind": {"enum": ["lmt", "ev", None]},
            "mass": {"type": ["number", "null"], "minimum": 0},
            "count": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 3},
            "cells": {"type": "array", "minItems": 1, "items": {"$ref": f"#/{home}/cell"}},
            "made": {"type": "string", "format": "date"},
        },
        home: {"cell": cell},
        "additionalProperties": False,
    }
    if draft == "3":
        schema["properties"]["serial"]["required"] = True
        return schema
    schema |= {"required": ["serial", "cells"], "minProperties": 2}
    schema["properties"]["size"] = {"oneOf": [{"type": "number"}, {"type": "object", "required": ["l", "w"]}], "not": {"enum": [13]}}
    schema["properties"]["either"] = {"anyOf": [{"type": "string", "pattern": "^a"}, {"type": "integer", "multipleOf": 3}]}
    if draft not in ("3", "4"):
        schema["properties"]["unit"] = {"const": "kWh"}
        schema["properties"]["tags"]["contains"] = {"pattern": "x"}
        schema["properties"]["mass"]["exclusiveMinimum"] = 0
    if draft not in ("3", "4", "6"):
        schema |= {"if": {"properties": {"kind": {"const": "ev"}}, "required": ["kind"]}, "then": {"required": ["mass"]}}
        schema["properties"]["blob"] = {"type": "string", "contentMediaType": "application/json", "contentEncoding": "base64"}
    return schema


PACK = {
    "serial": "BX36-42",
    "kind": "lmt",
    "mass": 3.1,
    "count": 4,
    "tags": ["x", "y"],
    "cells": [{"id": "C1", "v": 3.6}, {"id": "C2", "v": 3.7}],
    "made": "2026-09-30",
}
JUNK = [
    None,
    True,
    0,
    -1,
    3,
    1.0,
    1.5,
    13,
    "",
    "a",
    "BX",
    "x" * 40,
    "ev",
    "kWh",
    [],
    {},
    ["x"],
    ["x", "x"],
    [{"id": "D"}],
    {"l": 1, "w": 2},
    1e10,
]
KEYS = ["serial", "kind", "mass", "count", "tags", "cells", "made", "size", "either", "unit", "blob", "id", "v", "other"]


def nodes(value: Any) -> list[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [pair for key, item in pairs for pair in ((value, key), *nodes(item))]


def mutated(value: Any, chance: random.Random) -> Any:
    changed = copy.deepcopy(value)
    for _ in range(chance.choice([1, 1, 2, 4])):
        places = nodes(changed) or [(changed, chance.choice(KEYS))]
        holder, key = chance.choice(places)
        act = chance.random()
        if (act < 0.3 and holder is not changed) or act < 0.2:
            holder.pop(key, None) if isinstance(holder, dict) else holder.pop(key)
        elif act < 0.5 and isinstance(holder, dict):
            holder[chance.choice(KEYS)] = copy.deepcopy(chance.choice(JUNK))
        elif places:
            holder[key] = copy.deepcopy(chance.choice(JUNK))
    return changed


@pytest.mark.parametrize("draft", DRAFTS)
def test_verdicts_are_those_of_the_reference(draft: str, tmp_path: Path) -> None:
    schema = pack(draft)
    mine = UserSchema(saved(tmp_path, schema))
    reference = validator_for(schema)(schema)
    assert mine.is_valid(PACK)
    chance = random.Random(7)
    invalid = 0
    for _ in range(400):
        value = mutated(PACK, chance)
        expected = reference.is_valid(value)
        assert mine.is_valid(value) == expected, value
        assert bool(found(mine, value)) != expected
        invalid += not expected
    assert 100 < invalid < 400


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20) | st.sampled_from([0.5, 1.0, 3.0]) | st.sampled_from(["a", "abc", "x1", "kWh", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "l", "w"]), inner, max_size=3),
    max_leaves=6,
)
LEAVES: Any = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": ["number", "null"]},
        {"type": "object"},
        {"minimum": 3},
        {"maxLength": 2},
        {"pattern": "^[a-z]"},
        {"enum": ["a", 3, None]},
        {"const": 3},
        {"required": ["a"]},
        {"minItems": 2},
        {"uniqueItems": True},
        {"multipleOf": 3},
        {"maxProperties": 1},
        True,
        False,
    ]
)
SCHEMAS: Any = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner)
        | st.builds(lambda a, b: {"oneOf": [a, b]}, inner, inner)
        | st.builds(lambda a, b: {"allOf": [a, b]}, inner, inner)
        | st.builds(lambda a: {"not": a}, inner)
        | st.builds(lambda a, b: {"properties": {"a": a}, "additionalProperties": b}, inner, inner)
        | st.builds(lambda a, b: {"prefixItems": [a], "items": b}, inner, inner)
        | st.builds(lambda a: {"contains": a}, inner)
        | st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner)
        | st.builds(lambda a: {"properties": {"b": a}, "unevaluatedProperties": False}, inner)
        | st.builds(lambda a: {"propertyNames": a, "dependentRequired": {"a": ["b"]}}, inner)
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(schema=SCHEMAS, values=st.lists(VALUES, min_size=1, max_size=6))
def test_verdicts_agree_on_any_schema(schema: Any, values: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    mine = UserSchema(saved(tmp_path_factory.mktemp("schema"), schema))
    reference = jsonschema.Draft202012Validator(schema)
    for value in values:
        assert mine.is_valid(value) == reference.is_valid(value)
        assert bool(found(mine, value)) != reference.is_valid(value)


@pytest.mark.skipif(not SAMPLES.exists(), reason="no real files here")
def test_verdicts_on_an_official_schema_and_mutated_passports() -> None:
    folder = SAMPLES / "catenax_battery_pass" / "6.1.0"
    schema = json.loads((folder / "BatteryPass-schema.json").read_text("utf-8"))
    base = json.loads((folder / "BatteryPass.json").read_text("utf-8"))
    mine = UserSchema(folder / "BatteryPass-schema.json")
    reference = validator_for(schema)(schema)
    assert mine.is_valid(base)
    chance = random.Random(3)
    verdicts = [(mine.is_valid(value), reference.is_valid(value)) for value in (mutated(base, chance) for _ in range(120))]
    assert all(a == b for a, b in verdicts)
    assert {a for a, _ in verdicts} == {True, False}


# --- words and places


def test_like_places_add_up_and_the_first_is_shown(tmp_path: Path) -> None:
    schema = UserSchema(saved(tmp_path, pack("2020-12"), "pack.schema.json"))
    bad = {"serial": "BX36-42", "cells": [{"id": "C1"}, {"id": "D2"}, {"id": "D3"}]}
    every = {finding.column: finding for finding in found(schema, PACK, bad, bad, {"cells": []})}
    assert every["/cells/*/id pattern"].count == 4
    assert every["/cells/*/id pattern"].locator == "line 2 /cells/1/id"
    assert every["/serial required"].locator == "line 4 /serial"
    message = every["/cells/*/id pattern"].message
    assert message == '/cells/*/id: found "D2", expected a text like ^C[0-9]+$ (pack.schema.json)'
    assert {finding.code for finding in every.values()} == {"D040"}


def test_of_several_forms_the_nearest_is_named(tmp_path: Path) -> None:
    schema = UserSchema(saved(tmp_path, pack("7")))
    found_one = found(schema, PACK | {"size": {"l": 1}})[0]
    assert found_one.column == "/size oneOf"
    assert "nearest: /size 'w' is a required property" in found_one.message


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"const": 3}, 4, "found 4, expected 3"),
        ({"multipleOf": 2}, 3, "found 3, expected a multiple of 2"),
        ({"additionalProperties": False, "properties": {"b": True}}, {"a": 1}, "has fields that the schema does not know: a"),
        ({"maxProperties": 0}, {"a": 1}, "expected at most 0 fields"),
        ({"type": ["string", "null"]}, 1, "found 1, expected"),
        ({"uniqueItems": True}, [1, 1], "expected no item twice"),
        (False, 1, "the document: "),
        ({"$schema": DRAFTS["3"], "properties": {"a": {"required": True}}}, {}, "'a' is a required property"),
    ],
)
def test_words(schema: Any, value: Any, words: str, tmp_path: Path) -> None:
    assert words in found(UserSchema(saved(tmp_path, schema)), value)[0].message


def test_a_pattern_that_python_cannot_read_still_has_words(tmp_path: Path) -> None:
    schema = {"anyOf": [{"pattern": r"^\p{Lu}"}, {"type": "integer"}]}
    mine = UserSchema(saved(tmp_path, schema))
    assert mine.is_valid("Ä")
    assert "one of the forms" in found(mine, "ä")[0].message


def test_formats_are_remarks(tmp_path: Path) -> None:
    for draft in DRAFTS.values():
        assert UserSchema(saved(tmp_path, {"$schema": draft, "format": "date"})).is_valid("no date")


# --- references


def test_references_beside_the_schema(tmp_path: Path) -> None:
    saved(tmp_path, {"$defs": {"a": {"$ref": "deep/b.json"}}}, "defs.json")
    (tmp_path / "deep").mkdir()
    saved(tmp_path / "deep", {"$ref": "../c%20d.json#/$defs/n"}, "b.json")
    saved(tmp_path, {"$defs": {"n": {"type": "integer"}}}, "c d.json")
    mine = UserSchema(saved(tmp_path, {"properties": {"x": {"$ref": "defs.json#/$defs/a"}, "y": {"$ref": "#"}}}))
    assert mine.is_valid({"x": 1, "y": {"x": 2}})
    assert not mine.is_valid({"y": {"x": "2"}})
    assert mine._reference.is_valid({"x": 1, "y": {"x": 2}})
    assert not mine._reference.is_valid({"y": {"x": "2"}})


@pytest.mark.parametrize("name", ["https://example.com/s/defs.json", "urn:example:defs"])
def test_a_reference_by_identifier_is_met_by_a_file_beside(name: str, tmp_path: Path) -> None:
    saved(tmp_path, {"$id": name, "$defs": {"a": {"type": "integer"}}}, "anything.json")
    (tmp_path / "broken.json").write_text("{", "utf-8")
    mine = UserSchema(saved(tmp_path, {"$ref": f"{name}#/$defs/a"}))
    assert [mine.is_valid(1), mine.is_valid("1"), mine._reference.is_valid(1), mine._reference.is_valid("1")] == [True, False, True, False]


def test_references_relative_to_the_schemas_own_identifier(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    saved(tmp_path / "parts", {"type": "integer"}, "a.json")
    mine = UserSchema(saved(tmp_path, {"$id": "https://example.com/s/main.json", "items": {"$ref": "parts/a.json"}}))
    assert mine.is_valid([1])
    assert not mine.is_valid(["1"])
    assert not mine._reference.is_valid(["1"])


def test_references_within_the_file(tmp_path: Path) -> None:
    schema = {
        "$id": "https://example.com/main",
        "$defs": {"a": {"$id": "https://example.com/other", "$anchor": "x", "type": "integer"}},
        "properties": {"a": {"$ref": "https://example.com/other"}, "b": {"$ref": "https://example.com/other#x"}, "c": {"$ref": "/main"}},
        "examples": [{"$ref": "https://example.com/never"}],
        "default": {"$ref": "https://example.com/never"},
    }
    mine = UserSchema(saved(tmp_path, schema))
    assert mine.is_valid({"a": 1, "b": 2, "c": {"a": 3}})
    assert not mine.is_valid({"c": {"b": "3"}})


def test_the_drafts_themselves_may_be_referred_to(tmp_path: Path) -> None:
    for draft in ("7", "2020-12"):
        mine = UserSchema(saved(tmp_path, {"$schema": DRAFTS[draft], "$ref": DRAFTS[draft]}))
        assert mine.is_valid({"type": "string"})
        assert not mine.is_valid({"type": "text"})


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            {"$ref": "https://example.com/x.json#/a"},
            r"refers to 'https://example.com/x.json#/a', which is neither in the file nor beside it",
        ),
        ({"properties": {"default": {"$ref": "http://example.com/x"}}}, r"refers to 'http://example.com/x'"),
        ({"$id": "https://example.com/s/m.json", "$ref": "n.json"}, r"refers to 'n.json', which is neither"),
        ({"$ref": "nowhere.json"}, r"refers to 'nowhere.json', and there is no file"),
        ({"$ref": "urn:example:x"}, r"refers to 'urn:example:x'"),
        ({"$ref": "#/nowhere"}, r"cannot be compiled"),
        ({"type": "text"}, r"is no JSON Schema of draft 2020-12: \$\.type"),
        ({"$schema": DRAFTS["4"], "required": []}, r"is no JSON Schema of draft 4: \$\.required"),
        ({"$schema": "http://json-schema.org/draft-05/schema#"}, r"which is no draft of JSON Schema \(did you mean|did you mean"),
        ({"$schema": 7}, r"\$schema is 7, which is no draft"),
        ({"pattern": "("}, r"main.json: "),
        ([1], r"is an object, true or false, not a list"),
    ],
)
def test_what_is_no_schema_is_refused_by_name(schema: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        UserSchema(saved(tmp_path, schema))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"type: object", b'{"a": ' * 3000])
def test_what_is_not_json_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "main.json"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="is not JSON"):
        UserSchema(path)
    with pytest.raises(UsageError, match="cannot be read as a schema"):
        UserSchema(tmp_path / "absent.json")


def test_other_encodings_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        path = tmp_path / f"{encoding}.json"
        path.write_bytes('{"const": "ä"}'.encode(encoding))
        assert UserSchema(path).is_valid("ä")


# --- in the command


def lines(folder: Path, *documents: Any) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in documents), "utf-8")
    return path


def test_the_command_checks_passports_as_they_stand(tmp_path: Path) -> None:
    good, bad = passports.catenax(0), passports.catenax(1)
    bad["identification"]["category"] = "EV"
    schema = saved(
        tmp_path, {"properties": {"identification": {"properties": {"category": {"const": good["identification"]["category"]}}}}}
    )
    result = validate([lines(tmp_path, good, bad)], schema=schema, select=("D040",))
    assert [(f.code, f.locator, f.count) for f in result.findings] == [("D040", "line 2 /identification/category", 1)]
    assert validate([lines(tmp_path, good, good)], schema=schema, select=("D040",)).findings == []
    assert result.checked >= 2
    assert "D040" in result.sources[0].rules


def test_a_lone_part_is_checked_as_it_stands(tmp_path: Path) -> None:
    whole = passports.idta()
    name, part = next((name, part) for name, part in whole.items() if isinstance(part, dict))
    path = tmp_path / "part.json"
    path.write_text(json.dumps(part), "utf-8")
    found_here = validate([path], schema=saved(tmp_path, {"required": [next(iter(part))], "not": {"required": [name]}}), select=("D040",))
    assert found_here.findings == []


def test_standard_input_and_its_exit_codes(tmp_path: Path) -> None:
    document = json.dumps(passports.catenax(0))
    free, strict = saved(tmp_path, True, "free.json"), saved(tmp_path, {"required": ["nope"]}, "strict.json")
    run = CliRunner().invoke
    assert run(main, ["validate", "-", "--schema", str(free), "--isolated"], input=document).exit_code == 0
    refused = run(main, ["validate", "-", "--schema", str(strict), "--isolated"], input=document)
    assert refused.exit_code == 1
    assert "D040 against-given-schema: /nope: is missing and required" in refused.output


def test_a_schema_that_judges_nothing_is_no_pass(tmp_path: Path) -> None:
    line = ROOT / "fixtures" / "world" / "line.xml"
    with pytest.raises(UsageError, match="no source is JSON"):
        validate([line], schema=saved(tmp_path, True))
    assert validate([line], schema=saved(tmp_path, True), allow_empty=True).sources


# --- canonical tables as documents


@pytest.mark.parametrize(
    "source", ["formats/catenax-battery-pass/story/input.json", "formats/idta-02035/story/input.json", "world/line.xml"]
)
def test_rows_of_every_canonical_table_follow_its_published_schema(source: str, tmp_path: Path) -> None:
    tables = 0
    for table in spec.tables():
        rows = tmp_path / f"{table}.jsonl"
        arguments = ["convert", str(ROOT / "fixtures" / source), "-t", "jsonl", "--table", table, "-o", str(rows)]
        if CliRunner().invoke(main, arguments).exit_code:
            continue
        schema = UserSchema(saved(tmp_path, json_schema(spec.table(table)), f"{table}.schema.json"))
        read = [json.loads(line) for line in rows.read_text("utf-8").splitlines()]
        assert [finding.message for finding in found(schema, *read)] == []
        assert schema.is_valid(read[0] | {spec.table(table).columns[0].name: 7.5}) is (spec.table(table).columns[0].type == "float64")
        tables += bool(read)
    assert tables >= 5
