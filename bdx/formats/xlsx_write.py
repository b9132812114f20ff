"""A workbook as bytes: sheets of columns made ready as XML, rows kept aside on disk, one ZIP with the same bytes for the same cells."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.formats.rows_cells import joined_bytes

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header."""

MOST_LETTERS = 32_767
"""Letters of one cell."""

MOST_COLUMNS = 16_384
_MOST_LIST = 255
_MOST_PROMPT, _MOST_TITLE = 255, 32
_STAMP = (1980, 1, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
PLAIN, HEADER, DATE, TEXT, WRAPPED = range(5)
"""Cell styles, in the order of _STYLES."""

_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFE7EDF3"/><bgColor indexed="64"/></patternFill></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="5">'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyFont="1" applyFill="1" applyNumberFormat="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1">'
    '<alignment vertical="top" wrapText="1"/></xf></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_ODD = "_x[0-9A-Fa-f]{4}_|[\x00-\x08\x0b-\x1f\ufffe\uffff]"
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


@dataclass(slots=True)
class Head:
    """One column of a sheet: its header, how cells below are shown, words to choose from (`strict`: no others), a hint."""

    name: str
    style: int = PLAIN
    width: int = 0
    words: tuple[str, ...] = ()
    strict: bool = True
    hint: str = ""


@dataclass(slots=True)
class SheetOut:
    """A sheet being filled; its rows are kept in a temporary file until the workbook is written."""

    name: str
    heads: list[Head] = field(default_factory=list)
    rows: int = 0
    _spool: BinaryIO = field(default_factory=tempfile.TemporaryFile)  # type: ignore[arg-type]

    def append(self, columns: Sequence[tuple[int, pa.Array]], rows: int) -> None:
        """Add rows below those there are: (place of the column, cells as `cells_of_...` made them), None where a cell is empty."""
        numbers = pa.array(np.arange(self.rows + 2, self.rows + 2 + rows), pa.int64()).cast(pa.string())
        parts = [pc.binary_join_element_wise('<row r="', numbers, '">', "")]
        for place, cells in sorted(columns, key=lambda column: column[0]):
            if cells.null_count < len(cells):
                cell = pc.binary_join_element_wise(f'<c r="{letters(place)}', numbers, cells, "")
                parts.append(pc.fill_null(cell, ""))
        parts.append(pc.binary_join_element_wise(parts.pop(), "</row>", ""))
        self._spool.write(joined_bytes(pc.binary_join_element_wise(*parts, "")))
        self.rows += rows

    def write_to(self, sink: BinaryIO, choices: Sequence[str]) -> None:
        """Write the sheet as XML; `choices` are formulas of the drop-down lists by column, empty where there is none."""
        last = letters(max(len(self.heads), 1) - 1)
        sink.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><dimension ref="A1:{last}{self.rows + 1}"/>'.encode())
        sink.write(b'<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>')
        sink.write(b'<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>')
        if self.heads:
            sink.write(b"<cols>" + "".join(_col(place, head) for place, head in enumerate(self.heads, 1)).encode() + b"</cols>")
        header = pa.array([head.name for head in self.heads], pa.string())
        cells = zip(range(len(self.heads)), text_cells(header, HEADER).to_pylist(), strict=True)
        row = "".join(f'<c r="{letters(place)}1{cell}' for place, cell in cells)
        sink.write(f'<sheetData><row r="1">{row}</row>'.encode())
        self._spool.seek(0)
        shutil.copyfileobj(self._spool, sink, 1 << 20)
        sink.write(b"</sheetData>")
        found = [_validation(place, head, formula) for place, (head, formula) in enumerate(zip(self.heads, choices, strict=True))]
        found = [text for text in found if text]
        if found:
            sink.write(f'<dataValidations count="{len(found)}">{"".join(found)}</dataValidations>'.encode())
        sink.write(b"</worksheet>")

    def close(self) -> None:
        """Let go of the rows."""
        self._spool.close()


def write_book(sheets: Iterable[SheetOut], sink: BinaryIO) -> None:
    """Write sheets as one workbook; lists of words too long for a cell's rule stand on a sheet `words` of their own."""
    known = list(sheets)
    words = SheetOut("words")
    formulas = [[_formula(sheet, head, words) for head in sheet.heads] for sheet in known]
    if words.heads:
        _fill(words)
        known.append(words)
        formulas.append([""] * len(words.heads))
    else:
        words.close()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as book:
        for name, text in _frame([sheet.name for sheet in known]).items():
            with book.open(_member(name), "w") as file:
                file.write(text.encode())
        for number, (sheet, choices) in enumerate(zip(known, formulas, strict=True), 1):
            with book.open(_member(f"xl/worksheets/sheet{number}.xml"), "w", force_zip64=True) as file:
                sheet.write_to(file, choices)  # type: ignore[arg-type]
            sheet.close()


def _member(name: str) -> zipfile.ZipInfo:
    """Return a member without the time and the system it was written on."""
    info = zipfile.ZipInfo(name, _STAMP)
    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o600 << 16
    return info


def _frame(names: Sequence[str]) -> dict[str, str]:
    """Return the members around the sheets: content types, relations, the list of sheets, styles."""
    numbers = range(1, len(names) + 1)
    parts = "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n in numbers)
    listed = "".join(f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>' for n, name in zip(numbers, names, strict=True))
    links = "".join(f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers)
    styles = f'<Relationship Id="rId{len(names) + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    return {
        "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>{parts}'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>',
        "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        f"<bookViews><workbookView/></bookViews><sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{links}{styles}</Relationships>',
        "xl/styles.xml": _STYLES,
    }


def _col(place: int, head: Head) -> str:
    width = head.width or min(max(len(head.name) + 3, 10), 44)
    return f'<col min="{place}" max="{place}" width="{width}" style="{head.style}" customWidth="1"/>'


def _formula(sheet: SheetOut, head: Head, words: SheetOut) -> str:
    """Return the formula of a column's drop-down list, putting a long list on the sheet of words."""
    if not head.words:
        return ""
    joined = ",".join(head.words)
    if len(joined) <= _MOST_LIST and not any("," in word for word in head.words):
        return f'"{joined}"'
    place = letters(len(words.heads))
    words.heads.append(Head(f"{sheet.name}.{head.name}", TEXT, 34, head.words))
    return f"words!${place}$2:${place}${len(head.words) + 1}"


def _fill(words: SheetOut) -> None:
    """Put the lists of words under their headers, after which they are lists no more."""
    rows = max(len(head.words) for head in words.heads)
    columns = [
        (place, text_cells(pa.array([*head.words, *[None] * (rows - len(head.words))]), TEXT)) for place, head in enumerate(words.heads)
    ]
    words.append(columns, rows)
    for head in words.heads:
        head.words = ()


def _validation(place: int, head: Head, formula: str) -> str:
    if not formula and not head.hint:
        return ""
    span = f"{letters(place)}2:{letters(place)}{MOST_ROWS + 1}"
    hint = head.hint if len(head.hint) <= _MOST_PROMPT else head.hint[: _MOST_PROMPT - 3] + "..."
    told = f' showInputMessage="1" promptTitle={quoteattr(head.name[:_MOST_TITLE])} prompt={quoteattr(hint)}' if hint else ""
    strict = ' showErrorMessage="1"' if formula and head.strict else ""
    kind = ' type="list"' if formula else ""
    inner = f"<formula1>{formula}</formula1>" if formula else ""
    return f'<dataValidation{kind} allowBlank="1"{strict}{told} sqref="{span}">{inner}</dataValidation>'


def number_cells(text: pa.Array) -> pa.Array:
    """Return numbers, given as text, as cells without the place they stand in; null stays null."""
    return pc.binary_join_element_wise('"><v>', text, "</v></c>", "")


def date_cells(days: pa.Array) -> pa.Array:
    """Return day numbers, given as text, as cells that show a date."""
    return pc.binary_join_element_wise(f'" s="{DATE}"><v>', days, "</v></c>", "")


def bool_cells(values: pa.Array) -> pa.Array:
    """Return truth values as cells."""
    return pc.binary_join_element_wise('" t="b"><v>', pc.if_else(values, "1", "0"), "</v></c>", "")


def text_cells(text: pa.Array, style: int = TEXT) -> pa.Array:
    """Return texts as cells; blanks at their ends and characters XML has no place for stay."""
    found = text.cast(pa.string())
    if pc.any(pc.match_substring_regex(found, _ODD)).as_py():
        found = pa.array([None if item is None else re.sub(_ODD, _odd, item) for item in found.to_pylist()], pa.string())
    for mark, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        if pc.any(pc.match_substring(found, mark)).as_py():
            found = pc.replace_substring(found, mark, written)
    opening = pc.if_else(pc.match_substring_regex(found, r"^\s|\s$|[\n\t]"), '<t xml:space="preserve">', "<t>")
    return pc.binary_join_element_wise(f'" s="{style}" t="inlineStr"><is>', opening, found, "</t></is></c>", "")


def _odd(match: re.Match[str]) -> str:
    """Return what stands for a character XML cannot hold, and for a text that looks like such a stand-in."""
    found = match.group()
    return f"_x005F{found}" if len(found) > 1 else f"_x{ord(found):04X}_"


def unescaped(text: str) -> str:
    """Return a text with the characters that stand-ins such as _x000D_ mean."""
    found = _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text)
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def letters(place: int) -> str:
    """Return the letters of a column, A being 0."""
    text, number = "", place + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text
