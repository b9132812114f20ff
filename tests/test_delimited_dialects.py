"""Every key of [delimited] does what the engine's docstring says, and where blocks end leaves no trace in any dialect."""

import io
import random
import tomllib
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from bdx import spec
from bdx.canon import Document, Table
from bdx.errors import BdxError, CorruptSource, SourceError
from bdx.formats import Source, delimited, delimited_blocks
from bdx.formats.delimited_names import split_unit
from bdx.spec import FormatSpec

GROUPS = """
[[group]]
any = ["U"]
[[group]]
any = ["I"]
"""
LEVELS = """
integer = ["Cycle", "Step"]
text = ["Type"]
[levels]
cycle = 0
step = 1
record = 2
"""


def form(keys: str) -> FormatSpec:
    """Return a format of this dialect; where it names no columns, its header names U and I."""
    facts = keys if "columns =" in keys else keys.partition("[levels]")[0] + GROUPS + "".join(keys.partition("[levels]")[1:])
    return replace(spec.format_spec("neware-csv"), id="made-up", raw=spec.freeze({"delimited": tomllib.loads(facts)}))


def read(keys: str, data: bytes) -> tuple[dict[str, list[Any]], dict[str, Any], dict[str, tuple[int, str]]]:
    """Return the columns, the facts, and the findings with their count and place."""
    source = Source("-", stdin=io.BytesIO(data))
    assert delimited.sniff(source.head, form(keys))
    info: dict[str, Any] = {}
    rows = pa.table({})
    for part in delimited.read(source, form(keys)):
        if isinstance(part, Document):
            info |= part.value
        elif isinstance(part, Table):
            rows = pa.Table.from_batches(part.batches, part.schema)
    found = {finding.code: (finding.count, finding.locator) for finding in source.log.findings}
    return rows.to_pydict(), info, found


@pytest.mark.parametrize(
    ("keys", "data", "columns", "findings"),
    [
        ('separators = [" "]', "  U   I  State\n 1   2  C \n\n 3\t4  D\n", {"U": [1, 3], "I": [2, 4], "State": ["C", "D"]}, {}),
        (
            'separators = [" "]\ntext = ["When"]',
            "U I When\n1 2 2026-03-02 07:30:00\n3 4 2026-03-02 07:30:01\n",
            {"U": [1, 3], "I": [2, 4], "When": ["2026-03-02 07:30:00", "2026-03-02 07:30:01"]},
            {},
        ),
        ('end = "^END$"', "U,I\r\n1,2\r\nEND\r\n3,4\r\n", {"U": [1], "I": [2]}, {}),
        ('skip = "^#"', "U,I\n1,2\n# mark\n3,4\n# mark\n", {"U": [1, 3], "I": [2, 4]}, {"F051": (2, "line 3")}),
        ('unit = "row"', "U,I\n\n[V],[A]\n1,2\nU,I\n[V],[A]\n3,4\n", {"U": [1, 3], "I": [2, 4]}, {"F050": (2, "line 5")}),
        ('unit = "row"', "U,I\n1,2\n3,4\n", {"U": [1, 3], "I": [2, 4]}, {}),
        ("", '"U,I,N"\n"1,2,""a b"""\n"3,4,x"\n', {"U": [1, 3], "I": [2, 4], "N": ["a b", "x"]}, {}),
        ("", 'U,I,N\n"1,2,a"\n"3,4,b"\n', {"U": [1, 3], "I": [2, 4], "N": ["a", "b"]}, {}),
        ("", '"U","I"\n"1","2"\n"3","4"\n', {"U": [1, 3], "I": [2, 4]}, {}),
        ("", 'U,I,"N\nm"\n1,2,"a\nb"\n3,4,"c, d"\n', {"U": [1, 3], "I": [2, 4], "N m": ["a\nb", "c, d"]}, {}),
        ("", "U,I,N\n1,2,5\"\n3,4,6\"\n", {"U": [1, 3], "I": [2, 4], "N": ['5"', '6"']}, {}),
        ("", "U,I\r\r\n1,2\r\r\n3,4\r\r\n", {"U": [1, 3], "I": [2, 4]}, {}),
        ("", "U,I\r1,2\r3,4\r", {"U": [1, 3], "I": [2, 4]}, {}),
        ("", "U,I\n1,2\n   \n3,4,,\n5,6,\n", {"U": [1, 3, 5], "I": [2, 4, 6]}, {}),
        ("", "U\tI\t\n1\t2\n3\t4\n", {"U": [1, 3], "I": [2, 4]}, {}),
        ("", "U\tI\t\tX\n1\t2\n3\t4\n", {"U": [1, 3], "I": [2, 4]}, {"F052": (1, "line 1")}),
        ("", "U\tI\n1,5\t2.5\n3,25\t4.5\n1,0\t1.0\n", {"U": [1.5, 3.25, 1], "I": [2.5, 4.5, 1]}, {}),
        ("", "U\tI\n1,500\t2.5\n3,250\t4.5\n", {"U": ["1,500", "3,250"], "I": [2.5, 4.5]}, {}),
        ("", "U,I\n1,2\n3\n", {"U": [1], "I": [2]}, {"F042": (1, "line 3")}),
        (
            'unit_beside = ["Units"]',
            "U,I,Aux,Units\n1,2,25,C\n3,4,26,C\n",
            {"U": [1, 3], "I": [2, 4], "Aux": [25, 26], "Aux Units": ["C", "C"]},
            {},
        ),
        ("short = true", "U,I,X,Y\n1,2\n3,4\n", {"U": [1, 3], "I": [2, 4]}, {"F052": (1, "line 1")}),
    ],
)  # fmt: skip
def test_rows(keys: str, data: str, columns: dict[str, list[Any]], findings: dict[str, tuple[int, str]]) -> None:
    found, _, codes = read(keys, data.encode())
    assert found == columns
    assert codes == findings


