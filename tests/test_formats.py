"""Every fixture of every format is detected by its bytes and reads as its expect.json says."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

import bdx
from bdx import formats, spec
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CASES = sorted(path.parent for path in FIXTURES.glob("formats/*/*/expect.json"))


def case_input(case: Path) -> Path:
    return next(path for path in case.iterdir() if path.name.startswith("input"))


def read(path: Path) -> tuple[dict[str, Any], list[str], str]:
    opened = open_source(str(path), 1, ReadOptions())
    found: dict[str, list[Any]] = {}
    for chunk in chunks(opened, ReadOptions()):
        for name, batch in chunk.items():
            found.setdefault(name, []).append(batch)
    import pyarrow as pa

    tables = {name: pa.Table.from_batches(batches) for name, batches in found.items()}
    return tables, sorted({finding.code for finding in opened.log.findings}), opened.format.id


def close(found: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        return float(found) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    return str(found) == str(expected)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_fixture_reads_as_expected(case: Path) -> None:
    expect = json.loads((case / "expect.json").read_text("utf-8"))
    tables, codes, format_id = read(case_input(case))
    assert format_id == expect["format"]
    for name, wanted in expect.get("tables", {}).items():
        table = tables[name]
        if "rows" in wanted:
            assert table.num_rows == wanted["rows"], name
        for column, facts in wanted.get("columns", {}).items():
            values = [value for value in table.column(column).to_pylist() if value is not None]
            seen = {
                "first": values[0] if values else None,
                "last": values[-1] if values else None,
                "min": min(values) if values else None,
                "max": max(values) if values else None,
                "nulls": table.num_rows - len(values),
            }
            for key, value in facts.items():
                assert close(seen[key], value), f"{name}.{column} {key}: {seen[key]}, expected {value}"
    if "findings" in expect:
        assert codes == sorted(expect["findings"])


def test_every_readable_format_has_a_fixture() -> None:
    covered = {case.parent.name for case in CASES}
    missing = {item.id for item in spec.formats() if item.reads} - covered
    assert not missing


def test_codes_that_readers_emit_have_a_case_with_the_fault_and_one_without() -> None:
    facts = tomllib.loads((FIXTURES / "emitted.toml").read_text("utf-8"))
    cases = [*CASES, *(FIXTURES / "flat").iterdir()]
    expected = {f"{case.parent.name}/{case.name}": json.loads((case / "expect.json").read_text("utf-8")).get("findings") for case in cases}
    for row in facts["met"]:
        assert row["code"] in expected[row["fail"]] and row["code"] not in expected[row["pass"]], row
    met = {row["code"] for row in facts["met"]}
    assert met | set(facts["without"]) == {code for code, rule in spec.rules().items() if not rule.check}
    assert not met & set(facts["without"])


@pytest.mark.parametrize("case", [c for c in CASES if not case_input(c).is_dir()], ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_wrong_suffix_changes_nothing(case: Path, tmp_path: Path) -> None:
    disguised = tmp_path / "name.pdf"
    shutil.copy(case_input(case), disguised)
    expect = json.loads((case / "expect.json").read_text("utf-8"))
    assert formats.detect(formats.Source(str(disguised))).id == expect["format"]


def test_directory_that_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(bdx.BdxError, match="datapackage"):
        bdx.read(tmp_path)
