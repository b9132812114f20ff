"""Loss: what a model cannot carry of another, by the mappings alone; and the matrix of all pairs."""

from __future__ import annotations

from bdx import formats, mapping, spec
from bdx.errors import UsageError
from bdx.mapping.paths_compare import Comparison, compare
from bdx.spec import FormatSpec

__all__ = ["Comparison", "loss", "models"]


def models() -> list[FormatSpec]:
    """Return the formats that are document models with a mapping in both directions, by id."""
    return [item for item in spec.formats() if item.world == "passport" and _is_model(item)]


def loss(source: str, target: str) -> Comparison:
    """Return what `target` cannot carry of what `source` holds; both are names such as `idta-02035` or `battery-pass@1.2.0`.

    Raises: UsageError where either is no document model, or the target cannot be written.
    """
    ours, theirs = _model(source), _model(target)
    if not theirs.writes:
        raise UsageError(f"{theirs.full_id} can be read, not written")
    return compare(ours.mapping or ours.id, theirs.mapping or theirs.id)


def _model(name: str) -> FormatSpec:
    found = formats.resolve(name)
    if found.world == "canonical":
        raise UsageError(f"{found.id} holds every canonical column; loss compares document models: {', '.join(i.id for i in models())}")
    if not _is_model(found):
        raise UsageError(f"{found.id} is no document model; loss compares {', '.join(i.id for i in models())}")
    return found


def _is_model(item: FormatSpec) -> bool:
    return spec.has("mappings", item.mapping or item.id) and mapping.facts_of(item)["kind"] == "paths"
