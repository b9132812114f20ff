"""Units that are marked up alike are read at once: with the same documents, lines and faults as one element after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from bdx import spec
from bdx.canon import Log
from bdx.errors import BdxError
from bdx.formats import b2mml, b2mml_blocks, b2mml_shapes
from bdx.formats.source import Source

HEAD = '<?xml version="1.0"{encoding}?>\n<OperationsPerformance xmlns="http://www.mesa.org/xml/B2MML">\n<OperationsResponse><ID>R</ID>\n'
UNIT = """<SegmentResponse>
  <ID>S{n}</ID><ProcessSegmentID>filling</ProcessSegmentID>
  <SegmentData><ID>pressure</ID><Value><ValueString>{n}</ValueString><DataType>double</DataType>
    <UnitOfMeasure>mbar</UnitOfMeasure></Value></SegmentData>
  <SegmentData><ID>note</ID><Value><ValueString unitCode="C62" xsi:nil='x'>{n}</ValueString><Key/></Value></SegmentData>
</SegmentResponse>
"""
TAIL = "</OperationsResponse>\n</OperationsPerformance>\n"
COUNT = 30
PLACE = 20
"""The unit that is unlike the others."""

UNLIKE = {
    "as the others": ("", ""),
    "entity in a text": ("pressure", "pressure &amp; more"),
    "character reference": ("pressure", "p&#10;r"),
    "umlauts": ("filling", "Füllen 注液"),
    "empty": ("<ID>pressure</ID>", "<ID></ID>"),
    "blank": ("<ID>pressure</ID>", "<ID>  \n </ID>"),
    "line ends": ("pressure", "p\r\nq\rr"),
    "no element": ("<ID>pressure</ID>", "<ID/>"),
    "one more": ("<ID>pressure</ID>", "<ID>pressure</ID><ID>second</ID>"),
    "text beside": ("<SegmentData>", "<SegmentData>beside"),
    "text between": ("<SegmentResponse>", "between <SegmentResponse>"),
    "comment": ("<SegmentData>", "<!-- <SegmentResponse><ID>no</ID></SegmentResponse> --><SegmentData>"),
    "comment between": ("<SegmentResponse>", "<!-- <SegmentResponse><ID>no</ID></SegmentResponse> --><SegmentResponse>"),
    "verbatim": ("pressure", "<![CDATA[<SegmentResponse><ID>no</ID></SegmentResponse>]]>"),
    "instruction": ("<SegmentResponse>", "<?x <SegmentResponse></SegmentResponse>?><SegmentResponse>"),
    "other attribute": ('unitCode="C62"', 'unitCode="KGM"'),
    "other namespace": ("<SegmentResponse>", '<SegmentResponse xmlns="urn:plant">'),
    "other namespace within": ("<SegmentData>", '<SegmentData xmlns="urn:plant">'),
    "nested": ("<SegmentData>", "<SegmentResponse><ID>inner</ID></SegmentResponse><SegmentData>"),
    "next response": ("<SegmentResponse>", "</OperationsResponse><OperationsResponse><ID>R2</ID><SegmentResponse>"),
    "response of another namespace": (
        "<SegmentResponse>",
        '</OperationsResponse><OperationsResponse xmlns="urn:plant"><SegmentResponse><ID>foreign</ID></SegmentResponse>'
        '</OperationsResponse><OperationsResponse xmlns="http://www.mesa.org/xml/B2MML"><SegmentResponse>',
    ),
    "not closed": ("</SegmentData>", ""),
    "wrong end": ("</SegmentData>", "</Segmentdata>"),
    "bare ampersand": ("pressure", "a & b"),
    "end of a section": ("pressure", "a ]]> b"),
    "control character": ("pressure", "a \x01 b"),
    "document type": ("<SegmentData>", "<!DOCTYPE x><SegmentData>"),
}


def _read(path: Path, monkeypatch: pytest.MonkeyPatch, *, shapes: bool) -> tuple[list[str], str, int]:
    """Return the documents, the fault that ended them, and how many were made by a shape."""
    made = 0

    def node(shape: b2mml_shapes.Shape, found: object) -> object:
        nonlocal made
        made += 1
        return genuine(shape, found)

    genuine = b2mml_shapes.Shape.node
    with monkeypatch.context() as patch:
        patch.setattr(b2mml_shapes.Shape, "node", node)
        patch.setattr(b2mml_blocks, "_STEP", 64)
        if not shapes:
            patch.setattr(b2mml_shapes.Shapes, "learn", lambda *_: None)
        found, fault = [], ""
        try:
            found.extend(
                repr((part.name, part.value, part.locator)) for part in b2mml.read(Source(str(path), Log()), spec.format_spec("b2mml"))
            )
        except BdxError as error:
            fault = f"{type(error).__name__} {error}"
    return found, fault, made


def _file(folder: Path, old: str, new: str, *, encoding: str = "utf-8", declared: bool = False) -> Path:
    units = [UNIT.format(n=number) for number in range(COUNT)]
    if old:
        assert old in units[PLACE]
        units[PLACE] = units[PLACE].replace(old, new, 1)
    head = HEAD.format(encoding=f' encoding="{encoding}"' if declared else "").replace("xmlns=", 'xmlns:xsi="urn:x" xmlns=')
    path = folder / "line.xml"
    path.write_bytes((head + "".join(units) + TAIL).encode(encoding, "xmlcharrefreplace"))
    return path


@pytest.mark.parametrize("block", [1 << 18, 700, 61])
@pytest.mark.parametrize("what", UNLIKE)
def test_a_unit_read_at_once_says_what_it_says_element_by_element(
    what: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(b2mml, "BLOCK", block)
    path = _file(tmp_path, *UNLIKE[what])
    one_by_one, fault, none = _read(path, monkeypatch, shapes=False)
    at_once, same, made = _read(path, monkeypatch, shapes=True)
    assert none == 0
    assert (at_once, same) == (one_by_one, fault)
    # Two of a kind teach a shape; a namespace that begins forgets it, a unit that does not fit in a block is read one by one.
    assert made > 15 or fault or block < 1 << 18


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16", "gb18030"])
def test_other_encodings_are_read_one_by_one(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(tmp_path, "filling", "Füllen \xc3\xa4", encoding=encoding, declared=True)
    found, fault, made = _read(path, monkeypatch, shapes=True)
    assert (made, fault) == (0, "")
    assert "Füllen \xc3\xa4" in found[PLACE]


def test_units_of_many_shapes_are_learned_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = "".join(UNIT.format(n=n).replace("<Key/>", "<Key/>" * (n % 40)) for n in range(400))
    path = tmp_path / "line.xml"
    path.write_text(HEAD.format(encoding="").replace("xmlns=", 'xmlns:xsi="urn:x" xmlns=') + units + TAIL, "utf-8")
    found, _, made = _read(path, monkeypatch, shapes=True)
    assert found == _read(path, monkeypatch, shapes=False)[0]
    assert 0 < made < 300
