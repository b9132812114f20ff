"""The objects of one event -> items, the edges between them, and the quantities that went in and came out."""

from __future__ import annotations

from typing import Any, NamedTuple

from bdx.mapping import Context
from bdx.mapping.epcis_names import Named, Names, text_of
from bdx.mapping.epcis_rows import Rows
from bdx.mapping.epcis_sensors import Sensors
from bdx.mapping.segment_rows import Seen
from bdx.spec import Facts


class Thing(NamedTuple):
    """One mention of an object or of a quantity of a class."""

    named: Named
    quantity: float | None = None
    unit: str | None = None
    raw: str | None = None

    @property
    def item_id(self) -> str:
        """The id of the item."""
        return self.named.item_id


class Event(NamedTuple):
    """What all parts of an event need to know of it."""

    value: dict[str, Any]
    facts: Facts
    step_id: str
    action: str
    at: int | None
    basis: str | None
    place: str


class Objects:
    """Adds items and edges; remembers what later events refer to, within bounds."""

    def __init__(self, facts: Facts, context: Context, rows: Rows, names: Names) -> None:
        self.facts = facts
        self.context = context
        self.rows = rows
        self.names = names
        self.sensors = Sensors(facts, rows, names)
        self._items, self._made = Seen(), Seen()
        self._open: dict[tuple[str, str], dict[str, None]] = {}
        self._opened = 0
        self._transformations: dict[str, tuple[list[Thing], list[Thing]]] = {}

    def take(self, event: Event, unplaced: dict[str, Any]) -> tuple[float | None, float | None, str | None]:
        """Add items, edges and sensor values; takes out of `unplaced` what they hold. Returns quantity in, good, their unit."""
        value, facts, place = event.value, event.facts, event.place
        inputs = self._things(value, facts["epcs"], facts["quantities"], place)
        made = self._things(value, facts["made_epcs"], facts["made_quantities"], place) if "made_epcs" in facts else []
        parent = self._parent(value, place) if "parent" in facts else None
        relation = facts.get("relation", "")
        if relation != "transformed" and event.action not in self.facts["words"]["actions"]:
            self.rows.note("F242", "process_step", "extra", event.action or "(none)", place)
            relation = ""
        new = relation == "" and event.action == "ADD" and "parent" not in facts
        self._add_items(event, inputs, made=new)
        self._add_items(event, made, made=True)
        if parent is not None:
            self._add_items(event, [parent], made=False)
        if relation == "transformed":
            placed = self._transform(event, inputs, made)
        else:
            placed = bool(relation) and self._gather(event, relation, inputs, parent)
        if placed:
            for name in ("epcs", "quantities", "made_epcs", "made_quantities", "parent"):
                unplaced.pop(facts.get(name, ""), None)
        things = [*inputs, *made, *([parent] if parent else [])]
        item = things[0].item_id if len(things) == 1 else made[0].item_id if len(made) == 1 else None
        if "sensorElementList" in value:
            self.sensors.take(value, event.step_id, item, event.at, event.basis, place)
        if relation != "transformed":
            return None, (_sum(inputs) or (None,))[0] if new else None, (_sum(inputs) or (None, None))[1] if new else None
        used, good = _sum(inputs), _sum(made)
        unit = good[1] if good else used[1] if used else None
        return used[0] if used and used[1] == unit else None, good[0] if good else None, unit

    def _things(self, value: dict[str, Any], epcs: str, quantities: str, place: str) -> list[Thing]:
        found: dict[str, Thing] = {}
        for epc in self._list(value, epcs, place):
            name = text_of(epc)
            if name is None:
                self.rows.note("F249", "item", "item_id", epcs, place)
                continue
            named = self.names.named(name)
            found.setdefault(named.item_id, Thing(named))
        for element in self._list(value, quantities, place):
            name = text_of(element.get("epcClass")) if isinstance(element, dict) else None
            if name is None:
                self.rows.note("F249", "item", "item_id", quantities, place)
                continue
            thing = self._quantity(self.names.named(name), element, place)
            known = found.get(thing.item_id)
            if known is not None and known.unit == thing.unit and known.quantity is not None and thing.quantity is not None:
                thing = thing._replace(quantity=known.quantity + thing.quantity, raw=f"{known.raw} + {thing.raw}")
            found[thing.item_id] = thing
        return list(found.values())

    def _quantity(self, named: Named, element: dict[str, Any], place: str) -> Thing:
        stated, uom = element.get("quantity"), element.get("uom")
        if named.whole_class:
            self.rows.note("F244", "item", "item_id", named.item_id, place)
        if stated is None or isinstance(stated, bool | dict | list) or not isinstance(uom, str | None):
            if stated is not None:
                self.rows.note("F249", "item", "quantity", str(stated), place)
            return Thing(named)
        raw = str(stated)
        # Without a unit the standard counts pieces.
        number, _, unit, _ = self.rows.values.number(raw, uom or "1", "", "quantity", "item", place)
        return Thing(named, number, unit, f"{raw} {uom}" if uom else raw)

    def _list(self, value: dict[str, Any], name: str, place: str) -> list[Any]:
        found = value.get(name)
        if found is None:
            return []
        if not isinstance(found, list):
            self.rows.note("F249", "process_step", "extra", name, place)
            return []
        return found

    def _parent(self, value: dict[str, Any], place: str) -> Thing | None:
        name = text_of(value.get("parentID"))
        if name is None and value.get("parentID") is not None:
            self.rows.note("F249", "process_step", "extra", "parentID", place)
        return Thing(self.names.named(name)) if name else None

    def _transform(self, event: Event, inputs: list[Thing], made: list[Thing]) -> bool:
        """Add the edges of a transformation, also to what earlier events of the same transformation brought."""
        ident = text_of(event.value.get("transformationID"))
        if ident is None:
            return self._edges(event, inputs, made, "transformed") if inputs and made else False
        if len(self._transformations) >= self.facts["limits"]["open"] and ident not in self._transformations:
            self._transformations.pop(next(iter(self._transformations)))
            self.context.log.lose(self.context.source, "what older events of long transformations brought", "too many are open")
        known_in, known_made = self._transformations.setdefault(ident, ([], []))
        earlier_in, earlier_made = list(known_in), list(known_made)
        known_in.extend(inputs)
        known_made.extend(made)
        alone = not earlier_in and not earlier_made
        if alone:
            return self._edges(event, inputs, made, "transformed") if inputs and made else False
        self._edges(event, [*earlier_in, *inputs], made, "transformed")
        self._edges(event, inputs, earlier_made, "transformed")
        return False

    def _gather(self, event: Event, relation: str, children: list[Thing], parent: Thing | None) -> bool:
        """Add or end the edges from children to their parent; children taken out all at once are those that went in."""
        if parent is None:
            return False
        key = (parent.item_id, relation)
        inside = self._open.get(key, {})
        if event.action != "DELETE":
            for child in children:
                if child.item_id not in inside and self._opened < self.facts["limits"]["open"]:
                    self._open.setdefault(key, inside)[child.item_id] = None
                    self._opened += 1
            return self._edges(event, children, [parent], relation)
        whole = not children
        if whole:
            if not inside:
                self.rows.note("F252", "genealogy", "removed_at", parent.item_id, event.place)
            children = [Thing(Named(name)) for name in inside]
        for child in children:
            if child.item_id in inside:
                del inside[child.item_id]
                self._opened -= 1
        if not inside:
            self._open.pop(key, None)
        return self._edges(event, children, [parent], relation, removed=True) and not whole

    def _edges(self, event: Event, inputs: list[Thing], outputs: list[Thing], relation: str, *, removed: bool = False) -> bool:
        """Add edges from every input to every output; returns whether all of them stand in rows."""
        count = len(inputs) * len(outputs)
        if count > self.facts["limits"]["edges"]:
            what = f"{len(inputs)} x {len(outputs)} possible edges of one event"
            self.context.log.lose(self.context.source, what, "too many to mean anything")
            return False
        many = len(inputs) > 1 and len(outputs) > 1
        if many:
            self.rows.values.remarks.note("M054", "genealogy", "is_estimated", event.step_id, event.place, count)
        at, until = (None, event.at) if removed else (event.at, None)
        whole = True
        for thing in inputs:
            alone = len(outputs) == 1
            whole = whole and (alone or thing.quantity is None)
            for output in outputs:
                if thing.item_id == output.item_id:
                    whole = False
                    continue
                estimated = many or thing.named.whole_class or output.named.whole_class
                quantity, unit = (thing.quantity, thing.unit) if alone else (None, None)
                self.rows.add(
                    "genealogy",
                    *(
                        thing.item_id,
                        output.item_id,
                        relation,
                        event.step_id,
                        quantity,
                        unit,
                        at,
                        "declared",
                        estimated,
                        until,
                        event.place,
                    ),
                )
        return bool(count) and whole and all(output.quantity is None for output in outputs)

    def _add_items(self, event: Event, things: list[Thing], *, made: bool) -> None:
        """Add item rows: one at the first mention, another where it is told later what made the item."""
        ilmd = event.value.get("ilmd") if made else None
        told = {column: _first(ilmd, names) for column, names in self.facts["ilmd"].items()} if isinstance(ilmd, dict) else {}
        status = text_of(event.value.get("disposition")) if made else None
        for thing in things:
            new = self._items.add(thing.item_id)
            begins = made and self._made.add(thing.item_id)
            if not (new or begins):
                continue
            named = thing.named
            lot = told.get("lot_id") or named.lot
            self.rows.add(
                "item",
                *(named.item_id, named.granularity, lot, named.serial, told.get("name"), named.gtin),
                *(event.step_id if begins else None, event.at if begins else None),
                *((thing.quantity, thing.unit, thing.raw) if made else (None, None, None)),
                *(status, named.gtin, event.place),
            )


def _first(ilmd: dict[str, Any], names: Any) -> str | None:
    return next((ilmd[name].strip() for name in names if isinstance(ilmd.get(name), str) and ilmd[name].strip()), None)


def _sum(things: list[Thing]) -> tuple[float, str] | None:
    """Return the quantity of things of one unit, serial numbers counting one each; None where units are mixed or not told."""
    total, unit = 0.0, None
    for thing in things:
        serial = thing.raw is None and thing.named.granularity in ("serial", "carrier")
        here = "1" if serial else thing.unit
        if here is None or (unit is not None and here != unit) or (thing.quantity is None and not serial):
            return None
        unit = here
        total += 1 if serial else thing.quantity or 0.0
    return (float(f"{total:.15g}"), unit) if unit is not None else None
