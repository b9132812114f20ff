"""A path mapping that extends another: the other's lines, less what differs, plus its own."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

from bdx import spec
from bdx.errors import SpecError
from bdx.spec import Facts

_MERGED = ("words", "units", "shapes", "only_with", "resolve")
_OWN = ("extends", "without", "renamed")


def extended(mapping: str) -> Facts:
    """Return the facts of a mapping, with those of the one it `extends` where it does.

    `without` names paths that are left out with all below them, `renamed` gives paths another name; both speak of the other
    mapping. An own line stands for the other's at the same path. Word lists, units and shapes are merged by name.
    Raises: SpecError where `without` or `renamed` names nothing.
    """
    own = spec.facts("mappings", mapping)
    if "extends" not in own:
        return own
    base = extended(own["extends"])
    change = _Change(f"specs/mappings/{mapping}.toml", own)
    found: dict[str, Any] = {**base, **{key: value for key, value in own.items() if key not in _OWN}}
    found["fields"] = (*change.fields(base.get("fields", ())), *own.get("fields", ()))
    found["rows"] = (*change.rows(base.get("rows", ())), *own.get("rows", ()))
    for key in _MERGED:
        if key in base and key in own:
            found[key] = MappingProxyType({**base[key], **own[key]})
    change.finish()
    return MappingProxyType(found)


class _Change:
    """What one mapping changes in the lines of another."""

    def __init__(self, where: str, own: Facts) -> None:
        self._where = where
        self._without = dict.fromkeys(own.get("without", ()), False)
        self._renamed = own.get("renamed", {})
        self._met = dict.fromkeys(self._renamed, False)
        self._said = {entry["at"] for entry in own.get("fields", ())}
        self._said |= {place["at"] for entry in own.get("rows", ()) for place in entry.get("places", (entry,))}

    def fields(self, entries: Iterable[Facts]) -> list[Facts]:
        """Return the lines that stay, under their names here."""
        found: list[Facts] = []
        for entry in entries:
            at = self._place(entry["at"])
            if at is None:
                continue
            copies = [{**other, "at": name} for other in entry.get("copies", ()) if (name := self._place(other["at"])) is not None]
            also = [name for other in entry.get("also", ()) if (name := self._place(other) if "." in other else other) is not None]
            more = {key: tuple(value) for key, value in (("copies", copies), ("also", also)) if key in entry}
            found.append(MappingProxyType({**entry, "at": at, **more}))
        return found

    def rows(self, entries: Iterable[Facts]) -> list[Facts]:
        """Return the kinds of rows that stay, with the places they keep."""
        found: list[Facts] = []
        for entry in entries:
            if "places" in entry:
                places = tuple({**place, "at": at} for place in entry["places"] if (at := self._place(place["at"])) is not None)
                if places:
                    found.append(MappingProxyType({**entry, "places": places}))
            elif (at := self._place(entry["at"])) is not None:
                found.append(MappingProxyType({**entry, "at": at}))
        return found

    def _place(self, path: str) -> str | None:
        """Return the name of a path here, None where it is left out or said anew."""
        for prefix in self._without:
            if _below(path, prefix):
                self._without[prefix] = True
                return None
        for prefix in sorted(self._renamed, key=len, reverse=True):
            if _below(path, prefix):
                self._met[prefix] = True
                path = self._renamed[prefix] + path[len(prefix) :]
                break
        return None if path in self._said else path

    def finish(self) -> None:
        """Raise SpecError where a change names nothing."""
        idle = [path for path, met in {**self._without, **self._met}.items() if not met]
        if idle:
            raise SpecError(f"{self._where}: '{idle[0]}' is no path of the mapping it extends")


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith((f"{prefix}.", f"{prefix}["))
