"""What a conversion did, and the error of one that would lose something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bdx.canon import Finding, Loss
from bdx.errors import SinkError

TOLD = 200_000
"""Rows of evidence that stay in memory for the result; the file of evidence has them all."""


@dataclass(slots=True)
class ConvertResult:
    """What a conversion did: rows written per table, findings met on the way, what was not carried, gaps of the target."""

    destination: str
    format: str
    rows: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    told: list[pa.RecordBatch] = field(default_factory=list)
    """Rows of the table `evidence`, as they came."""
    evidence_file: str = ""
    """Where the evidence was written, "" where it was not."""
    evidence_rows: int = 0
    gaps: Any = None
    rejected: int = 0

    @property
    def written(self) -> dict[str, int]:
        """Rows per table less those that the target has no place for, as the losses name them; none of those lost whole."""
        lost: dict[str, int] = {}
        for loss in self.losses:
            name = loss.what.removeprefix("table ").removeprefix("rows of ")
            lost[name] = lost.get(name, 0) + loss.count
        return {table: left for table, rows in self.rows.items() if (left := rows - lost.get(table, 0)) > 0}

    @property
    def evidence(self) -> list[dict[str, Any]]:
        """Which source, method and place each value came from that is not of its record's own source, or was repaired or given."""
        return [row for batch in self.told for row in batch.to_pylist()]


class LossError(SinkError):
    """The target cannot hold everything and --strict was given; nothing was written (exit 1)."""

    exit_code = 1
