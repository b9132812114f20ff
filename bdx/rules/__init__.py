"""The rule engine: masks and folds over canonical tables, JSON Schema over documents; it never changes data."""

from __future__ import annotations

from bdx.rules.choice import chosen
from bdx.rules.engine import Checker

__all__ = ["Checker", "chosen"]