def test_numbers_that_are_none() -> None:
    columns, _, findings = read("", b"U,I\nNaN,inf\n1,-INF\n-nan,2\n1.#QNAN,3\n4,5\n")
    assert columns == {"U": [None, 1, None, None, 4], "I": [float("inf"), float("-inf"), 2, 3, 5]}
    assert not findings
    padded, _, findings = read("", b"U,I\n1,2\n NaN ,3\n 5, 6 \n  ,7\nx,8\n9,9\n" + b"1,1\n" * 20_000)
    assert padded["U"][:6] == ["1", " NaN ", " 5", "  ", "x", "9"], "a word in the head makes a column of text"
    late, _, findings = read("", b"U,I\n" + b"1,1\n" * 20_000 + b" NaN ,3\n 5, 6 \n  ,7\nx,8\n9,9\n")
    assert late["U"][-5:] == [None, 5, None, None, 9]
    assert findings == {"F040": (1, "line 20005")}


def test_facts_of_the_preamble_and_what_follows_the_rows() -> None:
    keys = 'start = "^\\\\[Data"\nend = "^\\\\[End"\npreamble = ":"\n[facts]\nslot = "slot (\\\\d+)"\nowner = "by .*"\n'
    data = b"U,I\nName: pack\nin slot 7, by lab\n[Data]\nU,I\n1,2\n[End]\nbye\n"
    columns, info, _ = read(keys, data)
    assert columns == {"U": [1], "I": [2]}
    assert (info["slot"], info["owner"], info["Name"]) == ("7", "by lab", "pack")
    assert info["preamble"] == ["U,I", "in slot 7, by lab", "[Data]"]
    assert info["after"] == ["[End]", "bye"]


@pytest.mark.parametrize("lines", [64, 200])
def test_a_header_stands_within_so_many_lines(lines: int) -> None:
    keys = f"header_lines = {lines}"
    inside, _, _ = read(keys, b"remark\n" * (lines - 1) + b"U,I\n1,2\n")
    assert inside == {"U": [1], "I": [2]}
    assert not delimited.sniff(b"remark\n" * lines + b"U,I\n1,2\n", form(keys))


