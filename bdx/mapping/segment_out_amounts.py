"""Quantities of materials: as they were written, or of a number and its unit, and their sums."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bdx import units
from bdx.errors import MappingError
from bdx.mapping.segment_nodes import Node
from bdx.mapping.segment_out_values import number_text
from bdx.mapping.segment_values import parse


class Quantities:
    """Writes and adds quantities."""

    def __init__(self) -> None:
        self._units: dict[str, str] = {}

    def quantity(self, raw: str | None, number: float | None, unit: str | None) -> Node:
        """Return a Quantity of what was written ("9.60 KGM"), else of the number and its unit."""
        if raw is not None:
            text, _, written = raw.partition(" ")
            if parse(text)[0] is None and not text[:1].isdigit():
                text, written = raw, ""
                if self._known(raw):
                    text, written = "", raw
        else:
            text, written = number_text(number) if number is not None else "", unit or ""
        node: Node = {"QuantityString": text, "DataType": "decimal"}
        if parse(text)[0] is None:
            del node["DataType"]
        if written:
            node["UnitOfMeasure"] = written
        return node

    def _known(self, unit: str) -> bool:
        try:
            units.unit(unit)
        except MappingError:
            return False
        return True

    def sum(self, nodes: Iterable[Node], unit: str | None) -> float | None:
        """Return the sum of the quantities of materials, None where one has none or another unit."""
        total = 0.0
        for node in nodes:
            stated = node.get("Quantity")
            stated = stated[0] if isinstance(stated, list) and stated else stated
            if not isinstance(stated, dict):
                return None
            text = stated.get("QuantityString", "")
            number = parse(text.strip())[0] if isinstance(text, str) else None
            written = stated.get("UnitOfMeasure", "")
            if number is None or self._unit(written) != unit:
                return None
            total += number
        return float(f"{total:.15g}")

    def _unit(self, written: Any) -> str | None:
        if not isinstance(written, str) or not written.strip():
            return None
        if written not in self._units:
            try:
                self._units[written] = units.unit(written.strip()).name
            except MappingError:
                return None
        return self._units[written]
