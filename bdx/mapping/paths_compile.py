"""Compiles the generated reader and writer of a mapping, once per mapping and choice of options."""

from __future__ import annotations

from functools import cache
from typing import Any

from bdx.mapping.paths_plan import plan
from bdx.mapping.paths_source_read import ReaderSource
from bdx.mapping.paths_source_write import WriterSource
from bdx.mapping.paths_tree import Scope
from bdx.mapping.transforms_base import Options


@cache
def reader(mapping: str, options: Options) -> Any:
    """Return the compiled `make` of a mapping's reader."""
    source = ReaderSource(plan(mapping, options))
    return _compile(source.text(), source.names, mapping, "reader")


@cache
def writer(mapping: str, options: Options) -> tuple[Any, list[tuple[Scope, Any]]]:
    """Return the compiled `make` of a mapping's writer, and the scope and node of each of its cells."""
    source = WriterSource(plan(mapping, options))
    return _compile(source.text(), source.names, mapping, "writer"), source.leaves


def _compile(text: str, names: dict[str, Any], mapping: str, role: str) -> Any:
    code = compile(text, f"<bdx {role} of {mapping}>", "exec")
    exec(code, names)  # noqa: S102 - the source is generated from our own checked specs; document text never enters it
    return names["make"]