def test_a_file_without_a_header() -> None:
    keys = 'start = "^GO"\nunit = "(U)"\ncolumns = ["t(s)", "U(mV)"]'
    columns, info, _ = read(keys, b"made by hand\nGO\n\n1,2\n3,4\n")
    assert columns == {"t(s)": [1, 3], "U(mV)": [2, 4]}
    assert info["preamble"] == ["made by hand", "GO"]
    for other in (b"made by hand\n1,2\n", b"GO\n1,2,3\n", b"GO\na,b\n", b"GO\n"):
        assert not delimited.sniff(other, form(keys))


def test_rows_of_three_levels() -> None:
    data = b"Cycle,U\n,Step,Type,I\n,,U,I\n1,9.5,1,C,7\n,,0.1,1\n,,0.2,2\n,2,D,8\n,,0.3,3\n2,9.75\n,,0.4,4\n,1,C,7,x\n,,0.5,5\n"
    _, _, findings = read(LEVELS, data)
    source = Source("-", stdin=io.BytesIO(data))
    table = next(part for part in delimited.read(source, form(LEVELS)) if isinstance(part, Table))
    assert [field.metadata[b"bdx.name"] for field in table.schema] == [b"Cycle", b"cycle U", b"Step", b"Type", b"step I", b"U", b"I"]
    rows = pa.Table.from_batches(table.batches, table.schema)
    assert [column.to_pylist() for column in rows.columns] == [
        [1, 1, 1, 2, 2],
        [9.5, 9.5, 9.5, 9.75, 9.75],
        [1, 1, 2, None, 1],
        ["C", "C", "D", None, "C"],
        [7, 7, 8, None, 7],
        [0.1, 0.2, 0.3, 0.4, 0.5],
        [1, 2, 3, 4, 5],
    ]
    assert findings == {"F053": (1, "line 11")}


@pytest.mark.parametrize("header", ["U\tI\t", "U\tI"])
def test_a_name_too_few_is_refused_because_any_may_be_missing(header: str) -> None:
    with pytest.raises(CorruptSource, match="names 2 columns and the rows hold 3 values"):
        read("", f"{header}\n1\t2\t3\n4\t5\t6\n".encode())


@pytest.mark.parametrize(
    ("data", "encoding", "unit", "replaced"),
    [
        ("U(µV),I,N\n1,2,é\n".encode() + b"3,4,\xff\n", "utf-8", "µV", 1),
        (b"U(mV),I,N\n1,2,x\n3,4,\xff\n", "utf-8", "mV", 1),
        (b"U(\xb5V),I,N\n1,2,x\n3,4,\xff\n", "cp1252", "µV", 0),
        ("U(µV),I,N\n1,2,µ\n".encode("utf-16"), "utf-16", "µV", 0),
        ("U(µV),I,N\n1,2,µ\n".encode("utf-16-be"), "utf-16-be", "µV", 0),
    ],
)
def test_a_bad_byte_does_not_change_the_encoding(data: bytes, encoding: str, unit: str, replaced: int) -> None:
    _, info, findings = read('unit = "(U)"', data)
    assert info["dialect"]["encoding"] == encoding
    assert findings.get("F044", (0, ""))[0] == replaced
    source = Source("-", stdin=io.BytesIO(data))
    table = next(part for part in delimited.read(source, form('unit = "(U)"')) if isinstance(part, Table))
    assert table.schema.field(0).metadata[b"bdx.unit"].decode() == unit


@pytest.mark.parametrize(
    ("cell", "styles", "expected"),
    [
        ("Aux_Temperature(¡æ)_1", "(U)", ("Aux_Temperature_1", "¡æ")),
        ("Temperature (C) 2", "(U)", ("Temperature 2", "C")),
        ("Load (on) Time", "(U)", ("Load (on) Time", "")),
        ("Current[uA]", ("(U)", "[U]", "/U"), ("Current", "uA")),
        ("Current/uA", ("(U)", "[U]", "/U"), ("Current", "uA")),
        ("dQ/dV(mAh/V)", ("(U)", "[U]", "/U"), ("dQ/dV", "mAh/V")),
        ("control/V/mA", "/U", ("control/V", "mA")),
        ("SpeCapacity/mAh/g", "/U", ("SpeCapacity", "mAh/g")),
        ("Voltage#V", ("#U", "row"), ("Voltage", "V")),
    ],
)
def test_styles_of_units(cell: str, styles: Any, expected: tuple[str, str]) -> None:
    assert split_unit(cell, styles) == expected


