"""What kind of material an item is, by the words of its name, definition and class and by its role: solvents, passive materials."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdx.derive.production_content import fold
from bdx.derive.production_items import Plant


def vapours(plant: Plant) -> Any:
    """Return which items do not stay in a product: solvents by the role of an edge, or by name, definition or class."""
    words = {fold(word) for word in plant.facts["evaporates"]}
    found = np.zeros(len(plant.graph.ids), bool)
    roles, known = plant.graph.edges.text("role")
    found[plant.graph.edges.source[roles == (known.index("solvent") if "solvent" in known else -2)]] = True
    for column in ("name", "material_definition_id", "material_class"):
        coded = plant.texts(column).dictionary_encode()
        said = [number for number, word in enumerate(coded.dictionary.to_pylist()) if fold(word) in words]
        found |= np.isin(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), said)
    return found


def inactive(plant: Plant) -> Any:
    """Return which items hold metal without being active material: electrolyte and the like, by role, name, definition or class."""
    words = tuple(fold(word) for word in plant.facts["inactive"])
    found = np.zeros(len(plant.graph.ids), bool)
    roles, known = plant.graph.edges.text("role")
    found[plant.graph.edges.source[roles == (known.index("electrolyte") if "electrolyte" in known else -2)]] = True
    for column in ("name", "material_definition_id", "material_class"):
        coded = plant.texts(column).dictionary_encode()
        said = [number for number, word in enumerate(coded.dictionary.to_pylist()) if any(part in fold(word) for part in words)]
        found |= np.isin(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), said)
    return found
