"""The only room that knows formats, mapping, rules and gaps together: convert, validate, gaps, inspect, diff, read."""

from bdx.pipeline.reading import read

__all__ = ["read"]
