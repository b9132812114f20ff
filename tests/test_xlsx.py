"""Workbooks: the ways they are written, what their cells may be, and what must not happen, beyond what the fixtures show."""

import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from making import generator

from bdx.errors import BdxError, CorruptSource, SourceError, TruncatedSource, UnsafeSource
from bdx.formats import Source, xlsx_book, xlsx_xml
from bdx.formats.xlsx_book import Workbook, shown_as
from bdx.pipeline import evening
from bdx.pipeline.reading import Opened, ReadOptions, chunks, open_source

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures/formats"
SAMPLES = ROOT.parent / "shared/samples/instrument"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    return generator("xlsx")


def read(path: Path, **options: Any) -> tuple[pa.Table, Opened]:
    opened = open_source(str(path), 1, ReadOptions(**options))
    batches = [chunk["timeseries"] for chunk in chunks(opened, ReadOptions()) if "timeseries" in chunk]
    return pa.Table.from_batches(batches).combine_chunks(), opened


def codes(opened: Opened) -> list[str]:
    return sorted(finding.code for finding in opened.log.findings)


def changed(path: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """Write the workbook anew with some of its members changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def test_however_a_workbook_is_written_it_reads_the_same(make: Any, tmp_path: Path) -> None:
    rows = make.records()
    styles = [
        make.Style(),
        make.Style(inline=True),
        make.Style(prefix="x:"),
        make.Style(placeless=True),
        make.Style(since_1904=True),
        make.Style(prefix="s:", inline=True, placeless=True, since_1904=True),
    ]
    tables = []
    for number, style in enumerate(styles):
        # A row as wide as the others keeps every cell in its place where cells do not say where they stand.
        cells = [[value if value is not None else "" for value in row] for row in make.arbin(rows)]
        book = make.Writer(style)
        book.add("Channel_5_1", [make.ARBIN, *cells])
        book.save(tmp_path / f"{number}.xlsx")
        tables.append(read(tmp_path / f"{number}.xlsx")[0])
    assert all(table.equals(tables[0]) for table in tables)


def test_the_result_does_not_depend_on_how_much_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = FIXTURES / "arbin-xlsx/odd-cells/input.xlsx"
    whole = read(path)[0]
    stream = Workbook.stream

    def small(self: Workbook, member: str) -> Iterator[bytes]:
        for data in stream(self, member):
            yield from (data[start : start + 700] for start in range(0, len(data), 700))

    monkeypatch.setattr(Workbook, "stream", small)
    monkeypatch.setattr(evening, "ROWS", 7)
    opened = open_source(str(path), 1, ReadOptions(from_format="arbin-xlsx"))
    monkeypatch.setattr(xlsx_book, "_MOST_XML", 1 << 20)
    batches = [chunk["timeseries"] for chunk in chunks(opened, ReadOptions()) if "timeseries" in chunk]
    assert len(batches) > 3
    assert pa.Table.from_batches(batches).combine_chunks().equals(whole)


def test_plain_cells_and_the_parser_agree(tmp_path: Path) -> None:
    path = FIXTURES / "neware-xlsx/chinese-typed-cells/input.xlsx"

    def comment(name: str, data: bytes) -> bytes:
        return data.replace(b"<row", b"<!-- seen --><row") if "worksheets" in name else data

    assert read(changed(path, tmp_path / "parsed.xlsx", comment))[0].equals(read(path)[0])


@pytest.mark.parametrize(
    ("number", "code", "kind"),
    [
        ("0", None, ""),
        ("2", None, ""),
        ("14", None, "date"),
        ("22", None, "date"),
        ("46", None, "clock"),
        ("164", "General", ""),
        ("164", "0.00E+00", ""),
        ("164", '0.0" days"', ""),
        ("164", "[Red]0.00", ""),
        ("164", "#,##0_);(#,##0)", ""),
        ("164", "yyyy\\-mm\\-dd hh:mm:ss.000", "date"),
        ("164", "[$-409]d\\-mmm\\-yy;@", "date"),
        ("164", "mmm", "date"),
        ("164", "[h]:mm:ss", "clock"),
        ("164", "mm:ss.0", "clock"),
    ],
)
def test_number_formats_show_what_a_number_is(number: str, code: str | None, kind: str) -> None:
    assert shown_as(number, code) == kind


def test_shared_strings_join_rich_text_and_leave_readings_out() -> None:
    piece = (
        b"<si><t>plain</t></si><si><r><t>Volt</t></r><r><rPr><b/></rPr><t>age(V)</t></r></si>"
        b"<si><t>\xe9\x9b\xbb\xe5\x9c\xa7</t><rPh sb='0' eb='2'><t>x</t></rPh></si><si/><si><t>R&amp;D &#65;</t></si>"
    )
    assert xlsx_xml.strings(piece, "f").to_pylist() == ["plain", "Voltage(V)", "電圧", "", "R&D A"]
    assert xlsx_xml.strings(b"<si><t>R&amp;D &#65; &#xFFFFFF;</t></si>", "f").to_pylist() == ["R&D A \ufffd"]


def test_a_sheet_that_starts_again_is_remarked_on(make: Any, tmp_path: Path) -> None:
    cells = make.arbin(make.records())
    book = make.Writer()
    book.add("Channel_5_1", [make.ARBIN, *cells])
    book.add("Channel_5_2", [make.ARBIN, *cells[:5]])
    book.save(tmp_path / "again.xlsx")
    table, opened = read(tmp_path / "again.xlsx")
    assert table.num_rows == 85
    assert "F092" in codes(opened)


def test_a_column_that_only_a_later_sheet_has_is_lost_by_name(make: Any, tmp_path: Path) -> None:
    cells = make.arbin(make.records())
    book = make.Writer()
    book.add("Channel_5_1", [make.ARBIN, *cells[:40]])
    book.add("Channel_5_2", [[*make.ARBIN[:10], "ACR(Ohm)"], *([*row[:10], 1.5] for row in cells[40:])])
    book.save(tmp_path / "later.xlsx")
    table, opened = read(tmp_path / "later.xlsx")
    assert table.column("temperature_t1_celsius").null_count == 40
    assert any("ACR(Ohm)" in loss.what for loss in opened.log.losses)


def test_a_header_and_nothing_below(make: Any, tmp_path: Path) -> None:
    book = make.Writer()
    book.add("Channel_5_1", [make.ARBIN])
    book.save(tmp_path / "empty.xlsx")
    table, opened = read(tmp_path / "empty.xlsx")
    assert table.num_rows == 0
    assert "F045" in codes(opened)


def test_a_workbook_of_something_else_is_not_read(make: Any, tmp_path: Path) -> None:
    book = make.Writer()
    book.add("cells", [["Name", "Chemistry", "Nominal Capacity [Ah]", "Start date"], ["BX36-000042", "NMC", 14.0, make.START]])
    book.save(tmp_path / "list.xlsx")
    with pytest.raises(SourceError):
        open_source(str(tmp_path / "list.xlsx"), 1, ReadOptions())
    with pytest.raises(SourceError, match=r"no sheet has a header .*sheets: cells"):
        read(tmp_path / "list.xlsx", from_format="arbin-xlsx")


def test_one_cell_far_out_takes_no_memory(make: Any, tmp_path: Path) -> None:
    path = FIXTURES / "arbin-xlsx/record-sheets-go-on/input.xlsx"
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    table, opened = read(changed(path, tmp_path / "far.xlsx", lambda name, data: data.replace(b"</sheetData>", far)))
    assert table.num_rows == 80
    assert "F094" in codes(opened)


def test_bombs_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    path = FIXTURES / "arbin-xlsx/odd-cells/input.xlsx"
    target = changed(path, tmp_path / "bomb.xlsx", lambda name, data: data + b" " * (300 << 20 if "sheet1" in name else 0))
    with target.open("rb") as file, pytest.raises(UnsafeSource, match="declares"):
        Workbook(file, "bomb.xlsx")
    for name in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"):

        def typed(member: str, data: bytes, name: str = name) -> bytes:
            return data.replace(b"?>", b"?><!DOCTYPE a [<!ENTITY b 'c'>]>", 1) if member == name else data

        with pytest.raises(UnsafeSource, match="document type"):
            read(changed(path, tmp_path / "entity.xlsx", typed))


def test_a_cut_workbook_says_that_it_is_cut(tmp_path: Path) -> None:
    data = (FIXTURES / "arbin-xlsx/odd-cells/input.xlsx").read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(TruncatedSource, match="cut off"):
        open_source(str(tmp_path / "cut.xlsx"), 1, ReadOptions())


def test_whole_records_come_before_a_damaged_end(make: Any, tmp_path: Path) -> None:
    base = make.records()
    cells = [[index + 1, *row[1:]] for index, row in enumerate(make.arbin(base[index % 80] for index in range(4000)))]
    book = make.Writer(make.Style(inline=True))
    book.add("Channel_5_1", [make.ARBIN, *cells])
    book.save(tmp_path / "whole.xlsx")
    data = bytearray((tmp_path / "whole.xlsx").read_bytes())
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as archive:
        item = archive.getinfo("xl/worksheets/sheet1.xml")
    # The check sum that the table of contents names is not that of the sheet any more.
    place = data.rindex(item.CRC.to_bytes(4, "little"))
    data[place] ^= 1
    (tmp_path / "broken.xlsx").write_bytes(data)
    rows = 0
    opened = open_source(str(tmp_path / "broken.xlsx"), 1, ReadOptions(from_format="arbin-xlsx"))
    with pytest.raises(CorruptSource, match=r"sheet1.xml"):
        for chunk in chunks(opened, ReadOptions()):
            rows += chunk["timeseries"].num_rows if "timeseries" in chunk else 0
    assert rows > 0


def test_members_that_are_damaged_raise_only_errors_of_the_source(tmp_path: Path) -> None:
    path = FIXTURES / "neware-xlsx/detail-and-auxiliary-sheets/input.xlsx"
    tokens = (b"", b"<c>", b"</row>", b'r="ZZZ9999999"', b't="s"', b"\xff", b"&#x0;", b"<![CDATA[", b"1e400", b"-1", b"</x")
    for number, token in enumerate(tokens * 6):

        def spoil(name: str, data: bytes, number: int = number, token: bytes = token) -> bytes:
            place = len(data) * (number + 1) // 70
            return data[:place] + token + data[place + number % 5 :] if name != "[Content_Types].xml" else data

        try:
            read(changed(path, tmp_path / "spoilt.xlsx", spoil))
        except BdxError as error:
            assert str(error)


def test_standard_input_is_detected_and_read() -> None:
    path = FIXTURES / "landt-xlsx/steps-between-records/input.xlsx"
    with path.open("rb") as stdin:
        opened = open_source("-", 1, ReadOptions(stdin=stdin))
        assert opened.format.id == "landt-xlsx"
        batches = [chunk["timeseries"] for chunk in chunks(opened, ReadOptions()) if "timeseries" in chunk]
    assert pa.Table.from_batches(batches).num_rows == 80


@pytest.mark.skipif(not SAMPLES.exists(), reason="the public sample files are not beside this checkout")
def test_real_workbooks_are_told_apart() -> None:
    table, opened = read(SAMPLES / "arbin_xlsx/arbin_mits_channel_head.xlsx")
    assert opened.format.id == "arbin-xlsx"
    assert table.num_rows == 249
    assert not codes(opened)
    with pytest.raises(SourceError):
        open_source(str(SAMPLES / "neware_xlsx/Experiment_Record.xlsx"), 1, ReadOptions())


def test_the_reader_of_workbooks_needs_no_library() -> None:
    source = Source(str(FIXTURES / "neware-xlsx/record-sheet/input.xlsx"))
    with source.seekable() as file:
        assert list(Workbook(file, source.uri).sheets) == ["unit", "cycle", "step", "record"]
    assert not {"openpyxl", "python_calamine"} & set(sys.modules)
