"""Parts of an event to be written: its time, words, objects and sensor reports, in the order the standard has them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from bdx import canon
from bdx.canon import Log
from bdx.mapping.epcis_names import Names, prefixed
from bdx.mapping.epcis_words import uris_of_steps
from bdx.mapping.vocabulary import OTHER, plain
from bdx.spec import Facts

Row = dict[str, Any]

_OFFSET = re.compile(r"^[+-](?:0[0-9]|1[0-3]):[0-5][0-9]$|^[+-]14:00$")
_CODE = re.compile(r"^[A-Z0-9]{2,3}$")
_ORDER = (
    *("type", "eventID", "eventTime", "eventTimeZoneOffset", "recordTime", "certificationInfo", "errorDeclaration", "action", "parentID"),
    *("epcList", "quantityList", "childEPCs", "childQuantityList", "inputEPCList", "inputQuantityList", "outputEPCList"),
    *("outputQuantityList", "transformationID", "bizStep", "disposition", "persistentDisposition", "readPoint", "bizLocation"),
    *("bizTransactionList", "sourceList", "destinationList", "sensorElementList", "ilmd"),
)


class Maker:
    """Makes the parts of events; counts what has no place and what had to be given a URI."""

    def __init__(self, facts: Facts, names: Names, source: str, log: Log) -> None:
        self.facts = facts
        self.names = names
        self._source = source
        self._log = log

    def uri(self, text: str, kind: str, table: str) -> str:
        """Return the URI of an identifier, a remark made where it is one of our own."""
        uri, own = self.names.uri(text, kind)
        if own:
            self._log.find(
                "F253", source=self._source, table=table, column=f"{table}_id" if table != "process_step" else "step_run_id", value=text
            )
        return uri

    def lose(self, what: str, why: str, count: int = 1) -> None:
        """Name something that is not carried."""
        if count:
            self._log.lose(self._source, what, why, count)

    def step(self, row: Row) -> str | None:
        """Return the business step: a standard word or URI as it was, else the public term of the canonical step, else our own."""
        raw, code = row.get("step_name_raw"), row.get("step_code") or OTHER
        if raw and (self.names.is_standard(raw, "steps")):
            return str(raw)
        if code == OTHER:
            return self.names.uri(raw, "step_code")[0] if raw else None
        if raw and plain(raw) != code:
            self.lose("process_step.step_name_raw", "an event has one business step, which is the canonical one")
        uris = uris_of_steps()
        uri = uris.get(code)
        return uri if uri and list(uris.values()).count(uri) == 1 else self.facts["urn"]["step_code"] + code

    def objects(self, things: Iterable[tuple[str, Row, float | None, str | None]]) -> tuple[list[str], list[Row]]:
        """Return the list of EPCs and the list of quantities of (id, item, quantity, unit): lots and classes are quantities."""
        epcs: dict[str, None] = {}
        quantities: list[Row] = []
        for item_id, item, quantity, unit in things:
            uri = self.uri(item_id, "item", "item")
            named = self.names.named(uri)
            fine = item.get("granularity") or named.granularity
            one = quantity is None or (quantity == 1 and unit in ("1", None))
            if (fine in ("lot", "sublot") or named.whole_class) or not one:
                quantities.append({"epcClass": uri, **self._amount(quantity, unit)})
            else:
                epcs[uri] = None
        return list(epcs), quantities

    def _amount(self, quantity: float | None, unit: str | None) -> Row:
        if quantity is None:
            return {}
        number = int(quantity) if quantity == int(quantity) and abs(quantity) < 2**53 else quantity
        if unit == "1":
            return {"quantity": number}
        code = self.facts["uom"].get(unit)
        if code is None:
            self.lose(f"quantities in {unit or 'no unit'}", "UN/ECE Recommendation 20 has no code that bdx knows for it")
            return {}
        return {"quantity": number, "uom": code}

    def report(self, row: Row, kind: str) -> Row | None:
        """Return the sensor report of a value; None where there is nothing to tell."""
        code, raw = row[f"{kind}_code"], row[f"{kind}_name_raw"]
        if prefixed(raw) or raw in self.facts["words"]["reported"]:
            name = raw
        else:
            standard = self.facts["words"]["measurements"].get(code)
            name = standard or self.names.uri(raw if code == OTHER else code, kind)[0]
            if name == raw:
                name = self.facts["urn"][kind] + plain(raw)
        found: Row = {"type": name}
        statistic = row.get("statistic") or (row.get("condition") or "").rpartition(", ")[2]
        field = next((key for key, meant in self.facts["values"].items() if meant == statistic), "value")
        number, unit, written = row["value_num"], row["unit"], row["unit_raw"] or ""
        uom = self.facts["uom"].get(unit) if unit and unit != "1" else None
        if number is not None and unit not in (None, "1") and uom is None:
            found["stringValue"] = f"{number:g} {unit}"
            self.lose(f"numbers in {unit}, told as text", "UN/ECE Recommendation 20 has no code that bdx knows for it")
        elif number is not None:
            found[field] = int(number) if (row["value_raw"] or "").lstrip("+-").isdigit() and number == int(number) else number
            if uom or (not unit and _CODE.match(written)):
                found["uom"] = uom or written
        elif row.get("value_bool") is not None:
            found["booleanValue"] = row["value_bool"]
        elif row["value_text"] is not None:
            found["stringValue"] = row["value_text"]
        elif not row.get("extra"):
            self.lose(f"{'process_parameter' if kind == 'parameter' else 'quality_result'} rows without a value", "a report has one")
            return None
        if row["measured_at"] is not None:
            found["time"] = moment(row["measured_at"], "Z")
        device = row.get("equipment_id") or row.get("gage_id")
        if device:
            found["deviceID"] = self.uri(device, "place", "equipment")
        return found

    def placed(self, event: Row, row: Row, at: datetime) -> Row:
        """Return an event with its time, place and words, its fields in the order of the standard; `event` itself goes first."""
        offset = event.get("eventTimeZoneOffset")
        written = row.get("ended_raw") or ""
        if not (isinstance(offset, str) and _OFFSET.match(offset)):
            offset = written[-6:] if _OFFSET.match(written[-6:]) else "+00:00"
        event["eventTimeZoneOffset"] = offset
        event["eventTime"] = written if _same(written, at) else moment(at, offset)
        if row.get("recorded_at"):
            event["recordTime"] = moment(row["recorded_at"], "Z")
        if "bizStep" not in event and (step := self.step(row)) is not None:
            event["bizStep"] = step
        self._bare(event)
        if "disposition" not in event and row.get("result") in ("ok", "nok"):
            event["disposition"] = "conformant" if row["result"] == "ok" else "non_conformant"
        for key, column in (("readPoint", "equipment_id"), ("bizLocation", "site_id")):
            if key not in event and row.get(column):
                event[key] = {"id": self.uri(row[column], "place", "equipment")}
        return event

    def _bare(self, event: Row) -> None:
        """Write standard words as the JSON form of the standard has them: bare, whatever address or prefix they came with."""
        for key, kind in (("bizStep", "steps"), ("disposition", "dispositions")):
            event.update({key: self._word(event[key], kind)} if key in event else {})
        for key, kind in (("bizTransactionList", "transactions"), ("sourceList", "parties"), ("destinationList", "parties")):
            if isinstance(event.get(key), list):
                event[key] = [self._typed(entry, kind) for entry in event[key]]

    def _typed(self, entry: Any, kind: str) -> Any:
        return {**entry, "type": self._word(entry["type"], kind)} if isinstance(entry, dict) and "type" in entry else entry

    def _word(self, text: Any, kind: str) -> Any:
        word = self.names.word(text) if isinstance(text, str) else text
        return word if word in self.facts["words"][kind] else text


def named(event: Row, ident: str | None) -> Row:
    """Return the event with its eventID: the one given, else the hash of what it says as an `ni` URI (RFC 6920)."""
    if ident is None and not event.get("eventID"):
        digest = hashlib.sha256(canon.dumps(event).encode("utf-8")).digest()
        ident = "ni:///sha-256;" + base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
    if ident is not None:
        event["eventID"] = ident
    known = {key: event[key] for key in _ORDER if key in event}
    return known | {key: value for key, value in event.items() if key not in known}


def moment(at: datetime, offset: str) -> str:
    """Return a moment in the time of an offset ("+02:00", or "Z" for UTC), with as many decimals as it has."""
    if offset == "Z":
        zone: timezone = UTC
    else:
        sign = -1 if offset[0] == "-" else 1
        zone = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))
    local = at.astimezone(zone)
    text = local.replace(tzinfo=None).isoformat(timespec="microseconds" if local.microsecond % 1000 else "milliseconds")
    return text + (offset if offset != "Z" else "Z")


def _same(written: str, at: datetime) -> bool:
    """Say whether a time as written is complete and the moment meant."""
    if "T" not in written:
        return False
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return False
    return found.tzinfo is not None and found == at and written[-1:].upper() != "0Z"
