"""Test results and events of a message that belong to no step -> rows of quality_result and process_parameter."""

from __future__ import annotations

from typing import Any

from bdx import canon
from bdx.mapping.record_rows import RecordRun, is_plain
from bdx.mapping.segment_nodes import first, leaf, many
from bdx.mapping.segment_results import Results

_EVENT_LEAVES = frozenset(("Description",))
_EVENT_INNER = frozenset(("EffectiveTimeStamp", "OperationsEvent"))
_APART = frozenset(("TestableObjectID", "Expiration", "ExpirationTime"))

Specification = tuple[str | None, str | None, str | None]
"""Identifier, version and description of a test specification."""


class Tests:
    """Adds test results; `specifications` holds those met, by the identifiers that results may name."""

    def __init__(self, run: RecordRun, results: Results, specifications: dict[str, Specification]) -> None:
        self.run = run
        self.results = results
        self.specifications = specifications

    def take(self, unit: dict[str, Any], extra: dict[str, Any]) -> None:
        """Add the rows of a test result; `extra` is what the levels around it said."""
        run = self.run
        node = run.nodes.named(unit["segment"])
        item = run.values.identifier(first(node, "TestableObjectID"), "quality_result", "item_id", run.locator)
        if item is None:
            run.values.remarks.note("M084", "quality_result", "item_id", first(node, "ID") or "", run.locator)
        run.scope(node)
        expires = run.stamp(node, "Expiration", "quality_result", "expires_at", extra)
        for name in ("TestableObjectID", "Expiration"):
            if name in node and type(node[name]) is not str:
                extra[name] = run.nodes.plain(node[name])
        requirement = run.values.identifier(first(node, "OperationsTestRequirementID"), "quality_result", "spec_id", run.locator)
        spec, version, method = self.specifications.get(requirement or "") or self.specifications.get(item or "") or (None, None, None)
        start = len(run.rows["quality_result"])
        self.results.results([{name: said for name, said in node.items() if name not in _APART}], item)
        run.widen("quality_result", start, expires, spec, version, method, run.said)
        run.carry("quality_result", start, extra)


class Events:
    """Adds events of operations: each is a value without a number that somebody noted at a moment."""

    def __init__(self, run: RecordRun) -> None:
        self.run = run

    def take(self, unit: dict[str, Any], extra: dict[str, Any]) -> None:
        """Add the rows of an event and of the events in it; `extra` is what the levels around it said."""
        waiting: list[tuple[Any, str, dict[str, Any]]] = [(unit["segment"], "Events", extra)]
        while waiting:
            said, path, rest = waiting.pop()
            if type(said) is dict:
                below = self._event(said, path, rest)
                node = self.run.nodes.named(said)
                waiting.extend((child, below, {}) for child in reversed(many(node, "OperationsEvent")))

    def _event(self, said: dict[str, Any], path: str, extra: dict[str, Any]) -> str:
        """Add one event; returns the path of the events in it."""
        run = self.run
        node = run.nodes.named(said)
        kind = self._kind(said)
        description = (first(node, "Description") or "").strip()
        ident = run.values.identifier(first(node, "ID"), "process_parameter", "value_text", run.locator)
        place = run.scope(node)
        run.nodes.leftover(said, _EVENT_LEAVES, _EVENT_INNER, "", extra)
        stated = "EffectiveTimeStamp" if (first(node, "EffectiveTimeStamp") or "").strip() else "RecordTimeStamp"
        raw = first(node, stated)
        moment, basis = run.values.time(raw, "process_parameter", "measured_at", run.locator)
        if raw and raw.strip():
            if stated == "EffectiveTimeStamp" and moment is not None and is_plain(moment, raw):
                extra.pop(stated, None)
            else:
                extra[stated] = raw.strip()
        else:
            run.values.remarks.note("M085", "process_parameter", "measured_at", ident or "", run.locator)
        if not description:
            extra.pop("ID", None)
        text = description or ident
        run.rows["process_parameter"].append(
            (
                *(None, None, "event", kind, "result", None, text, None, text, None, None, None, "good" if text else "missing"),
                *(path, run.locator, canon.dumps(extra) if extra else None, moment, place, basis, run.said),
            )
        )
        return f"{path}/{ident or kind}"

    def _kind(self, said: dict[str, Any]) -> str:
        """Return what kind of event it is, in the words of the source."""
        for name in ("OperationsEventType", "Category"):
            stated = many(said, name)
            text = leaf(stated[0]).strip() if stated else ""
            if text.casefold() == "other" and type(stated[0]) is dict:
                text = str(stated[0].get("@OtherValue", "")).strip() or text
            if text:
                return text
        return "OperationsEvent"
