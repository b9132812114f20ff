"""Every spec file loads, agrees with its meta schema and names only what exists."""

import json
from pathlib import Path

import pytest

from bdx import canon, spec, units
from bdx.errors import SpecError, UsageError

ROOT = spec.root()


@pytest.mark.parametrize("kind", ["tables", "formats", "mappings", "rules", "profiles"])
def test_every_spec_loads(kind: str) -> None:
    names = spec.names(kind)
    assert names
    for name in names:
        assert spec.facts(kind, name)


def test_every_json_file_is_json() -> None:
    for path in [*ROOT.glob("schemas/*.json"), *ROOT.glob("_meta/*.json")]:
        json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("name", spec.tables())
def test_table_columns_are_complete(name: str) -> None:
    table = spec.table(name)
    schema = canon.schema(name)
    assert schema.names == [column.name for column in table.columns]
    for column in table.columns:
        assert column.meaning and column.source, column.name
        if column.unit:
            units.unit(column.unit)
        if column.references:
            other, _, target = column.references.partition(".")
            spec.table(other).column(target)
    for key in table.key:
        table.column(key)
    if table.parent:
        assert table.columns[0].name == spec.table(table.parent).key[0]


def test_timeseries_knows_all_active_bdf_terms() -> None:
    terms = [column for column in spec.table("timeseries").columns if column.term]
    assert len(terms) == 58
    assert len({column.term for column in terms}) == 58
    assert [column.name for column in terms if column.required] == ["test_time_second", "voltage_volt", "current_ampere"]


@pytest.mark.parametrize("item", spec.formats(), ids=lambda item: item.id)
def test_format_names_what_exists(item: spec.FormatSpec) -> None:
    from bdx import formats

    engine = formats.engine(item)
    if item.reads:
        assert hasattr(engine, "read") or hasattr(engine, "read_chunks")
    if item.writes:
        assert hasattr(engine, "write") or hasattr(engine, "write_chunks")
    if item.world != "canonical" and not hasattr(engine, "write_chunks"):
        assert spec.facts("mappings", item.mapping or item.id)["format"] == (item.mapping or item.id)
    if item.raw.get("profile"):
        spec.facts("profiles", item.raw["profile"])


@pytest.mark.parametrize("code", list(spec.rules()))
def test_rule_is_complete(code: str) -> None:
    rule = spec.rules()[code]
    assert rule.code == code
    for text in (rule.name, rule.message, rule.what, rule.why, rule.source, rule.since):
        assert text.strip()


def test_rule_names_are_unique() -> None:
    names = [rule.name for rule in spec.rules().values()]
    assert len(names) == len(set(names))


def test_derivations_name_real_columns() -> None:
    for row in spec.load(ROOT / "derivations.toml", "derivations")["derivation"]:
        for path in (row["to"], *row["from"]):
            table, _, column = path.partition(".")
            spec.table(table).column(column)


def test_a_broken_spec_names_file_and_key(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('id = "Bad Id"\ntitle = "x"\nengine = "x"\nworld = "moon"\nsource = "x"\n')
    with pytest.raises(SpecError, match=r"bad\.toml: (id|world): "):
        spec.load(path, "formats")
    path.write_text("id = ")
    with pytest.raises(SpecError, match="not valid TOML"):
        spec.load(path, "formats")


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'battery'"):
        spec.facts("tables", "batery")
    with pytest.raises(SpecError, match="did you mean 'voltage_volt'"):
        spec.table("timeseries").column("voltage_vlt")
