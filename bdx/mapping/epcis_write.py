"""Canonical steps, items, edges and values -> events: what one step did to one group of items is one event."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk, Document, Part
from bdx.errors import SinkError
from bdx.mapping import Context
from bdx.mapping.epcis_edges import Edges
from bdx.mapping.epcis_event import Maker, Row, moment, named
from bdx.mapping.epcis_groups import Groups
from bdx.mapping.epcis_names import Names, prefixed, text_of
from bdx.spec import Facts

_MADE_UP = re.compile(r"^s[0-9]+:event-[0-9]+(?:#[a-z0-9-]+)?$")
_TIMES = {"process_step": ("ended_at", "started_at"), "genealogy": ("occurred_at", "removed_at"), "item": ("produced_at",)}
_DOCUMENT = ("id", "schemaVersion", "creationDate", "instanceIdentifier", "sender", "receiver", "epcisHeader")


class Writer:
    """Gathers all rows, since those of one step may come in any chunk, and tells them step by step."""

    def __init__(self, facts: Facts, context: Context) -> None:
        self.facts = facts
        self.maker = Maker(facts, Names(facts), context.source, context.log)
        self._batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in facts["carried"]}
        self._items: dict[str, Row] = {}
        self.edges = Edges(facts, self.maker, self._items)
        self._told: set[str] = set()

    def gather(self, chunk: Chunk) -> None:
        """Keep the rows of a chunk; what no event can tell is named as lost."""
        for table, batch in chunk.items():
            if table not in self._batches:
                if table not in self.facts["writing"]["skipped"]:
                    self.maker.lose(f"rows of {table}", "events tell of steps, items and their genealogy only", batch.num_rows)
                continue
            carried = self.facts["carried"][table]
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if name not in carried:
                    self.maker.lose(f"{table}.{name}", "an event has no place for it", len(column) - column.null_count)
            kept = [name for name in carried if name in batch.schema.names]
            self._batches[table].append(batch.select(kept))

    def parts(self) -> Iterator[Part]:
        """Yield the document, then its events.

        Raises: SinkError where there is nothing that an event could tell.
        """
        steps = Groups(self._batches["process_step"], "step_run_id")
        edges = Groups(self._batches["genealogy"], "step_run_id")
        made = self._made()
        values = Groups(self._batches["process_parameter"], "step_run_id")
        results = Groups(self._batches["quality_result"], "step_run_id")
        if not any(group.keys() for group in (steps, edges, values, results)) and not made:
            raise SinkError("holds no steps, edges or items that EPCIS events could tell of")
        yield Document("Document", self._document())
        names = dict.fromkeys((*steps.keys(), *edges.keys(), *made, *values.keys(), *results.keys()))
        for step_id in names:
            row = next(iter(steps.take(step_id)), {"step_run_id": step_id})
            for event in self._step(row, edges.take(step_id), made.get(step_id, []), values.take(step_id), results.take(step_id)):
                yield Document("Event", event)
        untold = sum(1 for item in self._items if item not in self._told)
        self.maker.lose("items that no step made, used or measured", "an item is told by the events it was part of", untold)

    def _made(self) -> dict[str, list[str]]:
        """Return the items that each step made; keeps what is said of every item."""
        made: dict[str, list[str]] = {}
        for batch in self._batches["item"]:
            for row in batch.to_pylist():
                known = self._items.setdefault(row["item_id"], {})
                known.update({key: row.get(key) for key in ("granularity", "quantity", "quantity_unit") if row.get(key) is not None})
                if row.get("produced_by_step_run_id"):
                    made.setdefault(row["produced_by_step_run_id"], []).append(row["item_id"])
                    if row.get("produced_at"):
                        known["produced_at"] = row["produced_at"]
        return made

    def _document(self) -> Row:
        """Return what stands around the events: of one EPCIS document what it said itself."""
        contexts: list[Any] = [self.facts["context"]]
        said: list[Row] = []
        for batch in self._batches["process_step"]:
            for text in batch["extra"].to_pylist() if "extra" in batch.schema.names else ():
                for place in ("before", "after") if text and ('"before":' in text or '"after":' in text) else ():
                    around = json.loads(text).get(place)
                    if isinstance(around, dict):
                        said.append(around)
                        for context in _many(around.get("@context")):
                            if context not in contexts:
                                contexts.append(context)
        own = {key: value for around in said for key, value in around.items() if key in _DOCUMENT or prefixed(key)}
        if sum("type" in around for around in said) > 1:
            self.maker.lose("what several documents said around their events", "one document is written")
            own = {}
        own.pop("schemaVersion", None)
        latest = self._latest()
        # The newest time in the data stands in where no document said when it was made: the same input gives the same bytes.
        created = own.pop("creationDate", None) or (moment(latest, "Z") if latest else "1970-01-01T00:00:00.000Z")
        head = {"@context": contexts, "type": "EPCISDocument", "schemaVersion": self.facts["schema_version"], "creationDate": created}
        return head | own

    def _latest(self) -> datetime | None:
        found = [
            pc.max(batch[name]).as_py()
            for table, names in _TIMES.items()
            for batch in self._batches[table]
            for name in names
            if name in batch.schema.names
        ]
        return max((moment for moment in found if moment is not None), default=None)

    def _step(self, row: Row, edges: list[Row], made: list[str], values: list[Row], results: list[Row]) -> Iterator[Row]:
        """Yield the events of one step."""
        extra = json.loads(row["extra"]) if row.get("extra") else {}
        template = extra.pop("epcis", None) or {}
        for key in ("before", "after"):
            extra.pop(key, None)
        self.maker.lose("process_step.extra", "it is not of EPCIS", 1 if extra else 0)
        events = self._objects(template, edges, made)
        touched: list[Row] = []
        self._sensors(events, values, "parameter", "process_parameter", template, touched)
        self._sensors(events, results, "characteristic", "quality_result", template, touched)
        events.extend(touched)
        if not events:
            self.maker.lose("process_step rows without items", "an event tells what happened to items")
            return
        at = self._at(row, edges, made)
        if at is None and not all("_at" in event for event in events):
            self.maker.lose("steps without a time", "an event has the time it happened at", 1)
            return
        step_id = row["step_run_id"]
        alone = len(events) == 1 and self._is_event_id(step_id)
        for told in events:
            own: datetime | None = told.pop("_at", None)
            moment = own or at
            assert moment is not None
            event = self.maker.placed(told, row, moment)
            if not alone:
                self._transactions(event, row, step_id, foreign=bool(template))
            elif row.get("order_id"):
                self._transactions(event, row, "", foreign=bool(template))
            yield named(event, step_id if alone and "eventID" not in event else None)

    def _objects(self, template: Row, edges: list[Row], made: list[str]) -> list[Row]:
        """Return events with their objects, those of EPCIS with all that they said."""
        facts = self.facts["events"].get(text_of(template.get("type")) or "", {})
        lists = [key for name, key in facts.items() if name != "relation" and key in template]
        if template and (lists or not facts or "errorDeclaration" in template or not (edges or made)):
            self._told.update(item for edge in edges for item in (edge["input_item_id"], edge["output_item_id"]))
            self._told.update(made)
            self._told.update(self._of_lists(template, lists))
            return [dict(template)]
        found = [*self.edges.transformations([edge for edge in edges if edge["relation"] not in self.facts["tells"]])]
        found += self.edges.gatherings([edge for edge in edges if edge["relation"] in self.facts["tells"]])
        linked = {item for edge in edges for item in (edge["input_item_id"], edge["output_item_id"])}
        self._told.update(linked)
        apart = [item for item in dict.fromkeys(made) if item not in linked]
        if apart:
            found.append(
                {"type": "ObjectEvent", "action": "ADD", **self.edges.lists("ObjectEvent", [self.edges.thing(item) for item in apart])}
            )
            self._told.update(apart)
        if template and found:
            found[0] = {**found[0], **template}
        return found

    def _of_lists(self, template: Row, lists: list[str]) -> Iterator[str]:
        for key in lists:
            for entry in _many(template[key]):
                uri = entry.get("epcClass") if isinstance(entry, dict) else entry
                if isinstance(uri, str):
                    yield self.maker.names.named(uri).item_id

    def _sensors(self, events: list[Row], rows: list[Row], kind: str, table: str, template: Row, touched: list[Row]) -> None:
        """Put values into the event of their item, or make events that observe the item; results of quality inspect it."""
        observed: dict[str, list[Row]] = {}
        for row in rows:
            if row.get("role") is not None and row["role"] not in self.facts["writing"]["roles"]:
                self.maker.lose(f"process_parameter rows of role {row['role']}", "sensor reports are of what was measured")
                continue
            report = self.maker.report(row, kind)
            if report is None:
                continue
            element: Row = {"sensorReport": [report]}
            self._extra(row, report, element, table)
            observed.setdefault(row.get("item_id") or "", []).append({"element": element, "verdict": row.get("verdict")})
        for item, found in observed.items():
            event = self._event_of(events, item, kind, template)
            if event is None:
                event = {"type": "ObjectEvent", "action": "OBSERVE", "epcList": []}
                if item:
                    event |= self.edges.lists("ObjectEvent", [(item, self._items.get(item, {}), None, None)])
                    self._told.add(item)
                    if "quantityList" in event:
                        del event["epcList"]
                if kind == "characteristic":
                    event["bizStep"] = "inspecting"
                    verdicts = {entry["verdict"] for entry in found}
                    if "fail" in verdicts or verdicts == {"pass"}:
                        event["disposition"] = "non_conformant" if "fail" in verdicts else "conformant"
                touched.append(event)
            elements = event.setdefault("sensorElementList", [])
            last: Row = {}
            for entry in found:
                element = entry["element"]
                if element.keys() == {"sensorReport"} and last.keys() >= {"sensorReport"}:
                    last["sensorReport"].extend(element["sensorReport"])
                else:
                    last = element
                    elements.append(element)

    def _event_of(self, events: list[Row], item: str, kind: str, template: Row) -> Row | None:
        """Return the event that a value of an item is read back from as a value of it, None where there is none."""
        if kind == "characteristic" and not template:
            return None
        if not item:
            return events[0] if events else None
        for event in events:
            facts = self.facts["events"].get(text_of(event.get("type")) or "", {})
            lists = [key for key in facts.values() if key in event]
            made = [key for name, key in facts.items() if name.startswith("made_") and key in event]
            whole, outputs = list(self._of_lists(event, lists)), list(self._of_lists(event, made))
            if whole == [item] or outputs == [item]:
                return event
        return None

    def _extra(self, row: Row, report: Row, element: Row, table: str) -> None:
        """Put back what a report or sensor element said beside its value."""
        lost = 0
        for key, value in (json.loads(row["extra"]) if row.get("extra") else {}).items():
            if key == "sensorMetadata":
                element[key] = value
            elif key in self.facts["writing"]["report_keys"] or prefixed(key):
                report[key] = value
            else:
                lost = 1
        self.maker.lose(f"{table}.extra", "it is not of EPCIS", lost)
        condition = (row.get("condition") or "").split(", ")
        if condition[-1] in self.facts["values"].values():
            condition.pop()
        if condition and condition[0]:
            if len(condition) == 1 and (condition[0] in self.facts["words"]["components"] or prefixed(condition[0])):
                report["component"] = condition[0]
            else:
                self.maker.lose(f"{table}.condition", "a sensor report has no place for it")

    def _at(self, row: Row, edges: list[Row], made: list[str]) -> datetime | None:
        """Return when a step was: its end, else the last thing known to have happened in it."""
        if row.get("ended_at") is not None:
            return row["ended_at"]  # type: ignore[no-any-return]
        times = [edge[name] for edge in edges for name in ("occurred_at", "removed_at") if edge.get(name) is not None]
        times += [self._items[item]["produced_at"] for item in made if self._items[item].get("produced_at") is not None]
        return max(times, default=None)

    def _transactions(self, event: Row, row: Row, step_id: str, *, foreign: bool) -> None:
        """Refer to the step and its order, so that the events of one step are known to be of it."""
        listed = list(_many(event.get("bizTransactionList")))
        if row.get("order_id") and not foreign:
            listed.append({"type": "prodorder", "bizTransaction": self.maker.uri(row["order_id"], "order", "process_step")})
        kind = self.facts["urn"]["step_run_type"]
        known = any(isinstance(entry, dict) and entry.get("type") == kind for entry in listed) or (foreign and event.get("eventID"))
        if step_id and not _MADE_UP.match(step_id) and not known:
            listed.append({"type": kind, "bizTransaction": self.maker.uri(step_id, "step", "process_step")})
        if listed:
            event["bizTransactionList"] = listed

    def _is_event_id(self, step_id: str) -> bool:
        return bool(step_id) and not self.maker.names.uri(step_id, "step")[1] and "#declared-in-error" not in step_id


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
