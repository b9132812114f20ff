"""Events and samples of batch records -> timed parameters, quality results, and the samples as items."""

from __future__ import annotations

from typing import Any

from bdx import canon
from bdx.mapping import vocabulary
from bdx.mapping.batch_rows import Batch
from bdx.mapping.segment_nodes import Node, first, leaf, many

_EVENT = frozenset(("ID", "TimeStamp", "EventType", "EventSubType", "MessageText"))
_EVENT_INNER = frozenset(("Value", "EquipmentID", "ProceduralElementReference"))
_SAMPLE = frozenset(("ID",))
_SAMPLE_INNER = frozenset(("SampleTest", "ProceduralElementReference", "SampleSize"))
_TEST_INNER = frozenset(("SampleTestResult",))
_RESULT = frozenset(("ID", "TimeStamp", "TestDisposition", "AnalysisUsed", "Expiration"))
_RESULT_INNER = frozenset(("Results", "EquipmentID"))


class Entries:
    """Adds the rows of one event or one result of a sample."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.judged = 0
        """The last sample test with a result."""

    def event(self, unit: dict[str, Any]) -> None:
        """Add an event: one row per value it states, one with its text where it states none."""
        batch, node = self.batch, self.batch.named(unit["node"])
        extra: dict[str, Any] = {}
        kind, sub = ((first(node, name) or "").strip() for name in ("EventType", "EventSubType"))
        step, item = self._around(unit, node, extra)
        batch.nodes.leftover(node, _EVENT, _EVENT_INNER, "", extra)
        ident = first(node, "ID")
        if ident and ident.strip():
            extra["ID"] = ident.strip()
        moment, basis, raw = self._time(node, "TimeStamp", "process_parameter")
        if raw and moment is None:
            extra["TimeStamp"] = raw.strip()
        equipment = batch.equipment(node, extra)
        text = (first(node, "MessageText") or "").strip() or None
        values = many(node, "Value")
        for value in values or [None]:
            rest = dict(extra)
            num, said, unit_name, quality, written, unit_raw = None, text, None, "good", text, None
            if value is not None:
                written, unit_written, key = batch.parameters.value(value, rest)
                num, said, unit_name, quality = batch.values.number(
                    written, unit_written, "", f"{kind}/{sub}", "process_parameter", batch.locator
                )
                unit_raw = unit_written or None
                rest |= {name: found for name, found in (("Key", key), ("MessageText", text)) if found}
            name = "/".join(word for word in (kind, sub) if word) or "Event"
            batch.rows["process_parameter"].append(
                (
                    *(step, item, "event", name, "actual", num, said, unit_name, written, unit_raw, None, None, moment, basis, quality),
                    *("/".join(word for word in ("Events", kind, sub) if word), equipment, batch.locator),
                    canon.dumps(rest) if rest else None,
                )
            )

    def sample(self, unit: dict[str, Any]) -> None:
        """Add a sample as an item drawn from the lot of the record."""
        batch, node = self.batch, self.batch.named(unit["node"])
        sample = batch.identifier(node, "ID", "item", "item_id")
        extra: dict[str, Any] = {}
        step, lot = self._around(unit, node, extra)
        batch.nodes.leftover(node, _SAMPLE, _SAMPLE_INNER, "", extra)
        if sample is None:
            batch.values.remarks.note("M053", "item", "item_id", "Sample", batch.locator)
            return
        number = unit_name = raw = None
        sizes = many(node, "SampleSize")
        if sizes:
            text, written, _ = batch.parameters.value(sizes[0], extra)
            number, _, unit_name, _ = batch.values.number(text, written, "", "SampleSize", "item", batch.locator)
            raw = f"{text.strip()} {written.strip()}".strip() or None
            if len(sizes) > 1:
                extra["SampleSize"] = batch.nodes.plain(sizes[1:])
        if batch.run.seen_items.add(sample):
            batch.rows["item"].append(
                (
                    *(sample, "sample", "sublot", None, None, None, step, number, unit_name, raw, batch.locator),
                    canon.dumps(extra) if extra else None,
                )
            )
        if lot and lot != sample:
            batch.rows["genealogy"].append((lot, sample, "sampled", step, "declared", False, batch.locator))

    def test(self, unit: dict[str, Any]) -> None:
        """Add a test of a sample that has no result yet."""
        if self.judged != unit["ordinal"]:
            above = {"element": unit["element"], "kind": "sample test", "ordinal": unit["ordinal"], "said": unit["node"]}
            self.result({**unit, "node": {}, "above": [*unit["above"], above]})

    def result(self, unit: dict[str, Any]) -> None:
        """Add the values of one result, or its verdict where it has none; the test around it names what was measured."""
        batch, node = self.batch, self.batch.named(unit["node"])
        said = {level["kind"]: batch.named(level["said"]) for level in unit["above"]}
        self.judged = unit["above"][-1]["ordinal"]
        test, sample = said.get("sample test", {}), said.get("sample", {})
        extra: dict[str, Any] = {}
        step, lot = self._around(unit, sample, extra)
        batch.nodes.leftover(node, _RESULT, _RESULT_INNER, "", extra)
        batch.nodes.leftover(test, frozenset(("ID",)), _TEST_INNER | {"TimeStamp", "TestName"}, "SampleTest/", extra)
        item = batch.identifier(sample, "ID", "quality_result", "item_id") or lot
        name = next(
            (text.strip() for key in ("TestName", "TestCode", "ID") if (text := first(test, key)) and text.strip()), "SampleTestResult"
        )
        found = vocabulary.parameter(name)
        if found is None:
            found = vocabulary.UNKNOWN_PARAMETER
            batch.values.remarks.note("M041", "quality_result", "characteristic_code", name, batch.locator)
        moment, basis, raw_time = self._time(node if "TimeStamp" in node else test, "TimeStamp", "quality_result")
        expires, _, expires_raw = self._time(node, "Expiration", "quality_result", "expires_at")
        if expires_raw and expires is None:
            extra["Expiration"] = expires_raw.strip()
        judged = first(node, "TestDisposition") or None
        verdict = batch.word("verdicts", judged, "quality_result", "verdict", None)
        gage, method = batch.equipment(node, extra), first(node, "AnalysisUsed")
        ident = first(node, "ID") or first(test, "ID")
        for value in many(node, "Results") or [None]:
            rest = dict(extra)
            num = text = unit_name = written = unit_raw = None
            if value is not None:
                written, unit_raw, key = batch.parameters.value(value, rest)
                num, text, unit_name, _ = batch.values.number(written, unit_raw, found.unit, name, "quality_result", batch.locator)
                rest |= {"Key": key} if key else {}
            batch.rows["quality_result"].append(
                (
                    *(ident, item, step, found.code, name, num, text, unit_name, written, unit_raw or None, verdict, judged),
                    *("reported" if verdict else None, moment, raw_time, basis, gage, method.strip() if method else None, expires),
                    *(batch.locator, canon.dumps(rest) if rest else None),
                )
            )

    def _around(self, unit: dict[str, Any], node: Node, extra: dict[str, Any]) -> tuple[str, str | None]:
        """Return the step an entry belongs to and the lot of its record; a reference that leads nowhere goes to `extra`."""
        batch, above = self.batch, unit["above"]
        record = above[0]
        said = batch.flat(record["said"])
        whole = batch.step_of(record["ordinal"], said, [])
        references = many(node, "ProceduralElementReference")
        step, unknown = batch.referred({"Reference": references[0]} if references else {}, "Reference", whole)
        rest = [*([unknown] if unknown else []), *(leaf(reference).strip() for reference in references[1:])]
        if rest:
            extra["ProceduralElementReference"] = rest if len(rest) > 1 else rest[0]
        return step, batch.item([said])[0]

    def _time(self, node: Node, name: str, table: str, column: str = "measured_at") -> tuple[int | None, str | None, str | None]:
        raw = first(node, name)
        moment, basis = self.batch.values.time(raw, table, column, self.batch.locator)
        return moment, basis, raw or None
