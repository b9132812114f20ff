"""Which model and version a JSON document is of: what it says itself, else the keys it has."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from bdx.errors import CorruptSource, UnsupportedVersion
from bdx.spec import Facts, FormatSpec


class OtherModel(CorruptSource):
    """A record among others is of another model than they are."""


def release_of(value: dict[str, Any], spec: FormatSpec, uri: str, locator: str) -> str:
    """Return the model and version of a document: what it says itself, else the first release whose keys fit, else the newest.

    Raises: UnsupportedVersion for a version whose shape differs from all that are read.
    """
    at = spec.raw.get("version_at")
    told = lookup(value, at["path"]) if at else None
    if isinstance(told, str):
        version = _version_in(told, at["pattern"])  # type: ignore[index]
        if version and version not in spec.versions:
            raise UnsupportedVersion(f"is {spec.id} {version}; bdx reads {', '.join(spec.versions)}", path=uri, offset=locator or None)
        if version:
            return f"{spec.id}@{version}"
    for row in spec.raw.get("other_version", ()):
        if _fits(value, row):
            what = f"is {spec.id} {row['version']} (it holds '{row['has'][0]}'); bdx reads {', '.join(spec.versions)}"
            advice = f"; {row['advice']}" if "advice" in row else ""
            raise UnsupportedVersion(what + advice, path=uri, offset=locator or None)
    for row in spec.raw.get("release", ()):
        if _fits(value, row):
            return f"{spec.id}@{row['version']}"
    return spec.full_id


@lru_cache(maxsize=256)
def _version_in(told: str, pattern: str) -> str:
    found = re.search(pattern, told)
    return found[1] if found else ""


def belongs(value: dict[str, Any], spec: FormatSpec) -> bool:
    """Say whether a document has the keys of one of the spec's `root` groups, none of `root_not`."""
    groups = spec.raw.get("root", ())
    if groups and not any(all(key in value for key in group) for group in groups):
        return False
    return not any(key in value for key in spec.raw.get("root_not", ()))


def _fits(value: dict[str, Any], row: Facts) -> bool:
    """Say whether a document holds all paths that a row `has`, at least one that it has `any` of, and none that it `lacks`."""
    some = row.get("any", ())
    return (
        all(lookup(value, path) is not None for path in row.get("has", ()))
        and (not some or any(lookup(value, path) is not None for path in some))
        and not any(lookup(value, path) is not None for path in row.get("lacks", ()))
    )


def lookup(value: Any, path: str) -> Any:
    """Return what stands at a path such as `a.b`, None where nothing does; of a list, `[]`, the first item counts, or the one of `[1]`."""
    for step in path.split("."):
        if not isinstance(value, dict):
            return None
        key, bracket, number = step.removesuffix("]").partition("[")
        value = value.get(key)
        if bracket:
            at = int(number or 0)
            value = value[at] if isinstance(value, list) and len(value) > at else None
    return value