def test_a_near_miss_names_what_is_missing() -> None:
    neware = spec.format_spec("neware-csv")
    head = b"DataPoint,Cycle Index,Step Type,Time,Voltage(V)\n1,1,Rest,0:00:00,3.5\n"
    score, lacking = delimited.near(head, neware)
    assert score == pytest.approx(0.8)
    assert len(lacking) == 1
    assert "Current" in lacking[0]
    with pytest.raises(SourceError, match="lacks one of: Current"):
        list(delimited.read(Source("-", stdin=io.BytesIO(head)), neware))
    assert delimited.near(b"a,b,c\n1,2,3\n", neware) == (0.0, [])
    assert delimited.near(b'{"DataPoint":1,"Cycle Index":1,"Time":2}', neware) == (0.0, [])


KEYS = 'separators = [",", ";", "\\t", " "]\nunit = ["(U)", "row"]\nskip = "^#"\nend = "^END$"\n'


def made(dice: random.Random) -> tuple[str, bytes]:
    """Return a dialect and a file of it with many faults."""
    end = dice.choice(["\n", "\r\n", "\r\r\n", "\r"])
    count = dice.randrange(1, 80)
    kind = dice.randrange(4)
    if kind == 0:
        good = ["{0},{0}.5,ok"] * 8
        rest = ["# m", '{0},2,"a%sb"', '{0},2,"open', '{0},"2,3', "{0},2", "{0},2,x,", "{0},2,x,y", "", "   ", "U(V),I(A),Note", "x,2,y"]
        quoted = ['{0},1,5"', '{0},1,"a""b"', '{0},1,"a%s%sb, c"'.replace("%s%s", "%s"), '"{0},1,z"']
        lines = ["U(V),I(A),Note"] + [dice.choice(good + rest + quoted).format(row).replace("%s", end) for row in range(count)]
    elif kind == 1:
        lines = ['"U,I,Note"'] + [f'"{row},{row},""n"""' if row % 3 else f'"{row},{row},x"' for row in range(count)]
    elif kind == 2:
        lines = ["U  I  When Z"] + [f"  {row} {row}   2026-01-01 00:00:{row % 60:02d}  q " for row in range(count)]
    else:
        some = [*[",,{0},{0}.5,n"] * 6, "{0},1.5", ",{0},CC", "{0},2.5,{0},CV", "", ",,{0}", "# x", ",{0},CC,9,9"]
        lines = ["Cycle,Cap", ",Step,Type", ",,U,I,Note"] + [dice.choice(some).format(row) for row in range(count)]
    if dice.random() < 0.3:
        lines.insert(dice.randrange(1, len(lines)), "END")
    data = end.join(lines).encode() + (end.encode() if dice.random() < 0.7 else b"")
    return KEYS + (LEVELS if kind == 3 else ""), data[: dice.randrange(10, len(data))] if dice.random() < 0.2 else data


def everything(keys: str, data: bytes) -> tuple[list[Any], list[Any]]:
    source = Source("-", stdin=io.BytesIO(data))
    parts: list[Any] = []
    try:
        for part in delimited.read(source, form(keys)):
            parts.append([batch.to_pylist() for batch in part.batches] if isinstance(part, Table) else part.value)
            if isinstance(part, Table):
                parts[-1] = [row for batch in parts[-1] for row in batch]
    except BdxError as error:
        parts.append(str(error))
    return parts, source.log.findings


@pytest.mark.parametrize("seed", range(60))
def test_where_blocks_end_leaves_no_trace(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, data = made(random.Random(seed))
    whole = everything(keys, data)
    for size in (7, 61, 333):
        monkeypatch.setattr(delimited_blocks, "_CHUNK", size)
        assert everything(keys, data) == whole
