"""OPC UA data set messages -> process parameters and equipment; units come from the metadata read before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bdx import canon
from bdx.canon import Chunk, Document, Part
from bdx.errors import SpecError
from bdx.mapping import Context, vocabulary
from bdx.mapping.opcua_values import Value, elements, status_of, text_of, type_name, unit_of, unwrapped
from bdx.mapping.row_lists import RowLists
from bdx.spec import Facts

COLUMNS: dict[str, tuple[str, ...]] = {
    "equipment": ("equipment_id", "parent_equipment_id", "level", "class_id", "name", "locator", "extra"),
    "process_parameter": (
        *("parameter_code", "parameter_name_raw", "role", "value_num", "value_text", "unit", "value_raw", "unit_raw", "condition", "index"),
        *("measured_at", "quality", "group_path", "equipment_id", "statistic", "value_bool", "tz_basis", "locator", "extra"),
    ),
}
_WORTH = 16_384
_TABLE = "process_parameter"
_WRAPS = (1 << 16, 1 << 32)


def to_canonical(parts: Iterable[Part], facts: Facts, context: Context) -> Iterator[Chunk]:
    """Yield chunks of equipment (publishers and writers) and process_parameter: a row per field, or per element of an array.

    A delta frame gives rows for the fields it has and for no others. Metadata stays for the sources that follow in the run.
    """
    messages = _Messages(facts, context)
    for part in parts:
        if not isinstance(part, Document):
            raise SpecError(f"mapping 'opcua' takes documents, not the table '{part.name}'")
        if part.name == "MetaData":
            messages.describe(part.value, part.locator)
        else:
            messages.take(part.value, part.locator)
        if len(messages.rows.rows[_TABLE]) >= _WORTH:
            yield from messages.rows.chunks()
    messages.hand_on()
    yield from messages.rows.chunks()
    messages.rows.tell()


class _Messages:
    """Turns one message after the other into rows."""

    def __init__(self, facts: Facts, context: Context) -> None:
        run = context.options.get("run")
        memory = (run if isinstance(run, dict) else {}).setdefault("opcua", {})
        self.facts = facts
        self.context = context
        self.rows = RowLists(context, COLUMNS)
        self.note = self.rows.values.remarks.note
        self.metadata: dict[tuple[str, str], tuple[Any, dict[str, dict[str, Any]]]] = memory.setdefault("metadata", {})
        self.equipment: set[str] = memory.setdefault("equipment", set())
        self.machines: dict[str, tuple[Any, ...]] = {}
        self.sequences: dict[tuple[str, str], int] = memory.setdefault("sequences", {})
        self.numbers = frozenset(facts["types"]["numbers"])

    def describe(self, said: dict[str, Any], locator: str) -> None:
        """Remember the metadata of a writer."""
        network, metadata = said["network"], said["metadata"]
        publisher, writer = _names(network, network)
        held = metadata.get("Fields")
        fields = {str(one.get("Name")): one for one in (held if isinstance(held, list) else []) if isinstance(one, dict)}
        stated = metadata.get("ConfigurationVersion")
        version = stated.get("MajorVersion") if isinstance(stated, dict) else None
        self.metadata[publisher, writer] = version, fields
        self._add_equipment(publisher, writer, metadata.get("Name"), locator, canon.dumps({"MetaData": metadata}))

    def take(self, said: dict[str, Any], locator: str) -> None:
        """Add the rows of a data set message."""
        network, message, payload = said["network"], said["message"], said["payload"]
        publisher, writer = _names(network, message)
        machine = self._add_equipment(publisher, writer, message.get("DataSetWriterName"), None, None)
        kind = message.get("MessageType", "")
        if kind != "sample":
            self._sequence(publisher, writer, message.get("SequenceNumber"), locator, alive=kind == "ua-keepalive")
        fields = self._fields(publisher, writer, message, locator)
        said_once = (
            _rest(network, ("PublisherId", "MessageType"))
            | _rest(message, _OF_ROWS)
            | ({"envelope": said["envelope"]} if said["envelope"] else {})
        )
        status, _ = status_of(message.get("Status", 0))
        group = "/".join(str(name) for name in (network.get("WriterGroupName", message.get("WriterGroupName")), writer) if name) or None
        for name, held in payload.items():
            value = unwrapped(held, self.facts)
            if status >> 30 > value.status >> 30:
                value.status = status
            extra = {"messageType": kind} if kind not in ("", "ua-keyframe") else {}
            if "SequenceNumber" in message:
                extra["sequence"] = message["SequenceNumber"]
            self._field(name, value, fields, (machine, group, locator), message.get("Timestamp"), extra | said_once)
            said_once = {}

    def _field(
        self,
        name: str,
        value: Value,
        fields: dict[str, Any] | None,
        place: tuple[str | None, str | None, str],
        stamp: Any,
        extra: dict[str, Any],
    ) -> None:
        """Add the rows of one field."""
        machine, group, locator = place
        known = vocabulary.parameter(name)
        if known is None:
            self.note("M113", _TABLE, "parameter_code", name, locator)
            known = vocabulary.UNKNOWN_PARAMETER
        described = (fields or {}).get(name)
        if fields is not None and described is None:
            self.note("F268", _TABLE, "parameter_name_raw", name, locator)
        value.type = value.type or type_name((described or {}).get("BuiltInType"), self.facts)
        unit = unit_of(described, self.facts) if described else ""
        time, of = next(
            (
                (text, of)
                for text, of in ((value.source_time, ""), (value.server_time, "ServerTimestamp"), (stamp, "Timestamp"))
                if isinstance(text, str)
            ),
            (None, ""),
        )
        at, basis = self._time(time, locator)
        extra |= value.extra | ({"timeOf": of} if of else {}) | ({"type": value.type} if value.type else {})
        if value.server_time and not of:
            extra["ServerTimestamp"] = value.server_time
        if value.status:
            extra["StatusCode"] = {"Code": value.status, "Symbol": value.symbol} if value.symbol else value.status
        if value.status >> 30:
            self.note("M115", _TABLE, "quality", f"{name}: {value.symbol or hex(value.status)}", locator)
        for ordinal, (where, held) in enumerate(elements(value.held), 1):
            number, text, flag, canonical, quality = self._value(held, value, unit, known.unit, name, locator)
            index = ordinal if where else known.index
            condition = "/".join(map(str, where)) if len(where) > 1 else None
            self.rows.rows[_TABLE].append(
                (
                    *(known.code, name, known.role or "actual", number, text, canonical, text_of(held), unit or None, condition, index),
                    *(at, quality, group, machine, None, flag, basis, locator, canon.dumps(extra) if extra else None),
                )
            )

    def _value(
        self, held: Any, value: Value, unit: str, expected: str, name: str, locator: str
    ) -> tuple[float | None, str | None, bool | None, str | None, str]:
        """Return number, text, yes or no, unit and quality; a bad value is none of them."""
        if held is None:
            return None, None, None, None, value.quality if value.status >> 30 else "missing"
        if value.quality == "bad":
            return None, None, None, None, "bad"
        if isinstance(held, bool):
            return None, None, held, None, value.quality
        raw = text_of(held) or ""
        if isinstance(held, dict | list) or (isinstance(held, str) and value.type not in self.numbers):
            return None, raw, None, None, value.quality
        number, text, canonical, quality = self.rows.values.number(raw, unit, expected if unit else "", name, _TABLE, locator)
        if number is not None and not unit:
            self.note("M114", _TABLE, "unit", name, locator)
            quality = "uncertain" if expected and expected != "1" else quality
        return number, text, None, canonical, quality if value.quality == "good" else value.quality

    def _time(self, text: str | None, locator: str) -> tuple[int | None, str | None]:
        """Return a moment and where its zone comes from; OPC UA times without one are in UTC."""
        if text is None:
            return None, None
        if (
            text[-1:] not in ("Z", "z")
            and "+" not in text
            and text.rfind("-") < text.find("T")
            and not self.context.options.get("assume_tz")
        ):
            self.note("M112", _TABLE, "measured_at", text, locator)
            return self.rows.values.time(text + "Z", _TABLE, "measured_at", locator)[0], "assumed"
        return self.rows.values.time(text, _TABLE, "measured_at", locator)

    def _fields(self, publisher: str, writer: str, message: dict[str, Any], locator: str) -> dict[str, dict[str, Any]] | None:
        """Return the fields that metadata describes for a message, None where there is none of its version."""
        version, fields = self.metadata.get((publisher, writer), (None, None))
        stated = message.get("MetaDataVersion")
        major = stated.get("MajorVersion") if isinstance(stated, dict) else None
        if fields is not None and major is not None and version is not None and major != version:
            self.note("F269", _TABLE, "unit", f"{writer} {version}, then {major}", locator)
            return None
        return fields

    def _sequence(self, publisher: str, writer: str, number: Any, locator: str, *, alive: bool) -> None:
        """Compare the number of a message with that of the one before; a keep-alive has the number that comes next."""
        if not isinstance(number, int) or isinstance(number, bool):
            return
        before = self.sequences.get((publisher, writer))
        self.sequences[publisher, writer] = number - 1 if alive else number
        if before is None:
            return
        missing = number - before - 1
        if missing < 0:
            # Counters run over at 16 or 32 bits; any other step back is a new start.
            missing = next((number + wrap - before - 1 for wrap in _WRAPS if wrap - 64 <= before < wrap and number < 64), 0)
        if missing > 0:
            self.context.log.find(
                "F267", source=self.context.source, column=writer, locator=locator, count=missing, value=writer or publisher
            )

    def _add_equipment(self, publisher: str, writer: str, name: Any, locator: str | None, extra: str | None) -> str | None:
        """Return the identifier of what published a message; adds its rows at their first mention, and with what metadata adds."""
        machine = f"{publisher}/{writer}" if publisher and writer else publisher or writer
        if publisher and publisher not in self.equipment:
            self._machine(publisher, None, "publisher", "OPC UA publisher", None, locator, None)
        if machine and (machine not in self.equipment or extra is not None):
            named = name if isinstance(name, str) and name else None
            self._machine(machine, publisher if writer and publisher else None, "writer", "OPC UA data set writer", named, locator, extra)
        return machine or None

    def _machine(self, machine: str, *row: Any) -> None:
        """Keep a row of equipment; what metadata says of a writer replaces its plain row."""
        self.equipment.add(machine)
        self.machines[machine] = (machine, *row)
        if len(self.machines) >= _WORTH:
            self.hand_on()

    def hand_on(self) -> None:
        """Let the rows of equipment so far go with the next chunk."""
        self.rows.rows["equipment"] += self.machines.values()
        self.machines.clear()


_OF_ROWS = ("DataSetWriterId", "DataSetWriterName", "PublisherId", "WriterGroupName", "SequenceNumber", "Timestamp", "MessageType")


def _names(network: dict[str, Any], message: dict[str, Any]) -> tuple[str, str]:
    """Return the publisher and the writer of a message, as text."""
    publisher = network.get("PublisherId", message.get("PublisherId"))
    writer = message.get("DataSetWriterId", message.get("DataSetWriterName"))
    return text_of(publisher) or "", text_of(writer) or ""


def _rest(said: dict[str, Any], taken: tuple[str, ...]) -> dict[str, Any]:
    return {name: held for name, held in said.items() if name not in taken}
