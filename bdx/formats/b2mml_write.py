"""Writes B2MML messages: the elements as they come, escaped, one line to each element of a list; a folder has one file per message."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from bdx.canon import Document, Part
from bdx.errors import SinkError
from bdx.spec import FormatSpec

BLOCK = 1 << 18
MAIN = "performance.xml"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def write(parts: Iterable[Part], sink: BinaryIO, spec: FormatSpec, lines: bool = False) -> None:
    """Write one message: parts "Open" (name, attributes) and "Close" (name) around parts "Element" (name, attributes, text or children).

    Raises: SinkError where a part is none of these.
    """
    message = _Message(sink)
    for part in parts:
        if not isinstance(part, Document) or part.name == "File":
            raise SinkError(f"{spec.id} holds one message in one file")
        message.add(part)
    message.finish()


def write_folder(parts: Iterable[Part], folder: Path, spec: FormatSpec, *, by_part: bool) -> None:
    """Write every message to a file of its own: the performance, and after each part "File" one of that name."""
    stream = None
    message = None
    try:
        for part in parts:
            if not isinstance(part, Document):
                raise SinkError(f"{spec.id} holds messages, not the table '{part.name}'")
            if message is None or part.name == "File":
                name = part.value if part.name == "File" else _name(part)
                if message is not None and stream is not None:
                    message.finish()
                    stream.close()
                stream = (folder / name).open("wb")
                message = _Message(stream)
            if part.name != "File":
                message.add(part)
        if message is not None:
            message.finish()
    finally:
        if stream is not None:
            stream.close()


def _name(part: Document) -> str:
    """Return the file of a first message, by its root."""
    root = str(part.value[0])
    known = {"MaterialInformation": "material.xml", "OperationsTestInformation": "tests.xml", "EquipmentInformation": "equipment.xml"}
    return next((name for noun, name in known.items() if root.endswith(noun)), MAIN)


class _Message:
    """One message on its way out, a block at a time."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._pieces: list[str] = [_HEAD]
        self._size = 0

    def add(self, part: Document) -> None:
        value = part.value
        if part.name == "Open":
            name, attributes = value
            piece = f"<{name}{_attributes(attributes)}>\n"
        elif part.name == "Close":
            piece = f"</{value}>\n"
        else:
            piece = _element(value) + "\n"
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= BLOCK:
            self.finish()

    def finish(self) -> None:
        self._sink.write("".join(self._pieces).encode())
        self._pieces.clear()
        self._size = 0


def _element(tree: Any) -> str:
    """Return an element as text."""
    name, attributes, content = tree
    said = _attributes(attributes) if attributes else ""
    if type(content) is str:
        return f"<{name}{said}>{_escaped(content)}</{name}>" if content else f"<{name}{said}/>"
    return f"<{name}{said}>{''.join(map(_element, content))}</{name}>"


def _escaped(text: str) -> str:
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    return text.replace("\r", "&#13;") if "\r" in text else text


def _attributes(attributes: dict[str, str] | None) -> str:
    found = ""
    for name, text in (attributes or {}).items():
        inner = _escaped(text).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")
        found += f' {name}="{inner}"'
    return found
