"""XML of the factory built to harm its reader: only errors of bdx, and memory that does not follow the file."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bdx import formats, spec
from bdx.canon import Document, Log
from bdx.errors import BdxError, SourceError, UnsafeSource
from bdx.formats.source import Source
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "formats"
B2MML = "http://www.mesa.org/xml/B2MML"
STREAMS = "urn:mtconnect.org:MTConnectStreams:2.0"
SHELLS = {
    "b2mml": (
        f'<OperationsPerformance xmlns="{B2MML}"><OperationsResponse><SegmentResponse><ID>1</ID>',
        "</SegmentResponse></OperationsResponse></OperationsPerformance>",
    ),
    "batchml": (
        f'<BatchProductionRecord xmlns="{B2MML}"><ID>1</ID><Events><Event><EntryID>1</EntryID>',
        "</Event></Events></BatchProductionRecord>",
    ),
    "mtconnect": (
        f'<MTConnectStreams xmlns="{STREAMS}"><Header instanceId="1" creationTime="2026-03-02T07:00:00Z"/><Streams>'
        '<DeviceStream name="d" uuid="u"><ComponentStream component="Axes" componentId="c"><Samples>',
        "</Samples></ComponentStream></DeviceStream></Streams></MTConnectStreams>",
    ),
}
LENGTHS = {"text": 100_000_000, "children": 20_000_000}
IDS = [name for name in SHELLS if any(item.id == name and item.reads for item in spec.formats())]


class Endless(io.RawIOBase):
    """A file that is made while it is read: a head, one piece many times, a tail."""

    def __init__(self, head: bytes, piece: bytes, count: int, tail: bytes) -> None:
        self._pieces = self._made(head, piece, count, tail)
        self._left = b""
        self.given = 0

    @staticmethod
    def _made(head: bytes, piece: bytes, count: int, tail: bytes) -> Iterator[bytes]:
        yield head
        for _ in range(count):
            yield piece
        yield tail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while len(self._left) < len(buffer) and (piece := next(self._pieces, None)) is not None:
            self._left += piece
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        self.given += len(taken)
        return len(taken)


def shell(name: str, inside: str = "") -> str:
    return inside.join(SHELLS[name])


def read(data: bytes, name: str) -> int:
    """Read bytes as a format, through its mapping; return how many rows came."""
    options = ReadOptions(from_format=name, stdin=io.BytesIO(data))  # type: ignore[arg-type]
    return sum(batch.num_rows for chunk in chunks(open_source("-", 1, options), options) for batch in chunk.values())


def refused(data: bytes, name: str) -> None:
    with pytest.raises(BdxError) as caught:
        read(data, name)
    assert str(caught.value)


@pytest.mark.parametrize("name", IDS)
def test_the_shells_are_sound(name: str) -> None:
    assert read(shell(name).encode(), name) > 0
    assert formats.detect(Source("-", Log(), io.BytesIO(shell(name).encode()))).id == name


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    "start",
    [
        "<!DOCTYPE a>",
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        "<!DOCTYPE a [" + "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9)) + '<!ENTITY e0 "lol">]>',
        '<!DOCTYPE a [<!ENTITY % p "x"> %p;]>',
    ],
    ids=["bare", "system", "external", "bomb", "parameter"],
)
def test_document_types_are_refused(name: str, start: str) -> None:
    inside = "&e9;" if "e9" in start else "&b;" if "ENTITY b" in start else ""
    with pytest.raises(UnsafeSource, match="document type"):
        read((start + shell(name, f"<Description>{inside}</Description>")).encode(), name)


@pytest.mark.parametrize("name", IDS)
def test_entities_without_a_declaration_are_refused(name: str) -> None:
    refused(shell(name, "<Description>&lol;</Description>").encode(), name)
    refused(shell(name, "<Description>&#0;</Description>").encode(), name)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: "<a>" * 100_000 + "</a>" * 100_000,
        lambda: "<a " + " ".join(f'b{n}="c"' for n in range(50_000)) + "/>",
        lambda: f'<a b="{"c" * 2_000_000}"/>',
        lambda: "".join(f"<a{n}/>" for n in range(100_000)),
        lambda: f"<{'a' * 3_000_000}/>",
    ],
    ids=["depth", "attributes", "attribute", "names", "name"],
)
def test_excess_ends_soon(name: str, make: Callable[[], str]) -> None:
    """Either refused, or read as the odd element it is."""
    try:
        read(shell(name, make()).encode(), name)
    except BdxError as error:
        assert len(str(error)) < 2_000


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("kind", ["text", "children", "comment", "cdata", "blanks"])
def test_one_huge_element_is_not_held(name: str, kind: str) -> None:
    """Run apart, so that the peak of this process says nothing."""
    code = [sys.executable, __file__, name, kind]
    found = subprocess.run(code, check=False, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr[-2_000:]
    said, grown = found.stdout.rsplit(maxsplit=1)
    assert said.strip() in ("UnsafeSource", "read"), said
    assert float(grown) < 150, f"{said} after {grown} MB"


def _large(name: str, kind: str) -> None:
    """Read 100 MB of one text, or less of other things in one element; print what became of it and by how many megabytes the peak grew."""
    head, tail = SHELLS[name]
    block = 1 << 16
    start, piece, end = {
        "text": ("<Description>", "x" * block, "</Description>"),
        "children": ("<Description>", "<Text>x</Text>" * (block // 14), "</Description>"),
        "comment": ("<!--", "x" * block, "-->"),
        "cdata": ("<Description><![CDATA[", "x" * block, "]]></Description>"),
        "blanks": ("<Description>", " " * block, "</Description>"),
    }[kind]
    raw = Endless((head + start).encode(), piece.encode(), LENGTHS.get(kind, 40_000_000) // block, (end + tail).encode())
    facts = spec.format_spec(name)
    formats.engine(facts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for _ in formats.read(Source("-", Log(), io.BufferedReader(raw, block)), facts):  # type: ignore[arg-type]
            pass
        said = "read"
    except SourceError as error:
        said = type(error).__name__
    print(said, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def _fixtures() -> list[tuple[str, Path]]:
    found = []
    for name in IDS:
        cases = sorted((FIXTURES / name).glob("*/input.xml")) if (FIXTURES / name).exists() else []
        found += [(name, max(cases, key=lambda path: min(path.stat().st_size, 12_000)))] if cases else []
    return found


@pytest.mark.parametrize(("name", "path"), _fixtures(), ids=lambda value: value if isinstance(value, str) else value.parent.name)
def test_files_cut_anywhere_raise_only_errors_of_the_source(name: str, path: Path) -> None:
    data = path.read_bytes()[:30_000]
    facts = spec.format_spec(name)
    for cut in range(0, len(data) - 1, 97):
        with pytest.raises(SourceError):
            for part in formats.read(Source("-", Log(), io.BytesIO(data[:cut] or b" ")), facts):
                assert part.name
    for place in range(0, len(data), 97):
        flipped = data[:place] + bytes([data[place] ^ 0x11]) + data[place + 1 :]
        try:
            read(flipped, name)
        except BdxError as error:
            assert str(error)


@pytest.mark.parametrize("name", IDS)
def test_mixed_and_wrong_encodings(name: str) -> None:
    plain = shell(name, "<Description>Zürich 温度</Description>")
    latin = shell(name, "<Description>Zürich</Description>")
    declared = '<?xml version="1.0" encoding="{}"?>\n'
    for data in (
        plain.encode("utf-8"),
        plain.encode("utf-8-sig"),
        plain.encode("utf-16"),
        declared.format("gb18030").encode() + plain.encode("gb18030"),
        declared.format("iso-8859-1").encode() + latin.encode("latin-1"),
    ):
        try:
            assert read(data, name) > 0
        except SourceError as error:
            # A reader may know fewer encodings, and says so.
            assert "encoding" in str(error) or "well-formed" in str(error)
    for data in (
        latin.encode("latin-1"),
        declared.format("utf-8").encode() + latin.encode("latin-1"),
        plain.encode("utf-8")[:-30] + "ü".encode("latin-1") + plain.encode("utf-8")[-30:],
        declared.format("no-such-code").encode() + plain.encode("utf-8"),
        declared.format("utf-16").encode() + plain.encode("utf-8"),
        declared.format("gb18030").encode() + b"\xff\xff" + plain.encode("gb18030"),
        plain.encode("utf-8").replace(b"Z", b"\x00"),
    ):
        refused(data, name)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("data", ["<html/>", "<a", "", " ", "<?xml version='1.0'?>", "{}", "<a/><b/>", "\0\0\0", "text", "<Envelope/>"])
def test_wrong_roots(name: str, data: str) -> None:
    if data:
        refused(data.encode(), name)
    with pytest.raises(BdxError):
        formats.detect(Source("-", Log(), io.BytesIO(data.encode())))


@pytest.mark.parametrize("name", [name for name in IDS if name != "mtconnect"])
def test_what_follows_the_root_is_refused(name: str) -> None:
    refused((shell(name) + shell(name)).encode(), name)
    refused((shell(name) + "<!DOCTYPE a>").encode(), name)


@pytest.mark.parametrize("name", IDS)
def test_random_elements_of_the_format_in_any_order(name: str) -> None:
    """Names the reader knows, where it does not expect them."""
    import random

    facts = spec.format_spec(name).raw
    names = sorted(
        {word for value in facts.values() if isinstance(value, list | tuple) for word in value if word.isalpha()}
        | set(facts.get("kinds", ()))
    )
    draw = random.Random(7)

    def tree(depth: int) -> str:
        element = draw.choice(names)
        inner = "".join(tree(depth - 1) for _ in range(draw.randrange(3))) if depth else draw.choice(["", "1", "x", "2026-03-02"])
        return f"<{element}>{inner}</{element}>"

    for _ in range(50):
        try:
            read(shell(name, tree(5)).encode(), name)
        except BdxError as error:
            assert str(error)
        try:
            read(f'<{names[0]} xmlns="{B2MML}">{tree(4)}</{names[0]}>'.encode(), name)
        except BdxError as error:
            assert str(error)


def test_documents_are_what_readers_yield() -> None:
    for name in IDS:
        for part in formats.read(Source("-", Log(), io.BytesIO(shell(name).encode())), spec.format_spec(name)):
            assert isinstance(part, Document) or part.schema is not None


if __name__ == "__main__":
    _large(sys.argv[1], sys.argv[2])
