"""Edges and made items of one step -> events with their objects: what came of the same inputs, or sits in one parent, goes together."""

from __future__ import annotations

from collections.abc import Iterator

from bdx.mapping.epcis_event import Maker, Row
from bdx.spec import Facts


class Edges:
    """Tells edges as transformations, associations and aggregations; `items` is what is known of every item."""

    def __init__(self, facts: Facts, maker: Maker, items: dict[str, Row]) -> None:
        self.facts = facts
        self.maker = maker
        self._items = items

    def transformations(self, edges: list[Row]) -> Iterator[Row]:
        """Yield transformations: outputs that were made of the same inputs go together, save where it is sure which went into which.

        An event of several inputs and several outputs does not say that.
        """
        inputs: dict[str, dict[str, Row]] = {}
        for edge in edges:
            inputs.setdefault(edge["output_item_id"], {})[edge["input_item_id"]] = edge
            if edge["relation"] != "transformed":
                self.maker.lose(f"the relation '{edge['relation']}' of edges, told as transformed", "EPCIS has one word for all of them")
        groups: dict[tuple[str, ...], list[str]] = {}
        for output, used in inputs.items():
            guessed = len(used) == 1 or all(edge["is_estimated"] for edge in used.values())
            groups.setdefault((*sorted(used), *(() if guessed else ("", output))), []).append(output)
        for outputs in groups.values():
            told = inputs[outputs[0]]
            things = [self._amount(edge, len(outputs), inputs, outputs) for edge in told.values()]
            event = {"type": "TransformationEvent"}
            yield (
                event
                | self.lists("TransformationEvent", things)
                | self.lists("TransformationEvent", [self.thing(item) for item in outputs], "made_")
            )

    def _amount(
        self, edge: Row, count: int, inputs: dict[str, dict[str, Row]], outputs: list[str]
    ) -> tuple[str, Row, float | None, str | None]:
        """Return an input with its quantity, that of several outputs added up where each has one."""
        item = edge["input_item_id"]
        amounts = [inputs[output][item] for output in outputs]
        unit = edge["unit"]
        if any(row["quantity"] is None or row["unit"] != unit for row in amounts):
            self.maker.lose(
                "quantities of single edges", "one event has several outputs", sum(row["quantity"] is not None for row in amounts)
            )
            return item, self._items.get(item, {}), None, None
        return item, self._items.get(item, {}), float(f"{sum(row['quantity'] for row in amounts):.15g}"), unit

    def gatherings(self, edges: list[Row]) -> list[Row]:
        """Return aggregations and associations: one for each parent, and for what was put in and taken out."""
        groups: dict[tuple[str, str, bool], list[Row]] = {}
        for edge in edges:
            taken = edge.get("removed_at") is not None
            if taken and edge.get("occurred_at") is not None:
                groups.setdefault((edge["relation"], edge["output_item_id"], False), []).append(edge)
            groups.setdefault((edge["relation"], edge["output_item_id"], taken), []).append(edge)
        found = []
        for (relation, parent, taken), children in groups.items():
            kind = self.facts["tells"][relation]
            things = [(row["input_item_id"], self._items.get(row["input_item_id"], {}), row["quantity"], row["unit"]) for row in children]
            event = {"type": kind, "action": "DELETE" if taken else "ADD", "parentID": self.maker.uri(parent, "item", "item")}
            if taken:
                event["_at"] = max(row["removed_at"] for row in children)
            found.append(event | self.lists(kind, things))
        return found

    def thing(self, item: str) -> tuple[str, Row, float | None, str | None]:
        """Return an item with what is known of it."""
        known = self._items.get(item, {})
        return item, known, known.get("quantity"), known.get("quantity_unit")

    def lists(self, kind: str, things: list[tuple[str, Row, float | None, str | None]], which: str = "") -> Row:
        """Return the lists of an event that name these things."""
        facts = self.facts["events"][kind]
        epcs, quantities = self.maker.objects(things)
        found: Row = {facts[f"{which}epcs"]: epcs} if epcs else {}
        return found | ({facts[f"{which}quantities"]: quantities} if quantities else {})
