"""OPC UA PubSub as JSON: any run of messages, in an array, line by line or behind each other, one document per data set message."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from bdx.canon import Document, Part
from bdx.errors import SourceError
from bdx.formats.document_text import encoding, utf8
from bdx.formats.epcis_split import Splitter
from bdx.formats.json_text import parse
from bdx.formats.source import Source
from bdx.spec import Facts, FormatSpec

CHUNK = 1 << 18
_NETWORK = re.compile(r'"MessageType"\s*:\s*"ua-')
_DATA_SET = re.compile(r'"DataSetWriter(?:Id|Name)"\s*:')
_SAMPLE = re.compile(r'"NodeId"\s*:')
_OF_SERVER = re.compile(r'"(?:EndpointUrl|ApplicationUri|DisplayName)"\s*:')
_STAMPED = re.compile(r'"(?:SourceTimestamp|ServerTimestamp|StatusCode)"\s*:')
_BARE = re.compile(r'\s*\[?\s*\{\s*"[^"]{1,256}"\s*:\s*\{\s*"(?:Value|UaType|Type|Body|SourceTimestamp|StatusCode)"\s*:')


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first messages name their kind, or are shaped as those that may leave it out."""
    name, skip = encoding(head)
    text = head[skip:].decode(name, "ignore").lstrip(" \t\r\n\ufeff")
    if text[:1] not in ("{", "["):
        return False
    text = text.replace('\\"', '"')  # A message may stand in its envelope as text.
    if _NETWORK.search(text) or (_DATA_SET.search(text) and '"Payload"' in text):
        return True
    if _SAMPLE.search(text) and '"Value"' in text and _OF_SERVER.search(text):
        return True
    return bool(_BARE.match(text) and _STAMPED.search(text))


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield `Document("DataSet", ...)` per data set message or sample, `Document("MetaData", ...)` per announcement of metadata.

    Both hold `network` (the message around, without its messages), `message` (its own headers) and `envelope` (what a hub put
    around both); a data set has `payload` (field -> value as it stands), metadata has `metadata`. What is none of them is a finding.
    Raises: CorruptSource, TruncatedSource, UnsafeSource with the place.
    """
    reader = _Reader(source, spec.raw)
    with source.stream() as stream:
        for number, piece in enumerate(_values(stream, source, spec.raw), 1):
            yield from reader.messages(piece, f"record {number}")


def _values(stream: Any, source: Source, facts: Facts) -> Iterator[bytes]:
    """Yield the text of each value: the items of a list, or the list itself where it is inside another."""
    for piece in Splitter(utf8(stream, source.head, source.uri, CHUNK), source.uri, facts).pieces():
        if piece.kind == "event" or (piece.kind == "after" and piece.text.lstrip()[:1] != b"["):
            yield piece.text


class _Reader:
    """Finds the data set messages in one value after the other."""

    def __init__(self, source: Source, facts: Facts) -> None:
        self.source = source
        self.facts = facts
        self.headers = frozenset(facts["headers"])
        self.wrapped = frozenset(facts["data_value"])
        self.count = 0

    def messages(self, text: bytes, place: str) -> Iterator[Document]:
        """Yield the documents of one value."""
        try:
            value = parse(text, self.source.uri, place)
        except SourceError as error:
            if self.source.unread is None:
                raise
            self.source.unread(text, error, place)
            return
        yield from self._found(value, {}, place, 0)

    def _found(self, value: Any, envelope: dict[str, Any], place: str, depth: int) -> Iterator[Document]:
        if isinstance(value, list):
            for one in value:
                yield from self._found(one, envelope, place, depth)
            return
        if not isinstance(value, dict):
            self._unknown(value, place)
            return
        inner = next((name for name in self.facts["envelopes"] if name in value and len(value) > 1 and self._is_envelope(value)), "")
        if inner and depth < 3:
            rest = {name: held for name, held in value.items() if name != inner}
            yield from self._found(self._unpacked(value[inner], place), rest, place, depth + 1)
        else:
            yield from self._message(value, envelope, place)

    def _message(self, value: dict[str, Any], envelope: dict[str, Any], place: str) -> Iterator[Document]:
        kind = value.get("MessageType")
        if kind == "ua-metadata" and isinstance(value.get("MetaData"), dict):
            network = {name: held for name, held in value.items() if name != "MetaData"}
            yield Document("MetaData", {"network": network, "metadata": value["MetaData"], "envelope": envelope}, place)
        elif kind in self.facts["discovery"]:
            self.source.log.lose(self.source.uri, f"message '{kind}'", "tells of publishers and holds no data")
        elif "Messages" in value:
            network = {name: held for name, held in value.items() if name != "Messages"}
            held = value["Messages"]
            for one in held if isinstance(held, list) else [held]:
                yield from self._data_set(one, network, envelope, place)
        elif "NodeId" in value and "Value" in value:
            yield self._sample(value, envelope, place)
        else:
            yield from self._data_set(value, {}, envelope, place)

    def _data_set(self, value: Any, network: dict[str, Any], envelope: dict[str, Any], place: str) -> Iterator[Document]:
        """Yield one data set message: headers and payload, or a payload alone."""
        if not isinstance(value, dict):
            self._unknown(value, place)
            return
        if isinstance(value.get("Payload"), dict) or self.headers & value.keys():
            message = {name: held for name, held in value.items() if name != "Payload"}
            payload = value.get("Payload")
            if payload is None and value.get("MessageType") != "ua-keepalive":
                payload = {name: held for name, held in value.items() if name not in self.headers}
                message = {name: held for name, held in value.items() if name in self.headers}
        else:
            message, payload = {}, value
        if payload is not None and not isinstance(payload, dict):
            self._unknown(payload, place)
            return
        if not payload and not message:
            self._unknown(value, place)
            return
        self.count += 1
        said = {"network": network, "message": message, "payload": payload or {}, "envelope": envelope}
        yield Document("DataSet", said, f"message {self.count}")

    def _sample(self, value: dict[str, Any], envelope: dict[str, Any], place: str) -> Document:
        """Return the data set of one value, as OPC Publisher's samples mode sends it."""
        fields = value.get("ExtensionFields")
        extension = dict(fields) if isinstance(fields, dict) else {}
        name = str(value.get("DisplayName") or value["NodeId"])
        network = {"PublisherId": extension.pop("PublisherId", value.get("ApplicationUri") or value.get("EndpointUrl"))}
        message = {key: held for key, held in value.items() if key not in ("Value", "DisplayName", "ExtensionFields", *self.wrapped)}
        if "DataSetWriterId" in extension:
            message["DataSetWriterId"] = extension.pop("DataSetWriterId")
        if extension:
            message["ExtensionFields"] = extension
        held = value["Value"]
        own = {key: value[key] for key in value if key in self.wrapped and key not in ("Value", "Type", "Body")}
        if own and not (isinstance(held, dict) and held.keys() <= self.wrapped):
            held = {"Value": held, **own}
        message["MessageType"] = "sample"
        self.count += 1
        return Document(
            "DataSet", {"network": network, "message": message, "payload": {name: held}, "envelope": envelope}, f"message {self.count}"
        )

    def _is_envelope(self, value: dict[str, Any]) -> bool:
        return any(name in value for name in self.facts["around"])

    def _unpacked(self, body: Any, place: str) -> Any:
        """Return the message of an envelope, which may be text or Base64 of one."""
        if not isinstance(body, str):
            return body
        text = body.encode("utf-8", "replace")
        if body.lstrip()[:1] not in ("{", "["):
            try:
                text = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                return body
        return parse(text, self.source.uri, place)

    def _unknown(self, value: Any, place: str) -> None:
        shown = ", ".join(list(value)[:4]) if isinstance(value, dict) else str(value)
        self.source.log.find("F266", source=self.source.uri, locator=place, value=f"'{shown[:60]}'")
