"""A Neware file read as far as it goes, with what was said about it."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from bdx import formats, mapping
from bdx.errors import TruncatedSource
from bdx.formats.source import Source
from bdx.spec import FormatSpec


def read_as(spec: FormatSpec, path: Path | Source) -> tuple[pa.Table | None, dict[str, Any], Source, str]:
    """Return the time series, the test row, the source with its log and the error that came after them."""
    source = path if isinstance(path, Source) else Source(str(path))
    context = mapping.Context(source=source.uri, source_id="s1", log=source.log)
    series, row, error = [], {}, ""
    try:
        for chunk in mapping.to_canonical(formats.read(source, spec), spec, context):
            series += [chunk["timeseries"]] if "timeseries" in chunk else []
            row = chunk["test"].to_pylist()[0] if "test" in chunk else row
    except TruncatedSource as fault:
        error = str(fault)
    return (pa.Table.from_batches(series) if series else None), row, source, error


def codes(source: Source) -> dict[str, Any]:
    """Return the findings of a source by their codes."""
    return {finding.code: finding for finding in source.log.findings}
