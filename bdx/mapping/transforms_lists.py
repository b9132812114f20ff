"""Two-way functions between one list of objects, or one object, and several columns; the closed list is GROUPS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bdx.mapping.paths_extra import same
from bdx.mapping.paths_nodes import GroupTransform
from bdx.mapping.transforms_base import Fault
from bdx.mapping.transforms_choices import Either, Keyed, Street
from bdx.mapping.transforms_measured import Coded, Measured
from bdx.mapping.transforms_picked import Picked
from bdx.spec import Facts


class Objects:
    """A list of objects whose texts at `each` key are lists of texts, and at `shared` keys one text said by all."""

    def __init__(self, facts: Facts) -> None:
        self._each: dict[str, str] = dict(facts["each"])
        self._shared: dict[str, str] = dict(facts.get("shared", {}))
        self.columns = (*self._each.values(), *self._shared.values())

    def read(self, raw: Any) -> tuple[Any, ...]:
        """Return one list of texts per `each` key (null where an object lacks it), then the shared texts."""
        if type(raw) is not list or not all(type(item) is dict for item in raw):
            raise Fault("M003", "a list of objects")
        found: list[Any] = []
        for key in self._each:
            values = [item.get(key) for item in raw]
            if not all(value is None or type(value) is str for value in values):
                raise Fault("M001", f"a text as '{key}'")
            found.append(values)
        for key in self._shared:
            said = {item[key] for item in raw if type(item.get(key)) is str}
            found.append(said.pop() if len(said) == 1 and all(key in item for item in raw) else None)
        return tuple(found)

    def write(self, values: tuple[Any, ...]) -> Any:
        """Return the list of objects; null for no list at all."""
        lists = [value for value in values[: len(self._each)] if value is not None]
        shared = [(key, value) for key, value in zip(self._shared, values[len(self._each) :], strict=True) if value is not None]
        if not lists:
            return [dict(shared)] if shared else None
        items: list[dict[str, Any]] = [{} for _ in range(max(map(len, lists)))]
        for key, texts in zip(self._each, values, strict=False):
            for item, text in zip(items, texts or (), strict=False):
                if text is not None:
                    item[key] = text
        for item in items:
            item.update(shared)
        return items

    def keeps(self, raw: Any, values: tuple[Any, ...]) -> bool:
        """Say whether writing the values gives the list back; an object that holds more than its columns settles it."""
        most = len(self.columns)
        return all(len(item) <= most for item in raw) and same(self.write(values), raw)


GROUPS: Mapping[str, Callable[[Facts], GroupTransform]] = MappingProxyType(
    {
        **{"objects": Objects, "picked": Picked, "keyed": Keyed, "either": Either, "street": Street},
        **{"measured": Measured, "coded": Coded},
    }
)
