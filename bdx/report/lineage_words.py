"""Words for items, edges and what a trace comes to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bdx.derive.lineage import Counted, Lineage
from bdx.derive.lineage_graph import Graph
from bdx.names import shortened
from bdx.report.words import plain

NAME = 80
_NAMED = 5


def name(graph: Graph, node: int, limit: int = NAME) -> str:
    """Return an identifier on one line, in at most `limit` characters."""
    return shortened(plain(shortened(graph.id(node), 4 * limit)), limit)


def kind(graph: Graph, label: str, count: int = 1) -> str:
    """Return a kind of item in words, as in "slurry batch" or "12 cells"."""
    one, many = graph.facts["words"].get(label, (label, label))
    return str(one) if count == 1 else str(many)


def counted(graph: Graph, label: str, count: int) -> str:
    """Return a count with its kind."""
    return f"{count:,} {kind(graph, label, count)}"


def more(graph: Graph, count: int, label: str) -> str:
    """Return how many are not shown, of which kind where they are all of one."""
    return f"... and {count:,} more" + (f" {kind(graph, label, count)}" if label not in ("", "unknown") else "")


def edge(facts: Mapping[str, Any]) -> str:
    """Return what is known of an edge: relation, quantity, role, step, time, and how far it can be relied on."""
    amount = f"{facts['quantity']:g} {'' if facts.get('unit') == '1' else facts.get('unit') or ''}".strip() if "quantity" in facts else ""
    step = facts.get("step", {})
    place = step.get("step_name_raw") or step.get("step_code") or ""
    if place == "other" and not step.get("step_name_raw"):
        place = ""
    at = facts.get("occurred_at") or step.get("ended_at") or step.get("started_at")
    stretch = "-".join(f"{facts[column]:g}" for column in ("in_from_m", "in_to_m") if column in facts)
    words = (
        " ".join(part for part in (facts.get("relation", "").replace("_", " "), amount) if part),
        f"metres {stretch}" if stretch else "",
        f"as {facts['role']}" if "role" in facts else "",
        f"in {place}" if place else "",
        f"on {step['equipment_id']}" if step.get("equipment_id") else "",
        when(at),
        f"until {when(facts['removed_at'])}" if "removed_at" in facts else "",
    )
    return shortened(plain(", ".join(word for word in words if word)), 160)


def when(at: datetime | None) -> str:
    """Return a time to the minute in UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else ""


def summary(lineage: Lineage) -> list[str]:
    """Return one sentence for each side and what is missing, as for a recall."""
    graph = lineage.graph
    asked = ", ".join(f"{_kind(graph, node)} {name(graph, node)}" for node in lineage.begin[:_NAMED].tolist())
    if len(lineage.begin) > _NAMED:
        asked = f"{len(lineage.begin):,} items"
    lines = []
    for side, found in lineage.counted.items():
        lines.append(f"{_of_side(graph, found, asked, side, holds(lineage))}{_doubts(found)}{_carriers(lineage, side)}")
    return lines


def holds(lineage: Lineage) -> bool:
    """Say whether only carriers were asked for, which hold things and are not made of them."""
    return bool(lineage.graph.carrier[lineage.begin].all())


def _kind(graph: Graph, node: int) -> str:
    label = graph.label(node)
    return "item" if label == "unknown" else kind(graph, label)


def _of_side(graph: Graph, found: Counted, asked: str, side: str, held: bool) -> str:
    verb = "held" if held else "was made of"
    if not found.kinds:
        return f"{asked} {verb} nothing that is recorded" if side == "up" else f"nothing recorded was made of {asked}"
    if side == "up":
        return f"{asked} {verb} {', '.join(counted(graph, label, count) for label, count in found.kinds.items())}"
    rest = [counted(graph, label, count) for label, count in found.kinds.items() if label not in (found.pieces, found.whole)]
    head = counted(graph, found.pieces, found.piece_count)
    if found.in_whole:
        part = "" if found.in_whole == found.piece_count else f", {found.in_whole:,} of them"
        head = f"{head}{part} in {counted(graph, found.whole, found.whole_count)}"
    elif found.whole and found.whole != found.pieces:
        head = f"{head} and {counted(graph, found.whole, found.whole_count)}"
    return f"{head} from {asked}" + (f" (by way of {', '.join(rest)})" if rest else "")


def _doubts(found: Counted) -> str:
    """Return how many of the items of a side are estimated, former or scrapped."""
    told = (("through estimated edges", found.estimated), ("only formerly", found.former), ("scrapped", found.scrapped))
    return "".join(f", {count:,} {word}" for word, count in told if count)


def _carriers(lineage: Lineage, side: str) -> str:
    count = lineage.sides[side].carriers
    return f"; {count:,} link{'s' if count != 1 else ''} with carriers not followed (--with-carriers does)" if count else ""
