"""Documents to bytes: one object, an array, JSON lines, or a folder with a file for each or for each part of it."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from bdx.canon import Document, Part
from bdx.errors import SinkError
from bdx.formats.json_text import dumps
from bdx.spec import FormatSpec

_BLOCK = 1 << 20
_UNSAFE = re.compile(r"[^\w.+-]+", re.ASCII)
_MOST_NAME = 120
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))))


def write(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec, lines: bool = False) -> None:
    """Write documents: one as an indented object, several as an array; `lines` writes one per line.

    Raises: SinkError where a part is no document, or there is none.
    """
    if lines:
        _write_lines(parts, sink, spec)
        return
    count = 0
    held: bytes | None = None
    for part in parts:
        count += 1
        if held is not None:
            sink.write(b"[\n" if count == 2 else b",\n")
            sink.write(held)
        held = dumps(_document(part, spec).value, indent=True)
    if held is None:
        raise _nothing(spec)
    sink.write(held if count == 1 else b",\n" + held + b"\n]")
    sink.write(b"\n")


def _write_lines(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec) -> None:
    """Write one document per line. The cyclic garbage collector runs between blocks: it would walk every document in vain."""
    source, written = iter(parts), False
    running = gc.isenabled()
    gc.disable()
    try:
        while block := _block(source, spec):
            sink.write(block)
            written = True
            if running:
                gc.collect(1)
    finally:
        if running:
            gc.enable()
    if not written:
        raise _nothing(spec)


def _block(parts: Iterator[Part], spec: FormatSpec) -> bytes:
    """Return the lines of the next documents, b"" where there are no more."""
    lines: list[bytes] = []
    size = 0
    for part in parts:
        text = dumps(_document(part, spec).value)
        lines.append(text)
        size += len(text)
        if size >= _BLOCK:
            break
    return b"\n".join(lines) + b"\n" if lines else b""


def write_folder(parts: Iterable[Part], folder: Path, spec: FormatSpec, *, by_part: bool = False) -> None:
    """Write each document to a file of its own, named by its battery; `by_part`: to a folder with a file for each of its parts.

    Characters that some file system refuses become _, names that fall together (in any case) get a number.
    Raises: SinkError where a part is no document, there is none, or a model of one piece is to be written by part.
    """
    names = [part["name"] for part in spec.raw.get("part", ())]
    if by_part and not names:
        raise SinkError(f"{spec.id} has no parts; leave out --parts")
    taken: set[str] = set()
    for number, part in enumerate(parts, 1):
        document = _document(part, spec)
        name = _free(file_name(document.locator) or f"battery-{number}", taken)
        if not by_part:
            (folder / f"{name}.json").write_bytes(dumps(document.value, indent=True) + b"\n")
            continue
        (folder / name).mkdir()
        rest = {key: value for key, value in document.value.items() if key not in names}
        for key in names:
            if key in document.value:
                (folder / name / f"{key}.json").write_bytes(dumps(document.value[key], indent=True) + b"\n")
        if rest:
            (folder / name / "Other.json").write_bytes(dumps(rest, indent=True) + b"\n")
    if not taken:
        raise _nothing(spec)


def file_name(text: str) -> str:
    """Return a text as a file name that every file system takes, "" where nothing is left of it."""
    name = _UNSAFE.sub("_", text)[:_MOST_NAME].strip("._ ")
    return f"_{name}" if name.casefold().partition(".")[0] in _DEVICES else name


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number where it is taken."""
    found, number = name, 1
    while found.casefold() in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found.casefold())
    return found


def _document(part: Part, spec: FormatSpec) -> Document:
    if not isinstance(part, Document):
        raise SinkError(f"{spec.id} holds documents, not the table '{part.name}'")
    return part


def _nothing(spec: FormatSpec) -> SinkError:
    return SinkError(f"there is no battery to write as {spec.id}")
