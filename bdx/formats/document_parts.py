"""A model in parts: a lone part in its place of the whole, parts under other spellings of their names, parts laid into one object."""

from __future__ import annotations

from typing import Any

from bdx.spec import Facts, FormatSpec


def whole(value: dict[str, Any], spec: FormatSpec) -> dict[str, Any]:
    """Return a document as the model's whole: every part under its name.

    A part named in another case, or by one of its `also` names, gets its name; a lone part is put under it. The fields of several parts
    in one object are shared out where the spec says that they are `laid_flat`; what no part has goes with the first of them.
    """
    parts: tuple[Facts, ...] = spec.raw.get("part", ())
    if not parts:
        return value
    named = {key: name for key, item in value.items() if isinstance(item, dict) and (name := _names(spec.id, parts).get(folded(key)))}
    if named:
        return value if all(key == name for key, name in named.items()) else _renamed(value, named)
    found = [part for part in parts if any(key in value for key in part["keys"])]
    if len(found) > 1 and spec.raw.get("laid_flat"):
        return _shared_out(value, found)
    return {found[0]["name"]: value} if found else value


def folded(key: str) -> str:
    """Return a key without case, dashes, underscores and blanks."""
    return key.casefold().replace("_", "").replace("-", "").replace(" ", "")


_KNOWN: dict[str, dict[str, str]] = {}


def _names(model: str, parts: tuple[Facts, ...]) -> dict[str, str]:
    """Return the name of each part by every spelling that is read, folded."""
    known = _KNOWN.get(model)
    if known is None:
        known = _KNOWN[model] = {folded(key): part["name"] for part in parts for key in (part["name"], *part.get("also", ()))}
    return known


def _renamed(value: dict[str, Any], named: dict[str, str]) -> dict[str, Any]:
    """Return the document with its parts under their names; a part that is there twice keeps its second spelling."""
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = named.get(key, key)
        found[key if name in found or (name != key and name in value) else name] = item
    return found


def _shared_out(value: dict[str, Any], parts: list[Facts]) -> dict[str, Any]:
    owner = {key: part["name"] for part in reversed(parts) for key in part["keys"]}
    found: dict[str, Any] = {part["name"]: {} for part in parts}
    for key, item in value.items():
        found[owner.get(key) or parts[0]["name"]][key] = item
    return found


def lone_part(value: dict[str, Any], spec: FormatSpec) -> str:
    """Return the name of the part that a document is on its own, "" for one that names its parts or is of several."""
    parts: tuple[Facts, ...] = spec.raw.get("part", ())
    if not parts or any(isinstance(item, dict) and folded(key) in _names(spec.id, parts) for key, item in value.items()):
        return ""
    found = [part["name"] for part in parts if any(key in value for key in part["keys"])]
    return found[0] if len(found) == 1 or (found and not spec.raw.get("laid_flat")) else ""
