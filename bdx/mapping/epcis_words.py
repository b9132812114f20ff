"""The step vocabulary by the public terms that EPCIS can carry as URIs."""

from __future__ import annotations

from functools import cache

from bdx import spec


@cache
def uris_of_steps() -> dict[str, str]:
    """Return the public term of each canonical step that has one."""
    rows = spec.load(spec.root() / "vocabulary.toml", "vocabulary")["step"]
    return {row["code"]: row["bvco"] for row in rows if row.get("bvco")}


@cache
def steps_by_uri() -> dict[str, str]:
    """Return the canonical step of each public term that only one step has."""
    terms = list(uris_of_steps().values())
    return {uri: code for code, uri in uris_of_steps().items() if terms.count(uri) == 1}
