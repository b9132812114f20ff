"""One event after another -> steps and the places they were seen at; its objects are read beside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bdx import canon
from bdx.canon import Document
from bdx.mapping import Context, vocabulary
from bdx.mapping.epcis_names import Names, gln, last_part, prefixed, text_of
from bdx.mapping.epcis_objects import Event, Objects
from bdx.mapping.epcis_rows import Rows
from bdx.mapping.epcis_words import steps_by_uri
from bdx.mapping.segment_rows import Seen
from bdx.spec import Facts

_ZONED = re.compile(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$", re.IGNORECASE)
_OFFSET = re.compile(r"^[+-][0-9]{2}:[0-9]{2}$")


class Events:
    """Takes the events of one source; remembers what later ones refer to, within bounds."""

    def __init__(self, facts: Facts, context: Context) -> None:
        self.facts = facts
        self.context = context
        self.rows = Rows(context)
        self.names = Names(facts)
        self.objects = Objects(facts, context, self.rows, self.names)
        self._steps, self._places = Seen(), Seen()
        self._standard = frozenset(facts["fields"]["standard"])
        self._placed = frozenset(facts["fields"]["placed"])
        self._context_known = False

    def take(self, document: Document) -> None:
        """Add the rows of one event."""
        value = document.value
        place = document.locator
        before = value["before"]
        if document.name == "Empty":
            self.rows.note("F251", "process_step", "", "", place)
            self._lose(before)
            return
        event: dict[str, Any] = value["event"]
        if before is not None or value["ordinal"] == 1:
            self._context_known = "@context" in (before or {})
        if not self._context_known and "@context" not in event:
            self.rows.note("F246", "process_step", "extra", "", place)
            self._context_known = True
        self._event(event, value["ordinal"], place, {"before": before, "after": value["after"]})

    def _event(self, event: dict[str, Any], ordinal: int, place: str, around: dict[str, Any]) -> None:
        kind = text_of(event.get("type", event.get("@type", event.get("isA")))) or ""
        facts = self.facts["events"].get(kind)
        declared_wrong = event.get("errorDeclaration") is not None
        at, basis = self._time(event, place)
        step_id, new = self._identity(event, ordinal, place, declared_wrong=declared_wrong)
        action = event.get("action") if isinstance(event.get("action"), str) else ""
        known = Event(event, facts or {}, step_id, action or "", at, basis, place)
        unplaced = dict(event)
        amounts: tuple[float | None, float | None, str | None] = (None, None, None)
        if facts is None:
            self.rows.note("F248", "process_step", "extra", kind or "(none)", place)
        elif declared_wrong:
            self.rows.note("F247", "process_step", "state", step_id, place)
        else:
            amounts = self.objects.take(known, unplaced)
        self._fields(event, place)
        whole = facts is None or declared_wrong
        extra = {"epcis": self._rest(unplaced, step_id, whole=whole)}
        extra.update({key: said for key, said in around.items() if said})
        if new:
            self._step(known, ordinal, amounts, extra, declared_wrong=declared_wrong)

    def _identity(self, event: dict[str, Any], ordinal: int, place: str, *, declared_wrong: bool) -> tuple[str, bool]:
        """Return the id of the step, and whether it has no row yet."""
        for entry in event.get("bizTransactionList") or () if isinstance(event.get("bizTransactionList"), list) else ():
            if isinstance(entry, dict) and entry.get("type") == self.facts["urn"]["step_run_type"]:
                uri = text_of(entry.get("bizTransaction")) or ""
                step_id = self.names.own(uri, "step") or uri
                if step_id:
                    return step_id, self._steps.add(step_id)
        step_id = text_of(event.get("eventID")) or ""
        if not step_id:
            self.rows.note("F254", "process_step", "step_run_id", "", place)
            step_id = f"{self.context.source_id}:event-{ordinal}"
        if declared_wrong:
            step_id += "#declared-in-error"
        if not self._steps.add(step_id):
            step_id = f"{step_id}#{ordinal}"
        return step_id, True

    def _time(self, event: dict[str, Any], place: str) -> tuple[int | None, str | None]:
        """Return the event time; one without offset takes that of eventTimeZoneOffset."""
        raw, offset = event.get("eventTime"), event.get("eventTimeZoneOffset")
        if not isinstance(raw, str) or not raw.strip():
            self.rows.note("F240", "process_step", "ended_at", "(none)" if raw is None else str(raw), place)
            return None, None
        if _ZONED.search(raw.strip()) is None and "T" in raw:
            self.rows.note("F241", "process_step", "ended_at", raw, place)
            if isinstance(offset, str) and _OFFSET.match(offset):
                at, _ = self.rows.values.time(raw.strip() + offset, "process_step", "ended_at", place)
                return at, "assumed"
        at, basis = self.rows.values.time(raw, "process_step", "ended_at", place)
        if at is None:
            self.rows.note("F240", "process_step", "ended_at", raw, place)
        return at, basis

    def _step(
        self,
        event: Event,
        ordinal: int,
        amounts: tuple[float | None, float | None, str | None],
        extra: dict[str, Any],
        *,
        declared_wrong: bool,
    ) -> None:
        value, place = event.value, event.place
        stated = text_of(value.get("bizStep"))
        name = (self.names.own(stated, "step_code") or stated) if stated else None
        word = self.names.word(name or "")
        disposition = self.names.word(text_of(value.get("disposition")) or "")
        site = self._place(value.get("bizLocation"), None, "business_location", place)
        here = self._place(value.get("readPoint"), site, "read_point", place)
        raw = value.get("eventTime")
        quality = word in self.facts["words"]["steps"] and word in self.facts["quality_steps"]
        self.rows.add(
            "process_step",
            *(event.step_id, self._code(stated, place), name, ordinal, self._order(value), here, site, event.at, event.basis),
            *(raw if isinstance(raw, str) else None, "aborted" if declared_wrong else None),
            *("quality" if quality else "production" if event.facts.get("relation") == "transformed" else None, *amounts),
            self.rows.values.time(text_of(value.get("recordTime")), "process_step", "recorded_at", place)[0],
            *(self.facts["results"].get(disposition), place, canon.dumps(extra)),
        )

    def _code(self, name: str | None, place: str) -> str:
        """Return the canonical step of a business step; words of the CBV say what is done, not which step of a line it is."""
        if name is None:
            return vocabulary.OTHER
        own = self.names.own(name, "step_code")
        if own is not None:
            found = vocabulary.step(own)
            return found.code if found else vocabulary.OTHER
        if name in steps_by_uri():
            return steps_by_uri()[name]
        if self.names.word(name) in self.facts["words"]["steps"]:
            return vocabulary.OTHER
        found = vocabulary.step(last_part(name))
        if found is None:
            self.rows.note("M040", "process_step", "step_code", name, place)
        return found.code if found else vocabulary.OTHER

    def _order(self, value: dict[str, Any]) -> str | None:
        for entry in value.get("bizTransactionList") or () if isinstance(value.get("bizTransactionList"), list) else ():
            if isinstance(entry, dict) and self.names.word(str(entry.get("type"))).removeprefix("BTT-") == "prodorder":
                uri = text_of(entry.get("bizTransaction"))
                if uri:
                    return self.names.own(uri, "order") or uri
        return None

    def _place(self, stated: Any, parent: str | None, level: str, place: str) -> str | None:
        uri = text_of(stated)
        if uri is None:
            return None
        name = self.names.own(uri, "place") or uri
        if self._places.add(name):
            self.rows.add("equipment", name, parent if parent != name else None, level, gln(uri), place)
        return name

    def _fields(self, event: dict[str, Any], place: str) -> None:
        """Remark on words and fields that are neither of the standard nor in a namespace."""
        for key in event:
            if key not in self._standard and not prefixed(key):
                self.rows.note("F245", "process_step", "extra", key, place)
        ilmd = event.get("ilmd")
        for key in ilmd if isinstance(ilmd, dict) else ():
            if not prefixed(key) and not key.startswith("@"):
                self.rows.note("F245", "process_step", "extra", f"ilmd/{key}", place)
        for key, kind, column in (("bizStep", "steps", "step_name_raw"), ("disposition", "dispositions", "result")):
            word = text_of(event.get(key))
            if word is not None and not self.names.is_standard(word, kind):
                self.rows.note("F243", "process_step", column, word, place)

    def _rest(self, unplaced: dict[str, Any], step_id: str, *, whole: bool) -> dict[str, Any]:
        """Return the fields of an event that no column holds; of one whose objects make no rows, its sensor values too."""
        rest = {
            key: value
            for key, value in unplaced.items()
            if key not in self._placed or not _is_plain(key, value) or (whole and key == "sensorElementList")
        }
        if rest.get("eventID") == step_id:
            del rest["eventID"]
        for key in ("readPoint", "bizLocation"):
            if isinstance(rest.get(key), dict) and set(rest[key]) == {"id"}:
                del rest[key]
        return rest

    def _lose(self, said: dict[str, Any]) -> None:
        self.context.log.lose(self.context.source, "a document without events", "no table holds it", 1 if said else 0)


def _is_plain(key: str, value: Any) -> bool:
    """Say whether a field that has columns is of the kind that they hold."""
    return isinstance(value, list) if key == "sensorElementList" else isinstance(value, str)


def chunks(events: Events, documents: Iterator[Document]) -> Iterator[canon.Chunk]:
    """Yield the rows of all events in bounded chunks."""
    for document in documents:
        events.take(document)
        if events.rows.full():
            yield from events.rows.chunks()
    yield from events.rows.chunks()
    events.rows.tell()
