"""The XML of sheets and shared strings -> arrays of cells, piece by piece: plain cells by one regular expression, others by a parser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from xml.parsers import expat

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.errors import CorruptSource, UnsafeSource

_MOST_PIECE = 64 << 20
_MOST_COLUMN = 16_384
_LEAST_ALIKE = 4
_ENTITY = re.compile(r"&(#x[0-9A-Fa-f]{1,6}|#[0-9]{1,7}|amp|lt|gt|quot|apos);")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Cells:
    """Cells that hold something. `row` counts the rows of the piece from 0, `numbers` are their numbers."""

    row: Ints
    column: Ints
    kind: pa.Array
    style: Ints
    text: pa.Array
    numbers: Ints

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: Any) -> Cells:
        """Return the cells of a mask or list of places; rows keep their count."""
        spots = pa.array(np.flatnonzero(which) if getattr(which, "dtype", None) == np.bool_ else which)
        return Cells(self.row[which], self.column[which], self.kind.take(spots), self.style[which], self.text.take(spots), self.numbers)


def pieces(stream: Iterable[bytes], root: str, unit: bytes, path: str) -> Iterator[bytes]:
    """Yield the content of a document in pieces that end with a closing `unit` tag; tags are given without a namespace prefix.

    Raises: UnsafeSource for a document type or a unit beyond 64 MiB; CorruptSource where the root is not there.
    """
    rest, prefix, ends = b"", None, b""
    for data in stream:
        rest += data
        if prefix is None:
            head = rest[: 1 << 16]
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                raise UnsafeSource("declares a document type; a workbook has none", path=path, offset=root)
            match = re.search(rb"<(?:(\w{1,32}):)?" + root.encode() + rb"[\s>/]", head)
            if match is None:
                raise CorruptSource(f"has no element {root}", path=path)
            prefix = match.group(1) + b":" if match.group(1) else b""
            ends = b"</" + prefix + unit + b">"
            rest = rest[match.end() :]
        cut = rest.rfind(ends)
        if cut >= 0:
            yield _bare(rest[: cut + len(ends)], prefix)
            rest = rest[cut + len(ends) :]
        elif len(rest) > _MOST_PIECE:
            raise UnsafeSource(f"holds more than {_MOST_PIECE:,} bytes without the end of a {unit.decode()}", path=path, offset=root)


def _bare(piece: bytes, prefix: bytes) -> bytes:
    """Return the piece without the namespace prefix of its root."""
    return piece.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</") if prefix else piece


@cache
def _cell() -> re.Pattern[bytes]:
    return re.compile(
        rb'<c r="([A-Z]{1,3})([0-9]{1,7})"(?: s="([0-9]{1,5})")?(?: t="(\w+)")?\s?(?:/>|>(?:<f>[^<]*</f>)?'
        rb'(?:<v>([^<]*)</v>|<v/>|<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)?</c>)'
    )


@cache
def _string() -> re.Pattern[bytes]:
    return re.compile(rb'<si><t(?: xml:space="preserve")?>([^<]*)</t></si>')


def cells(stream: Iterable[bytes], path: str) -> Iterator[Cells]:
    """Yield the cells of a sheet, piece by piece.

    Raises: CorruptSource for XML that is not well-formed, columns beyond XFD or rows that run backwards.
    """
    last = 0
    for piece in pieces(stream, "worksheet", b"row", path):
        alike = _alike(piece, last, path)
        if alike is not None:
            last = int(alike.numbers[-1])
            yield alike
            continue
        found = _cell().findall(piece)
        if len(found) != piece.count(b"<c ") + piece.count(b"<c>") + piece.count(b"<c/>") or b"<!" in piece:
            found = _parsed(piece, last, path)
        if not found:
            continue
        letters, numbers, styles, kinds, values, inline = zip(*found, strict=True)
        text = pc.if_else(pc.equal(pa.array(inline, pa.binary()), b""), pa.array(values, pa.binary()), pa.array(inline, pa.binary()))
        rows = _integers(pa.array(numbers, pa.binary()))
        if len(rows) and (rows[0] < last or (np.diff(rows) < 0).any()):
            raise CorruptSource("a sheet's rows run backwards", path=path, offset=f"row {int(rows[0])}")
        last = int(rows[-1])
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        dense = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(rows))))
        kind = pc.dictionary_encode(pa.array(kinds, pa.binary()).cast(pa.string()))
        decoded = _text(text, path)
        kept = pc.not_equal(decoded, "").to_numpy(zero_copy_only=False)
        whole = Cells(dense, _columns(letters), kind, _integers(pa.array(styles, pa.binary())), decoded, rows[starts])
        yield whole if kept.all() else whole.take(kept)


def _alike(piece: bytes, last: int, path: str) -> Cells | None:
    """Return the cells of a piece whose rows are all built as its longest early row is, cells left out aside; else None.

    One match per row is several times as fast as one per cell, and rows of records are alike.
    """
    early = max(piece[: 1 << 14].split(b"</row>"), key=lambda row: row.count(b"<c "))
    model = _cell().findall(early)
    if len(model) < _LEAST_ALIKE or len(model) != early.count(b"<c "):
        return None
    found = _row(tuple((letters, style, kind, bool(inline)) for letters, _, style, kind, _, inline in model)).findall(piece)
    if not found or len(found) != piece.count(b"<row"):
        return None
    numbers, *values = zip(*found, strict=True)
    rows = _integers(pa.array(numbers, pa.binary()))
    if rows[0] <= last or (np.diff(rows) <= 0).any():
        return None
    size, width = len(found), len(model)
    text = _text(pa.concat_arrays([pa.array(column, pa.binary()) for column in values]), path)
    words = pa.array([kind.decode() for _, _, _, kind, _, _ in model], pa.string())
    whole = Cells(
        np.tile(np.arange(size), width),
        np.repeat(_columns(tuple(cell[0] for cell in model)), size),
        pa.DictionaryArray.from_arrays(pa.array(np.repeat(np.arange(width, dtype=np.int32), size)), words),
        np.repeat(np.array([int(cell[2] or 0) for cell in model], np.int64), size),
        text,
        rows,
    )
    kept = pc.not_equal(text, "").to_numpy(zero_copy_only=False)
    return whole if kept.all() else whole.take(kept)


@lru_cache(maxsize=64)
def _row(model: tuple[tuple[bytes, bytes, bytes, bool], ...]) -> re.Pattern[bytes]:
    """Return a pattern with one group for the number of a row and one per cell, each of which may be left out or empty."""
    parts = [rb'<row r="([0-9]{1,7})"[^>]*>']
    for letters, style, kind, inline in model:
        opening = b'<c r="' + letters + b'[0-9]{1,7}"' + (b' s="' + style + b'"' if style else b"")
        full = opening + (b' t="' + kind + b'"' if kind else b"")
        value = b"<is><t>([^<]*)</t></is>" if inline else b"<v>([^<]*)</v>"
        parts.append(b"(?:" + full + b">" + value + b"</c>|" + opening + rb"(?: t=\"\w+\")?\s?/>)?+")
    return re.compile(b"".join([*parts, b"</row>"]))


def strings(piece: bytes, path: str) -> pa.Array:
    """Return the shared strings of a piece; runs of rich text are joined, readings (phonetic runs) left out."""
    found = _string().findall(piece)
    if len(found) == piece.count(b"<si>") + piece.count(b"<si ") + piece.count(b"<si/>") and b"<!" not in piece:
        return _text(pa.array(found, pa.binary()), path)
    texts: list[str] = []
    depth = {"rPh": 0, "t": 0}

    def start(tag: str, _: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "si":
            texts.append("")
        elif tag in depth:
            depth[tag] += 1

    def end(tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag in depth:
            depth[tag] -= 1

    def data(text: str) -> None:
        if depth["t"] and not depth["rPh"] and texts:
            texts[-1] += text

    _parse(piece, start, end, data, path)
    return pa.array(texts, pa.string())


def _parsed(piece: bytes, last: int, path: str) -> list[tuple[bytes, ...]]:
    """Return the cells of a piece that holds more than plain cells; a cell without its own place follows the one before."""
    found: list[list[str]] = []
    state: dict[str, Any] = {"row": last, "column": 0, "cell": None, "into": 0}

    def start(tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "row":
            written = attributes.get("r", "")
            state["row"], state["column"] = (int(written) if written.isdigit() else state["row"] + 1), 0
        elif tag == "c":
            match = re.fullmatch(r"([A-Z]{1,3})([0-9]{1,7})", attributes.get("r", ""))
            letters = match.group(1) if match else _letters(state["column"])
            state["column"] = _number(letters) + 1
            number = match.group(2) if match else str(state["row"])
            style = attributes.get("s", "")
            found.append([letters, number, style if style.isdigit() else "", attributes.get("t", ""), ""])
            state["cell"] = found[-1]
        elif tag in ("v", "t"):
            state["into"] += 1
        elif tag == "rPh":
            state["into"] -= 100

    def end(tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "c":
            state["cell"] = None
        elif tag in ("v", "t"):
            state["into"] -= 1
        elif tag == "rPh":
            state["into"] += 100

    def data(text: str) -> None:
        if state["into"] > 0 and state["cell"] is not None:
            state["cell"][4] += text

    _parse(piece, start, end, data, path)
    # What the parser has decoded is encoded again, entities and all, so that both ways meet in one form.
    return [tuple(part.encode() for part in (*cell[:4], cell[4].replace("&", "&amp;"), "")) for cell in found]


def _parse(piece: bytes, start: Any, end: Any, data: Any, path: str) -> None:
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    inner = piece
    opening = re.search(rb"<(?:sheetData|row|si)\b", inner)
    try:
        parser.Parse(b"<root>" + (inner[opening.start() :] if opening else b"").replace(b"<sheetData>", b"") + b"</root>", True)
    except (expat.ExpatError, ValueError) as error:
        raise CorruptSource(f"is not well-formed: {error}", path=path) from error


def _text(values: pa.Array, path: str) -> pa.Array:
    try:
        decoded = values.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise CorruptSource("holds bytes that are no UTF-8", path=path) from error
    coded = pc.match_substring(decoded, "&")
    if not pc.any(coded).as_py():
        return decoded
    plain = [_ENTITY.sub(_entity, text) for text in decoded.filter(coded).to_pylist()]
    return pc.replace_with_mask(decoded, coded, pa.array(plain, pa.string()))


def _entity(match: re.Match[str]) -> str:
    name = match.group(1)
    if not name.startswith("#"):
        return _NAMED[name]
    code = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _integers(values: pa.Array) -> Ints:
    filled = pc.if_else(pc.equal(values, b""), b"0", values).cast(pa.string())
    return filled.cast(pa.int64()).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _columns(letters: tuple[bytes, ...]) -> Ints:
    coded = pc.dictionary_encode(pa.array(letters, pa.binary()))
    table = np.array([_number(name.decode()) for name in coded.dictionary.to_pylist()], np.int64)
    found: Ints = table[coded.indices.to_numpy(zero_copy_only=False)]
    return found


def _number(letters: str) -> int:
    """Return the place of a column, A being 0."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _letters(number: int) -> str:
    if number >= _MOST_COLUMN:
        return "XFD"
    text, number = "", number + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text
